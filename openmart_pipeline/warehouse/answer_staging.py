"""Answers to columns: raw JSON read into people, in bounded memory, before a turn at the database is taken.

Lives here: chunks, columns, what was odd. Not here: which answer is current (`answer_loads`), what a person
looks like (`contacts`).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from openmart_pipeline.contacts.contact_fields import storable_json, storable_text
from openmart_pipeline.contacts.contacts import (
    ContactPhone,
    ContactRow,
    ContactsRead,
    contact_rows_of,
)
from openmart_pipeline.contacts.suppression import Suppression
from openmart_pipeline.model.answers import Answer
from openmart_pipeline.warehouse.staging import StagedRows
from openmart_pipeline.warehouse.tables import CONTACTS, TASK_RESULTS
from openmart_pipeline.warehouse.times import utc

CHUNK_ANSWERS = 2_500  # rows of Python objects: the most that a load keeps in memory
CHUNK_BYTES = 32 * 2**20  # of raw answers; whichever is reached first, since one answer may have 10 MB

# A larger answer stays in the ledger alone. DuckDB works on 2,048 rows at once, with all of their texts in memory: so
# many of 64 kB are an eighth of its limit, and a few of 10 MB stopped the loading and publishing of every file.
RAW_BYTES = 64 * 2**10
TOO_DEEP = "nested more than"  # how an oddity of `read_people` begins; DuckDB follows no deeper than 128
TOO_LARGE = f"answer: more than {RAW_BYTES:,} bytes, kept in the ledger and not here"

_ANSWER_COLUMNS = tuple(c for c in TASK_RESULTS.columns if c.name not in ("input_file", "is_current"))
_PERSON_FIELDS = (
    "first_name",
    "last_name",
    "full_name",
    "title",
    "email",
    "email_verified",
    "email_domain",
    "is_role_address",
    "is_free_mail",
    "phone",
    "phone_region",
    "phone_line_type",
    "phone_number_type",
    "linkedin_url",
)
_PERSON_COLUMNS = CONTACTS.only("contact_id", "task_no", *_PERSON_FIELDS, "phones")


@dataclass(slots=True)
class StagedAnswers:
    """Where the rows are, and what was counted on the way."""

    answers: Path
    people: Path
    by_state: Counter[str] = field(default_factory=Counter)
    parse_warnings: Counter[str] = field(default_factory=Counter)
    answers_with_oddities: int = 0


def staged_answers(
    input_file: str, answers: Iterable[Sequence[Answer]], folder: Path, suppression: Suppression
) -> StagedAnswers:
    """Write the answers and the people in them to two Parquet files in `folder`; nobody who is suppressed."""
    staged = StagedAnswers(folder / "answers.parquet", folder / "people.parquet")
    with (
        StagedRows(staged.answers, _ANSWER_COLUMNS) as answer_rows,
        StagedRows(staged.people, _PERSON_COLUMNS) as people_rows,
    ):
        for received in _chunks(answers):
            chunk = [_without_suppressed(answer, suppression) for answer in received]
            reads = [_read(answer, input_file) for answer in chunk]
            answer_rows.add_columns(_answer_columns(chunk, reads))
            people_rows.add_columns(_people_columns(chunk, reads))
            staged.by_state.update(str(answer.state) for answer in chunk)
            for read in reads:
                if read.parse_warnings:
                    staged.answers_with_oddities += 1
                    staged.parse_warnings.update(read.parse_warnings)
    return staged


def _read(answer: Answer, input_file: str) -> ContactsRead:
    read = contact_rows_of(answer, input_file=input_file)
    if answer.raw is None or len(answer.raw) <= RAW_BYTES:
        return read
    return replace(read, parse_warnings=(*read.parse_warnings, TOO_LARGE))


def _shown(answer: Answer, read: ContactsRead) -> str | None:
    """Return the answer as analysts read it; None of one that would break a query over all of them."""
    if (
        answer.raw is None
        or TOO_LARGE in read.parse_warnings
        or any(TOO_DEEP in oddity for oddity in read.parse_warnings)
    ):
        return None
    return storable_json(answer.raw)


def _chunks(answers: Iterable[Sequence[Answer]]) -> Iterator[list[Answer]]:
    chunk: list[Answer] = []
    size_bytes = 0
    for given in answers:
        for answer in given:
            chunk.append(answer)
            size_bytes += len(answer.raw or b"")
            if len(chunk) >= CHUNK_ANSWERS or size_bytes >= CHUNK_BYTES:
                yield chunk
                chunk, size_bytes = [], 0
    if chunk:
        yield chunk


def _without_suppressed(answer: Answer, suppression: Suppression) -> Answer:
    if answer.raw is None or not suppression:
        return answer
    raw = suppression.without_suppressed(answer.raw, companies=(answer.domain,), countries=(answer.country,))
    return answer if raw is answer.raw else replace(answer, raw=raw)


def _answer_columns(chunk: Sequence[Answer], reads: Sequence[ContactsRead]) -> dict[str, list[object]]:
    return {
        "fingerprint": [a.fingerprint for a in chunk],
        "batch_no": [a.batch_no for a in chunk],
        "batch_id": [a.batch_id for a in chunk],
        "task_no": [a.task_no for a in chunk],
        "position": [a.position for a in chunk],
        "task_id": [a.vendor_task_id for a in chunk],
        "tracking_id": [a.tracking_id for a in chunk],
        "state": [str(a.state) for a in chunk],
        "matched_by": [storable_text(a.matched_by) for a in chunk],
        "error": [storable_text(a.error) for a in chunk],
        "max_k": [a.max_k for a in chunk],
        "info_access": [str(a.info_access) for a in chunk],
        "submitted_at": [utc(a.submitted_at) for a in chunk],
        "fetched_at": [utc(a.fetched_at) for a in chunk],
        "run_id": [a.run_id for a in chunk],
        "estimated_credits": [a.estimated_credits for a in chunk],
        "people": [len(read.rows) for read in reads],
        "parse_warnings": [read.parse_warnings for read in reads],
        "raw": [_shown(answer, read) for answer, read in zip(chunk, reads, strict=True)],
    }


def _people_columns(chunk: Sequence[Answer], reads: Sequence[ContactsRead]) -> dict[str, list[object]]:
    found: list[tuple[int, ContactRow]] = [
        (answer.task_no, row) for answer, read in zip(chunk, reads, strict=True) for row in read.rows
    ]
    contacts = [row.contact for _, row in found]
    return {
        "contact_id": [row.contact_id for _, row in found],
        "task_no": [task_no for task_no, _ in found],
        **{name: [getattr(contact, name) for contact in contacts] for name in _PERSON_FIELDS},
        "phones": [[_phone_values(phone) for phone in contact.phones] for contact in contacts],
    }


def _phone_values(phone: ContactPhone) -> dict[str, object]:
    return {
        "number": phone.number,
        "e164": phone.e164,
        "region": phone.region,
        "line_type": phone.line_type,
        "number_type": phone.number_type,
        "valid": phone.is_valid,
    }
