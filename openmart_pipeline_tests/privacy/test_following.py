"""From identifier to entry to identifier: where the search for a person goes on, and where it stops."""

import json
from collections.abc import Callable, Iterator

import pytest

from openmart_pipeline.contacts.identifiers import Identifier, identifier_of
from openmart_pipeline.contacts.person_names import may_be_one, share_a_word
from openmart_pipeline.privacy.entries import Entry
from openmart_pipeline.privacy.following import NAMES_KEPT, Followed, follow
from openmart_pipeline.privacy.needles import Needles

EntriesHaving = Callable[[frozenset[Identifier]], Iterator[Entry]]


def entry(name: str | None, *identifiers: str, company: str = "acme.com") -> Entry:
    return Entry(
        place=f"{name} {identifiers} {company}",
        name=name,
        companies=(company,),
        identifiers=frozenset(map(identifier_of, identifiers)),
    )


def among(*entries: Entry) -> EntriesHaving:
    def having(wanted: frozenset[Identifier]) -> Iterator[Entry]:
        return (one for one in entries if not wanted.isdisjoint(one.identifiers | one.names))

    return having


def found(given: str, *entries: Entry, **choices: object) -> Followed:
    return follow([identifier_of(given)], among(*entries), **choices)  # type: ignore[arg-type]  # the tests' own words


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Jane Doe", "JANE  DOE"),
        ("Jane Doe", "Doe, Jane"),
        ("José García", "Jose Garcia"),
        ("Jane Doe", "Jane M. Doe"),
        ("Jane Doe", "J. Doe"),
        ("Jane Doe", None),
        ("Straße", "STRASSE"),
    ],
)
def test_spellings_of_one_name_are_no_two_people(name: str, other: str | None) -> None:
    assert may_be_one(name, other)
    assert may_be_one(other, name)


@pytest.mark.parametrize(("name", "other"), [("Jane Doe", "John Doe"), ("Jane Doe", "Bob Ray"), ("J. Doe", "Bob Doe")])
def test_two_names_are_two_people(name: str, other: str) -> None:
    assert not may_be_one(name, other)
    assert not may_be_one(other, name)


def test_a_page_stays_somebodys_when_their_name_changes_and_not_when_the_whole_name_differs() -> None:
    assert share_a_word("Jane Doe", "Jane Smith")
    page = "https://linkedin.com/in/jane"
    married = found(page, entry("Jane Doe", page, "jane@a.com"), entry("Jane Smith", page, "jane@b.com"))
    assert {identifier.value for identifier in married.identifiers} >= {"jane@a.com", "jane@b.com"}
    mixed_up = found("jane@a.com", entry("Jane Doe", page, "jane@a.com"), entry("Bob Ray", page, "bob@a.com"))
    assert [entry.name for entry in mixed_up.entries.values()] == ["Jane Doe"]
    assert list(mixed_up.shared.values()) == [("Jane Doe", "Bob Ray")]


def test_a_chain_is_followed_to_its_end() -> None:
    links = [entry("Jane Doe", f"jane{n}@acme.com", f"+1212555{n:04d}", f"+1212555{n + 1:04d}") for n in range(20)]
    assert len(found("jane0@acme.com", *reversed(links)).entries) == 20


def test_an_address_nobody_has_is_still_the_persons() -> None:
    assert found("jane@acme.com").identifiers == {identifier_of("jane@acme.com")}


def test_a_roles_address_leads_nowhere_by_itself_and_to_its_only_person_when_given() -> None:
    role = entry("Jane Doe", "info@acme.com", "+12125550001")
    assert found("+12125550001", role).identifiers == {identifier_of("+12125550001")}
    assert found("info@acme.com", role).identifiers == {identifier_of("+12125550001"), identifier_of("info@acme.com")}


