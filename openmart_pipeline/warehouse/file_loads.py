"""Replacing what is known of one input file before anything is bought: its rows, its plan, its batches.

Lives here: one transaction per table and file. Not here: answers (`answer_loads`), turns (`connection`).
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from openmart_pipeline.contacts.contact_fields import storable_text
from openmart_pipeline.model.answers import BatchRow, LeftRow, UnmatchedRow
from openmart_pipeline.warehouse.connection import WarehouseFile, delete_rows, note_deleted
from openmart_pipeline.warehouse.definitions_sql import arrow_schema
from openmart_pipeline.warehouse.staging import Rows, StagedRows, staging_folder
from openmart_pipeline.warehouse.tables import (
    COMPANIES,
    ENRICHMENT_PLAN,
    LEFT_ROWS,
    REJECTED_ROWS,
    SUBMITTED_BATCHES,
    UNMATCHED_RESULTS,
)
from openmart_pipeline.warehouse.times import utc
from openmart_pipeline.warehouse.warehouse_errors import RowsOutdated

# Rows go from Parquet into a table one group after the other: with eight times as much a million take as long.
LOAD_MEMORY = "128MB"
_OURS = ("input_file", "plan_id", "outcome", "reason")  # written by the load, not by who brings the rows
_COMPANY_COLUMNS = tuple(column for column in COMPANIES.columns if column.name not in _OURS)
COMPANY_COLUMNS = tuple(column.name for column in _COMPANY_COLUMNS)
# What a plan looks at: what the row said besides would be half of the bytes.
ASKING_COLUMNS = tuple(name for name in COMPANY_COLUMNS if name not in ("line", "website", "other"))
_REJECTED_COLUMNS = tuple(column for column in REJECTED_ROWS.columns if column.name != "input_file")
_LEFT_COLUMNS = tuple(column for column in LEFT_ROWS.columns if column.name != "input_file")
_PLAN_COLUMNS = tuple(column for column in ENRICHMENT_PLAN.columns if column.name not in ("input_file", "plan_id"))


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyCounts:
    """What a file's rows became."""

    rows: int
    companies: int
    set_aside: int
    set_aside_by_reason: dict[str, int] = field(default_factory=dict)


def note_file(connection: duckdb.DuckDBPyConnection, input_file: str) -> None:
    """Make sure that `input_files` knows the file; and the published database, from now on, is behind."""
    connection.execute(
        "INSERT INTO input_files (input_file) SELECT $1 WHERE $1 NOT IN (SELECT input_file FROM input_files)",
        [input_file],
    )
    connection.execute("DELETE FROM published_info")


def note_states(file: WarehouseFile, changed: list[list[str]]) -> None:
    """Write the states of these files, each given before its name."""
    with file.writing() as connection:
        connection.executemany("UPDATE input_files SET file_state = ? WHERE input_file = ?", changed)
        connection.execute("DELETE FROM published_info")


