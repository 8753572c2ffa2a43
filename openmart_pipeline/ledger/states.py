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
    UNSENT = "unsent"  # surely not sent, or refused before anything was created
    REJECTED = "rejected"  # the server says the request itself is wrong
    UNKNOWN = "unknown"  # may have been created and paid for; never sent again by itself
    SUBMITTED = "submitted"  # the server gave a batch id
    READY = "ready"  # the server says every task has ended
    STUCK = "stuck"  # older than the age limit; still asked about daily
    EXPIRED = "expired"  # the server no longer knows it
    RELEASED = "released"  # a person says: treat as not bought
    COLLECTED = "collected"  # every task has ended and is settled


class TaskState(StrEnum):
    """Where one purchase of a question stands."""

    IN_FLIGHT = "in_flight"
    UNKNOWN = "unknown"
    STUCK = "stuck"
    TWIN = "twin"  # in flight in a batch adopted after its question was already being bought again
    FOUND = "found"
    EMPTY = "empty"
    ERRORED = "errored"
    CANCELLED = "cancelled"
    UNMATCHED = "unmatched"  # every id of its batch was read and none named it
    EXPIRED = "expired"
    REJECTED = "rejected"
    UNSENT = "unsent"
    RELEASED = "released"


# At most one task of a question is in one of these: the ledger's unique index says so.
LIVE = (TaskState.IN_FLIGHT, TaskState.UNKNOWN, TaskState.STUCK)
# What is still expected from the server.
OPEN = (*LIVE, TaskState.TWIN)
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
ASKABLE = (BatchState.SUBMITTED, BatchState.READY, BatchState.STUCK)


@dataclass(frozen=True, slots=True)
class Move:
    """A legal move of a batch: from which states, to which, and what becomes of its open tasks."""

    name: str
    sources: tuple[BatchState, ...]
    target: BatchState
    tasks_to: TaskState | None  # None: the tasks stay as they are
    gives_back: bool = False  # the reserved credits are ours again


_UNDECIDED = (BatchState.SENDING, BatchState.UNKNOWN, BatchState.RELEASED)

UNSENT = Move("unsent", (BatchState.SENDING,), BatchState.UNSENT, TaskState.UNSENT, gives_back=True)
REFUSE = Move("refuse", (BatchState.SENDING,), BatchState.REJECTED, TaskState.REJECTED, gives_back=True)
LOSE = Move("lose", (BatchState.SENDING,), BatchState.UNKNOWN, TaskState.UNKNOWN)
ACCEPT = Move("accept", _UNDECIDED, BatchState.SUBMITTED, TaskState.IN_FLIGHT)
ADOPT = Move("adopt", _UNDECIDED[1:], BatchState.SUBMITTED, TaskState.IN_FLIGHT)
DISOWN = Move("disown", (BatchState.SUBMITTED, BatchState.READY), BatchState.UNKNOWN, TaskState.UNKNOWN)
REVOKE = Move("revoke", (*ASKABLE, BatchState.EXPIRED, BatchState.COLLECTED), BatchState.UNKNOWN, TaskState.UNKNOWN)
RELEASE = Move("release", (BatchState.UNKNOWN, BatchState.STUCK), BatchState.RELEASED, TaskState.RELEASED)
READY = Move("ready", (BatchState.SUBMITTED, BatchState.STUCK), BatchState.READY, None)
AGE = Move("age", (BatchState.SUBMITTED, BatchState.READY), BatchState.STUCK, TaskState.STUCK)
EXPIRE = Move("gone", ASKABLE, BatchState.EXPIRED, TaskState.EXPIRED)
SETTLE = Move("settle", ASKABLE, BatchState.COLLECTED, None)
