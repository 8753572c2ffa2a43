"""Every request and answer of the API as a typed, frozen value; answers are read tolerantly.

Not here: HTTP; the people inside a result are read in `people.py` and offered here, so that callers need one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from openmart_pipeline.api.answer_people import PeopleRead, Person, Phone, read_people
from openmart_pipeline.api.wire import JsonValue, object_of, text_of, whole_number_of

__all__ = [
    "BatchStatus",
    "CreditBalance",
    "DenyKind",
    "InfoAccess",
    "JsonValue",
    "PeopleRead",
    "Person",
    "Phone",
    "Submission",
    "TaskRequest",
    "TaskResult",
    "TaskState",
    "read_people",
]

UNLIMITED_BALANCE = 10_000  # what every unlimited key reports: a sentinel, not an amount (API section 5)


class InfoAccess(StrEnum):
    """What to look up for each person; phones cost more."""

    EMAIL = "EMAIL"
    PHONE = "PHONE"


class TaskState(StrEnum):
    """The documented task states. Others occur and stay plain strings (API section 3)."""

    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    ERRORED = "ERRORED"
    CANCELLED = "CANCELLED"


class DenyKind(StrEnum):
    """What a deny rule matches (API section 6)."""

    EMAIL = "email"
    PHONE = "phone"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRequest:
    """One question to buy an answer for (API section 1)."""

    domain: str
    title: str
    max_k: int
    tracking_id: str
    info_access: frozenset[InfoAccess]
    company_name: str | None = None
    city: str | None = None
    state: str | None = None
    country: str | None = None
    version: int | None = None
    notify_url: str | None = None

    def to_wire(self) -> dict[str, JsonValue]:
        """Return the task as the API takes it, without what is None, so that the server's defaults hold."""
        optional: dict[str, JsonValue] = {
            "company_name": self.company_name,
            "city": self.city,
            "state": self.state,
            "country": self.country,
            "version": self.version,
            "notify_url": self.notify_url,
        }
        return {
            "domain": self.domain,
            "title": self.title,
            "max_k": self.max_k,
            "tracking_id": self.tracking_id,
            "info_access": [access.value for access in sorted(self.info_access)],
            **{name: value for name, value in optional.items() if value is not None},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchStatus:
    """How far a batch is (API section 2). A count is None where the server gave none that can be read."""

    processing: int | None
    completed: int | None
    errored: int | None
    total: int | None
    is_ready: bool

    @classmethod
    def from_wire(cls, answer: Mapping[str, JsonValue]) -> Self:
        """Read the status object, also where it is nested under `status` as submit nests it.

        Ready is only what the server calls ready: counts that look complete don't make it so.
        """
        counts = object_of(answer.get("status")) or answer
        return cls(
            processing=whole_number_of(counts.get("processing")),
            completed=whole_number_of(counts.get("completed")),
            errored=whole_number_of(counts.get("errored")),
            total=whole_number_of(counts.get("total")),
            is_ready=counts.get("batch_ready") is True,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A batch the server accepted.

    `total` is how many tasks it says it took: other than what was sent, a person should look.
    `evidence` is its answer as one line of capped length.
    """

    batch_id: str
    total: int | None
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """A task's state and its raw answer.

    `state` is the server's word in capitals, "" where it gave none. `tracking_id` is the only link to what
    was asked (API section 3). `raw` is the body as received: read people from it with `read_people`.
    """

    task_id: str
    state: str
    tracking_id: str | None
    raw: bytes

    @classmethod
    def from_wire(cls, task_id: str, answer: Mapping[str, JsonValue], raw: bytes) -> Self:
        """Read what must be known about every result; the rest stays in `raw`."""
        return cls(
            task_id=task_id,
            state=(text_of(answer.get("status")) or "").strip().upper(),
            tracking_id=text_of(answer.get("tracking_id")),
            raw=raw,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditBalance:
    """The team's balance, shared by everyone who uses the account (API section 5)."""

    balance: int | None
    period_start: str | None
    period_end: str | None

    @property
    def is_unlimited(self) -> bool:
        """The balance is the sentinel of unlimited keys, not an amount."""
        return self.balance == UNLIMITED_BALANCE

    @classmethod
    def from_wire(cls, answer: Mapping[str, JsonValue]) -> Self:
        """Read the balance; negative stays negative, unreadable is None."""
        return cls(
            balance=whole_number_of(answer.get("balance")),
            period_start=text_of(answer.get("period_start")),
            period_end=text_of(answer.get("period_end")),
        )
