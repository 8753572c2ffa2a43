"""The views analysts live in: what became of each company, and each person once."""

import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from openmart_pipeline.ledger.outstanding import AskStatus
from openmart_pipeline.ledger.states import TaskState
from openmart_pipeline.planning.quoting import BEYOND_LIMIT, DUPLICATE
from openmart_pipeline.warehouse import PublishedInfo, Warehouse, data_dictionary
from openmart_pipeline_tests.warehouse.warehouse_rows import (
    INFO,
    JANE,
    NOON,
    answer,
    body,
    companies,
    plan,
    rejected,
    warehouse_in,
)

ACME = "company2.com owner"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    warehouse = warehouse_in(tmp_path_factory.mktemp("empty"))
    warehouse.query("SELECT 1")
    return warehouse.path


@pytest.fixture
def warehouse(empty: Path, tmp_path: Path) -> Warehouse:
    warehouse = warehouse_in(tmp_path)
    shutil.copyfile(empty, warehouse.path)
    return warehouse


def coverage(warehouse: Warehouse, questions: list[dict[str, Any]], *answers: Any) -> tuple[Any, ...]:
    """What becomes of row 2 with these questions and answers: status, questions, open ones, contacts."""
    warehouse.replace_companies("a.csv", "sha", [(companies([2, 3]), rejected([4]))])
    warehouse.replace_plan("a.csv", "plan", [plan([*questions, {"source_row": 3}])])
    warehouse.replace_answers("a.csv", [answers], api_host="h", run_id="r")
    return warehouse.query(
        "SELECT status, questions, questions_open, contacts FROM company_coverage WHERE source_row = 2"
    )[0]


BY_STATE = {
    TaskState.FOUND: "found",
    TaskState.EMPTY: "nothing_found",
    TaskState.IN_FLIGHT: "waiting",
    TaskState.STALLED: "waiting",
    TaskState.DUPLICATE_IN_FLIGHT: "waiting",
    TaskState.UNKNOWN: "unknown",
    TaskState.ERRORED: "errored",
    TaskState.CANCELLED: "errored",
    TaskState.UNMATCHED: "errored",
    TaskState.EXPIRED: "errored",
    TaskState.REJECTED: "errored",
    TaskState.NOT_SENT: "waiting",  # owed again
    TaskState.RELEASED: "waiting",
}


def test_every_state_of_a_task_has_a_word_in_the_coverage() -> None:
    assert set(BY_STATE) == set(TaskState)


def statuses(warehouse: Warehouse) -> dict[int, str]:
    return dict(warehouse.query("SELECT source_row, status FROM company_coverage"))


def test_the_state_of_its_task_is_what_became_of_a_company(warehouse: Warehouse) -> None:
    rows = dict(enumerate(BY_STATE, start=2))
    raw = {TaskState.FOUND: body(JANE), TaskState.EMPTY: body()}
    warehouse.replace_companies("a.csv", "sha", [(companies(rows), rejected())])
    warehouse.replace_plan("a.csv", "plan", [plan({"source_row": row} for row in rows)])
    answers = [answer(f"company{row}.com owner", row, state=s, raw=raw.get(s)) for row, s in rows.items()]
    warehouse.replace_answers("a.csv", [answers], api_host="h", run_id="r")
    assert statuses(warehouse) == {row: BY_STATE[state] for row, state in rows.items()}
    stands = dict(warehouse.query("SELECT source_row, unanswered FROM company_coverage"))
    owed_again = {TaskState.NOT_SENT: "to_buy", TaskState.RELEASED: "to_buy"}
    answered = {TaskState.FOUND: None, TaskState.EMPTY: None}
    assert stands == {row: (owed_again | answered).get(state, state.value) for row, state in rows.items()}


BY_OUTCOME = {
    AskStatus.TO_BUY: "waiting",
    AskStatus.OWNED: "waiting",  # its answer is not loaded yet
    AskStatus.IN_FLIGHT: "waiting",
    AskStatus.STALLED: "waiting",
    AskStatus.UNKNOWN: "unknown",
    AskStatus.ENDED_BADLY: "errored",
    DUPLICATE: "waiting",
    BEYOND_LIMIT: "set_aside",
    "suppressed": "set_aside",
}


