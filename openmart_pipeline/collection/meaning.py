"""What a final result means for its task: its state, what was found in it, and what was odd.

Not here: whose result it is (`collect`, `matching`).
"""

from dataclasses import dataclass

from openmart_pipeline.api.models import TaskResult, read_people
from openmart_pipeline.api.models import TaskState as ServerState
from openmart_pipeline.ledger.states import TaskState

ODDITIES_NOTED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """A final result, as the ledger counts it."""

    state: TaskState
    note: str | None
    is_odd: bool
    people: int
    emails: int  # people with an address
    phones: int  # people with a number


def understood(result: TaskResult) -> Meaning:
    """Return what a result means; its state must be final.

    A completed result that is an error, or from which nothing can be read, ends its task as errored: "nothing found"
    would be owned, and not asked again, for a month.
    """
    read = read_people(result.raw)
    notes = []
    if result.state == ServerState.COMPLETED:
        state = TaskState.FOUND if read.people else TaskState.EMPTY
        if read.failure is not None and not read.people:
            state = TaskState.ERRORED
            notes.append(read.failure)
    else:
        state = TaskState.ERRORED if result.state == ServerState.ERRORED else TaskState.CANCELLED
        notes.append(f"the server says {result.state}")
    notes += read.parse_warnings[:ODDITIES_NOTED]
    return Meaning(
        state=state,
        note="; ".join(notes) or None,
        is_odd=bool(read.parse_warnings),
        people=len(read.people),
        emails=sum(person.email is not None for person in read.people),
        phones=sum(bool(person.phones) for person in read.people),
    )
