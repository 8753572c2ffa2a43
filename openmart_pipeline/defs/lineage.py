"""Which column is made of which, all the way from `contacts` back to `companies`: every column of every table.

Lives here: the tables' lineage as data, shown by Dagster before the first run. A test walks it.
"""

from collections.abc import Mapping

Source = tuple[str, str]  # asset, column
Lineage = Mapping[str, tuple[Source, ...]]


def _of(asset: str, *columns: str) -> tuple[Source, ...]:
    return tuple((asset, column) for column in columns)


def _same(asset: str, *columns: str) -> dict[str, tuple[Source, ...]]:
    return {column: _of(asset, column) for column in columns}


# What tells one question from another, as the file says it.
_QUESTION = _of("companies", "domain", "titles", "city", "state", "country", "version")
_WIDTH = _of("companies", "max_k", "info_access")

ENRICHMENT_PLAN: Lineage = {
    **_same("companies", "input_file", "source_row", "domain", "company_name", "city", "state", "country", "version"),
    **_same("companies", "max_k", "info_access", "tracking_id"),
    **dict.fromkeys(("title", "title_folded"), _of("companies", "titles")),
    **dict.fromkeys(("fingerprint", "outcome", "outcome_detail"), _QUESTION),
    "plan_id": _of("companies", "input_file"),
    "question_position": _of("companies", "source_row"),
    "first_source_row": (*_of("companies", "source_row"), *_QUESTION),
    "estimated_worst_case_credits": _WIDTH,
}

# A batch is made of the questions that a plan owes; what the server says of it is about those.
SUBMITTED_BATCHES: Lineage = {
    **_same("enrichment_plan", "input_file"),
    **dict.fromkeys(
        (
            *("batch_no", "batch_id", "state", "evidence", "run_id"),
            *("tasks_total", "tasks_found", "tasks_empty", "tasks_errored", "tasks_other"),
            *("intent_at", "submitted_at", "ready_at", "collected_at", "estimated_credits_settled"),
        ),
        _of("enrichment_plan", "fingerprint", "outcome"),
    ),
    "estimated_credits_reserved": _of("enrichment_plan", "estimated_worst_case_credits"),
}

_ASKED = _of("enrichment_plan", "domain", "title", "company_name", "city", "state", "country", "version")
_ASKED_WIDTH = _of("enrichment_plan", "max_k", "info_access")
TASK_RESULTS: Lineage = {
    **_same("enrichment_plan", "input_file", "fingerprint", "max_k", "info_access"),
    **_same("submitted_batches", "batch_no", "batch_id", "submitted_at", "run_id"),
    **dict.fromkeys(("task_no", "position", "task_id", "tracking_id"), _of("submitted_batches", "batch_no")),
    **dict.fromkeys(
        (
            "state",
            "matched_by",
            "error",
            "fetched_at",
            "is_current",
            "estimated_credits",
            "people",
            "parse_warnings",
            "raw",
        ),
        (*_of("submitted_batches", "batch_id"), *_ASKED, *_ASKED_WIDTH),
    ),
}

_RAW = _of("task_results", "raw")
CONTACTS: Lineage = {
    **dict.fromkeys(
        (
            *("first_name", "last_name", "full_name", "title", "linkedin_url"),
            *("email", "email_verified", "email_domain", "is_role_address", "is_free_mail"),
            "phone_line_type",
        ),
        _RAW,
    ),
    # Numbers without a country code are read as the country that was asked about writes them.
    **dict.fromkeys(
        ("phone", "phone_region", "phone_number_type", "phones"), (*_RAW, *_of("enrichment_plan", "country"))
    ),
    "is_other_domain": (*_RAW, *_of("enrichment_plan", "domain")),
    "contact_id": (*_of("task_results", "input_file", "fingerprint"), *_RAW),
    **_same("task_results", "input_file", "fingerprint", "batch_id", "task_id", "task_no", "tracking_id"),
    **_same("task_results", "submitted_at", "fetched_at", "run_id"),
    "api_host": _of("task_results", "batch_id"),
    "source_rows": _of("enrichment_plan", "source_row"),
    "source_tracking_ids": _of("enrichment_plan", "tracking_id"),
    "company_domain": _of("enrichment_plan", "domain"),
    "company_name": _of("enrichment_plan", "company_name"),
    "requested_title": _of("enrichment_plan", "title"),
    "is_withdrawn": _of("enrichment_plan", "fingerprint"),  # asked once, and no more
}
