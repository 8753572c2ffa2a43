"""One move of one batch, as one transaction: compare the state, set the next, write the event.

Lives here: `apply`, which every move of a batch goes through, and the moves that a person makes.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from openmart_pipeline.ledger.ledger_errors import member
from openmart_pipeline.ledger.schema import batches, tasks
from openmart_pipeline.ledger.states import (
    ADOPT,
    LIVE,
    MARK_UNKNOWN,
    OPEN,
    RELEASE,
    BatchState,
    Move,
    TaskState,
)
from openmart_pipeline.ledger.store import Ledger


class MoveRefused(Exception):
    """The batch or the file is not in a state from which this move is legal; the sentence says what it is in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch as the ledger has it; times are UTC."""

    batch_no: int
    token: str
    plan_id: str
    partition_key: str
    state: BatchState
    tasks: int
    owner_id: str
    key_hash: str
    vendor_batch_id: str | None
    intent_at: dt.datetime
    deadline_at: dt.datetime
    submitted_at: dt.datetime | None
    ready_at: dt.datetime | None
    collected_at: dt.datetime | None
    polls: int
    next_poll_at: dt.datetime | None
    leased_by: str | None
    gone_polls: int
    gone_since: dt.datetime | None
    budget_day: str
    reserved_credits: float | None
    settled_credits: float | None
    evidence: str | None
    run_id: str
    approval_id: str

    @classmethod
    def of(cls, row: sa.RowMapping) -> "Batch":
        """Build one from a row of `batches`."""
        return cls(**{**row, "state": member(BatchState, row["state"])})


def find(connection: sa.Connection, batch_no: int) -> Batch:
    """Return the batch of that number.

    Raises:
        MoveRefused: there is none.

    """
    row = connection.execute(sa.select(batches).where(batches.c.batch_no == batch_no)).mappings().first()
    if row is None:
        raise MoveRefused(f"There is no batch {batch_no} in this ledger.")
    return Batch.of(row)


def apply(
    ledger: Ledger,
    connection: sa.Connection,
    move: Move,
    batch: Batch,
    *,
    reason: str | None = None,
    actor: str | None = None,
    gives_back: bool | None = None,
    noted: Mapping[str, Any] | None = None,
    **values: Any,
) -> int:
    """Make the move in the caller's transaction: the batch, its open tasks, the credits, and one event.

    Args:
        ledger: the ledger of `connection`.
        connection: a transaction begun by `Ledger.write`.
        move: which.
        batch: the batch as last seen; its number and token must still be there in a state the move allows, and
            under no other id of the server's than was seen.
        reason: for the history.
        actor: for the history, where it is not the ledger's own.
        gives_back: overrides the move's own rule on the reserved credits.
        noted: for the history, beside the reason.
        values: columns of the batch to set with it.

    Returns:
        The number of the event.

    Raises:
        MoveRefused: somebody else moved it first, or the move is not legal from there.

    """
    now = find(connection, batch.batch_no)
    if now.token != batch.token or now.state not in move.sources:
        raise MoveRefused(
            f"Batch {batch.batch_no} is {now.state}; {move.name!r} is for one that is "
            f"{' or '.join(move.sources)}. Nothing was changed."
        )
    if not has_id_seen(batch, now):
        raise MoveRefused(
            f"Batch {batch.batch_no} is {now.vendor_batch_id} at the server by now, and {move.name!r} was said of "
            f"{batch.vendor_batch_id}. Nothing was changed."
        )
    if move.gives_back if gives_back is None else gives_back:
        values["settled_credits"] = 0.0
    changed = connection.execute(
        batches.update()
        .where(
            batches.c.batch_no == batch.batch_no,
            batches.c.token == batch.token,
            batches.c.state.in_(move.sources),
        )
        .values(state=move.target, **values)
    )
    if changed.rowcount != 1:
        raise MoveRefused(f"Batch {batch.batch_no} moved meanwhile. Nothing was changed.")
    seq = ledger.record(
        connection,
        move.name,
        batch_no=batch.batch_no,
        from_state=now.state,
        to_state=move.target,
        reason=reason,
        actor=actor,
        **(noted or {}),
    )
    if move.tasks_to is not None:
        _move_tasks(ledger, connection, batch.batch_no, move.tasks_to, seq)
    return seq


def has_id_seen(batch: Batch, now: Batch) -> bool:
    """Whether what was seen of the batch is still about the same batch of the server's.

    A collector may be slow, and an id that a person named by mistake be taken back and put right meanwhile.
    """
    return batch.vendor_batch_id in (None, now.vendor_batch_id)


def _move_tasks(ledger: Ledger, connection: sa.Connection, batch_no: int, target: TaskState, seq: int) -> None:
    """Bring the batch's undecided tasks to `target`; what was answered stays answered."""
    undecided = sa.and_(tasks.c.batch_no == batch_no, tasks.c.state.in_((*OPEN, TaskState.RELEASED)))
    if target in LIVE:
        # After a release the question may be live in another batch: this one is then a duplicate in flight,
        # collected too.
        other = tasks.alias("other")
        taken = sa.exists().where(
            other.c.question_id == tasks.c.question_id,
            other.c.batch_no != batch_no,
            other.c.state.in_(LIVE),
        )
        again = {"ended_at": None, "ended_seq": None}
        connection.execute(tasks.update().where(undecided, taken).values(state=TaskState.DUPLICATE_IN_FLIGHT, **again))
        connection.execute(tasks.update().where(undecided, sa.not_(taken)).values(state=target, **again))
        return
    connection.execute(tasks.update().where(undecided).values(state=target, ended_at=ledger.clock(), ended_seq=seq))


