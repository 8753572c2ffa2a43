"""The people in an answer, whatever shape the answer has (F12)."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmart_pipeline.api.models import PeopleRead, Person, Phone, read_people

JANE = {
    "first_name": "Jane",
    "last_name": "Doe",
    "title": "Head of Marketing",
    "email": {"email": "jane@bluebottlecoffee.com", "verified": True},
    "phones": [{"phone_number": "+15551234567", "line_type": "MOBILE", "valid": True}],
    "linkedin_url": "https://linkedin.com/in/jane",
}


def answer(data: object, **others: object) -> bytes:
    return json.dumps({"task_id": "t", "status": "COMPLETED", "tracking_id": "l-1-0", "data": data, **others}).encode()


def test_the_documented_answer_is_read_whole():
    assert read_people(answer([JANE])) == PeopleRead(
        people=(
            Person(
                first_name="Jane",
                last_name="Doe",
                title="Head of Marketing",
                email="jane@bluebottlecoffee.com",
                email_verified=True,
                phones=(Phone(number="+15551234567", line_type="MOBILE", is_valid=True),),
                linkedin_url="https://linkedin.com/in/jane",
            ),
        )
    )


@pytest.mark.parametrize("data", [None, []])
def test_nobody_found_is_no_oddity(data: object):
    assert read_people(answer(data)) == PeopleRead()


def test_absent_null_and_new_fields_are_no_oddity():
    read = read_people(answer([{"first_name": "Jo", "email": None, "phones": None, "seniority": {"x": [1]}}], new=1))
    assert read == PeopleRead(people=(Person(first_name="Jo"),))


def test_an_unverified_address_is_still_an_address():
    [person] = read_people(answer([{"email": {"email": "a@x.com", "verified": False}}])).people
    assert (person.email, person.email_verified) == ("a@x.com", False)


@pytest.mark.parametrize(
    ("person", "expected", "oddity"),
    [
        ({"email": "a@x.com"}, Person(email="a@x.com"), "data[0].email: text instead of an object"),
        ({"title": 42}, Person(title="42"), "data[0].title: a number instead of text"),
        ({"title": "CEO", "first_name": ["J"]}, Person(title="CEO"), "data[0].first_name: a list instead of text"),
        ({"title": "CEO", "email": [1]}, Person(title="CEO"), "data[0].email: a list instead of an object"),
        (
            {"email": {"email": "a@x.com", "verified": "yes"}},
            Person(email="a@x.com"),
            "data[0].email.verified: text instead of true or false",
        ),
        (
            {"phones": "+15551234567"},
            Person(phones=(Phone(number="+15551234567"),)),
            "data[0].phones: text instead of a list",
        ),
        (
            {"phones": [15551234567]},
            Person(phones=(Phone(number="15551234567"),)),
            "data[0].phones[0]: a number instead of an object",
        ),
        (
            {"phones": {"phone_number": 1555}},
            Person(phones=(Phone(number="1555"),)),
            "data[0].phones[0].phone_number: a number instead of text",
        ),
        (
            {"title": "a\x00b\ud800"},
            Person(title="a\ufffdb\ufffd"),
            "data[0].title: characters no store accepts, replaced",
        ),
    ],
)
def test_changed_types_are_read_as_far_as_they_go_and_named(person: object, expected: Person, oddity: str):
    read = read_people(answer([person]))
    assert read.people == (expected,)
    assert oddity in read.parse_warnings


def test_what_is_no_person_is_named_and_the_others_are_read():
    read = read_people(answer([None, "Jane", 7, {}, {"email": {}}, [JANE], JANE]))
    assert [person.first_name for person in read.people] == ["Jane"]
    assert read.parse_warnings == (
        "data[0]: null instead of an object",
        "data[1]: text instead of an object",
        "data[2]: a number instead of an object",
        "data[3]: nothing readable about a person",
        "data[4]: nothing readable about a person",
        "data[5]: a list instead of an object",
    )


def test_one_person_without_a_list_around_is_read():
    read = read_people(answer(JANE))
    assert [person.first_name for person in read.people] == ["Jane"]
    assert read.parse_warnings == ("data: an object instead of a list",)


@pytest.mark.parametrize(
    ("raw", "oddity"),
    [
        (b"", "answer: not JSON"),
        (b"<html>", "answer: not JSON"),
        (b"[" * 100_000, "answer: not JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "answer: nested more than 100 deep, what is deeper left out"),
        (b"[]", "answer: a list instead of an object"),
        (b'"text"', "answer: text instead of an object"),
        (b'{"data": 7}', "data: a number instead of a list"),
        (b'{"data": {}}', "data: an object instead of a list"),
        (b'{"data": ' + b"9" * 5_000 + b"}", "answer: a number of more than 400 digits"),
    ],
)
def test_an_answer_without_people_says_why(raw: bytes, oddity: str):
    read = read_people(raw)
    assert read.people == ()
    assert read.parse_warnings[0] == oddity


@pytest.mark.parametrize("data", [None, [], {}])
def test_documented_ways_to_say_that_nobody_was_found_are_no_failure(data: object):
    assert read_people(answer(data)).failure is None


@pytest.mark.parametrize(
    "data",
    [
        {"error": "upstream"},
        {"title": "Internal error", "detail": "timed out", "status": 504},
        [{"message": "x"}],
        "Internal error",
        7,
        [1, "Jane", None],
    ],
)
def test_an_error_in_the_place_of_people_is_a_failure_and_nobody(data: object):
    read = read_people(answer(data))
    assert read.people == ()
    assert read.failure


def test_people_beside_an_error_are_read():
    assert [person.first_name for person in read_people(answer([JANE, {"error": "x"}])).people] == ["Jane"]


def test_people_phones_and_texts_of_one_answer_are_bounded():
    read = read_people(answer([{**JANE, "title": "x" * 5_000, "phones": [{"phone_number": "1"}] * 500}] * 1_500))
    assert len(read.people) == 1_000
    assert len(read.people[0].phones) == 50
    assert len(read.people[0].title or "") == 1_000
    assert "data: more than 1,000 entries, the others left out" in read.parse_warnings


def test_damaged_text_costs_the_damaged_characters_only():
    read = read_people(b'{"data": [{"first_name": "Jos\xe9", "last_name": "Doe"}]}')
    assert read.people == (Person(first_name="Jos\ufffd", last_name="Doe"),)
    assert read.parse_warnings == ("answer: not valid UTF-8, damaged characters replaced",)


def test_a_million_oddities_are_reported_in_a_few_words():
    read = read_people(b'{"data": [' + b"0," * 999_999 + b"0]}")
    assert len(read.parse_warnings) == 21
    assert read.parse_warnings[-1] == "and 981 more"


def test_oddities_never_quote_what_may_be_personal():
    read = read_people(answer([{"email": "jane@x.com", "title": {"name": "Jane"}, "phones": ["+1555"]}]))
    assert read.parse_warnings
    assert not any("jane" in oddity.lower() or "1555" in oddity for oddity in read.parse_warnings)


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["data", "first_name", "title", "email", "verified", "phones", "phone_number", "valid"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)  # a busy machine is no fault
@given(data=_ANYTHING)
def test_any_json_is_read_into_values_every_store_takes(data: object):
    for raw in (answer(data), json.dumps(data).encode()):
        for person in read_people(raw).people:
            texts = [person.first_name, person.title, person.email, *(phone.number for phone in person.phones)]
            assert not any("\x00" in text for text in texts if text is not None)
            "".join(text for text in texts if text is not None).encode("utf-8")


@settings(deadline=None)
@given(raw=st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error(raw: bytes):
    assert isinstance(read_people(raw), PeopleRead)
