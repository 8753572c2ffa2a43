"""The ready views: whom to reach first, whom to call, whom to write to, what is left to do and what it cost."""

import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from openmart_pipeline.warehouse import PublishedInfo, Warehouse
from openmart_pipeline.warehouse.dictionary import dictionary_page
from openmart_pipeline.warehouse.tables import View
from openmart_pipeline.warehouse.views import VIEWS
from openmart_pipeline_tests.warehouse.warehouse_rows import (
    INFO,
    NOON,
    answer,
    batch,
    body,
    companies,
    plan,
    rejected,
    warehouse_in,
)

DICTIONARY = Path(__file__).parents[2] / "docs" / "data-dictionary.md"


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    warehouse = warehouse_in(tmp_path_factory.mktemp("planned"))
    warehouse.replace_companies("a.csv", "sha-a", [(companies([2, 3, 4]), rejected([5]))])
    warehouse.replace_plan(
        "a.csv", "plan-a", [plan([{"source_row": 2}, {"source_row": 3}, {"source_row": 4, "title": "CFO"}])]
    )
    return warehouse.path


@pytest.fixture
def warehouse(planned: Path, tmp_path: Path) -> Warehouse:
    """Three companies, of which the third is asked for its CFO, and a row set aside."""
    warehouse = warehouse_in(tmp_path)
    shutil.copyfile(planned, warehouse.path)
    return warehouse


def load(warehouse: Warehouse, *answers: object, input_file: str = "a.csv") -> None:
    warehouse.replace_answers(input_file, [answers], api_host="api.openmart.ai", run_id="run-9")


def person(name: str, email: str | None = None, *phones: dict[str, Any], **fields: Any) -> dict[str, Any]:
    verified = fields.pop("verified", True)
    return {
        "full_name": name,
        "email": email and {"email": email, "verified": verified},
        "phones": list(phones),
        **fields,
    }


def phone(number: str, line_type: str | None = "MOBILE", valid: bool | None = True) -> dict[str, Any]:
    return {"phone_number": number, "line_type": line_type, "valid": valid}


@pytest.mark.parametrize(
    ("best", "other"),
    [
        (person("Z", "z@company2.com"), person("A", "info@company2.com", phone("+12015550123"))),
        (person("Z", "z@company2.com"), person("A", "a@gmail.com")),
        (person("Z", "z@company2.com"), person("A", "a@company2.com", verified=False)),
        (person("Z", "z@company2.com", phone("+12015550123")), person("A", "a@company2.com")),
        (person("Z", None, phone("+12015550123")), person("A", None, phone("+12015550124", "LANDLINE"))),
        (person("Z", None, phone("+12015550123", "LANDLINE")), person("A", linkedin_url="linkedin.com/in/a")),
        (person("Z", "z@company2.com", verified=False), person("A", linkedin_url="linkedin.com/in/a")),
        (person("Z", linkedin_url="linkedin.com/in/z"), person("A")),
    ],
)
def test_the_best_contact_is_the_one_most_likely_reached(
    warehouse: Warehouse, best: dict[str, Any], other: dict[str, Any]
) -> None:
    load(warehouse, answer("company2.com owner", raw=body(other, best)))
    assert warehouse.query("SELECT full_name, other_contacts FROM best_contacts") == [(best["full_name"], 1)]


def test_the_best_contact_says_why_it_is_the_best(warehouse: Warehouse) -> None:
    jane = person("Jane", "jane@gmail.com", phone("+12015550123"), linkedin_url="linkedin.com/in/jane")
    load(warehouse, answer("company2.com owner", raw=body(jane)))
    assert warehouse.query("SELECT why FROM best_contacts") == [
        ("verified e-mail at a free-mail provider, mobile, LinkedIn",)
    ]


def test_own_flags_stand_beside_the_vendors_verdict(warehouse: Warehouse) -> None:
    people = [
        person("Own", "jane@company2.com"),
        person("Below", "bo@mail.company2.com"),
        person("Role", "no-reply.2@company2.com"),
        person("Free", "bo@yahoo.co.uk", verified=False),
        person("Elsewhere", "bo@notcompany2.com"),
        person("Nothing"),
    ]
    load(warehouse, answer("company2.com owner", raw=body(*people)))
    flags = "full_name, email_domain, email_verified, is_role_address, is_free_mail, is_other_domain"
    assert warehouse.query(f"SELECT {flags} FROM contacts ORDER BY full_name") == [
        ("Below", "mail.company2.com", True, False, False, False),
        ("Elsewhere", "notcompany2.com", True, False, False, True),
        ("Free", "yahoo.co.uk", False, False, True, True),
        ("Nothing", None, None, None, None, None),
        ("Own", "company2.com", True, False, False, False),
        ("Role", "company2.com", True, True, False, False),
    ]


