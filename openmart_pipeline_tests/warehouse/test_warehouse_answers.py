"""What came back for a file: which answer counts, whose rows a person belongs to, and that reloads change nothing."""

import datetime as dt
import shutil
from pathlib import Path

import pytest

from openmart_pipeline.warehouse import Warehouse
from openmart_pipeline.warehouse.answer_staging import CHUNK_ANSWERS, RAW_BYTES
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
LATER = NOON + dt.timedelta(days=200)


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    warehouse = warehouse_in(tmp_path_factory.mktemp("planned"))
    warehouse.replace_companies("a.csv", "sha", [(companies([2, 3, 4]), rejected([5]))])
    warehouse.replace_plan(
        "a.csv",
        "plan-1",
        [
            plan(
                [
                    {"source_row": 2},
                    {"source_row": 3},
                    {"source_row": 4, "domain": "company2.com", "outcome": "duplicate", "first_source_row": 2},
                ]
            )
        ],
    )
    return warehouse.path


@pytest.fixture
def warehouse(planned: Path, tmp_path: Path) -> Warehouse:
    """Two companies and a rejected row; the first company's question is asked by a second row too."""
    warehouse = warehouse_in(tmp_path)
    shutil.copyfile(planned, warehouse.path)
    return warehouse


def load(warehouse: Warehouse, *answers: object, input_file: str = "a.csv"):
    return warehouse.replace_answers(input_file, [answers], api_host="api.openmart.ai", run_id="run-9")


def test_a_contact_leads_back_to_every_row_that_asked(warehouse: Warehouse) -> None:
    counts = load(warehouse, answer(ACME))
    assert (counts.contacts, counts.contact_rows, counts.emails, counts.phones) == (1, 2, 1, 1)
    assert warehouse.query(
        "SELECT source_rows, source_tracking_ids, company_domain, requested_title, email, phone, batch_id, task_id, "
        "tracking_id, run_id, api_host, fetched_at FROM contacts"
    ) == [
        (
            [2, 4],
            ["crm-2", "crm-4"],
            "company2.com",
            "Owner",
            "jane@bluebottlecoffee.com",
            "+15552345678",
            "b-1",
            "t-1",
            "ledger-1-1",
            "run-1",
            "api.openmart.ai",
            NOON.replace(tzinfo=None),
        )
    ]
    assert warehouse.query(
        "SELECT c.company_name, r.tracking_id FROM contact_rows r JOIN companies c USING (input_file, source_row) "
        "ORDER BY r.source_row"
    ) == [("Company 2", "crm-2"), ("Company 4", "crm-4")]


def test_loading_the_same_answers_again_gives_the_same_rows(warehouse: Warehouse) -> None:
    load(warehouse, answer(ACME), answer("company3.com owner", 2, raw=body(JANE, {"first_name": "Bo"})))
    before = [warehouse.query(f"SELECT * FROM {t} ORDER BY ALL") for t in ("contacts", "contact_rows", "task_results")]
    load(warehouse, answer(ACME), answer("company3.com owner", 2, raw=body(JANE, {"first_name": "Bo"})))
    after = [warehouse.query(f"SELECT * FROM {t} ORDER BY ALL") for t in ("contacts", "contact_rows", "task_results")]
    assert before == after


@pytest.mark.parametrize("newest_first", [False, True])
def test_the_newest_answer_gives_the_contacts_in_whatever_order_they_come(
    warehouse: Warehouse, newest_first: bool
) -> None:
    old = answer(ACME, 1, raw=body({"first_name": "Old"}))
    new = answer(ACME, 2, raw=body({"first_name": "New"}), fetched_at=LATER)
    counts = load(warehouse, *((new, old) if newest_first else (old, new)))
    assert warehouse.query("SELECT first_name FROM contacts") == [("New",)]
    assert warehouse.query("SELECT task_no, is_current FROM task_results ORDER BY 1") == [(1, False), (2, True)]
    assert counts.superseded == 1


def test_at_the_same_instant_the_later_task_is_the_newer(warehouse: Warehouse) -> None:
    load(warehouse, answer(ACME, 7, raw=body({"first_name": "New"})), answer(ACME, 3, raw=body({"first_name": "Old"})))
    assert warehouse.query("SELECT first_name FROM contacts") == [("New",)]


def test_an_empty_answer_replaces_an_older_found_one(warehouse: Warehouse) -> None:
    load(warehouse, answer(ACME, 1), answer(ACME, 2, state="empty", raw=body(), fetched_at=LATER))
    assert warehouse.query("SELECT count(*) FROM contacts") == [(0,)]


@pytest.mark.parametrize("state", ["errored", "cancelled", "unmatched", "in_flight", "unknown", "stalled"])
def test_what_has_no_result_replaces_nothing(warehouse: Warehouse, state: str) -> None:
    load(warehouse, answer(ACME, 1), answer(ACME, 2, state=state, raw=None, fetched_at=LATER))
    assert warehouse.query("SELECT full_name FROM contacts") == [("Jane Doe",)]
    assert warehouse.query("SELECT state FROM task_results ORDER BY task_no") == [("found",), (state,)]


def test_an_answer_nobody_asks_for_any_more_is_kept_without_contacts(warehouse: Warehouse) -> None:
    counts = load(warehouse, answer("gone.com owner"))
    assert (counts.unplanned, counts.contacts) == (1, 0)
    assert warehouse.query("SELECT people FROM task_results") == [(1,)]


