"""The made-up people: always the same, and as uneven as real ones."""

from collections import Counter

import pytest

from openmart_pipeline.simulator.exchange import JsonObject
from openmart_pipeline.simulator.made_up_people import people_at


def found(
    domain: str, title: str = "Owner", *, max_k: int = 8, email: bool = True, phone: bool = True
) -> list[JsonObject]:
    return people_at(domain, title, max_k=max_k, email=email, phone=phone)


@pytest.fixture(scope="module")
def crowds() -> list[list[JsonObject]]:
    return [found(f"company{n}.com") for n in range(500)]


def test_a_wider_question_finds_the_same_people_first(crowds: list[list[JsonObject]]):
    for n, crowd in enumerate(crowds[:100]):
        for max_k in range(1, 9):
            assert found(f"company{n}.com", max_k=max_k) == crowd[:max_k]


def test_spelling_makes_no_difference(crowds: list[list[JsonObject]]):
    assert [found(f"@Company{n}.COM", "  OWNER ") for n in range(100)] == crowds[:100]
    assert [found(f"company{n}.com", "") for n in range(100)] == crowds[:100]


def test_what_is_not_looked_up_is_missing_and_the_people_are_the_same(crowds: list[list[JsonObject]]):
    who = ("first_name", "last_name", "title", "linkedin_url")
    for n, crowd in enumerate(crowds[:100]):
        without = found(f"company{n}.com", email=False, phone=False)
        assert [[p.get(name) for name in who] for p in without] == [[p.get(name) for name in who] for p in crowd]
        assert not any(person["email"] or person.get("phones") for person in without)


def test_every_count_from_none_to_eight_comes_up(crowds: list[list[JsonObject]]):
    counts = Counter(len(crowd) for crowd in crowds)
    assert set(counts) == set(range(9))
    assert 50 < counts[0] < 250


def test_people_are_uneven(crowds: list[list[JsonObject]]):
    people = [person for crowd in crowds for person in crowd]
    emails = [person["email"] for person in people if isinstance(person["email"], dict)]
    phones = [phone for person in people for phone in person["phones"] if isinstance(phone, dict)]
    assert 0.6 < len(emails) / len(people) < 0.95
    assert {email["verified"] for email in emails} == {True, False}
    assert {phone["line_type"] for phone in phones} == {"MOBILE", "LANDLINE", "VOIP"}
    assert {phone["valid"] for phone in phones} == {True, False}
    assert {len(person["phones"]) for person in people} == {0, 1, 2}
    assert any("linkedin_url" not in person for person in people)
    assert any(person.get("linkedin_url", "") is None for person in people)
    assert any(person["title"] is None for person in people)
    assert any("seniority" in person for person in people)
    assert any(not str(person["first_name"]).isascii() for person in people)


def test_addresses_are_plain_and_mostly_at_the_company(crowds: list[list[JsonObject]]):
    for n, crowd in enumerate(crowds):
        addresses = [str(person["email"]["email"]) for person in crowd if isinstance(person["email"], dict)]
        assert all(address.isascii() and address.count("@") == 1 for address in addresses)
        assert all(address.endswith((f"@company{n}.com", "@gmail.com")) for address in addresses)
        assert len(set(addresses)) == len(addresses)


def test_some_companies_have_a_founder_whom_every_question_finds():
    first = [(found(f"company{n}.com", "Owner"), found(f"company{n}.com", "CFO")) for n in range(200)]
    shared = [owner[0]["title"] for owner, cfo in first if owner and cfo and owner[0] == cfo[0]]
    assert set(shared) == {"Founder & CEO"}
    assert 10 < len(shared) < 100
