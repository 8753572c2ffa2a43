"""What is held on a person, wherever it lies: raw answers, contacts, rows of company files, stored copies.

Lives here: looking, not changing. Imports `steps` for the workplace, `ledger.erasure` for every raw answer.
"""

import gzip
import json
import zipfile
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from openmart_pipeline.enrichment.ledger import plans
from openmart_pipeline.enrichment.ledger.erasure import HeldAnswer, held_answers
from openmart_pipeline.enrichment.people.contacts import Contact
from openmart_pipeline.enrichment.people.identifiers import Identifier, Kind, identifiers_in_text, identifiers_of
from openmart_pipeline.enrichment.people.suppression import contacts_of_item
from openmart_pipeline.enrichment.steps import Workplace

_MEMBER_BYTES = 64 << 20  # of a compressed file in memory at once


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerNaming:
    """One entry of a raw answer that describes the person."""

    batch_no: int
    task_no: int | None  # None where the answer names no task of ours
    vendor_task_id: str | None
    asked_about: str | None
    item: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowNaming:
    """One cell of a company file that names the person."""

    input_file: str
    source_row: int
    column: str


@dataclass(slots=True, kw_only=True)
class Holdings:
    """Everything that is held on somebody."""

    answers: list[AnswerNaming] = field(default_factory=list)
    contacts: list[dict[str, Any]] = field(default_factory=list)
    rows: list[RowNaming] = field(default_factory=list)
    input_files: list[str] = field(default_factory=list)  # in the input folder, which is the user's
    stored_copies: list[str] = field(default_factory=list)  # hashes, newest and earlier versions
    suppressed: list[Kind] = field(default_factory=list)  # which of the given identifiers are on the list
    identifiers: set[Identifier] = field(default_factory=set)  # the given ones, and all others of the same person
    shared: Counter[Kind] = field(default_factory=Counter)  # others that belong to somebody else too: not counted in

    def __bool__(self) -> bool:
        """Whether anything is held at all."""
        return bool(self.answers or self.contacts or self.rows or self.input_files or self.stored_copies)


def find(work: Workplace, given: Collection[Identifier]) -> Holdings:
    """Look for a person by any of these identifiers in everything that is kept."""
    wanted = frozenset(given)
    found = Holdings(identifiers=set(wanted))
    names: set[str] = set()
    for answer, item, contact in _people(work):
        mine = identifiers_of(contact)
        if mine & wanted:
            found.answers.append(_naming(answer, item))
            found.identifiers |= mine
            names.add((contact.full_name or "").casefold())
    _leave_out_shared(work, found, wanted, names)
    listed = work.suppressions.current()
    found.suppressed = sorted({identifier.kind for identifier in wanted if listed.has(identifier)})
    found.contacts = [row for row in _contact_rows(work) if _identifiers_of_row(row) & found.identifiers]
    found.rows = list(_rows_naming(work, found.identifiers))
    found.input_files = [work.data.key(path) for path in work.data.listed() if names_any(path, found.identifiers)]
    copies = sorted(work.data.files.glob("*")) if work.data.files.is_dir() else []
    found.stored_copies = [path.name for path in copies if path.is_file() and names_any(path, found.identifiers)]
    return found


def _people(work: Workplace) -> Iterator[tuple[HeldAnswer, dict[str, Any], Contact]]:
    for answer in held_answers(work.ledger):
        try:
            document = json.loads(answer.raw)
        except (ValueError, RecursionError):
            continue
        data = document.get("data") if isinstance(document, dict) else None
        for item in data if isinstance(data, list) else [data]:
            if isinstance(item, dict):
                for contact in contacts_of_item(item, answer.country):
                    yield answer, item, contact


def _naming(answer: HeldAnswer, item: dict[str, Any]) -> AnswerNaming:
    return AnswerNaming(
        batch_no=answer.batch_no,
        task_no=answer.task_no,
        vendor_task_id=answer.vendor_task_id,
        asked_about=" ".join(filter(None, (answer.domain, answer.title))) or None,
        item=item,
    )


def _leave_out_shared(work: Workplace, found: Holdings, wanted: frozenset[Identifier], names: set[str]) -> None:
    """Take out what somebody of another name is reached by too: a switchboard is no person."""
    others = found.identifiers - wanted
    if not others:
        return
    for _answer, _item, contact in _people(work):
        mine = identifiers_of(contact)
        if not mine & wanted and (contact.full_name or "").casefold() not in names:
            for identifier in mine & others:
                found.identifiers.discard(identifier)
                found.shared[identifier.kind] += 1
                others -= {identifier}


def _contact_rows(work: Workplace) -> Iterator[dict[str, Any]]:
    columns = (
        "contact_id", "input_file", "source_rows", "company_domain", "requested_title", "full_name", "title", "email",
        "phones", "linkedin_url", "task_no", "fetched_at",
    )  # fmt: skip
    for row in work.warehouse.query(f"SELECT {', '.join(columns)} FROM contacts ORDER BY input_file, contact_id"):  # noqa: S608  our columns
        yield dict(zip(columns, row, strict=True))