def replace_companies(
    file: WarehouseFile,
    input_file: str,
    file_sha256: str,
    reading: str,
    chunks: Iterable[tuple[Rows, Rows]],
    is_current: Callable[[], bool],
    now: dt.datetime,
) -> CompanyCounts:
    """Replace the file's rows in `companies` and `rejected_rows`.

    Rows of another version, or read in another way, end the plan of the old ones: what was bought by it is left behind
    in `withdrawn_rows`, with its contacts, until the file is planned anew.

    The chunks are consumed before the turn is taken: they may come from a slow reader, or read the warehouse.

    Raises:
        ValueError: a column is missing, or two kept rows have one `source_row`.
        RowsOutdated: something was erased since the rows were read; nothing was written.

    """
    with staging_folder(file) as folder:
        kept_path, rejected_path = str(folder / "kept.parquet"), str(folder / "rejected.parquet")
        with (
            StagedRows(folder / "kept.parquet", _COMPANY_COLUMNS) as kept,
            StagedRows(folder / "rejected.parquet", _REJECTED_COLUMNS) as rejected,
        ):
            for kept_rows, rejected_rows in chunks:
                kept.add(kept_rows)
                rejected.add(rejected_rows)
        with file.writing(memory_limit=LOAD_MEMORY) as connection:
            if not is_current():
                raise RowsOutdated(input_file)
            _refuse_doubled_rows(connection, kept_path)
            note_file(connection, input_file)
            _end_plan_of_other_rows(connection, input_file, file_sha256, reading, now)
            for table in (COMPANIES, REJECTED_ROWS):
                delete_rows(connection, table.name, input_file)
            connection.execute(
                "INSERT INTO companies BY NAME SELECT ? AS input_file, 'kept' AS outcome, * FROM read_parquet(?)",
                [input_file, kept_path],
            )
            connection.execute(
                "INSERT INTO companies BY NAME SELECT ? AS input_file, 'set_aside' AS outcome, source_row, "
                "line, reason FROM read_parquet(?)",
                [input_file, rejected_path],
            )
            connection.execute(
                "INSERT INTO rejected_rows BY NAME SELECT ? AS input_file, * FROM read_parquet(?)",
                [input_file, rejected_path],
            )
            connection.execute(
                "UPDATE input_files SET file_sha256 = ?, reading = ?, rows_in_file = ?, rows_set_aside = ?, "
                "companies_loaded_at = ? WHERE input_file = ?",
                [file_sha256, reading, kept.rows + rejected.rows, rejected.rows, utc(now), input_file],
            )
            reasons = connection.execute(
                "SELECT coalesce(reason, ''), count(*) FROM rejected_rows WHERE input_file = ? "
                "GROUP BY reason ORDER BY count(*) DESC, reason",
                [input_file],
            ).fetchall()
    return CompanyCounts(
        rows=kept.rows + rejected.rows,
        companies=kept.rows,
        set_aside=rejected.rows,
        set_aside_by_reason=dict(reasons),
    )


_LEAVE = """
INSERT INTO withdrawn_rows BY NAME
SELECT $input_file AS input_file, $now AS withdrawn_at, source_row, fingerprint, domain, title, company_name, city,
       state, country, version, max_k, info_access,
       (SELECT file_sha256 FROM input_files WHERE input_file = $input_file) AS file_sha256
FROM enrichment_plan
WHERE input_file = $input_file
  AND fingerprint IN (SELECT fingerprint FROM task_results WHERE input_file = $input_file)
  AND fingerprint NOT IN (SELECT fingerprint FROM withdrawn_rows WHERE input_file = $input_file)
QUALIFY row_number() OVER (PARTITION BY fingerprint ORDER BY source_row) = 1
"""


def _end_plan_of_other_rows(
    connection: duckdb.DuckDBPyConnection, input_file: str, file_sha256: str, reading: str, now: dt.datetime
) -> None:
    """Remove the questions of rows that are about to go; what was bought of them keeps its contacts until the plan."""
    is_other = connection.execute(
        "SELECT 1 FROM input_files WHERE input_file = ? AND (file_sha256 <> ? OR reading <> ?)",
        [input_file, file_sha256, reading],
    ).fetchone()
    if is_other:
        connection.execute(_LEAVE, {"input_file": input_file, "now": utc(now)})
        delete_rows(connection, "enrichment_plan", input_file)
        note_deleted(connection)


def _refuse_doubled_rows(connection: duckdb.DuckDBPyConnection, kept_path: str) -> None:
    """Raise when two rows share a number, which leads from a contact back to one row of the file."""
    doubled = connection.execute(
        "SELECT source_row FROM read_parquet(?) GROUP BY source_row HAVING count(*) > 1 ORDER BY 1 LIMIT 1",
        [kept_path],
    ).fetchone()
    if doubled:
        raise ValueError(f"two companies of the file have the source_row {doubled[0]}: nothing was loaded")


def company_tables(
    file: WarehouseFile, input_file: str, chunk_rows: int, columns: Sequence[str] = COMPANY_COLUMNS
) -> Iterator[pa.Table]:
    """Yield the file's kept rows in file order, as they were when the first chunk was asked for.

    They are copied out in one short turn, so the caller may take its time, and write to the warehouse
    meanwhile.
    """
    with staging_folder(file) as folder:
        copy = folder / "companies.parquet"
        names = ", ".join(columns)
        with file.reading(memory_limit=LOAD_MEMORY) as connection:
            connection.execute(
                f"COPY (SELECT {names} FROM companies WHERE input_file = $1 AND outcome = 'kept' "  # noqa: S608  our columns
                "ORDER BY source_row) TO $2 (FORMAT parquet)",
                [input_file, str(copy)],
            )
        with pq.ParquetFile(copy) as parquet:
            for batch in parquet.iter_batches(batch_size=chunk_rows):
                yield pa.Table.from_batches([batch])