def test_an_international_address_is_at_its_company_in_either_spelling(warehouse: Warehouse) -> None:
    warehouse.replace_plan("b.csv", "plan-b", [plan([{"source_row": 2, "domain": "xn--bcher-kva.de"}])])
    jane = person("Jane", "jane@bücher.de")
    load(warehouse, answer("xn--bcher-kva.de owner", raw=body(jane)), input_file="b.csv")
    assert warehouse.query("SELECT email_domain, is_other_domain FROM contacts") == [("xn--bcher-kva.de", False)]


def test_a_number_carries_the_region_and_type_of_its_numbering_plan(warehouse: Warehouse) -> None:
    jane = person("Jane", None, phone("+44 7400 123456", None, None), phone("+1 201 555 0123", "LANDLINE"))
    load(warehouse, answer("company2.com owner", raw=body(jane)))
    assert warehouse.query("SELECT phone, phone_region, phone_line_type, phone_number_type FROM contacts") == [
        ("+12015550123", "US", "LANDLINE", "FIXED_LINE_OR_MOBILE")
    ]
    assert warehouse.query("SELECT phones[1] FROM contacts")[0][0] == {
        "number": "+44 7400 123456",
        "e164": "+447400123456",
        "region": "GB",
        "line_type": None,
        "number_type": "MOBILE",
        "valid": None,
    }


def test_the_call_list_has_valid_mobiles_first_and_no_invalid_number(warehouse: Warehouse) -> None:
    numbers = {
        "+12015550101": ("LANDLINE", None),
        "+12015550102": ("MOBILE", None),
        "+12015550103": ("LANDLINE", True),
        "+12015550104": ("mobile", True),
        "+12015550105": ("MOBILE", False),
        "12": ("MOBILE", True),
    }
    jane = person("Jane", None, *(phone(number, *kind) for number, kind in numbers.items()))
    load(warehouse, answer("company2.com owner", raw=body(jane)))
    assert warehouse.query("SELECT call_order, phone FROM call_list") == [
        (1, "+12015550104"),
        (2, "+12015550103"),
        (3, "+12015550102"),
        (4, "+12015550101"),
    ]


def test_a_number_listed_twice_for_a_person_is_called_the_same_at_every_look(warehouse: Warehouse) -> None:
    twice = [phone("+12015550101", kind) for kind in ("VOIP", "LANDLINE", "TOLL_FREE")]
    load(warehouse, answer("company2.com owner", raw=body(person("Jane", None, *twice))))
    assert warehouse.query("SELECT phone, phone_line_type FROM call_list") == [("+12015550101", "LANDLINE")]


def test_a_person_found_for_two_questions_is_called_once_and_a_shared_number_names_both(warehouse: Warehouse) -> None:
    desk = phone("+12015550100", "LANDLINE")
    ann = person("Ann", None, desk, linkedin_url="linkedin.com/in/ann")
    bob = person("Bob", None, desk, linkedin_url="linkedin.com/in/bob")
    load(warehouse, answer("company2.com owner", raw=body(ann)), answer("company3.com owner", 2, raw=body(ann, bob)))
    assert warehouse.query("SELECT full_name, phone FROM call_list ORDER BY 1") == [
        ("Ann", "+12015550100"),
        ("Bob", "+12015550100"),
    ]


def test_the_email_list_has_each_verified_address_once_persons_first(warehouse: Warehouse) -> None:
    people = [
        person("Role", "info@company2.com"),
        person("Jane", "Jane@company2.com"),
        person("Jane again", "jane@company2.com"),
        person("Not verified", "bo@company2.com", verified=False),
        person("Not said", "al@company2.com", verified=None),
    ]
    load(warehouse, answer("company2.com owner", raw=body(*people)))
    assert warehouse.query("SELECT email FROM email_list") == [("jane@company2.com",), ("info@company2.com",)]


def test_companies_without_contacts_are_those_asked_in_vain(warehouse: Warehouse) -> None:
    load(
        warehouse,
        answer("company2.com owner", 1),
        answer("company3.com owner", 2, state="empty", raw=body()),
        answer("company4.com cfo", 3, state="errored", raw=None, fetched_at=NOON),
    )
    assert warehouse.query(
        "SELECT source_row, status, asked_titles, last_answer_at, purchases FROM companies_without_contacts ORDER BY 1"
    ) == [
        (3, "nothing_found", ["Owner"], NOON.replace(tzinfo=None), 1),
        (4, "errored", ["CFO"], NOON.replace(tzinfo=None), 1),
    ]