def mark_orphans_unknown(ledger: Ledger) -> list[int]:
    """Move to `unknown` every batch that a dead process was sending; return their numbers.

    Their POST may have arrived: nothing here or elsewhere sends them again.
    """
    with ledger.read() as connection:
        rows = connection.execute(sa.select(batches).where(batches.c.state == BatchState.SENDING)).mappings()
        orphans = [Batch.of(row) for row in rows]
    lost = []
    for batch in orphans:
        if not ledger.owner.is_gone(batch.owner_id):
            continue
        with ledger.write() as connection:
            try:
                reason = "the process that was sending it ended before it heard an answer"
                apply(ledger, connection, MARK_UNKNOWN, batch, reason=reason, evidence=reason)
            except MoveRefused:
                continue  # another process said so first, or the sender's own word arrived
        lost.append(batch.batch_no)
    return lost


def unknown_batches(ledger: Ledger, partition_key: str | None = None) -> list[Batch]:
    """Return the batches that may have been paid for and whose id nobody knows, oldest first."""
    query = sa.select(batches).where(batches.c.state == BatchState.UNKNOWN).order_by(batches.c.batch_no)
    if partition_key is not None:
        query = query.where(batches.c.partition_key == partition_key)
    with ledger.read() as connection:
        return [Batch.of(row) for row in connection.execute(query).mappings()]


# Of a batch whose id is new to it: what was heard under an earlier one says nothing of this one.
NOTHING_HEARD: dict[str, Any] = {"polls": 0, "gone_polls": 0, "gone_since": None}


def adopt(ledger: Ledger, batch_no: int, vendor_batch_id: str, *, total: int | None, who: str, why: str) -> None:
    """Give an unknown or released batch the id that the vendor's support or dashboard named.

    Args:
        ledger: where.
        batch_no: ours.
        vendor_batch_id: theirs, just checked to exist.
        total: how many tasks the server counts under that id: must be ours.
        who: the person, for the history.
        why: how they know, for the history.

    Raises:
        MoveRefused: another number of tasks, another batch's id, an id beside the one that has answered already, or
            a batch in another state.

    """
    with ledger.write() as connection:
        batch = find(connection, batch_no)
        if total != batch.tasks:
            raise MoveRefused(
                f"The server counts {total} tasks under {vendor_batch_id}, batch {batch_no} has {batch.tasks}: "
                "that is not the same batch. Nothing was changed."
            )
        holder = connection.execute(
            sa.select(batches.c.batch_no).where(batches.c.vendor_batch_id == vendor_batch_id)
        ).scalar()
        if holder not in (None, batch_no):
            raise MoveRefused(f"{vendor_batch_id} is batch {holder} already. Nothing was changed.")
        if batch.vendor_batch_id != vendor_batch_id and has_answered(connection, batch_no):
            raise MoveRefused(
                f"Batch {batch_no} is {batch.vendor_batch_id} at the server: answers under that id named its tasks. "
                "Nothing was changed. Adopt it under that id."
            )
        now = ledger.clock()
        apply(
            ledger,
            connection,
            ADOPT,
            batch,
            reason=why,
            actor=who,
            noted={"vendor_batch_id": vendor_batch_id},
            vendor_batch_id=vendor_batch_id,
            submitted_at=batch.submitted_at or now,
            settled_credits=None,
            next_poll_at=now,
            **NOTHING_HEARD,
        )


def has_answered(connection: sa.Connection, batch_no: int) -> bool:
    """Whether an answer under the batch's id was given to one of its tasks: another id must not be put in its place."""
    named = sa.select(tasks.c.task_no).where(tasks.c.batch_no == batch_no, tasks.c.vendor_task_id.is_not(None))
    return connection.execute(named.limit(1)).first() is not None


def release(ledger: Ledger, batch_no: int, *, who: str, why: str, vouch_unpaid: bool = False) -> None:
    """Owe the batch's questions again, by a person's word that it was not created, or that it is given up.

    Args:
        ledger: where.
        batch_no: which.
        who: the person, for the history.
        why: their reason, for the history.
        vouch_unpaid: the person knows that nothing was charged: the reserved credits are free again.

    Raises:
        MoveRefused: its sender may still hear an answer, or it is in another state.

    """
    with ledger.write() as connection:
        batch = find(connection, batch_no)
        now = ledger.clock()
        # Before the intent was written? Then the clock was set back, and the owner's lock alone decides.
        is_past = now > batch.deadline_at or now < batch.intent_at
        if batch.state is BatchState.UNKNOWN and not (is_past and ledger.owner.is_gone(batch.owner_id)):
            raise MoveRefused(
                f"The process that sent batch {batch_no} may still hear the answer (until {batch.deadline_at:%H:%M:%S} "
                "UTC, and while it lives). Nothing was changed. Try again then, or stop that process first."
            )
        apply(
            ledger,
            connection,
            RELEASE,
            batch,
            reason=why,
            actor=who,
            gives_back=vouch_unpaid,
            noted={"vouched_unpaid": vouch_unpaid},
        )
