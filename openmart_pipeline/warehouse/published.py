"""Reading the published database as an analyst may: one statement, in a connection that can do nothing else.

Lives here: the locked-down connection and its results. No turn is taken: the published file is never locked by us.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from openmart_pipeline.warehouse.warehouse_errors import (
    WarehouseBusy,
    WarehouseError,
    first_line,
    in_words,
)

T = TypeVar("T")
CHUNK_ROWS = 10_000  # of a result in memory at once
# Whoever may send SQL may be a colleague, a script or a text from anywhere: reading the database is all it can do.
_LOCKED_DOWN: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",  # no file but this one, no network, no ATTACH, no COPY
    "temp_directory": "",  # a query too large for its memory fails; it doesn't write beside the database
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "python_enable_replacements": "false",  # a Python variable must never stand in for a table
}
_AND_THEN = ("SET TimeZone = 'UTC'", "SET lock_configuration = true")  # from here on SQL can take nothing back
_READS = ("SELECT", "EXPLAIN", "MULTI")  # DESCRIBE, SHOW and SUMMARIZE are SELECT too; PIVOT is MULTI


class QueryRefused(WarehouseError):
    """The SQL can't be run here: wrong, or something other than one reading statement."""


class NothingPublished(WarehouseError):
    """There is no published database yet."""


@dataclass(frozen=True, slots=True)
class Result:
    """The rows of a statement; they can be read once, while the connection is open."""

    columns: tuple[str, ...]
    schema: pa.Schema
    chunks: Iterator[pa.RecordBatch]


class PublishedReader:
    """An open, locked-down connection: every statement on it sees the same publication."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Read through `connection`; `open_published` makes and closes it."""
        self._connection = connection

    def run(self, sql: str, params: Sequence[object] = ()) -> Result:
        """Run one reading statement; its rows are to be read before the next.

        Raises:
            QueryRefused: DuckDB does not take the SQL; its own words.

        """
        try:
            _refuse_all_but_one_read(sql)
            reader = self._aside(
                lambda: self._connection.sql(sql, params=list(params) or None).to_arrow_reader(CHUNK_ROWS)
            )
        except duckdb.Error as error:
            raise QueryRefused(_in_words_of_sql(error)) from error
        return Result(tuple(reader.schema.names), reader.schema, self._chunks(reader))

    def _chunks(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        try:
            while (chunk := self._aside(lambda: next(reader, None))) is not None:
                yield chunk
        except OSError as error:  # Arrow's word for whatever DuckDB said in the middle of a result
            raise QueryRefused(str(error).strip()) from error

    def _aside(self, work: Callable[[], T]) -> T:
        """Work in another thread: this one hears Ctrl-C at once, and DuckDB hears of it from here.

        While DuckDB works it looks for signals now and then, and sometimes never.
        """
        with ThreadPoolExecutor(max_workers=1) as other:
            try:
                done: Iterator[T] = other.map(lambda todo: todo(), [work])
                return next(done)
            except KeyboardInterrupt:
                self._connection.interrupt()
                raise

    def rows(self, sql: str, params: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a statement whose result is small."""
        chunks = self.run(sql, params).chunks
        return [row for chunk in chunks for row in zip(*(c.to_pylist() for c in chunk.columns), strict=True)]


@contextlib.contextmanager
def open_published(published_path: Path, *, memory_limit: str = "1GB") -> Iterator[PublishedReader]:
    """Open the published database; a publication meanwhile changes nothing for whoever has it open.

    Raises:
        NothingPublished: the file is not there.
        WarehouseBusy: somebody opened the published file for writing.

    """
    with contextlib.closing(_opened(published_path, memory_limit)) as connection:
        yield PublishedReader(connection)


@contextlib.contextmanager
def reading_published(
    published_path: Path, sql: str, params: Sequence[object] = (), *, memory_limit: str = "1GB"
) -> Iterator[Result]:
    """Run one reading statement on the published database and yield its rows, a chunk at a time.

    Raises:
        NothingPublished, WarehouseBusy: as `open_published`.
        QueryRefused: as `PublishedReader.run`.

    """
    with open_published(published_path, memory_limit=memory_limit) as reader:
        yield reader.run(sql, params)


def _in_words_of_sql(error: duckdb.Error) -> str:
    if isinstance(error, duckdb.OutOfMemoryException):
        return f"The query needs more memory than it may use ({first_line(error)}): ask for less at a time."
    return str(error).strip()


def _refuse_all_but_one_read(sql: str) -> None:
    statements = duckdb.extract_statements(sql)
    kinds = [statement.type.name for statement in statements]
    if len(kinds) != 1:
        raise QueryRefused(f"This is {len(kinds)} statements: write exactly one.")
    if kinds[0] not in _READS:
        raise QueryRefused(
            f"{kinds[0]} is not possible here: the published database is only read. To keep a result, use "
            "`openmart-pipeline export FILE --sql ...`, or copy the database and work on the copy."
        )


def _opened(published_path: Path, memory_limit: str) -> duckdb.DuckDBPyConnection:
    if not published_path.exists():
        raise NothingPublished(
            f"There is no published database at {published_path} yet: run `openmart-pipeline run FILE` or "
            "`openmart-pipeline demo`, or materialize published_database."
        )
    try:
        connection = duckdb.connect(
            published_path, read_only=True, config={**_LOCKED_DOWN, "memory_limit": memory_limit}
        )
    except duckdb.IOException as error:
        if "Could not set lock" in str(error):
            raise WarehouseBusy(
                f"Somebody has {published_path.name} open for writing ({first_line(error)}). Close it there and open "
                "it read-only instead; the next publication puts a fresh file in its place either way."
            ) from error
        raise in_words(error, published_path.name) from error
    for statement in _AND_THEN:
        connection.execute(statement)
    return connection
