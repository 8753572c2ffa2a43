"""From the definitions of tables and views to SQL, to Arrow types and to the data dictionary of the docs.

Lives here: what can be made of the definitions. No rows.
"""

import functools
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import duckdb
import pyarrow as pa

from openmart_pipeline.warehouse.tables import PHONES, TABLES, Column, Table
from openmart_pipeline.warehouse.views import VIEWS

_ARROW_TYPES = {
    "VARCHAR": pa.string(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "TIMESTAMP": pa.timestamp("us"),
    "VARCHAR[]": pa.list_(pa.string()),
    "BIGINT[]": pa.list_(pa.int64()),
    PHONES: pa.list_(
        pa.struct(
            [
                ("number", pa.string()),
                ("e164", pa.string()),
                ("region", pa.string()),
                ("line_type", pa.string()),
                ("number_type", pa.string()),
                ("valid", pa.bool_()),
            ]
        )
    ),
}

STORED_VIEW = "stored view"
_MADE_FROM = "views_made_from"  # says in a private file which definitions its views follow


@dataclass(frozen=True, slots=True)
class DictionaryEntry:
    """A line of the data dictionary; `column` and `type` are empty for the table or view itself."""

    table: str
    kind: str  # table, view or stored view
    column: str
    type: str
    comment: str


def data_dictionary() -> list[DictionaryEntry]:
    """Return every table, view and column with its comment, in the order of the definitions."""
    entries: list[DictionaryEntry] = []
    for defined in (*TABLES, *VIEWS):
        kind = "table" if isinstance(defined, Table) else STORED_VIEW if defined.is_stored else "view"
        entries.append(DictionaryEntry(defined.name, kind, "", "", defined.comment))
        entries += [DictionaryEntry(defined.name, kind, c.name, c.type, c.comment) for c in defined.columns]
    return entries


def arrow_schema(columns: Iterable[Column]) -> pa.Schema:
    """Return the Arrow schema that goes into these columns without a cast."""
    return pa.schema([(column.name, _ARROW_TYPES[column.type]) for column in columns])


def table_columns() -> set[tuple[str, str, str]]:
    """Return (table, column, type) of every table, as a database made by this version has them."""
    return {(table.name, column.name, column.type) for table in TABLES for column in table.columns}


def creation_sql() -> Iterator[str]:
    """Yield the statements that make the tables and views of a new database; `described_view_sql` adds the comments."""
    for table in TABLES:
        columns = ", ".join(f'"{column.name}" {column.type}' for column in table.columns)
        yield f"CREATE TABLE {table.name} ({columns})"
    yield from _view_sql()


def described_view_sql() -> Iterator[str]:
    """Yield the statements that make the views and write what analysts read about them and the tables.

    They may be run again at any time. The comments of a stored view are written where it is stored.
    """
    yield from _view_sql()
    for entry in data_dictionary():
        if entry.kind != STORED_VIEW:
            yield _comment_sql(entry)
    yield f"CREATE OR REPLACE MACRO {_MADE_FROM}() AS '{_views_digest()}'"


def views_are_described(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the views and comments of a database are this version's: making them takes a tenth of a second."""
    try:
        made_from = connection.execute(f"SELECT {_MADE_FROM}()").fetchone()
    except duckdb.CatalogException:  # made before there was such a mark
        return False
    return made_from == (_views_digest(),)


@functools.cache
def _views_digest() -> str:
    comments = (entry.comment for entry in data_dictionary())
    return hashlib.sha256("\n".join([*_view_sql(), *comments]).encode()).hexdigest()


def _view_sql() -> Iterator[str]:
    for view in VIEWS:
        yield f"CREATE OR REPLACE VIEW {view.name} AS {view.select}"


def stored_view_sql() -> Iterator[str]:
    """Yield the statements that make tables, of the same names, of the views that are stored."""
    for view in VIEWS:
        if view.is_stored:
            yield f"CREATE TABLE being_stored AS FROM {view.name}"
            yield f"DROP VIEW {view.name}"
            yield f"ALTER TABLE being_stored RENAME TO {view.name}"
    for entry in data_dictionary():
        if entry.kind == STORED_VIEW:
            yield _comment_sql(replace(entry, kind="table"))
    yield f"DROP MACRO {_MADE_FROM}"


def _comment_sql(entry: DictionaryEntry) -> str:
    comment = entry.comment.replace("'", "''")
    if entry.column:
        return f"COMMENT ON COLUMN {entry.table}.\"{entry.column}\" IS '{comment}'"
    kind = "TABLE" if entry.kind == "table" else "VIEW"
    return f"COMMENT ON {kind} {entry.table} IS '{comment}'"
