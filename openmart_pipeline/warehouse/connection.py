"""Turns at the private file: one process, one thread, one short connection at a time.

Lives here: the lock beside the file, opening, transactions, and errors in words. No table's contents.
"""

import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import filelock

from openmart_pipeline.warehouse.definitions_sql import creation_sql, table_columns
from openmart_pipeline.warehouse.warehouse_errors import (
    WarehouseBusy,
    WarehouseOutdated,
    WarehouseUnwritable,
    first_line,
    in_words,
    unwritable,
)

# Files of DuckDB 2's own default open in no earlier version; this one opens in 1.4 and everything after.
STORAGE_VERSION = "v1.4.0"
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "storage_compatibility_version": STORAGE_VERSION,
    "python_enable_replacements": "false",  # a Python variable must never stand in for a table
    "autoinstall_known_extensions": "false",  # nothing is fetched from the network
}
LOCK_POLL_S = 0.02  # a turn is held for tens of milliseconds, mostly
_SIDE_FILES = (".wal", ".wal.checkpoint", ".wal.recovery")  # what DuckDB may leave beside a database


# Says in a private file that text which was deleted may still stand in its blocks; a new file never has it.
_HOLDS_DELETED = "holds_deleted_rows"


def delete_rows(connection: duckdb.DuckDBPyConnection, table: str, input_file: str) -> int:
    """Delete the file's rows of a table; return how many there were. Their text stays in the database's blocks."""
    deleted = connection.execute(f"DELETE FROM {table} WHERE input_file = ?", [input_file]).fetchone()  # noqa: S608  our constants
    return int(deleted[0]) if deleted else 0


def note_deleted(connection: duckdb.DuckDBPyConnection) -> None:
    """Remember that text was deleted which nothing else repeats: the file is rewritten before it is published."""
    connection.execute(f"CREATE OR REPLACE MACRO {_HOLDS_DELETED}() AS true")


