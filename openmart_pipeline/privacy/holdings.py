"""What is held on a person, wherever it lies: raw answers, contacts, rows of company files, stored copies.

Lives here: looking, not changing.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from openmart_pipeline.contacts.identifiers import (
    Identifier,
    Kind,
    digits_of,
    identifiers_in_text,
    may_be_number,
    name_at,
)
from openmart_pipeline.contacts.person_names import words_of
from openmart_pipeline.ledger import plans
from openmart_pipeline.ledger.erasure import HeldAnswer, held_answers
from openmart_pipeline.model.words import plural
from openmart_pipeline.privacy.company_files import search
from openmart_pipeline.privacy.entries import (
    Entries,
    Entry,
    Searched,
    contact_rows,
    identifiers_of_row,
)
from openmart_pipeline.privacy.following import Followed, follow
from openmart_pipeline.privacy.needles import Needles, words_and_digits
from openmart_pipeline.services import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class RowNaming:
    """One cell of a company file that names the person."""

    input_file: str
    source_row: int
    column: str


@dataclass(slots=True, kw_only=True)
class Holdings:
    """Everything that is held on somebody."""

    followed: Followed
    searched: Searched
    mentions: list[HeldAnswer] = field(default_factory=list)  # about others, and their text names the person
    contacts: list[dict[str, Any]] = field(default_factory=list)
    rows: list[RowNaming] = field(default_factory=list)
    rows_by_name: list[RowNaming] = field(default_factory=list)  # with their name or a number alike: perhaps them
    input_files: list[str] = field(default_factory=list)  # in the input folder, which is the user's
    stored_copies: list[str] = field(default_factory=list)  # hashes, newest and earlier versions
    suppressed: list[Kind] = field(default_factory=list)  # which of the identifiers are on the list
    files_searched: int = 0
    copies_searched: int = 0
    unreadable: list[str] = field(default_factory=list)  # files that could not be looked through

    def __bool__(self) -> bool:
        """Whether anything is held at all."""
        return bool(
            self.answers or self.mentions or self.contacts or self.rows or self.input_files or self.stored_copies
        )

    @property
    def answers(self) -> list[Entry]:
        """The entries of raw answers that describe the person."""
        return [entry for entry in self.followed.entries.values() if entry.answer is not None]

    @property
    def identifiers(self) -> set[Identifier]:
        """The given ones, and all others that are the same person's alone."""
        return self.followed.identifiers

    @property
    def doubts(self) -> int:
        """At how many places the search stopped because somebody else may be meant."""
        return len(self.followed.shared) + len(self.followed.by_name)

    def refuse_several(self) -> None:
        """Make sure that what was given leads to one person.

        Raises:
            SeveralPeople: it does not.

        """
        if several := self.followed.must_choose:
            raise SeveralPeople(
                f"Nothing was done: {plural(len(several), 'identifier')} of those given may mean several people. Say "
                "whose entries are meant: --only NAME; or that it is the person's alone: --include, and the identifier."
            )

    @property
    def shared(self) -> Counter[Kind]:
        """How many identifiers were left alone, since somebody else is found by them too."""
        return Counter(identifier.kind for identifier in self.followed.shared)


class NobodyNamed(Exception):
    """What was given is no person; the sentence says what to do instead."""


class SeveralPeople(Exception):
    """What was given leads to several people; the sentence says how to choose, and names nobody."""


