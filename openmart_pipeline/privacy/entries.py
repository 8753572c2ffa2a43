"""Everybody in the answers and the contacts, entry by entry: where the search for a person looks.

Lives here: reading the stores, in bounded memory. Which entries are one person is decided in `following`.
"""

from collections.abc import Collection, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any

from openmart_pipeline.api.wire import parsed_if_damaged
from openmart_pipeline.contacts.identifiers import (
    Identifier,
    Kind,
    identifiers_of,
    may_be_number,
    name_at,
    unread_numbers_of,
)
from openmart_pipeline.contacts.suppression import badly_written, contacts_of_item
from openmart_pipeline.ledger.erasure import HeldAnswer, held_answers
from openmart_pipeline.privacy.needles import Needles
from openmart_pipeline.services import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One person as one answer describes them, or as one row of `contacts` does."""

    place: str  # where it stands: the same in every reading
    name: str | None
    companies: tuple[str, ...]  # that were asked about
    identifiers: frozenset[Identifier]  # addresses, numbers and pages
    answer: HeldAnswer | None = None  # without its bytes; None for a row of `contacts`
    item: dict[str, Any] = field(default_factory=dict)  # the entry as received
    unread_numbers: frozenset[str] = frozenset()  # digits of numbers whose country nobody said
    alike: frozenset[Identifier] = frozenset()  # of the identifiers: numbers that an unread one may be

    @property
    def names(self) -> frozenset[Identifier]:
        """The name at each company, as identifiers."""
        return frozenset(filter(None, (name_at(self.name, company) for company in self.companies)))

    @property
    def is_known_by_name(self) -> bool:
        """Whether nothing but the name tells who it is: neither a page nor an address, as in `contact_directory`."""
        return not any(identifier.kind in (Kind.EMAIL, Kind.LINKEDIN) for identifier in self.identifiers)


@dataclass(slots=True)
class Searched:
    """How much the last search looked through."""

    answers: int = 0
    unmatched_answers: int = 0  # of these: that name no task of ours
    contacts: int = 0


class Entries:
    """All entries of a workplace; each search goes through every answer once."""

    def __init__(self, work: Services) -> None:
        """Look nowhere yet."""
        self._work = work
        self.searched = Searched()

    def having(self, wanted: AbstractSet[Identifier]) -> Iterator[Entry]:
        """Yield every entry that has one of these, among its identifiers or as its name at a company."""
        self.searched = Searched()
        yield from self._in_answers(wanted)
        yield from self._in_contacts(wanted)

    def _in_answers(self, wanted: AbstractSet[Identifier]) -> Iterator[Entry]:
        needles = Needles(wanted)
        for answer in held_answers(self._work.ledger):
            self.searched.answers += 1
            self.searched.unmatched_answers += answer.task_no is None
            if needles.may_be_in(answer.raw):
                entries = (_with_numbers_alike(entry, wanted) for entry in entries_of(answer))
                yield from (entry for entry in entries if not wanted.isdisjoint(_all_of(entry)))

    def _in_contacts(self, wanted: AbstractSet[Identifier]) -> Iterator[Entry]:
        self.searched.contacts = self._work.warehouse.query("SELECT count(*) FROM contacts")[0][0]
        for row in contact_rows(self._work, wanted):
            entry = Entry(
                place=f"contact {row['contact_id']}",
                name=row["full_name"],
                companies=(row["company_domain"],),
                identifiers=identifiers_of_row(row),
            )
            if not wanted.isdisjoint(_all_of(entry)):
                yield entry


def _with_numbers_alike(entry: Entry, wanted: AbstractSet[Identifier]) -> Entry:
    """Return the entry with the wanted numbers that one of its own without a country may be.

    The list of hashes can't recognise such a number: whoever has nothing else is kept out by name at the company.
    """
    alike = frozenset(
        one for one in wanted if one.kind is Kind.PHONE and any(may_be_number(n, one) for n in entry.unread_numbers)
    )
    return replace(entry, identifiers=entry.identifiers | alike, alike=alike) if alike else entry


def _all_of(entry: Entry) -> frozenset[Identifier]:
    return entry.identifiers | entry.names


def entries_of(answer: HeldAnswer) -> Iterator[Entry]:
    """Yield everybody in one answer; a number that several countries read in several ways is each of them."""
    try:
        document = parsed_if_damaged(answer.raw)
    except ValueError:
        return
    data = document.get("data") if isinstance(document, dict) else None
    where = f"task {answer.task_no}" if answer.task_no is not None else f"result {answer.vendor_task_id}"
    for position, item in enumerate(data if isinstance(data, list) else [data]):
        contacts = [contact for country in answer.countries or (None,) for contact in contacts_of_item(item, country)]
        if contacts:
            yield Entry(
                place=f"{where} of batch {answer.batch_no}, entry {position}",
                name=contacts[0].full_name,
                companies=answer.companies,
                identifiers=badly_written(item).union(*map(identifiers_of, contacts)),
                answer=replace(answer, raw=b""),  # one may have 10 MB
                item=item if isinstance(item, dict) else {},
                unread_numbers=frozenset.intersection(*map(unread_numbers_of, contacts)),
            )


_CONTACTS = """
SELECT contact_id, input_file, source_rows, company_domain, requested_title, full_name, title, email, phones,
       linkedin_url, batch_id, task_id, task_no, submitted_at, fetched_at, answers_loaded_at AS loaded_at, api_host
FROM contacts JOIN (SELECT input_file, answers_loaded_at FROM input_files) USING (input_file)
WHERE list_contains($emails::VARCHAR[], email) OR list_contains($pages::VARCHAR[], linkedin_url)
   OR list_contains($companies::VARCHAR[], company_domain)
   OR list_has_any(list_transform(phones, lambda number: number.e164), $phones::VARCHAR[])
ORDER BY input_file, contact_id
"""
_COLUMNS = (
    "contact_id", "input_file", "source_rows", "company_domain", "requested_title", "full_name", "title", "email",
    "phones", "linkedin_url", "batch_id", "task_id", "task_no", "submitted_at", "fetched_at", "loaded_at", "api_host",
)  # fmt: skip


def contact_rows(work: Services, wanted: Collection[Identifier]) -> list[dict[str, Any]]:
    """Return the rows of `contacts` that have one of these, and of everybody at a company where one is a name."""
    values = {kind: [identifier.value for identifier in wanted if identifier.kind is kind] for kind in Kind}
    rows = work.warehouse.query(
        _CONTACTS,
        {
            "emails": values[Kind.EMAIL],
            "pages": values[Kind.LINKEDIN],
            "phones": values[Kind.PHONE],
            "companies": [name.rpartition(" at ")[2] for name in values[Kind.NAME]],
        },
    )
    return [dict(zip(_COLUMNS, row, strict=True)) for row in rows]


def identifiers_of_row(row: dict[str, Any]) -> frozenset[Identifier]:
    """Return the addresses, numbers and pages of a row of `contacts`."""
    found = {Identifier(Kind.PHONE, phone["e164"]) for phone in row["phones"] or () if phone["e164"]}
    if row["email"]:
        found.add(Identifier(Kind.EMAIL, row["email"]))
    if row["linkedin_url"]:
        found.add(Identifier(Kind.LINKEDIN, row["linkedin_url"]))
    return frozenset(found)
