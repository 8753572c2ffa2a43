"""A new private file in the old one's place: with the same rows, or made anew from the ledger.

Lives here: the copy and the step that puts a file in place. No table's contents.
"""

import os

from openmart_pipeline.warehouse.connection import WarehouseFile, remove_side_files
from openmart_pipeline.warehouse.tables import TABLES
from openmart_pipeline.warehouse.warehouse_errors import unwritable


def compact(file: WarehouseFile) -> None:
    """Copy every row into a new file and put it in the old one's place; a kill leaves the one or the other.

    Deleting in DuckDB leaves the deleted text in the file's blocks; the new file never had it.

    Raises:
        WarehouseUnwritable: no space for the copy; the file is as it was.

    """
    with file.turn():
        fresh = file.beside(".compacting")
        fresh.discard()
        file.checkpoint()
        with fresh.writing() as connection:
            connection.execute("ATTACH ? AS old (READ_ONLY)", [str(file.path)])
            for table in TABLES:
                connection.execute(f"INSERT INTO {table.name} BY NAME SELECT * FROM old.{table.name}")  # noqa: S608  our constants
        take_over(file, fresh)
        fresh.discard(with_lock=True)


def take_over(file: WarehouseFile, fresh: WarehouseFile) -> None:
    """Put a file that nobody else uses in the place of `file`, in one step; whoever waits for a turn gets the new one.

    Raises:
        WarehouseUnwritable: the disk refuses; the file is as it was.

    """
    with file.turn():
        fresh.checkpoint()
        try:
            fresh.path.replace(file.path)
            remove_side_files(file.path)
            folder = os.open(file.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise unwritable(error, file.path.name) from error