def find(
    work: Services, given: Collection[Identifier], *, include: Collection[Identifier] = (), only: str | None = None
) -> Holdings:
    """Look for a person in everything that is kept, by these identifiers and all that they lead to.

    Args:
        work: where.
        given: identifiers of one person.
        include: identifiers that are theirs, whoever else is found by them.
        only: their name: entries of another name are somebody else's.

    Raises:
        NobodyNamed: a domain was given.

    """
    if any(identifier.kind is Kind.DOMAIN for identifier in (*given, *include)):
        raise NobodyNamed("A domain is a company, not a person: keep it out with `openmart-pipeline suppress`.")
    entries = Entries(work)
    followed = follow(given, entries.having, include=include, only=only)
    found = Holdings(followed=followed, searched=entries.searched)
    mine = followed.identifiers
    found.mentions = list(_mentions(work, followed))
    listed = work.suppressions.current()
    found.suppressed = sorted({identifier.kind for identifier in mine if listed.has(identifier)})
    found.contacts = [row for row in contact_rows(work, mine) if not mine.isdisjoint(_all_of(row))]
    found.rows = list(_rows_naming(work, mine))
    found.rows_by_name = [*_rows_by_name(work, followed), *_rows_by_number(work, mine)]
    inputs = search(work.data.input, work.data.listed(), mine.__contains__)
    copies = search(work.data.files, sorted(work.data.files.glob("*")), mine.__contains__)
    found.input_files, found.stored_copies = inputs.naming, copies.naming
    found.files_searched, found.copies_searched = inputs.searched, copies.searched
    found.unreadable = inputs.unreadable + copies.unreadable
    return found


def _mentions(work: Services, followed: Followed) -> Iterator[HeldAnswer]:
    """Yield the answers that describe somebody else, or can't be read, and name the person in some text."""
    described = {
        (entry.answer.batch_no, entry.answer.vendor_task_id) for entry in followed.entries.values() if entry.answer
    }
    needles = Needles(identifier for identifier in followed.identifiers if identifier.kind is not Kind.NAME)
    for answer in held_answers(work.ledger):
        if needles.may_be_in(answer.raw) and (answer.batch_no, answer.vendor_task_id) not in described:
            text = answer.raw.decode("utf-8", "replace")
            if any(identifier in followed.identifiers for identifier, _ in identifiers_in_text(text)):
                yield replace(answer, raw=b"")


def _all_of(row: dict[str, Any]) -> frozenset[Identifier]:
    name = name_at(row["full_name"], row["company_domain"])
    return identifiers_of_row(row) | ({name} if name else set())


_TEXT_CELLS = """
SELECT input_file, source_row, cells.column, cells.text FROM (
    SELECT input_file, source_row, unnest([
        {'column': 'company_name', 'text': company_name}, {'column': 'website', 'text': website},
        {'column': 'tracking_id', 'text': tracking_id}, {'column': 'other', 'text': other},
        {'column': 'city', 'text': city}, {'column': 'state', 'text': state},
        {'column': 'country', 'text': country}]) AS cells
    FROM companies
    UNION ALL
    SELECT input_file, source_row, unnest([
        {'column': 'row', 'text': "row"}, {'column': 'detail', 'text': detail}]) AS cells
    FROM rejected_rows
) WHERE len(list_filter($words::VARCHAR[], lambda word: contains(lower(cells.text), word))) > 0
   OR len(list_filter($digits::VARCHAR[],
                      lambda last: contains(regexp_replace(cells.text, '[^0-9]', '', 'g'), last))) > 0
   OR regexp_matches(cells.text, '(?i)linkedin\\.com\\S*%')
ORDER BY input_file, source_row
"""


_CELLS_OF_COMPANIES = """
SELECT input_file, source_row, cells.column, cells.text FROM (
    SELECT input_file, source_row, unnest([
        {'column': 'company_name', 'text': company_name}, {'column': 'website', 'text': website},
        {'column': 'tracking_id', 'text': tracking_id}, {'column': 'other', 'text': other}]) AS cells
    FROM companies WHERE list_contains($companies::VARCHAR[], domain)
) WHERE len(list_filter($words::VARCHAR[], lambda word: contains(strip_accents(lower(cells.text)), word))) > 0
ORDER BY input_file, source_row
"""


def _rows_by_name(work: Services, followed: Followed) -> Iterator[RowNaming]:
    """Yield the cells of rows about the person's companies that have the person's whole name and no identifier."""
    names = [words for words in map(words_of, followed.names) if len(words) > 1]
    companies = sorted({company for entry in followed.entries.values() for company in entry.companies})
    wanted = {"companies": companies, "words": sorted({max(words, key=len) for words in names})}
    for input_file, source_row, column, text in work.warehouse.query(_CELLS_OF_COMPANIES, wanted) if names else ():
        has_identifier = any(identifier in followed.identifiers for identifier, _ in identifiers_in_text(text))
        if not has_identifier and any(words <= words_of(text) for words in names):
            yield RowNaming(input_file=input_file, source_row=source_row, column=column)


