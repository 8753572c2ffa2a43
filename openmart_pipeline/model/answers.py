"""What the ledger hands to the warehouse: answers and batches, as plain values.

Lives here: three records. No rules, no storage: the ledger fills them, the warehouse loads them.
"""

import datetime as dt
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One purchase of a question and, once it has ended, what came back.

    A question has several when it was asked again, or when another file bought it: all of them are handed
    over.
    """

    fingerprint: str  # of the question, 32 hex characters
    domain: str  # of the question: the company asked about
    country: str | None = None  # of the question: reads phone numbers without a country code
    batch_no: int
    batch_id: str | None  # the vendor's; None while it is not known
    task_no: int  # unique in the ledger, rising with time
    position: int  # in its batch
    vendor_task_id: str | None = None
    tracking_id: str  # ours, as sent: the only link between an answer and its question (API section 3)
    state: str  # a word of `ledger.states.TaskState`
    matched_by: str | None = None  # the evidence where its answer carries no tracking id of ours
    error: str | None = None
    max_k: int
    info_access: str  # EMAIL, PHONE or EMAIL_AND_PHONE
    submitted_at: dt.datetime | None = None
    fetched_at: dt.datetime | None = None
    run_id: str | None = None  # the run that bought it
    estimated_credits: float | None = None  # what was found, at the price table; None while prices are unknown
    raw: bytes | None = None  # JSON exactly as received


class LeftRow(NamedTuple):
    """A question that the file once asked, and bought, and asks no more; where it was asked last."""

    source_row: int | None  # in the version `file_sha256`
    file_sha256: str
    withdrawn_at: dt.datetime
    fingerprint: str
    domain: str
    title: str
    company_name: str | None
    city: str | None
    state: str | None
    country: str | None
    version: int | None
    max_k: int
    info_access: str  # EMAIL, PHONE or EMAIL_AND_PHONE


class AuditRow(NamedTuple):
    """What somebody did: never a person's data, but for the name of who did it."""

    event_no: int
    happened_at: dt.datetime
    who: str
    kind: str
    how_many: str | None
    about_file: str | None
    batch_no: int | None
    why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmatchedRow:
    """A result that was paid for and leads to no question; nothing of it names a person."""

    batch_no: int
    batch_id: str | None
    task_id: str
    tracking_id: str | None  # what it carries
    state: str
    reason: str
    people: int
    emails: int
    phones: int
    address_domains: tuple[str, ...]
    candidates: tuple[str, ...]
    read_at: dt.datetime
    estimated_credits: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRow:
    """One POST of up to 100 tasks, as the ledger knows it."""

    batch_no: int
    batch_id: str | None
    state: str  # a word of `ledger.states.BatchState`
    tasks_total: int
    tasks_found: int = 0
    tasks_empty: int = 0
    tasks_errored: int = 0
    tasks_other: int = 0  # still open, or ended in another way
    intent_at: dt.datetime
    submitted_at: dt.datetime | None = None
    ready_at: dt.datetime | None = None
    collected_at: dt.datetime | None = None
    run_id: str | None = None
    estimated_credits_reserved: float | None = None
    estimated_credits_settled: float | None = None
    evidence: str | None = None  # what the server said where its answer was not clear
