"""Rows on their way in or out, as Parquet files beside the database: nobody holds a turn while rows are made.

Lives here: the staging folder, its end after any death, frames and columns to Parquet. Not here: DuckDB.
"""

import contextlib
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeAlias

import filelock
import pyarrow as pa
import pyarrow.parquet as pq

from openmart_pipeline.warehouse.connection import WarehouseFile
from openmart_pipeline.warehouse.definitions_sql import arrow_schema
from openmart_pipeline.warehouse.tables import Column
from openmart_pipeline.warehouse.warehouse_errors import unwritable

if TYPE_CHECKING:
    import pandas as pd

Rows: TypeAlias = "pa.Table | pd.DataFrame"


@contextlib.contextmanager
def staging_folder(file: WarehouseFile) -> Iterator[Path]:
    """Yield an empty folder that goes away with the block, or with the next caller's if we are killed.

    It stands beside the database, not in the system's temporary folder: it holds people's data and may be
    large.
    """
    prefix = file.path.name + ".staging-"
    folder = file.path.with_name(prefix + uuid.uuid4().hex)
    owner = filelock.FileLock(folder / "owner.lock", thread_local=False)
    with file.turn():  # so that nobody sees the folder without its owner
        for orphan in file.path.parent.glob(prefix + "*"):
            _remove_if_orphaned(orphan)
        folder.mkdir(mode=0o700)
        owner.acquire(blocking=False)
    try:
        yield folder
    finally:
        owner.release()
        shutil.rmtree(folder, ignore_errors=True)


def _remove_if_orphaned(folder: Path) -> None:
    probe = filelock.FileLock(folder / "owner.lock", thread_local=False)
    with contextlib.suppress(filelock.Timeout, OSError):
        probe.acquire(blocking=False)
        probe.release()
        shutil.rmtree(folder, ignore_errors=True)


class StagedRows:
    """A Parquet file being written, one row group at a time; use as a context manager."""

    def __init__(self, path: Path, columns: Iterable[Column]) -> None:
        """Start an empty file with these columns."""
        self.path = path
        self.rows = 0
        self._schema = arrow_schema(columns)
        with _disk_in_words(path):
            self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with _disk_in_words(self.path):
            self._writer.close()

    def add(self, rows: Rows) -> None:
        """Write rows of either kind.

        Raises:
            ValueError: a column is missing, or its values don't fit its type.

        """
        if isinstance(rows, pa.Table):
            self.add_table(rows)
        else:
            self.add_frame(rows)

    def add_frame(self, frame: "pd.DataFrame") -> None:
        """Write a frame's rows; columns beyond ours are left out.

        Raises:
            ValueError: a column is missing, or its values don't fit its type.

        """
        if missing := [name for name in self._schema.names if name not in frame.columns]:
            raise ValueError(f"rows without the columns {', '.join(missing)} can't be loaded")
        self._add(pa.Table.from_pandas(frame[self._schema.names], schema=self._schema, preserve_index=False))

    def add_table(self, table: pa.Table) -> None:
        """Write an Arrow table's rows; columns beyond ours are left out, texts may be dictionaries."""
        self._add(table.select(self._schema.names).cast(self._schema))

    def add_columns(self, columns: Mapping[str, Sequence[object]]) -> None:
        """Write rows given as one sequence of values per column."""
        self._add(pa.table(dict(columns), schema=self._schema))

    def _add(self, table: pa.Table) -> None:
        self.rows += table.num_rows
        with _disk_in_words(self.path):
            self._writer.write_table(table)


@contextlib.contextmanager
def _disk_in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unwritable(error, path.name) from error