_MAY_HOLD = """
WITH texts AS (
    SELECT input_file, raw AS text FROM task_results WHERE raw IS NOT NULL
    UNION ALL
    SELECT input_file, concat_ws(' ', company_name, website, tracking_id, other, city, state, country) FROM companies
    UNION ALL
    SELECT input_file, concat_ws(' ', "row", detail) FROM rejected_rows
    UNION ALL
    SELECT input_file, concat_ws(' ', email, linkedin_url, company_domain, email_domain, phones::VARCHAR) FROM contacts
    UNION ALL
    SELECT input_file, concat_ws(' ', domain, company_name) FROM withdrawn_rows
)
SELECT DISTINCT input_file FROM texts
WHERE len(list_filter($words::VARCHAR[], lambda word: contains(lower(text), word))) > 0
   OR (len($numbers::VARCHAR[]) > 0
       AND len(list_filter($numbers, lambda digits: contains(regexp_replace(text, '[^0-9]', '', 'g'), digits))) > 0)
ORDER BY input_file
"""
_SEARCHED = (
    100  # identifiers: for more, every file is loaded again, which takes less than looking for each in each text
)
_LAST_DIGITS = 7  # of a number, however it is written: a file too many is loaded again, never one too few


def files_holding(work: Services, identifiers: Collection[Identifier]) -> list[str]:
    """Return the files whose loaded rows, answers or contacts may name somebody by one of these, or a company."""
    if len(identifiers) > _SEARCHED:
        return sorted(work.warehouse.files())
    after = {Kind.NAME: " at ", Kind.LINKEDIN: "/"}  # of a name at a company the company is looked for
    words = [
        i.value.rpartition(after[i.kind])[2].lower() if i.kind in after else i.value
        for i in identifiers
        if i.kind is not Kind.PHONE
    ]
    numbers = [i.value[-_LAST_DIGITS:] for i in identifiers if i.kind is Kind.PHONE]
    found = work.warehouse.query(_MAY_HOLD, {"words": words, "numbers": numbers})
    return [input_file for (input_file,) in found]


_NUMBER = re.compile(r"\d[\d\s().\-/]{5,22}\d")


def _rows_by_number(work: Services, wanted: set[Identifier]) -> Iterator[RowNaming]:
    """Yield the cells with a number that may be the person's, were its country written there."""
    numbers = [identifier for identifier in wanted if identifier.kind is Kind.PHONE]
    _, digits = words_and_digits(numbers)
    for input_file, source_row, column, text in work.warehouse.query(_TEXT_CELLS, {"words": [], "digits": digits}):
        has_identifier = any(identifier in wanted for identifier, _ in identifiers_in_text(text))
        written = [digits_of(match[0]) for match in _NUMBER.finditer(text)]
        if not has_identifier and any(may_be_number(one, number) for one in written for number in numbers):
            yield RowNaming(input_file=input_file, source_row=source_row, column=column)


def _rows_naming(work: Services, wanted: set[Identifier]) -> Iterator[RowNaming]:
    words, digits = words_and_digits(wanted)
    for input_file, source_row, column, text in work.warehouse.query(_TEXT_CELLS, {"words": words, "digits": digits}):
        if any(identifier in wanted for identifier, _ in identifiers_in_text(text)):
            yield RowNaming(input_file=input_file, source_row=source_row, column=column)


def copies_in_use(work: Services) -> dict[str, list[str]]:
    """Return, for each stored copy that a file's plan was made from, which files those are."""
    used: dict[str, list[str]] = {}
    for partition in plans.all_partitions(work.ledger):
        plan = plans.current_plan(work.ledger, partition.partition_key)
        for sha256 in {partition.file_sha256, plan.file_sha256 if plan else None} - {None}:
            assert sha256 is not None
            used.setdefault(sha256, []).append(partition.partition_key)
    return used