def _identifiers_of_row(row: dict[str, Any]) -> set[Identifier]:
    found = {Identifier(Kind.PHONE, phone["e164"]) for phone in row["phones"] or () if phone["e164"]}
    found |= {Identifier(Kind.EMAIL, row["email"])} if row["email"] else set()
    return found | ({Identifier(Kind.LINKEDIN, row["linkedin_url"])} if row["linkedin_url"] else set())


_TEXT_CELLS = """
SELECT input_file, source_row, cells.column, cells.text FROM (
    SELECT input_file, source_row, unnest([
        {'column': 'company_name', 'text': company_name}, {'column': 'website', 'text': website},
        {'column': 'tracking_id', 'text': tracking_id}, {'column': 'other', 'text': other}]) AS cells
    FROM companies
    UNION ALL
    SELECT input_file, source_row, {'column': 'row', 'text': "row"} AS cells FROM rejected_rows
) WHERE regexp_matches(cells.text, '@|\\+[0-9]|(?i:linkedin\\.com)')
ORDER BY input_file, source_row
"""


_MAY_HOLD = """
WITH texts AS (
    SELECT input_file, raw AS text FROM task_results WHERE raw IS NOT NULL
    UNION ALL
    SELECT input_file, concat_ws(' ', company_name, website, tracking_id, other) FROM companies
    UNION ALL
    SELECT input_file, "row" FROM rejected_rows
    UNION ALL
    SELECT input_file, concat_ws(' ', email, linkedin_url, company_domain, email_domain, phones::VARCHAR) FROM contacts
    UNION ALL
    SELECT input_file, concat_ws(' ', domain, company_name) FROM left_rows
)
SELECT DISTINCT input_file FROM texts
WHERE len(list_filter($words::VARCHAR[], lambda word: contains(lower(text), word))) > 0
   OR (len($numbers::VARCHAR[]) > 0
       AND len(list_filter($numbers, lambda digits: contains(regexp_replace(text, '[^0-9]', '', 'g'), digits))) > 0)
ORDER BY input_file
"""
_LAST_DIGITS = 7  # of a number, however it is written: a file too many is loaded again, never one too few


def files_holding(work: Workplace, identifiers: Collection[Identifier]) -> list[str]:
    """Return the files whose loaded rows, answers or contacts may name somebody by one of these, or a company."""
    words = [i.value.rpartition("/")[2].lower() for i in identifiers if i.kind is not Kind.PHONE]
    numbers = [i.value[-_LAST_DIGITS:] for i in identifiers if i.kind is Kind.PHONE]
    found = work.warehouse.query(_MAY_HOLD, {"words": words, "numbers": numbers})
    return [input_file for (input_file,) in found]


def _rows_naming(work: Workplace, wanted: set[Identifier]) -> Iterator[RowNaming]:
    for input_file, source_row, column, text in work.warehouse.query(_TEXT_CELLS):
        if any(identifier in wanted for identifier, _ in identifiers_in_text(text)):
            yield RowNaming(input_file=input_file, source_row=source_row, column=column)


def names_any(path: Path, wanted: Collection[Identifier]) -> bool:
    """Whether a company file, in any format and encoding that we read, names somebody by one of these."""
    return any(identifier in wanted for text in _texts(path) for identifier, _ in identifiers_in_text(text))


def _texts(path: Path) -> Iterator[str]:
    for data in _unpacked(path):
        encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
        yield data.decode(encoding, "replace")


def _unpacked(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file as text has them: workbooks member by member, Parquet as its texts."""
    with path.open("rb") as file:
        start = file.read(4)
    if start.startswith(b"PK"):
        with zipfile.ZipFile(path) as book:
            for name in book.namelist():
                yield book.read(name)[:_MEMBER_BYTES]
    elif start == b"PAR1":
        for batch in pq.ParquetFile(path).iter_batches():
            yield json.dumps(batch.to_pylist(), default=str, ensure_ascii=False).encode()
    elif start.startswith(b"\x1f\x8b"):
        with gzip.open(path) as file:
            yield file.read()
    else:
        yield path.read_bytes()


def copies_in_use(work: Workplace) -> dict[str, list[str]]:
    """Return, for each stored copy that a file's plan was made from, which files those are."""
    used: dict[str, list[str]] = {}
    for partition in plans.all_partitions(work.ledger):
        plan = plans.current_plan(work.ledger, partition.partition_key)
        for sha256 in {partition.file_sha256, plan.file_sha256 if plan else None} - {None}:
            assert sha256 is not None
            used.setdefault(sha256, []).append(partition.partition_key)
    return used
