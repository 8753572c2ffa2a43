"""The published contacts against the people whom the simulator finds for what it charged: none lost, none doubled.

The simulator's people are made up from domain and title alone, so what must be there can be told without asking.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import duckdb

from openmart_pipeline.simulator.made_up_people import people_at

Person: TypeAlias = tuple[Any, ...]

MAX_K = 3  # what a file that says nothing asks for
ROWS_AT_A_TIME = 10_000
PUBLISHED = """
SELECT company_domain, first_name, last_name, title, email, email_verified, linkedin_url, phones
FROM contacts ORDER BY company_domain
"""


@dataclass(slots=True)
class Compared:
    """How many contacts there are, and what is wrong with them."""

    contacts: int = 0
    lost: int = 0
    too_many: int = 0
    examples: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.lost:,} lost, {self.too_many:,} too many, as at {', '.join(self.examples) or 'nobody'}"


def compare(published: Path, charged: Iterable[dict[str, Any]]) -> Compared:
    """Hold the contacts in the published database against the batches of the simulator's account."""
    questions = sorted((asked["domain"], asked["title"]) for batch in charged for asked in batch["questions"])
    compared = Compared()
    with duckdb.connect(str(published), read_only=True) as connection:
        there = _published(connection)
        found = next(there, None)
        for domain, title in questions:
            while found is not None and found[0] < domain:  # nobody was charged for these
                _note(compared, found[0], Counter(), Counter(found[1]))
                found = next(there, None)
            people: list[Person] = []
            if found is not None and found[0] == domain:
                people = found[1]
                found = next(there, None)
            _note(compared, domain, Counter(_expected(domain, title)), Counter(people))
        for domain, people in itertools.chain([found] if found else [], there):
            _note(compared, domain, Counter(), Counter(people))
    return compared


def _note(compared: Compared, domain: str, expected: Counter[Person], found: Counter[Person]) -> None:
    compared.contacts += found.total()
    if expected == found:
        return
    compared.lost += (expected - found).total()
    compared.too_many += (found - expected).total()
    if len(compared.examples) < 3:
        compared.examples.append(domain)


def _expected(domain: str, title: str) -> set[Person]:
    """The people of a question, as they are published; one listed twice alike is one."""
    return set(map(_person, people_at(domain, title, max_k=MAX_K, email=True, phone=True)))


def _person(person: dict[str, Any]) -> Person:
    email = person["email"] or {}
    page = person.get("linkedin_url")
    return (
        person["first_name"],
        person["last_name"],
        person["title"],
        email.get("email"),
        email.get("verified"),
        page and page.replace("https://linkedin.com", "https://www.linkedin.com"),
        tuple((phone["phone_number"], phone["line_type"], phone["valid"]) for phone in person.get("phones") or ()),
    )


def _published(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, list[Person]]]:
    """Yield each company's people, by domain."""
    cursor = connection.execute(PUBLISHED)
    pages = iter(lambda: cursor.fetchmany(ROWS_AT_A_TIME), [])
    for domain, rows in itertools.groupby(itertools.chain.from_iterable(pages), key=lambda row: row[0]):
        yield domain, [(*row[1:-1], _phones(row[-1])) for row in rows]


def _phones(phones: list[dict[str, Any]] | None) -> tuple[tuple[Any, ...], ...]:
    return tuple((phone["number"], phone["line_type"], phone["valid"]) for phone in phones or ())