def test_every_outcome_of_a_plan_has_a_word_in_the_coverage() -> None:
    assert set(BY_OUTCOME) >= set(AskStatus)


def test_before_anything_was_bought_the_plan_speaks(warehouse: Warehouse) -> None:
    rows = dict(enumerate(BY_OUTCOME, start=2))
    warehouse.replace_companies("a.csv", "sha", [(companies(rows), rejected())])
    warehouse.replace_plan("a.csv", "plan", [plan({"source_row": n, "outcome": str(o)} for n, o in rows.items())])
    assert statuses(warehouse) == {row: BY_OUTCOME[outcome] for row, outcome in rows.items()}
    stands = dict(warehouse.query("SELECT source_row, unanswered FROM company_coverage"))
    others = {DUPLICATE: "to_buy", BEYOND_LIMIT: None, "suppressed": None}
    assert stands == {row: others.get(outcome, outcome) for row, outcome in rows.items()}


def test_a_company_with_several_questions_is_found_once_one_is_and_says_what_is_open(warehouse: Warehouse) -> None:
    titles = [{"source_row": 2, "title": title} for title in ("Owner", "CFO", "CMO")]
    found = answer(ACME, 1, raw=body(JANE, {"first_name": "Bo"}))
    empty = answer("company2.com cfo", 2, state="empty", raw=body())
    assert coverage(warehouse, titles, found, empty) == ("found", 3, 1, 2)


def test_of_several_questions_without_an_answer_the_most_urgent_is_named(warehouse: Warehouse) -> None:
    titles = [{"source_row": 2, "title": title} for title in ("Owner", "CFO", "CMO")]
    cancelled = answer(ACME, 1, state="cancelled", raw=None)
    stalled = answer("company2.com cfo", 2, state="stalled", raw=None)
    coverage(warehouse, titles, cancelled, stalled)
    assert warehouse.query("SELECT unanswered FROM company_coverage WHERE source_row = 2") == [("stalled",)]


def test_asking_again_does_not_hide_what_was_found(warehouse: Warehouse) -> None:
    again = answer(ACME, 2, state="in_flight", raw=None)
    assert coverage(warehouse, [{"source_row": 2}], answer(ACME), again) == ("found", 1, 0, 1)


def test_a_suppressed_company_gets_nothing_from_answers_that_are_owned(warehouse: Warehouse) -> None:
    """F25: another file bought it before the company asked to be left alone."""
    assert coverage(warehouse, [{"source_row": 2, "outcome": "suppressed"}], answer(ACME)) == ("set_aside", 1, 0, 0)
    assert warehouse.query("SELECT count(*) FROM contacts") == [(0,)]


def test_a_row_behind_the_limit_is_found_where_an_earlier_row_asked_the_same(warehouse: Warehouse) -> None:
    behind = {"source_row": 2, "outcome": BEYOND_LIMIT}
    assert coverage(warehouse, [behind], answer(ACME)) == ("found", 1, 0, 1)


def test_every_row_of_the_file_is_covered_exactly_once(warehouse: Warehouse) -> None:
    coverage(warehouse, [{"source_row": 2}, {"source_row": 2, "title": "CFO"}], answer(ACME))
    assert warehouse.query("SELECT source_row, status, set_aside_reason FROM company_coverage ORDER BY 1") == [
        (2, "found", None),
        (3, "waiting", None),
        (4, "set_aside", "blank_domain"),
    ]


def directory(warehouse: Warehouse, *files: tuple[str, list[dict[str, Any]]], columns: str) -> list[tuple[Any, ...]]:
    """Load these people, each file a day after the one before, and read the directory by name."""
    for day, (input_file, people) in enumerate(files):
        warehouse.replace_plan(input_file, "plan", [plan([{"source_row": 2}])])
        fetched_at = NOON + dt.timedelta(days=day)
        only = answer(ACME, raw=body(*people), fetched_at=fetched_at, submitted_at=fetched_at)
        warehouse.replace_answers(input_file, [[only]], api_host="h", run_id="r")
    return warehouse.query(f"SELECT {columns} FROM contact_directory ORDER BY full_name, email")


def person(name: str, **fields: Any) -> dict[str, Any]:
    return {"full_name": name, **fields}


