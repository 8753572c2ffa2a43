"""A new warehouse laid ready, with all its views and comments: making one takes a quarter of a second, and every test
that runs the pipeline needs one.

No claims here. Those about making it are where the warehouse is tested, which lay nothing.
"""

import contextlib
import os
import tempfile
from functools import cache
from pathlib import Path

from openmart_pipeline.intake.input_files import DataFolder
from openmart_pipeline.warehouse.connection import WarehouseFile
from openmart_pipeline.warehouse.definitions_sql import described_view_sql


def lay_warehouse(data_dir: Path) -> None:
    """Put a new warehouse into the data folder, whole and in one step; nothing happens where there is one."""
    path = DataFolder(data_dir).warehouse
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        aside = Path(folder) / path.name
        aside.write_bytes(_new_warehouse())
        with contextlib.suppress(FileExistsError):  # made by another process meanwhile
            os.link(aside, path)


@cache
def _new_warehouse() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = WarehouseFile(Path(folder) / "warehouse.duckdb", memory_limit="1GB", turn_timeout_s=10)
        with file.writing() as connection:
            for statement in described_view_sql():
                connection.execute(statement)
        file.checkpoint()
        return file.path.read_bytes()