def holds_deleted_rows(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether rows were deleted since the file was last rewritten."""
    known = "SELECT 1 FROM duckdb_functions() WHERE function_name = ?"
    return connection.execute(known, [_HOLDS_DELETED]).fetchone() is not None


def remove_side_files(database: Path) -> None:
    """Remove what a session left beside a database that is about to be replaced or discarded."""
    for suffix in _SIDE_FILES:
        database.with_name(database.name + suffix).unlink(missing_ok=True)


class WarehouseFile:
    """The pipeline's own database file: readers of ours wait their turn too, analysts never come here.

    A reader in another process would make every writer fail for as long as it reads, so reading takes turns
    as well.
    """

    def __init__(self, path: Path, *, memory_limit: str, turn_timeout_s: float) -> None:
        """Open nothing yet; `memory_limit` bounds each connection (DuckDB's default: 80 % of RAM)."""
        self.path = path
        self.turn_timeout_s = turn_timeout_s
        self.memory_limit = memory_limit
        self._is_prepared = False
        self._engine: duckdb.DuckDBPyConnection | None = None
        self._lock = filelock.FileLock(path.with_name(path.name + ".lock"), poll_interval=LOCK_POLL_S)

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the lock beside the file: freed by any death of the process, kill -9 included.

        Raises:
            WarehouseBusy: nobody let go within `turn_timeout_s`.
            WarehouseUnwritable: the folder can't be made or written to.

        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=self.turn_timeout_s)
        except filelock.Timeout as error:
            raise WarehouseBusy(
                f"Another process has been writing to {self.path.name} for over {self.turn_timeout_s:.0f} s. "
                "Nothing was changed and nothing is lost; run this step again when the other one has ended."
            ) from error
        except OSError as error:
            raise unwritable(error, self.path.name) from error
        try:
            yield
        finally:
            self._lock.release()

    @contextlib.contextmanager
    def writing(self, *, memory_limit: str | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """Take a turn and run the block as one transaction: all of it is there afterwards, or none.

        `memory_limit` is the block's own, where it can do with less than the file's.
        """
        with self.turn(), self._connection(read_only=False) as connection, self._frugal(connection, memory_limit):
            connection.execute("BEGIN")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(duckdb.Error):  # a commit that failed has rolled back already
                    connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def reading(self, *, memory_limit: str | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """Take a turn to read; the connection can't write. `memory_limit` as for `writing`."""
        with self.turn(), self._connection(read_only=True) as connection, self._frugal(connection, memory_limit):
            yield connection

    @contextlib.contextmanager
    def _frugal(self, connection: duckdb.DuckDBPyConnection, memory_limit: str | None) -> Iterator[None]:
        if memory_limit is None:
            yield
            return
        connection.execute(f"SET memory_limit = '{memory_limit}'")
        yield  # after an error the engine is not used again
        connection.execute(f"SET memory_limit = '{self.memory_limit}'")

    def checkpoint(self) -> None:
        """Bring everything into the one file, so that copying it copies all there is.

        Raises:
            WarehouseUnwritable: a log is still beside the file.

        """
        with self.turn(), self._connection(read_only=False) as connection:
            connection.execute("CHECKPOINT")
        if self.path.with_name(self.path.name + ".wal").exists():
            raise WarehouseUnwritable(
                f"{self.path.name} could not be brought into one file. Nothing is lost, and nothing was "
                "published: check the disk and run this step again."
            )

    def beside(self, suffix: str) -> "WarehouseFile":
        """Return another file of the same kind, next to this one."""
        path = self.path.with_name(self.path.name + suffix)
        return WarehouseFile(path, memory_limit=self.memory_limit, turn_timeout_s=self.turn_timeout_s)

    def discard(self, *, with_lock: bool = False) -> None:
        """Remove the file and everything beside it; its lock only where nobody else can be waiting for it."""
        with self.turn():
            self.path.unlink(missing_ok=True)
            remove_side_files(self.path)
            if with_lock:
                Path(self._lock.lock_file).unlink(missing_ok=True)

    def discard_if_unused(self) -> None:
        """Remove the file and everything beside it, unless a living process has its turn at it."""
        with contextlib.suppress(filelock.Timeout):
            self._lock.acquire(blocking=False)
            try:
                self.path.unlink(missing_ok=True)
                remove_side_files(self.path)
            finally:
                self._lock.release()

    @contextlib.contextmanager
    def _connection(self, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        try:
            if not self._is_prepared or not self.path.exists():  # once: asking for all columns takes 15 ms
                with self.attached(self.path, read_only=False) as connection:
                    self._prepare(connection)
            with self.attached(self.path, read_only=read_only) as connection:
                yield connection
        except duckdb.Error as error:
            raise in_words(error, self.path.name) from error

    @contextlib.contextmanager
    def attached(self, path: Path, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        """Attach this file, or a copy of it, to an engine that outlives the turn; for a caller whose turn it is.

        Starting an engine takes twenty times as long as attaching a file. It lets go of the file at the end, so that
        the next turn may be anybody's.
        """
        spilled = self.path.with_name(self.path.name + ".tmp")
        shutil.rmtree(spilled, ignore_errors=True)  # by a killed process; the lock says that nobody else is using it
        if self._engine is None:
            config = {**_CONFIG, "memory_limit": self.memory_limit, "temp_directory": str(spilled)}
            self._engine = duckdb.connect(config=config)
        connection = self._engine.cursor()
        try:
            self._attach(connection, path, read_only=read_only)
            yield connection
            connection.execute("USE memory")
            connection.execute("DETACH warehouse")
        except BaseException:
            connection.close()
            self._stop_engine()  # whatever state it is in
            raise
        connection.close()
        if spilled.exists():
            self._stop_engine()  # it would remove the folder at a time of its own choosing: in another's turn

    def _stop_engine(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()

    def _attach(self, connection: duckdb.DuckDBPyConnection, path: Path, *, read_only: bool) -> None:
        """Attach a file; wait while somebody outside the pipeline, a careless analyst, holds it."""
        quoted = str(path).replace("'", "''")
        how = " (READ_ONLY)" if read_only else ""
        give_up_at = time.monotonic() + self.turn_timeout_s
        pause_s = LOCK_POLL_S
        while True:
            try:
                connection.execute(f"ATTACH '{quoted}' AS warehouse{how}")
                break
            except duckdb.IOException as error:
                if "Could not set lock" not in str(error):
                    raise
                if time.monotonic() >= give_up_at:
                    raise WarehouseBusy(
                        f"Another program has {self.path.name} open ({first_line(error)}). It is the "
                        "pipeline's own file: close it there, read the published database instead, and run "
                        "this step again. Nothing is lost."
                    ) from error
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, 1.0)
        connection.execute("USE warehouse")

    def _prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make the tables of a new file, also where a kill left one without; refuse one with other tables."""
        found = set(
            connection.execute(
                "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal "
                "AND table_name IN (SELECT table_name FROM duckdb_tables())"
            ).fetchall()
        )
        if not found:
            connection.execute("BEGIN")
            for statement in creation_sql():
                connection.execute(statement)
            connection.execute("COMMIT")
        elif found != table_columns():
            raise WarehouseOutdated(
                f"{self.path.name} was made by another version of this program. Its tables can be made anew "
                "from the ledger and the stored company files, at no cost: run `openmart-pipeline rebuild`."
            )
        self._is_prepared = True
