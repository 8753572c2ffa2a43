"""Replacing what came back for a file: `task_results`, `contacts`, `contact_rows`, in one transaction.

Lives here: which answer is current, and whose rows a contact belongs to. Not here: reading answers
(`answer_staging`).
"""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import duckdb

from openmart_pipeline.contacts.suppression import Suppression
from openmart_pipeline.model.answers import Answer
from openmart_pipeline.warehouse.answer_staging import StagedAnswers, staged_answers
from openmart_pipeline.warehouse.connection import WarehouseFile, delete_rows, note_deleted
from openmart_pipeline.warehouse.file_loads import note_file
from openmart_pipeline.warehouse.staging import staging_folder
from openmart_pipeline.warehouse.times import utc
from openmart_pipeline.warehouse.warehouse_errors import RowsOutdated

ODDITIES_SHOWN = 20  # kinds, most frequent first; each answer's own are in task_results.parse_warnings


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadCounts:
    """What a file's answers became."""

    answers: int
    by_state: dict[str, int] = field(default_factory=dict)
    superseded: int = 0  # had a result, and the question has a newer one: in task_results only
    unplanned: int = 0  # current, but no row of the file asks for it any more: in task_results only
    contacts: int = 0
    contact_rows: int = 0
    emails: int = 0
    phones: int = 0  # contacts with a number to call
    answers_with_oddities: int = 0
    parse_warnings: dict[str, int] = field(default_factory=dict)


# The newest answer with a result, found or empty: an errored one replaces nothing.
_CURRENT = """
CREATE TEMP TABLE current_answers AS
SELECT fingerprint, arg_max(task_no, {'at': coalesce(fetched_at, TIMESTAMP '1970-01-01'), 'no': task_no}) AS
task_no FROM read_parquet($answers)
WHERE state IN ('found', 'empty')
GROUP BY fingerprint
"""

_TASK_RESULTS = """
INSERT INTO task_results BY NAME
SELECT $input_file AS input_file, *, task_no IN (SELECT task_no FROM current_answers) AS is_current
FROM read_parquet($answers)
"""

# The rows that ask each question, and the questions that are asked no more; whoever asked that their company be left
# alone gets no contact from older answers.
_ASKED = """
CREATE TEMP TABLE asked AS
SELECT fingerprint,
       list(source_row ORDER BY source_row) AS source_rows,
       list(tracking_id ORDER BY source_row) AS source_tracking_ids,
       arg_min(domain, source_row) AS company_domain,
       arg_min(company_name, source_row) AS company_name,
       arg_min(title, source_row) AS requested_title,
       false AS is_withdrawn
FROM (SELECT DISTINCT ON (fingerprint, source_row) * FROM enrichment_plan
      WHERE input_file = $input_file AND outcome <> 'suppressed')
GROUP BY fingerprint
UNION ALL BY NAME
SELECT fingerprint, []::BIGINT[] AS source_rows, []::VARCHAR[] AS source_tracking_ids, domain AS company_domain,
       company_name, title AS requested_title, true AS is_withdrawn
FROM withdrawn_rows
WHERE input_file = $input_file
  AND fingerprint NOT IN (SELECT fingerprint FROM enrichment_plan WHERE input_file = $input_file)
"""

_CONTACTS = """
INSERT INTO contacts BY NAME
SELECT people.*, asked.*, $input_file AS input_file, $api_host AS api_host,
       email_domain <> company_domain AND NOT ends_with(email_domain, '.' || company_domain) AS is_other_domain,
       batch_id, task_id, tracking_id, submitted_at, fetched_at, run_id
FROM read_parquet($people) AS people
JOIN current_answers USING (task_no)
JOIN asked USING (fingerprint)
JOIN (SELECT task_no, batch_id, task_id, tracking_id, submitted_at, fetched_at, run_id
      FROM read_parquet($answers)) USING (task_no)
"""

_CONTACT_ROWS = """
INSERT INTO contact_rows BY NAME
SELECT contact_id, input_file, unnest(source_rows) AS source_row, unnest(source_tracking_ids) AS tracking_id
FROM contacts
WHERE input_file = $input_file
"""


def replace_answers(
    file: WarehouseFile,
    input_file: str,
    answers: Iterable[Sequence[Answer]],
    *,
    api_host: str,
    run_id: str,
    load_watermark: int,
    suppression: Suppression,
    is_current: Callable[[], bool],
    now: dt.datetime,
) -> LoadCounts:
    """Replace the file's answers and contacts by these; the same answers give the same rows at every reload.

    The answers are consumed before the turn is taken, in bounded memory. `is_current` is asked within the turn.

    Raises:
        RowsOutdated: something was erased since the answers were read; nothing was written.

    """
    with staging_folder(file) as folder:
        staged = staged_answers(input_file, answers, folder, suppression)
        paths = {"answers": str(staged.answers), "people": str(staged.people)}
        with file.writing() as connection:
            if not is_current():
                raise RowsOutdated(input_file)
            note_file(connection, input_file)
            before = {
                table: delete_rows(connection, table, input_file)
                for table in ("task_results", "contacts", "contact_rows")
            }
            connection.execute(_CURRENT, {"answers": paths["answers"]})
            connection.execute(_TASK_RESULTS, {"input_file": input_file, "answers": paths["answers"]})
            connection.execute(_ASKED, {"input_file": input_file})
            connection.execute(_CONTACTS, {"input_file": input_file, "api_host": api_host, **paths})
            connection.execute(_CONTACT_ROWS, {"input_file": input_file})
            connection.execute(
                "UPDATE input_files SET answers_loaded_at = ?, answers_loaded_by_run_id = ?, answers_loaded_seq = ? "
                "WHERE input_file = ?",
                [utc(now), run_id, load_watermark, input_file],
            )
            counts = _counts(connection, input_file, staged)
            if counts.answers < before["task_results"] or counts.contacts < before["contacts"]:
                note_deleted(connection)
            return counts


def _counts(connection: duckdb.DuckDBPyConnection, input_file: str, staged: StagedAnswers) -> LoadCounts:
    current, unplanned = _row(
        connection,
        "SELECT count(*), count(*) FILTER (WHERE fingerprint NOT IN (SELECT fingerprint FROM asked)) "
        "FROM current_answers",
    )
    contacts, emails, phones, rows = _row(
        connection,
        "SELECT count(*), count(email), count(phone), coalesce(sum(len(source_rows)), 0)::BIGINT "
        "FROM contacts WHERE input_file = ?",
        input_file,
    )
    return LoadCounts(
        answers=staged.by_state.total(),
        by_state=dict(staged.by_state),
        superseded=staged.by_state["found"] + staged.by_state["empty"] - current,
        unplanned=unplanned,
        contacts=contacts,
        contact_rows=rows,
        emails=emails,
        phones=phones,
        answers_with_oddities=staged.answers_with_oddities,
        parse_warnings=dict(staged.parse_warnings.most_common(ODDITIES_SHOWN)),
    )


def _row(connection: duckdb.DuckDBPyConnection, sql: str, *params: object) -> tuple[int, ...]:
    return connection.execute(sql, list(params)).fetchall()[0]