def mail(address: str) -> dict[str, Any]:
    return {"email": address, "verified": True}


def test_a_person_found_for_two_files_is_one_with_the_newest_facts(warehouse: Warehouse) -> None:
    page = "https://linkedin.com/in/jane"
    old = person("Jane Doe", linkedin_url=page, title="CMO", email=mail("jane@old.com"))
    new = person("Jane Roe", linkedin_url=page, title="CEO")
    columns = "full_name, title, email, email_verified, input_files, contacts, requested_at"
    assert directory(warehouse, ("a.csv", [old]), ("b.csv", [new]), columns=columns) == [
        ("Jane Roe", "CEO", "jane@old.com", True, ["a.csv", "b.csv"], 2, dt.datetime(2026, 11, 3, 12, 0))  # noqa: DTZ001  as stored
    ]


def test_without_a_page_the_address_is_the_person_and_with_one_elsewhere_the_page(warehouse: Warehouse) -> None:
    with_page = person("Jane Doe", linkedin_url="linkedin.com/in/jane", email=mail("jane@acme.com"))
    without = person("J. Doe", email=mail("jane@acme.com"))
    assert directory(warehouse, ("a.csv", [with_page]), ("b.csv", [without]), columns="contacts") == [(2,)]
    assert directory(warehouse, ("c.csv", [without]), columns="contacts") == [(3,)]


def test_a_shared_address_does_not_make_two_pages_one_person(warehouse: Warehouse) -> None:
    ann = person("Ann", linkedin_url="linkedin.com/in/ann", email=mail("info@acme.com"))
    bob = person("Bob", linkedin_url="linkedin.com/in/bob", email=mail("info@acme.com"))
    assert directory(warehouse, ("a.csv", [ann, bob]), columns="full_name") == [("Ann",), ("Bob",)]


def test_with_nothing_else_name_and_company_are_the_person(warehouse: Warehouse) -> None:
    two_files = [("a.csv", [person("Jane DOE")]), ("b.csv", [person("jane doe")])]
    assert directory(warehouse, *two_files, columns="contacts, company_domain") == [(2, "company2.com")]


def test_people_are_due_for_refresh_by_the_lifetime_that_was_published(warehouse: Warehouse) -> None:
    columns = "age_days > 0, is_due_for_refresh"
    now = dt.datetime.now(dt.UTC)
    for age_days, is_due in ((29, False), (30, True)):
        warehouse.replace_plan("a.csv", "plan", [plan([{"source_row": 2}])])
        old = answer(ACME, fetched_at=now - dt.timedelta(days=age_days, seconds=60))
        warehouse.replace_answers("a.csv", [[old]], api_host="h", run_id="r")
        info = PublishedInfo(published_at=NOON, files_complete=1, files_waiting=0, found_lifetime_days=30)
        assert warehouse.publish(age_days, info)
        assert warehouse.query(f"SELECT {columns} FROM contact_directory") == [(True, is_due)]


def test_the_dictionary_is_what_the_published_database_says_of_itself(warehouse: Warehouse) -> None:
    warehouse.publish(1, INFO)
    with duckdb.connect(warehouse.published_path, read_only=True) as connection:
        said = connection.execute(
            """
            SELECT table_name, 'table', '', '', comment FROM duckdb_tables()
            UNION ALL SELECT view_name, 'view', '', '', comment FROM duckdb_views() WHERE NOT internal
            UNION ALL SELECT c.table_name, CASE WHEN t.table_name IS NULL THEN 'view' ELSE 'table' END,
                             c.column_name, c.data_type, c.comment
                      FROM duckdb_columns() c LEFT JOIN duckdb_tables() t USING (table_name) WHERE NOT c.internal
            """
        ).fetchall()
    stored = {"stored view": "table"}
    written = [(e.table, stored.get(e.kind, e.kind), e.column, e.type, e.comment) for e in data_dictionary()]
    assert sorted(said) == sorted(written)
    assert all(entry.comment for entry in data_dictionary())


def test_every_instant_is_called_at_and_said_to_be_utc() -> None:
    for entry in data_dictionary():
        if entry.column:
            is_instant = entry.type == "TIMESTAMP"
            assert entry.column.endswith("_at") is is_instant, entry
            assert ("UTC" in entry.comment) is is_instant, entry
