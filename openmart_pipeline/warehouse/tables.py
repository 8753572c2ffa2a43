"""The tables of the warehouse: every column with its type and the comment an analyst reads in the database.

Lives here: definitions as data. No SQL beyond type names, no connection.
"""

from dataclasses import dataclass

TEXT = "VARCHAR"
INTEGER = "BIGINT"
UTC = "TIMESTAMP"  # without a zone: reading TIMESTAMPTZ from Python needs pytz; every comment says UTC
PHONES = (
    'STRUCT(number VARCHAR, e164 VARCHAR, region VARCHAR, line_type VARCHAR, number_type VARCHAR, "valid" BOOLEAN)[]'
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table or view."""

    name: str
    type: str
    comment: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table; `comment` says what one row is."""

    name: str
    comment: str
    columns: tuple[Column, ...]

    def has(self, column: str) -> bool:
        """Whether the table has a column of that name."""
        return any(known.name == column for known in self.columns)

    def only(self, *names: str) -> "tuple[Column, ...]":
        """Return the named columns, in that order."""
        by_name = {column.name: column for column in self.columns}
        return tuple(by_name[name] for name in names)


@dataclass(frozen=True, slots=True)
class View:
    """A view; `comment` says what one row is, `select` is its SQL, which DuckDB 1.4 can read too.

    One that takes seconds over a million contacts is stored: a table in the published copy, made while it is published.
    It must not depend on when it is read.
    """

    name: str
    comment: str
    columns: tuple[Column, ...]
    select: str
    is_stored: bool = False


_INPUT_FILE = Column("input_file", TEXT, "Name of the company file, as its partition is named in Dagster")
_SOURCE_ROW = Column("source_row", INTEGER, "Row in the file as a spreadsheet numbers it: the header is row 1")
_LINE = Column("line", INTEGER, "Line of the file as a text editor numbers it, where known")
_FINGERPRINT = Column(
    "fingerprint", TEXT, "Identifies the question: domain, title, place and version, 32 hex characters"
)
_MAX_K = Column("max_k", INTEGER, "Most contacts asked for, 1 to 8")
_INFO_ACCESS = Column("info_access", TEXT, "What was asked for: EMAIL, PHONE or EMAIL_AND_PHONE")
_ROW_TRACKING_ID = Column("tracking_id", TEXT, "The row's own id from the file, unchanged")
_WIRE_TRACKING_ID = Column("tracking_id", TEXT, "Our id on the wire: <ledger>-<batch_no>-<position>")
_BATCH_ID = Column("batch_id", TEXT, "The batch at Openmart; null while unknown")
_RUN_ID = Column("run_id", TEXT, "The run that bought it")
_SUBMITTED_AT = Column("submitted_at", UTC, "When Openmart accepted the batch, UTC")
_FETCHED_AT = Column("fetched_at", UTC, "When the answer was read, UTC")

INPUT_FILES = Table(
    "input_files",
    "A row is a company file that was loaded: which version of it, and when each step last replaced its rows",
    (
        _INPUT_FILE,
        Column(
            "file_state",
            TEXT,
            "active; missing: no longer in the input folder; retired: nothing more is planned or bought for it",
        ),
        Column("file_sha256", TEXT, "Hash of the version whose rows are in companies"),
        Column(
            "reading",
            TEXT,
            "JSON object: what a person said of its columns, sheet, encoding and delimiter; {} when all was found out",
        ),
        Column("rows_in_file", INTEGER, "Rows of the file: kept and set aside"),
        Column("rows_set_aside", INTEGER, "Rows set aside, see rejected_rows"),
        Column("companies_loaded_at", UTC, "When its companies were last replaced, UTC"),
        Column("plan_id", TEXT, "The plan whose questions are in enrichment_plan"),
        Column("plan_loaded_at", UTC, "When its plan was last replaced, UTC"),
        Column("answers_loaded_at", UTC, "When its task_results and contacts were last replaced, UTC"),
        Column("answers_loaded_by_run_id", TEXT, "The run that replaced them"),
        Column("answers_loaded_seq", INTEGER, "Newest event of the ledger that they hold"),
    ),
)

COMPANIES = Table(
    "companies",
    "A row is a row of an input file, kept or set aside: counting here counts the rows of the files",
    (
        _INPUT_FILE,
        _SOURCE_ROW,
        _LINE,
        Column(
            "outcome",
            TEXT,
            "kept: planned from; set_aside: see reason, and rejected_rows for the row as read",
        ),
        Column("reason", TEXT, "Why the row was set aside; null for kept rows"),
        Column("company_name", TEXT, "Company name as read: a hint for Openmart, no part of the question"),
        Column("website", TEXT, "Website, domain or e-mail address as read"),
        Column("domain", TEXT, "Registrable domain, lower case, punycode"),
        Column("titles", "VARCHAR[]", "Job titles this row asks for; empty: those of the plan"),
        _MAX_K,
        _INFO_ACCESS,
        Column("city", TEXT, "City"),
        Column("state", TEXT, "State or region, as a code where certain"),
        Column("country", TEXT, "Country, as two letters where certain"),
        Column("version", INTEGER, "Openmart pipeline asked for: 0 default, 1 alternate"),
        _ROW_TRACKING_ID,
        Column("other", TEXT, "JSON object: all other columns, and originals of what was normalised"),
    ),
)

REJECTED_ROWS = Table(
    "rejected_rows",
    "A row is a row of an input file that was set aside: nothing is bought for it",
    (
        _INPUT_FILE,
        _SOURCE_ROW,
        _LINE,
        Column("reason", TEXT, "Why, in one word"),
        Column("detail", TEXT, "Why, in a sentence"),
        Column("row", TEXT, "JSON object: the row as read"),
    ),
)

ENRICHMENT_PLAN = Table(
    "enrichment_plan",
    "A row is a question that a row of a file asks: one per company row and job title",
    (
        _INPUT_FILE,
        Column("plan_id", TEXT, "The plan, as approved and budgeted"),
        _SOURCE_ROW,
        Column("question_position", INTEGER, "Order in the file, which is the order of buying"),
        _FINGERPRINT,
        Column("domain", TEXT, "Company domain asked about"),
        Column("title", TEXT, "Job title as asked"),
        Column("title_folded", TEXT, "Job title in one case and spacing, as part of the question"),
        Column("company_name", TEXT, "Sent along as a hint; null where it names a person by address, number or page"),
        Column("city", TEXT, "City asked about"),
        Column("state", TEXT, "State or region asked about"),
        Column("country", TEXT, "Country asked about"),
        Column("version", INTEGER, "Openmart pipeline: 0 default, 1 alternate"),
        _MAX_K,
        _INFO_ACCESS,
        _ROW_TRACKING_ID,
        Column("outcome", TEXT, "What the plan makes of it: to_buy, owned, in_flight, duplicate, suppressed ..."),
        Column("outcome_detail", TEXT, "Why, in a sentence, where the word is not enough"),
        Column("first_source_row", INTEGER, "For duplicates: the row of this file that asks the same first"),
        Column(
            "estimated_worst_case_credits",
            "DOUBLE",
            "Credits if everything asked for is found; an estimate, null while prices are unknown",
        ),
    ),
)

LEFT_ROWS = Table(
    "withdrawn_rows",
    "A row is a question that an earlier version of a file asked and the current one does not, because its row left or "
    "the plan asks something else now: its contacts stay, and nothing more is bought for it",
    (
        _INPUT_FILE,
        Column("source_row", INTEGER, "Row in the version that last asked it, as a spreadsheet numbers it"),
        Column("file_sha256", TEXT, "Hash of that version"),
        Column("withdrawn_at", UTC, "When the file was planned without it, UTC"),
        _FINGERPRINT,
        *ENRICHMENT_PLAN.only("domain", "title", "company_name", "city", "state", "country", "version"),
        _MAX_K,
        _INFO_ACCESS,
    ),
)

SUBMITTED_BATCHES = Table(
    "submitted_batches",
    "A row is one request to Openmart for up to 100 questions of a file",
    (
        _INPUT_FILE,
        Column("batch_no", INTEGER, "Our number, unique in the ledger"),
        _BATCH_ID,
        Column(
            "state",
            TEXT,
            "submitted, ready, collected ...; unknown: may have been paid for, a person decides",
        ),
        Column("tasks_total", INTEGER, "Questions in it"),
        Column("tasks_found", INTEGER, "Answered with people"),
        Column("tasks_empty", INTEGER, "Answered: nobody found"),
        Column("tasks_errored", INTEGER, "Ended without an answer"),
        Column("tasks_other", INTEGER, "Still open, or ended in another way"),
        Column("intent_at", UTC, "When the intent to send was recorded, UTC"),
        _SUBMITTED_AT,
        Column("ready_at", UTC, "When Openmart said that every task had ended, UTC"),
        Column("collected_at", UTC, "When every answer was stored, UTC"),
        _RUN_ID,
        Column("estimated_credits_reserved", "DOUBLE", "Worst case kept back when it was sent; an estimate"),
        Column("estimated_credits_settled", "DOUBLE", "What was found, at the price table; an estimate"),
        Column("evidence", TEXT, "What the server said where its answer was not clear"),
    ),
)

TASK_RESULTS = Table(
    "task_results",
    "A row is a purchase of a question that a file asks, whoever bought it, with the answer as received",
    (
        _INPUT_FILE,
        _FINGERPRINT,
        Column("batch_no", INTEGER, "Our number of the batch it was bought in"),
        _BATCH_ID,
        Column("task_no", INTEGER, "Our number, unique in the ledger"),
        Column("position", INTEGER, "Place in the batch"),
        Column("task_id", TEXT, "The task at Openmart; null while unknown"),
        _WIRE_TRACKING_ID,
        Column("state", TEXT, "found, empty, errored, in_flight, unknown ...; purged: the answer was removed for good"),
        Column(
            "matched_by",
            TEXT,
            "The evidence or the person that led the answer to this question, where it carries no tracking id of ours",
        ),
        Column("error", TEXT, "What went wrong; of a purged answer, when it was removed"),
        _MAX_K,
        _INFO_ACCESS,
        _SUBMITTED_AT,
        _FETCHED_AT,
        _RUN_ID,
        Column("is_current", "BOOLEAN", "The newest answer of its question: the one whose people are in contacts"),
        Column(
            "estimated_credits",
            "DOUBLE",
            "What was found in it, at the price table when it was loaded; an estimate, null while prices are unknown",
        ),
        Column("people", INTEGER, "Contacts read from it"),
        Column("parse_warnings", "VARCHAR[]", "What in the answer could not be read; it is still in raw"),
        Column(
            "raw",
            TEXT,
            "The answer as received, JSON: read it with raw->>'$.data[0].title'; above 64 kB null, and in the ledger",
        ),
    ),
)

UNMATCHED_RESULTS = Table(
    "unmatched_results",
    "A row is a result that was paid for in a batch of a file and leads to no question: it carries no tracking id of "
    "ours, and no other evidence is without doubt. `openmart-pipeline unmatched assign` gives it to one",
    (
        _INPUT_FILE,
        *SUBMITTED_BATCHES.only("batch_no", "batch_id"),
        Column("task_id", TEXT, "The task at Openmart: what `unmatched assign` takes"),
        Column("tracking_id", TEXT, "What it carries in place of a tracking id of this batch; mostly null"),
        Column("state", TEXT, "What it makes of its question: found, empty, errored or cancelled"),
        Column("reason", TEXT, "Why it leads to no question, and why no rule gave it to one"),
        Column("people", INTEGER, "People in it"),
        Column("emails", INTEGER, "Those with an address"),
        Column("phones", INTEGER, "Those with a number"),
        Column("address_domains", "VARCHAR[]", "Domains of their addresses, without free mail"),
        Column(
            "candidates",
            "VARCHAR[]",
            "Questions of its batch without an answer: domain, title and the tracking id for `unmatched assign`",
        ),
        Column("read_at", UTC, "When it was last read, UTC"),
        Column("estimated_credits", "DOUBLE", "What was found in it, at the price table; part of its batch's"),
    ),
)

CONTACTS = Table(
    "contacts",
    "A row is a person found for a question of a file; to count people, use contact_directory",
    (
        Column("contact_id", TEXT, "Stays the same at every reload: a hash of file, question and person"),
        _INPUT_FILE,
        Column("source_rows", "BIGINT[]", "Rows of the file that ask this question; none when is_withdrawn"),
        Column(
            "source_tracking_ids",
            "VARCHAR[]",
            "Those rows' own ids, in the same order, null where a row has none",
        ),
        Column(
            "is_withdrawn",
            "BOOLEAN",
            "The file no longer asks its question, see withdrawn_rows: found earlier, and kept",
        ),
        Column("company_domain", TEXT, "Domain that was asked about"),
        Column("company_name", TEXT, "Company name in the file"),
        Column("requested_title", TEXT, "Job title that was asked for"),
        Column("first_name", TEXT, "First name"),
        Column("last_name", TEXT, "Last name"),
        Column("full_name", TEXT, "Full name"),
        Column("title", TEXT, "Job title this person has"),
        Column("email", TEXT, "E-mail address, lower case, syntax checked; nothing was sent to it"),
        Column("email_verified", "BOOLEAN", "Openmart's verdict on the address; null: not said"),
        Column("email_domain", TEXT, "Domain of the address, lower case, punycode"),
        Column("is_role_address", "BOOLEAN", "Our own flag: a mailbox that several people read, as info@ or sales@"),
        Column("is_free_mail", "BOOLEAN", "Our own flag: at a provider where anybody can have an address"),
        Column("is_other_domain", "BOOLEAN", "Our own flag: neither at the domain that was asked about nor below it"),
        Column(
            "phone",
            TEXT,
            "Number to call first, E.164: valid before not said, mobile before others, never invalid",
        ),
        Column("phone_region", TEXT, "Country of that number by the numbering plan, two letters"),
        Column("phone_line_type", TEXT, "MOBILE, LANDLINE, VOIP ...: Openmart's word for that number"),
        Column(
            "phone_number_type",
            TEXT,
            "By the numbering plan: MOBILE, FIXED_LINE, FIXED_LINE_OR_MOBILE (North America) ..., UNKNOWN",
        ),
        Column(
            "phones",
            PHONES,
            "All numbers: as received, as E.164, region and number_type by the numbering plan, line type and "
            "validity in Openmart's words",
        ),
        Column("linkedin_url", TEXT, "LinkedIn page, in one form"),
        _FINGERPRINT,
        _BATCH_ID,
        Column("task_id", TEXT, "The task at Openmart"),
        Column("task_no", INTEGER, "Our number of the task, see task_results"),
        _WIRE_TRACKING_ID,
        _SUBMITTED_AT,
        _FETCHED_AT,
        _RUN_ID,
        Column("api_host", TEXT, "Where the answer came from; simulated data name a loopback host here"),
    ),
)

CONTACT_ROWS = Table(
    "contact_rows",
    "A row is a contact and one row of the file that asked for it: the way back to companies",
    (
        Column("contact_id", TEXT, "The contact"),
        _INPUT_FILE,
        _SOURCE_ROW,
        _ROW_TRACKING_ID,
    ),
)

AUDIT_TRAIL = Table(
    "audit_trail",
    "A row is something that a person did, or a schedule that one switched on: approvals, decisions about batches in "
    "doubt, forgetting, suppressing, purging, retiring, exports, queries. Never a person's data",
    (
        Column("event_no", INTEGER, "Number in the ledger's history, in the order of events"),
        Column("happened_at", UTC, "When, UTC"),
        Column("who", TEXT, "Who did it, as the system or the run's configuration names them"),
        Column("kind", TEXT, "What was done: approve, adopt, release, forget, suppress, purge, retire, export ..."),
        Column("how_many", TEXT, "How many of what, in words"),
        Column("about_file", TEXT, "The company file it was about, where it was about one; also of one since removed"),
        Column("batch_no", INTEGER, "The batch it was about, where it was about one"),
        Column("why", TEXT, "The reason given"),
    ),
)

PUBLISHED_INFO = Table(
    "published_info",
    "One row: what this database is a picture of. Absent while the private file has changed since",
    (
        Column("publication_id", TEXT, "Different at every publication"),
        Column("generation", INTEGER, "The pipeline's count when this was published"),
        Column("published_at", UTC, "When, UTC"),
        Column("files_complete", INTEGER, "Files whose every question has ended"),
        Column("files_waiting", INTEGER, "Files with questions still to be bought or answered"),
        Column("found_lifetime_days", INTEGER, "Days after which a contact is due for refresh"),
        Column("empty_lifetime_days", INTEGER, "Days after which an answer that found nobody is due for refresh"),
    ),
)

TABLES = (
    INPUT_FILES,
    COMPANIES,
    REJECTED_ROWS,
    ENRICHMENT_PLAN,
    LEFT_ROWS,
    SUBMITTED_BATCHES,
    TASK_RESULTS,
    UNMATCHED_RESULTS,
    CONTACTS,
    CONTACT_ROWS,
    AUDIT_TRAIL,
    PUBLISHED_INFO,
)