def test_other_files_keep_their_rows(warehouse: Warehouse) -> None:
    warehouse.replace_companies("b.csv", "sha", [(companies([2]), rejected())])
    warehouse.replace_plan("b.csv", "plan-2", [plan([{"source_row": 2}])])
    load(warehouse, answer(ACME))
    load(warehouse, answer(ACME), input_file="b.csv")
    load(warehouse)
    assert warehouse.query("SELECT input_file FROM contacts") == [("b.csv",)]
    warehouse.forget_file("b.csv")
    assert warehouse.query("SELECT count(*) FROM contacts") == [(0,)]
    assert warehouse.query("SELECT input_file FROM input_files") == [("a.csv",)]


def test_a_national_phone_number_is_read_with_the_country_of_its_question(warehouse: Warehouse) -> None:
    load(warehouse, answer(ACME, country="GB", raw=body({**JANE, "phones": [{"phone_number": "020 7946 0958"}]})))
    assert warehouse.query("SELECT phone FROM contacts") == [("+442079460958",)]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\xff\xfe",
        b"{}",
        b'{"data": null}',
        b'{"data": {}}',
        b'{"data": [1, "x", null, []]}',
        b'{"data": [{"first_name": "\\u0000A\\ud800", "email": 7, "phones": "555"}]}',
        b'{"data": [{"first_name": "Zo\xe9"}]}',
        b"[" * 100_000,
        b'{"data": [{"first_name": "' + b"x" * 10_000_000 + b'"}]}',
    ],
    ids=["empty", "binary", "object", "null", "dict", "scalars", "unstorable", "latin-1", "deep", "10 MB"],
)
def test_any_bytes_load_beside_good_answers_and_stay_readable(warehouse: Warehouse, raw: bytes) -> None:
    counts = load(warehouse, answer(ACME, raw=raw), answer("company3.com owner", 2))
    assert counts.answers == 2
    assert warehouse.query("SELECT full_name FROM contacts WHERE task_no = 2") == [("Jane Doe",)]
    stored = warehouse.query("SELECT raw FROM task_results WHERE task_no = 1")[0][0]
    # Of 10 MB the ledger alone keeps the answer.
    assert stored is None if len(raw) > RAW_BYTES else len(stored) == len(raw.decode("utf-8", "replace"))


def test_oddities_are_counted_and_never_quote_people(warehouse: Warehouse) -> None:
    odd = {**JANE, "email": {"email": "jane at secret.com"}, "linkedin_url": "https://example.com/jane"}
    counts = load(warehouse, answer(ACME, raw=body(odd)))
    assert counts.answers_with_oddities == 1
    assert counts.parse_warnings == {
        "an e-mail address that is none": 1,
        "a LinkedIn address that leads to no person": 1,
    }
    assert warehouse.query("SELECT len(parse_warnings), email, email_verified FROM task_results, contacts") == [
        (2, None, None)
    ]


def test_more_answers_than_fit_in_one_chunk_are_all_loaded(warehouse: Warehouse) -> None:
    rows = range(2, CHUNK_ANSWERS + 102)
    warehouse.replace_plan("a.csv", "plan-2", [plan({"source_row": n} for n in rows)])
    one = {**JANE, "linkedin_url": None}
    answers = [answer(f"company{n}.com owner", n, raw=body(one)) for n in rows]
    counts = warehouse.replace_answers("a.csv", [answers[:20], [], answers[20:]], api_host="h", run_id="r")
    assert (counts.answers, counts.contacts) == (len(rows), len(rows))
    assert warehouse.query("SELECT count(DISTINCT contact_id) FROM contacts") == [(len(rows),)]


def test_the_answers_may_be_read_from_the_warehouse_itself(warehouse: Warehouse) -> None:
    """Whoever makes the rows holds no turn: a lazy source may use the same object."""

    def lazily():
        for _ in warehouse.companies_of("a.csv", chunk_rows=1):
            yield [answer(ACME, task_no=warehouse.query("SELECT 1")[0][0])]
            break

    assert warehouse.replace_answers("a.csv", lazily(), api_host="h", run_id="r").contacts == 1


def test_a_source_that_fails_changes_nothing(warehouse: Warehouse) -> None:
    load(warehouse, answer(ACME))

    def failing():
        yield [answer(ACME, 2, raw=body())]
        raise RuntimeError("the ledger went away")

    with pytest.raises(RuntimeError):
        warehouse.replace_answers("a.csv", failing(), api_host="h", run_id="r")
    assert warehouse.query("SELECT full_name FROM contacts") == [("Jane Doe",)]
    assert [p.name for p in warehouse.path.parent.iterdir() if "staging" in p.name] == []


def test_thirty_large_answers_are_loaded_and_published_in_little_memory(tmp_path: Path) -> None:
    """F46: DuckDB holds every text of its rows at once, so neither answers nor fields of megabytes reach it."""
    warehouse = warehouse_in(tmp_path, memory_limit="100MB")
    large = body({**JANE, "title": "Head of " + "x" * 5_000_000})
    counts = load(warehouse, *(answer(f"company{n}.com owner", n, raw=large) for n in range(30)))
    assert (counts.answers, counts.answers_with_oddities) == (30, 30)
    warehouse.publish(1, INFO)
    assert warehouse.published_path.stat().st_size < 10_000_000