@pytest.mark.parametrize(
    ("state", "age_days", "is_due"),
    [("found", 99, False), ("found", 100, True), ("empty", 10, True), ("empty", 9, False)],
)
def test_an_answer_is_due_for_refresh_by_its_own_lifetime(
    warehouse: Warehouse, state: str, age_days: int, is_due: bool
) -> None:
    fetched_at = dt.datetime.now(dt.UTC) - dt.timedelta(days=age_days, seconds=60)
    raw = None if state == "found" else body()
    load(
        warehouse,
        answer("company2.com owner", state=state, fetched_at=fetched_at, **({"raw": raw} if raw else {})),
    )
    warehouse.publish(
        1,
        PublishedInfo(
            published_at=NOON, files_complete=1, files_waiting=0, found_lifetime_days=100, empty_lifetime_days=10
        ),
    )
    due = warehouse.query("SELECT company_domain, requested_title, state FROM due_for_refresh")
    assert due == ([("company2.com", "Owner", state)] if is_due else [])


def test_cost_is_what_was_found_over_what_can_be_used_by_file_title_and_month(warehouse: Warehouse) -> None:
    usable = person("A", "a@company2.com")
    callable_ = person("B", None, phone("+12015550123"))
    useless = person("C", "c@company2.com", verified=False)
    december = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)
    load(
        warehouse,
        answer("company2.com owner", 1, raw=body(usable, callable_, useless), estimated_credits=14.0),
        answer("company3.com owner", 2, state="empty", raw=body(), estimated_credits=0.0),
        answer("company4.com cfo", 3, raw=body(useless), submitted_at=december, estimated_credits=3.0),
    )
    warehouse.replace_batches("a.csv", [batch(1)])
    assert warehouse.query("SELECT * FROM cost_per_usable_contact") == [
        ("a.csv", "CFO", "2026-12", 1, 1, 1, 1, 0, 3.0, None),
        ("a.csv", "Owner", "2026-11", 2, 2, 1, 3, 2, 14.0, 7.0),
    ]


def test_what_another_file_owns_costs_this_one_nothing(warehouse: Warehouse) -> None:
    warehouse.replace_plan("b.csv", "plan-b", [plan([{"source_row": 2}])])
    load(warehouse, answer("company2.com owner", 1, estimated_credits=11.0))
    load(warehouse, answer("company2.com owner", 1, estimated_credits=11.0), input_file="b.csv")
    warehouse.replace_batches("a.csv", [batch(1)])
    warehouse.replace_batches("b.csv", [])
    assert warehouse.query("SELECT input_file, estimated_credits FROM cost_per_usable_contact") == [("a.csv", 11.0)]
    assert warehouse.query("SELECT input_file, bought_for_input_file FROM lineage ORDER BY 1") == [
        ("a.csv", "a.csv"),
        ("b.csv", "a.csv"),
    ]


def test_lineage_leads_from_a_contact_to_its_row_file_version_batch_task_and_run(warehouse: Warehouse) -> None:
    load(warehouse, answer("company2.com owner", 7))
    warehouse.replace_batches("a.csv", [batch(1, ready_at=NOON)])
    noon = NOON.replace(tzinfo=None)
    assert warehouse.query("SELECT * EXCLUDE (contact_id, fingerprint) FROM lineage") == [
        ("a.csv", 2, "crm-2", "sha-a", "plan-a", 1, "b-1", "a.csv", 7, "t-7", "ledger-1-7", "run-1", "run-9",
         "api.openmart.ai", noon, noon, noon, noon)
    ]  # fmt: skip


def test_the_dictionary_in_the_docs_is_the_one_the_definitions_make() -> None:
    assert DICTIONARY.read_text(encoding="utf-8") == dictionary_page(), (
        "run: python -m openmart_pipeline.warehouse.dictionary > docs/data-dictionary.md"
    )


@pytest.mark.parametrize("view", [view for view in VIEWS if view.is_stored], ids=lambda view: view.name)
def test_a_stored_view_reads_in_the_published_file_as_it_did_when_it_was_published(
    warehouse: Warehouse, view: View
) -> None:
    jane = person("Jane", "jane@company2.com", phone("+12015550104"), phone("+12015550102", "LANDLINE"))
    role = person("Role", "info@company2.com", phone("+12015550101", valid=None))
    load(
        warehouse,
        answer("company2.com owner", raw=body(role, jane)),
        answer("company3.com owner", 2, raw=body(jane)),
        answer("company4.com cfo", 3, state="empty", raw=body()),
    )
    warehouse.replace_batches("a.csv", [batch(1)])
    said = warehouse.query(f"FROM {view.name}")
    warehouse.publish(1, INFO)
    with duckdb.connect(warehouse.published_path, read_only=True) as connection:
        stored = connection.execute(f"FROM {view.name}").fetchall()
    assert sorted(stored, key=str) == sorted(said, key=str) != []
    assert stored == said or view.name not in ("call_list", "email_list")  # the lists have an order