def replace_plan(
    file: WarehouseFile,
    input_file: str,
    plan_id: str,
    chunks: Iterable[Rows],
    left: Iterable[Sequence[LeftRow]],
    now: dt.datetime,
) -> None:
    """Replace the questions that the file asks by those of this plan; the chunks may read the warehouse."""
    with staging_folder(file) as folder:
        with StagedRows(folder / "left.parquet", _LEFT_COLUMNS) as staged_left:
            for leaving in left:
                columns = dict(zip(LeftRow._fields, zip(*leaving, strict=True), strict=True))
                staged_left.add_columns({**columns, "withdrawn_at": [utc(row.withdrawn_at) for row in leaving]})
        with StagedRows(folder / "plan.parquet", _PLAN_COLUMNS) as staged:
            for rows in chunks:
                staged.add(rows)
        with file.writing(memory_limit=LOAD_MEMORY) as connection:
            note_file(connection, input_file)
            delete_rows(connection, "enrichment_plan", input_file)
            connection.execute(
                "INSERT INTO enrichment_plan BY NAME SELECT ? AS input_file, ? AS plan_id, * FROM read_parquet(?)",
                [input_file, plan_id, str(staged.path)],
            )
            delete_rows(connection, "withdrawn_rows", input_file)
            connection.execute(
                "INSERT INTO withdrawn_rows BY NAME SELECT ? AS input_file, * FROM read_parquet(?)",
                [input_file, str(staged_left.path)],
            )
            connection.execute(
                "UPDATE input_files SET plan_id = ?, plan_loaded_at = ? WHERE input_file = ?",
                [plan_id, utc(now), input_file],
            )


def replace_batches(
    file: WarehouseFile, input_file: str, batches: Sequence[BatchRow], unmatched: Sequence[UnmatchedRow]
) -> None:
    """Replace the file's rows in `submitted_batches` and `unmatched_results` by these."""
    rows = pa.Table.from_pylist(
        [_batch_values(input_file, batch) for batch in batches],
        schema=arrow_schema(SUBMITTED_BATCHES.columns),
    )
    results = pa.Table.from_pylist(
        [_unmatched_values(input_file, result) for result in unmatched],
        schema=arrow_schema(UNMATCHED_RESULTS.columns),
    )
    with file.writing() as connection:
        note_file(connection, input_file)
        for table, incoming in (("submitted_batches", rows), ("unmatched_results", results)):
            connection.execute(f"DELETE FROM {table} WHERE input_file = ?", [input_file])  # noqa: S608  our constants
            connection.register("incoming", incoming)
            connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM incoming")  # noqa: S608  our constants
            connection.unregister("incoming")


def _unmatched_values(input_file: str, result: UnmatchedRow) -> dict[str, object]:
    return {
        **asdict(result),
        "input_file": input_file,
        "task_id": storable_text(result.task_id),
        "tracking_id": storable_text(result.tracking_id),
        "reason": storable_text(result.reason),
        "read_at": utc(result.read_at),
    }


def _batch_values(input_file: str, batch: BatchRow) -> dict[str, object]:
    return {
        "input_file": input_file,
        "batch_no": batch.batch_no,
        "batch_id": batch.batch_id,
        "state": str(batch.state),
        "tasks_total": batch.tasks_total,
        "tasks_found": batch.tasks_found,
        "tasks_empty": batch.tasks_empty,
        "tasks_errored": batch.tasks_errored,
        "tasks_other": batch.tasks_other,
        "intent_at": utc(batch.intent_at),
        "submitted_at": utc(batch.submitted_at),
        "ready_at": utc(batch.ready_at),
        "collected_at": utc(batch.collected_at),
        "run_id": batch.run_id,
        "estimated_credits_reserved": batch.estimated_credits_reserved,
        "estimated_credits_settled": batch.estimated_credits_settled,
        "evidence": storable_text(batch.evidence),
    }
