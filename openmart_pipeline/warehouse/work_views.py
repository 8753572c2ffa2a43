"""What to do next and what it cost: nothing found, due for refresh, cost per usable contact, lineage.

Lives here: definitions as data and their SQL, which DuckDB 1.4 can read too. No connection.
"""

from openmart_pipeline.warehouse.tables import (
    COMPANIES,
    CONTACTS,
    INPUT_FILES,
    INTEGER,
    SUBMITTED_BATCHES,
    TASK_RESULTS,
    TEXT,
    UTC,
    Column,
    View,
)

_WITHOUT = """
WITH asked AS (
    SELECT input_file, source_row, list(DISTINCT title ORDER BY title) AS asked_titles,
           max(results.fetched_at) AS last_answer_at, count(results.task_no) AS purchases
    FROM enrichment_plan LEFT JOIN task_results AS results USING (input_file, fingerprint)
    GROUP BY ALL
)
SELECT input_file, source_row, company_name, domain, tracking_id, status, asked_titles, last_answer_at, purchases
FROM company_coverage JOIN asked USING (input_file, source_row)
WHERE status IN ('nothing_found', 'errored')
"""

COMPANIES_WITHOUT_CONTACTS = View(
    "companies_without_contacts",
    "A row is a row of an input file that was asked about and has no contact: what to try next, with other titles",
    (
        *COMPANIES.only("input_file", "source_row", "company_name", "domain", "tracking_id"),
        Column("status", TEXT, "nothing_found: answered, nobody found; errored: ended without an answer"),
        Column("asked_titles", "VARCHAR[]", "Job titles that were asked for"),
        Column("last_answer_at", UTC, "When its newest answer was read, UTC"),
        Column("purchases", INTEGER, "How often its questions were bought"),
    ),
    _WITHOUT,
    is_stored=True,
)

_DUE = """
WITH question AS (
    SELECT input_file, fingerprint, arg_min(domain, source_row) AS company_domain,
           arg_min(title, source_row) AS requested_title, count(*) AS company_rows
    FROM enrichment_plan WHERE outcome <> 'suppressed' GROUP BY ALL
)
SELECT input_file, company_domain, requested_title, company_rows, state, people AS contacts, fetched_at,
       date_diff('day', fetched_at, now() AT TIME ZONE 'UTC') AS age_days, estimated_credits, fingerprint
FROM task_results JOIN question USING (input_file, fingerprint), published_info
WHERE is_current AND age_days >= CASE state WHEN 'empty' THEN empty_lifetime_days ELSE found_lifetime_days END
ORDER BY fetched_at, input_file, company_domain
"""

DUE_FOR_REFRESH = View(
    "due_for_refresh",
    "A row is a question of a file whose answer is older than its lifetime, oldest first; asking again costs, and "
    "happens only when a plan says reask or the refresh schedule is on",
    (
        *CONTACTS.only("input_file", "company_domain", "requested_title"),
        Column("company_rows", INTEGER, "Rows of the file that ask it"),
        Column("state", TEXT, "found or empty: each has a lifetime of its own, see published_info"),
        Column("contacts", INTEGER, "Contacts read from the answer"),
        *CONTACTS.only("fetched_at"),
        Column("age_days", INTEGER, "Days since then"),
        *TASK_RESULTS.only("estimated_credits", "fingerprint"),
    ),
    _DUE,
)

# A purchase counts for the file it was bought for: what another file owns already costs this one nothing.
_COST = """
WITH question AS (
    SELECT input_file, fingerprint, arg_min(title, source_row) AS requested_title
    FROM enrichment_plan GROUP BY ALL
), people AS (
    SELECT input_file, task_no, count(*) AS contacts,
           count(*) FILTER (WHERE coalesce(email_verified, false) OR phone IS NOT NULL) AS usable
    FROM contacts GROUP BY ALL
)
SELECT input_file, requested_title, strftime(results.submitted_at, '%Y-%m') AS month_bought,
       count(*) AS purchases,
       count(*) FILTER (WHERE results.state IN ('found', 'empty')) AS answered,
       count(*) FILTER (WHERE results.state = 'found') AS found,
       coalesce(sum(contacts), 0)::BIGINT AS contacts, coalesce(sum(usable), 0)::BIGINT AS usable_contacts,
       sum(results.estimated_credits) AS estimated_credits,
       sum(results.estimated_credits) / nullif(usable_contacts, 0) AS estimated_credits_per_usable_contact
FROM task_results AS results
JOIN submitted_batches AS batches USING (input_file, batch_no)
JOIN question USING (input_file, fingerprint)
LEFT JOIN people USING (input_file, task_no)
WHERE results.submitted_at IS NOT NULL
GROUP BY input_file, requested_title, month_bought
ORDER BY input_file, requested_title, month_bought
"""

