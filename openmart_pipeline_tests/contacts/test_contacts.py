"""From raw answers to contact rows: nothing invented, nothing lost without a word, the same ids at every reload."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmart_pipeline.contacts.contacts import Contact, ContactsRead, contact_rows_of
from openmart_pipeline_tests.warehouse.warehouse_rows import JANE, answer, body


def read(raw: bytes | None, *, input_file: str = "a.csv", question: str = "acme.com owner") -> ContactsRead:
    return contact_rows_of(answer(question, raw=raw), input_file=input_file)


def contact(**fields: Any) -> Contact:
    return read(body({**JANE, **fields})).rows[0].contact


def test_every_field_is_in_its_one_form() -> None:
    jane = contact(title=" Head of\n Marketing ")
    assert (jane.full_name, jane.title, jane.email, jane.email_verified, jane.phone, jane.linkedin_url) == (
        "Jane Doe",
        "Head of Marketing",
        "jane@bluebottlecoffee.com",
        True,
        "+15552345678",
        "https://www.linkedin.com/in/jane",
    )
    assert jane.phones[0].number == "+1 (555) 234-5678"


def test_an_answer_that_is_not_there_yet_has_no_rows() -> None:
    assert read(None) == ContactsRead()


def test_people_keep_the_order_of_the_answer() -> None:
    rows = read(body({"first_name": "Zoe"}, {"first_name": "Abe"})).rows
    assert [row.contact.first_name for row in rows] == ["Zoe", "Abe"]


def test_a_person_has_the_same_id_at_every_reload_and_another_in_another_file_or_question() -> None:
    ids = [
        read(body(JANE)).rows[0].contact_id,
        read(body({"first_name": "Bo"}, {**JANE, "title": "CMO"})).rows[1].contact_id,
        read(body(JANE), input_file="b.csv").rows[0].contact_id,
        read(body(JANE), question="acme.com cfo").rows[0].contact_id,
    ]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_a_person_listed_twice_is_one_row_and_said_so() -> None:
    found = read(body(JANE, {**JANE, "email": {"email": "JANE@bluebottlecoffee.com", "verified": True}}))
    assert len(found.rows) == 1
    assert found.parse_warnings == ("a person listed twice",)


def test_two_people_who_share_an_address_stay_two_with_their_own_ids() -> None:
    shared = {"email": {"email": "info@acme.com", "verified": True}}
    rows = read(body({"first_name": "Ann", **shared}, {"first_name": "Bob", **shared})).rows
    assert [row.contact.first_name for row in rows] == ["Ann", "Bob"]
    assert rows[0].contact_id != rows[1].contact_id


@pytest.mark.parametrize(
    "person",
    [
        {"first_name": "Ann"},
        {"email": {"email": "a@acme.com"}},
        {"phones": [{"phone_number": "+15552345678"}]},
        {"phones": [{"phone_number": "ring twice"}]},
        {"linkedin_url": "linkedin.com/in/ann"},
    ],
)
def test_one_fact_is_enough_to_be_a_contact(person: dict[str, Any]) -> None:
    assert len(read(body(person)).rows) == 1


def test_a_title_alone_is_nobody_and_counted() -> None:
    found = read(body({"title": "CEO"}))
    assert found.rows == ()
    assert found.parse_warnings == ("a person without name, e-mail, phone or LinkedIn page",)


def test_an_address_that_is_none_leaves_the_person_and_takes_its_verdict_along() -> None:
    jane = contact(email={"email": "not an address", "verified": True})
    assert (jane.full_name, jane.email, jane.email_verified) == ("Jane Doe", None, None)


@pytest.mark.parametrize(
    ("phones", "expected"),
    [
        ([("+14155550001", "LANDLINE", True), ("+14155550002", "MOBILE", True)], "+14155550002"),
        ([("+14155550001", "MOBILE", None), ("+14155550002", "LANDLINE", True)], "+14155550002"),
        ([("+14155550001", "LANDLINE", None), ("+14155550002", "mobile", None)], "+14155550002"),
        ([("+14155550001", "MOBILE", True), ("+14155550002", "MOBILE", True)], "+14155550001"),
        ([("+14155550001", "MOBILE", False)], None),
        ([("ring twice", "MOBILE", True), ("+14155550002", None, None)], "+14155550002"),
        ([], None),
    ],
)
def test_the_phone_to_call_is_the_first_of_the_best_kind(phones: list[tuple[Any, ...]], expected: str | None) -> None:
    given_phones = [{"phone_number": n, "line_type": t, "valid": v} for n, t, v in phones]
    jane = contact(phones=given_phones)
    assert jane.phone == expected
    assert [phone.number for phone in jane.phones] == [n for n, _, _ in phones]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
people_like = st.dictionaries(
    st.sampled_from(["first_name", "last_name", "full_name", "title", "email", "phones", "linkedin_url", "new"]),
    json_values
    | st.fixed_dictionaries({"email": json_values, "verified": json_values})
    | st.lists(st.fixed_dictionaries({"phone_number": json_values, "valid": json_values}), max_size=3),
)


@given(st.one_of(json_values, st.lists(people_like, max_size=4)))
def test_whatever_the_data_the_rows_can_be_stored_and_have_ids_of_their_own(data: Any) -> None:
    found = read(json.dumps({"data": data}).encode())
    for row in found.rows:
        for text in (row.contact.full_name, row.contact.title, row.contact.email, row.contact.linkedin_url):
            assert text is None or "\x00" not in text.encode().decode()
    ids = [row.contact_id for row in found.rows]
    assert len(set(ids)) == len(ids)


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(raw: bytes) -> None:
    read(raw)
    read(b'{"data": [{"first_name": "' + raw)
