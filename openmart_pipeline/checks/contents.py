"""What a table of the warehouse holds for a file, in numbers: how many rows, and a digest of them.

Lives here: the digest that data versions are made of.
"""

from dataclasses import dataclass

from openmart_pipeline.warehouse import Warehouse, data_dictionary

_TABLES = {entry.table for entry in data_dictionary()}


@dataclass(frozen=True, slots=True)
class Held:
    """The rows of one file in one table."""

    rows: int
    rows_of_all_files: int
    digest: str  # equal rows, equal digest, in any order


def held(warehouse: Warehouse, table: str, input_file: str) -> Held:
    """Return how many rows the table holds, of the file and in all, and a digest of the file's."""
    if table not in _TABLES:
        raise ValueError(f"{table!r} is no table of the warehouse")
    # A sum, since rows that are equal would cancel each other out in an exclusive or.
    sql = f"""
        SELECT count(*), (SELECT count(*) FROM {table}), coalesce(sum(hash(t)::HUGEINT), 0)::VARCHAR
        FROM {table} t WHERE input_file = ?
    """  # noqa: S608  one of our tables
    rows, of_all, digest = warehouse.query(sql, [input_file])[0]
    return Held(rows=rows, rows_of_all_files=of_all, digest=digest)