COST_PER_USABLE_CONTACT = View(
    "cost_per_usable_contact",
    "A row is a file, a job title and a month: what was bought, found and spent. A contact is usable with a verified "
    "e-mail or a number to call. To roll up, sum both columns first, then divide",
    (
        *CONTACTS.only("input_file", "requested_title"),
        Column("month_bought", TEXT, "Month of the purchase, as 2026-11"),
        Column("purchases", INTEGER, "Questions bought for this file; those that another file owned cost nothing"),
        Column("answered", INTEGER, "Those answered, with people or without; not those whose answer was purged"),
        Column("found", INTEGER, "Those answered with people: found / answered is the hit rate"),
        Column("contacts", INTEGER, "Contacts in those answers"),
        Column("usable_contacts", INTEGER, "Those with a verified e-mail or a number to call"),
        Column(
            "estimated_credits", "DOUBLE", "What was found, at the price table; an estimate, the bill is Openmart's"
        ),
        Column("estimated_credits_per_usable_contact", "DOUBLE", "The one by the other; null without a usable contact"),
    ),
    _COST,
    is_stored=True,
)

# A batch bought for another file is still this contact's batch.
_LINEAGE = """
SELECT contact_id, input_file, coalesce(contact_rows.source_row, withdrawn_rows.source_row) AS source_row,
       contact_rows.tracking_id AS source_tracking_id,
       CASE WHEN is_withdrawn THEN withdrawn_rows.file_sha256 ELSE files.file_sha256 END AS file_sha256, files.plan_id,
       contacts.fingerprint, results.batch_no, contacts.batch_id,
       batches.input_file AS bought_for_input_file, contacts.task_no, contacts.task_id, contacts.tracking_id,
       contacts.run_id, files.answers_loaded_by_run_id, contacts.api_host, batches.intent_at,
       contacts.submitted_at, batches.ready_at, contacts.fetched_at
FROM contacts
LEFT JOIN contact_rows USING (contact_id, input_file)
LEFT JOIN withdrawn_rows USING (input_file, fingerprint)
JOIN input_files AS files USING (input_file)
JOIN task_results AS results USING (input_file, task_no)
LEFT JOIN submitted_batches AS batches ON batches.batch_no = results.batch_no
"""

LINEAGE = View(
    "lineage",
    "A row is a contact and one row of a file that asked for it, with everything between: file version, plan, batch, "
    "task, run. Of a contact whose row left: the row and the version that last asked",
    (
        *CONTACTS.only("contact_id", "input_file"),
        *COMPANIES.only("source_row"),
        Column("source_tracking_id", TEXT, "That row's own id from the file"),
        *INPUT_FILES.only("file_sha256", "plan_id"),
        *CONTACTS.only("fingerprint"),
        *TASK_RESULTS.only("batch_no", "batch_id"),
        Column("bought_for_input_file", TEXT, "The file whose plan paid for it: often this one"),
        *CONTACTS.only("task_no", "task_id", "tracking_id", "run_id"),
        *INPUT_FILES.only("answers_loaded_by_run_id"),
        *CONTACTS.only("api_host"),
        *SUBMITTED_BATCHES.only("intent_at"),
        *CONTACTS.only("submitted_at"),
        *SUBMITTED_BATCHES.only("ready_at"),
        *CONTACTS.only("fetched_at"),
    ),
    _LINEAGE,
)
