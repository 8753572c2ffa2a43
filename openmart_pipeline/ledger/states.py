"""The states of files, batches and tasks, and the moves between them: the table that says what money does.

Lives here: words only. No storage.
"""

from dataclasses import dataclass
from enum import StrEnum


class FileState(StrEnum):
    """Where an input file stands; what is on its way for it is collected in any of these."""

    ACTIVE = "active"
    MISSING = "missing"  # no longer in the input folder
    RETIRED = "retired"  # a person is done with it: nothing is planned or bought


class BatchState(StrEnum):
    """Where one POST of up to 100 tasks stands."""

    SENDING = "sending"  # intent committed; the POST may be under way
    NOT_SENT = "not_sent"  # surely not sent, or refused before anything was created
    REJECTED = "rejected"  # the server says the request itself is wrong
    UNKNOWN = "unknown"  # may have been created and paid for; never sent again by itself
    SUBMITTED = "submitted"  # the server gave a batch id
    READY = "ready"  # the server says every task has ended
    STALLED = "stalled"  # older than the age limit; still asked about daily
    EXPIRED = "expired"  # the server no longer knows it
    RELEASED = "released"  # a person says: treat as not bought
    COLLECTED = "collected"  # every task has ended and is settled


class TaskState(StrEnum):
    """Where one purchase of a question stands."""

    IN_FLIGHT = "in_flight"
    UNKNOWN = "unknown"
    STALLED = "stalled"
    DUPLICATE_IN_FLIGHT = (
        "duplicate_in_flight"  # in flight in a batch adopted after its question was already being bought again
    )
    FOUND = "found"
    EMPTY = "empty"
    ERRORED = "errored"
    CANCELLED = "cancelled"
    UNMATCHED = "unmatched"  # every id of its batch was read and none named it
    EXPIRED = "expired"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    RELEASED = "released"


# At most one task of a question is in one of these: the ledger's unique index says so.
LIVE = (TaskState.IN_FLIGHT, TaskState.UNKNOWN, TaskState.STALLED)
# What is still expected from the server.
OPEN = (*LIVE, TaskState.DUPLICATE_IN_FLIGHT)
ANSWERED = (TaskState.FOUND, TaskState.EMPTY)
# Ended without an answer; owed again only by a plan that says `reask`.
ENDED_BADLY = (
    TaskState.ERRORED,
    TaskState.CANCELLED,
    TaskState.UNMATCHED,
    TaskState.EXPIRED,
    TaskState.REJECTED,
)
# Batches that the server can still be asked about.
ASKABLE = (BatchState.SUBMITTED, BatchState.READY, BatchState.STALLED)


@dataclass(frozen=True, slots=True)
class Move:
    """A legal move of a batch: from which states, to which, and what becomes of its open tasks."""

    name: str
    sources: tuple[BatchState, ...]
    target: BatchState
    tasks_to: TaskState | None  # None: the tasks stay as they are
    gives_back: bool = False  # the reserved credits are ours again


_UNDECIDED = (BatchState.SENDING, BatchState.UNKNOWN, BatchState.RELEASED)

MARK_NOT_SENT = Move("not_sent", (BatchState.SENDING,), BatchState.NOT_SENT, TaskState.NOT_SENT, gives_back=True)
MARK_REJECTED = Move("rejected", (BatchState.SENDING,), BatchState.REJECTED, TaskState.REJECTED, gives_back=True)
MARK_UNKNOWN = Move("unknown", (BatchState.SENDING,), BatchState.UNKNOWN, TaskState.UNKNOWN)
ACCEPT = Move("accept", _UNDECIDED, BatchState.SUBMITTED, TaskState.IN_FLIGHT)
ADOPT = Move("adopt", _UNDECIDED[1:], BatchState.SUBMITTED, TaskState.IN_FLIGHT)
REVOKE_FOREIGN = Move("revoke_foreign", (BatchState.SUBMITTED, BatchState.READY), BatchState.UNKNOWN, TaskState.UNKNOWN)
REVOKE = Move("revoke", (*ASKABLE, BatchState.EXPIRED, BatchState.COLLECTED), BatchState.UNKNOWN, TaskState.UNKNOWN)
RELEASE = Move("release", (BatchState.UNKNOWN, BatchState.STALLED), BatchState.RELEASED, TaskState.RELEASED)
READY = Move("ready", (BatchState.SUBMITTED, BatchState.STALLED), BatchState.READY, None)
MARK_STALLED = Move("stalled", (BatchState.SUBMITTED, BatchState.READY), BatchState.STALLED, TaskState.STALLED)
MARK_EXPIRED = Move("expired", ASKABLE, BatchState.EXPIRED, TaskState.EXPIRED)
SETTLE = Move("settle", ASKABLE, BatchState.COLLECTED, None)