def test_the_chosen_name_tells_two_at_one_given_number_apart() -> None:
    number = "+12125550001"
    two = entry("Jane Doe", number, "jane@acme.com"), entry("Bob Ray", number, "bob@acme.com")
    assert found(number, *two).must_choose
    jane = found(number, *two, only="jane doe")
    assert jane.identifiers == {identifier_of("jane@acme.com")}
    assert not jane.must_choose
    both = found(number, *two, include=[identifier_of(number)])
    assert len(both.entries) == 2


def test_who_has_nothing_of_their_own_is_kept_out_by_name_once_chosen() -> None:
    two = entry("Jane Doe", "info@acme.com"), entry("Bob Ray", "info@acme.com")
    assert found("info@acme.com", *two, only="Jane Doe").identifiers == {identifier_of("Jane Doe at acme.com")}


def test_whoever_a_chosen_name_keeps_out_is_seen_before() -> None:
    """Kept out by name are all of that name at the company, also those whom nothing else leads to."""
    two = entry("Jane Doe", "info@acme.com"), entry("Bob Ray", "info@acme.com")
    namesake = entry("Jane Doe", "other.jane@acme.com")
    chosen = found("info@acme.com", *two, namesake, only="Jane Doe")
    assert identifier_of("other.jane@acme.com") in chosen.identifiers
    assert (len(chosen.entries), chosen.by_name) == (2, {})


def test_the_same_name_at_another_company_is_somebody_else() -> None:
    elsewhere = entry("Jane Doe", "jane@other.com", company="other.com")
    jane = found("jane@acme.com", entry("Jane Doe", "jane@acme.com"), elsewhere)
    assert (len(jane.entries), jane.by_name) == (1, {})


def test_a_switchboard_of_thousands_is_kept_as_a_few_names() -> None:
    number = identifier_of("+12125550001")
    kept: list[Entry] = []

    def having(wanted: frozenset[Identifier]) -> Iterator[Entry]:
        if number in wanted:
            for n in range(20_000):
                yield entry(f"Person{n} Number{n}", "+12125550001", company=f"c{n}.com")
        else:
            yield entry("Jane Doe", "jane@acme.com", "+12125550001")

    jane = follow([identifier_of("jane@acme.com")], having)
    kept += jane.entries.values()
    assert [one.name for one in kept] == ["Jane Doe"]
    assert len(jane.shared[number]) == NAMES_KEPT


@pytest.mark.parametrize(
    ("given", "item"),
    [
        ("jane@acme.com", {"email": "JANE@ACME.com"}),
        ("jane@acme.com", {"email": "jane@acme.com", "last_name": "Muñoz 100%"}),
        ("+44 20 7946 0958", {"phones": [{"phone_number": "(020) 7946-0958"}]}),
        ("+12015553569", {"phones": [{"phone_number": "1-201-555-FLOW"}]}),
        ("+44 20 7946 0958", {"phones": [{"phone_number": "٠٢٠ ٧٩٤٦ ٠٩٥٨"}]}),
        ("linkedin.com/in/jane-doe", {"linkedin_url": "https:\\/\\/de.linkedin.com/in/Jane-Doe/?trk=1"}),
        ("linkedin.com/in/jane-doe", {"linkedin_url": "linkedin.com/in/%6Aane-doe"}),
        ("linkedin.com/in/jané", {"linkedin_url": "linkedin.com/in/jan%C3%A9"}),
        ("Jane Muñoz at acme.com", {"first_name": "JANE", "last_name": "Muñoz"}),
        ("Jane Doe at acme.com", {"first_name": "\uff2a\uff41\uff4e\uff45", "last_name": "\uff24\uff4f\uff45"}),
    ],
)
@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_the_quick_look_misses_no_spelling(given: str, item: dict[str, object], ensure_ascii: bool) -> None:
    raw = json.dumps({"data": [item]}, ensure_ascii=ensure_ascii).encode()
    needles = Needles([identifier_of(given)])
    assert needles.may_be_in(raw)
    assert needles.may_be_in(raw.replace(b"a", b"\\u0061"))
    assert not needles.may_be_in(b'{"data": [{"email": "bob@acme.com", "first_name": "Zo\xc3\xab"}]}') or "é" in given
