"""What became of each company: the view over rows, plans and answers that the others build on.

Lives here: its definition as data and its SQL, which DuckDB 1.4 can read too. No connection.
"""

from openmart_pipeline.warehouse.tables import COMPANIES, INTEGER, TEXT, Column, View

# How a question without an answer stands; of several questions of a row, what comes first here is shown.
UNANSWERED = (
    *("unknown", "stalled", "in_flight", "duplicate_in_flight", "to_buy", "owned"),
    *("rejected", "expired", "cancelled", "unmatched", "errored", "ended_badly"),
)

# A question's state is read from its tasks first, then from the plan. Unsent and released tasks are no
# purchase: the plan speaks again. The newest purchase doesn't hide an older answer: a found person stays
# found.
_COVERAGE = """
WITH bought AS (
    SELECT input_file, fingerprint,
           CASE WHEN bool_or(is_current AND people > 0) THEN 'found'
                WHEN bool_or(is_current) THEN 'nothing_found'
                WHEN bool_or(state = 'unknown') THEN 'unknown'
                WHEN bool_or(state IN ('in_flight', 'stalled', 'duplicate_in_flight')) THEN 'waiting'
                WHEN bool_or(state = 'purged') THEN 'purged'
                WHEN bool_or(state NOT IN ('not_sent', 'released')) THEN 'errored'
           END AS status,
           arg_max(state, task_no)
               FILTER (WHERE state NOT IN ('found', 'empty', 'purged', 'not_sent', 'released')) AS stands,
           sum(people) FILTER (WHERE is_current) AS contacts
    FROM task_results
    GROUP BY ALL
), retired AS (
    SELECT input_file FROM input_files WHERE file_state = 'retired'
), asked AS (
    SELECT DISTINCT input_file, source_row, fingerprint,
           CASE WHEN outcome = 'suppressed' THEN 'set_aside' ELSE
               coalesce(status, CASE outcome WHEN 'unknown' THEN 'unknown' WHEN 'ended_badly' THEN 'errored'
                                WHEN 'beyond_limit' THEN 'set_aside'
                                ELSE CASE WHEN input_file IN (SELECT input_file FROM retired) THEN 'not_planned'
                                          ELSE 'waiting' END END) END AS status,
           CASE WHEN outcome IN ('suppressed', 'beyond_limit') OR status IN ('found', 'nothing_found', 'purged')
                THEN NULL
                WHEN status IS NULL AND outcome = 'duplicate' THEN 'to_buy'
                WHEN status IS NULL THEN outcome ELSE stands END AS unanswered,
           CASE WHEN outcome = 'suppressed' THEN 0 ELSE coalesce(contacts, 0) END AS contacts
    FROM enrichment_plan LEFT JOIN bought USING (input_file, fingerprint)
), answered AS (
    SELECT input_file, source_row,
           CASE WHEN bool_or(status = 'found') THEN 'found'
                WHEN bool_or(status = 'unknown') THEN 'unknown'
                WHEN bool_or(status = 'waiting') THEN 'waiting'
                WHEN bool_or(status = 'errored') THEN 'errored'
                WHEN bool_or(status = 'purged') THEN 'purged'
                WHEN bool_or(status = 'nothing_found') THEN 'nothing_found'
                WHEN bool_or(status = 'not_planned') THEN 'not_planned'
                ELSE 'set_aside'
           END AS status,
           count(*) AS questions,
           count(*) FILTER (WHERE status = 'waiting' OR status = 'unknown') AS questions_open,
           min(TRY_CAST(unanswered AS $most_urgent_first))::VARCHAR AS unanswered,
           sum(contacts)::BIGINT AS contacts
    FROM asked
    GROUP BY ALL
)
SELECT c.input_file, c.source_row, c.company_name, c.domain, c.tracking_id,
       CASE WHEN c.outcome = 'set_aside' THEN 'set_aside' ELSE coalesce(a.status, 'not_planned') END AS
       status, c.reason AS set_aside_reason,
       coalesce(a.questions, 0) AS questions,
       coalesce(a.questions_open, 0) AS questions_open, a.unanswered,
       coalesce(a.contacts, 0) AS contacts
FROM companies c LEFT JOIN answered a ON c.outcome = 'kept'
    AND a.input_file = c.input_file AND a.source_row = c.source_row
""".replace("$most_urgent_first", f"ENUM{UNANSWERED}")

COMPANY_COVERAGE = View(
    "company_coverage",
    "A row is a row of an input file and what became of it",
    (
        *COMPANIES.only("input_file", "source_row", "company_name", "domain", "tracking_id"),
        Column(
            "status",
            TEXT,
            "found: at least one contact; unknown: may have been paid for, a person decides; waiting: to "
            "be bought or answered; errored: ended without an answer; purged: answered, and the answer was removed "
            "for good; nothing_found; set_aside: not asked; "
            "not_planned, or no longer: the file is retired",
        ),
        Column("set_aside_reason", TEXT, "Why the row was set aside when the file was read"),
        Column("questions", INTEGER, "Questions this row asks: one per job title"),
        Column("questions_open", INTEGER, "Those that wait or are unknown"),
        Column(
            "unanswered",
            TEXT,
            "How a question without an answer stands, of several the first of these: " + ", ".join(UNANSWERED) + "; "
            "null when all are answered",
        ),
        Column("contacts", INTEGER, "Contacts found for this row"),
    ),
    _COVERAGE,
    is_stored=True,
)
