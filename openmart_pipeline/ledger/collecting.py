"""The ledger's side of collecting: what the server says of a batch, and the answers, each with its task's end.

Lives here: transactions on batches that have an id. Who asks about which is in `holding`, the reads themselves are in
`poll` and `collect`.
"""

import datetime as dt
import zlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from openmart_pipeline.ledger import moves
from openmart_pipeline.ledger import unmatched_results as unmatched
from openmart_pipeline.ledger.moves import Batch, MoveRefused
from openmart_pipeline.ledger.schema import asks, batches, partitions, tasks, unmatched_results
from openmart_pipeline.ledger.states import ASKABLE, MARK_EXPIRED, MARK_STALLED, OPEN, READY, SETTLE, TaskState
from openmart_pipeline.ledger.store import Ledger
from openmart_pipeline.ledger.unmatched_results import FOREIGN, READS, UnmatchedResult
from openmart_pipeline.model.prices import PriceTable
from openmart_pipeline.model.questions import Access

GONE_POLLS = 3  # a batch the server says it does not know is given up after so many answers ...
GONE_AFTER = dt.timedelta(days=1)  # ... over at least so long: one bad deploy on their side is no verdict


@dataclass(frozen=True, slots=True)
class Ended:
    """A task's end, as read: the answer or why there is none."""

    tracking_id: str
    state: TaskState
    vendor_task_id: str | None
    raw: bytes | None  # the answer exactly as received
    note: str | None
    emails: int  # people with an address
    phones: int  # people with a number: how many numbers one of them has costs nothing more


def bought_for(partition_keys: Collection[str]) -> sa.ColumnElement[bool]:
    """SQL: the batch was bought for one of the files."""
    return batches.c.partition_key.in_(partition_keys)


def answers_to(partition_keys: Collection[str]) -> sa.ColumnElement[bool]:
    """SQL: the batch holds a task that the current plan of one of the files asks for, whoever bought it.

    Looks into every batch, which costs a hundred times as much as `bought_for`: ask that first.
    """
    return (
        sa.select(sa.literal(1))
        .select_from(partitions)
        .join(asks, asks.c.plan_id == partitions.c.current_plan_id)
        .join(tasks, tasks.c.question_id == asks.c.question_id)
        .where(partitions.c.partition_key.in_(partition_keys), tasks.c.batch_no == batches.c.batch_no)
        .correlate(batches)
        .exists()
    )


def open_batches(ledger: Ledger, partition_keys: Collection[str] | None = None) -> list[Batch]:
    """Return the batches still expected from the server, due first; only these files' where named."""
    query = sa.select(batches).where(batches.c.state.in_(ASKABLE)).order_by(batches.c.next_poll_at)
    if partition_keys is not None:
        query = query.where(sa.or_(bought_for(partition_keys), answers_to(partition_keys)))
    with ledger.read() as connection:
        return [Batch.of(row) for row in connection.execute(query).mappings()]


def not_ready(ledger: Ledger, batch: Batch, *, next_poll_s: float) -> None:
    """Record that the batch was asked about and is still being worked on."""
    with ledger.write() as connection:
        connection.execute(
            batches.update()
            .where(batches.c.batch_no == batch.batch_no)
            .values(
                polls=batches.c.polls + 1,
                next_poll_at=ledger.clock() + dt.timedelta(seconds=next_poll_s),
                leased_by=None,
                gone_polls=0,
                gone_since=None,
            )
        )


def ready(ledger: Ledger, batch: Batch) -> None:
    """Record that the server says every task of the batch has ended."""
    with ledger.write() as connection:
        moves.apply(
            ledger,
            connection,
            READY,
            batch,
            ready_at=ledger.clock(),
            polls=batches.c.polls + 1,
            gone_polls=0,
            gone_since=None,
        )


def age(ledger: Ledger, batch: Batch, *, next_poll_s: float, reason: str) -> None:
    """Give up waiting for what has not ended by now; it is still asked about, and collected should it come."""
    with ledger.write() as connection:
        moves.apply(
            ledger,
            connection,
            MARK_STALLED,
            batch,
            reason=reason,
            next_poll_at=ledger.clock() + dt.timedelta(seconds=next_poll_s),
            leased_by=None,
        )


def gone(ledger: Ledger, batch: Batch, *, next_poll_s: float) -> bool:
    """Record one 404 about a batch; once there are enough over a day, it is expired. Return whether it is."""
    with ledger.write() as connection:
        now = ledger.clock()
        known = moves.find(connection, batch.batch_no)
        since = min(known.gone_since or now, now)  # a clock that was ahead is no reason to wait until then
        times = known.gone_polls + moves.has_id_seen(batch, known)
        if times >= GONE_POLLS and now - since >= GONE_AFTER:
            reason = f"the server answered {times} times since {since:%Y-%m-%d %H:%M} UTC that it does not know it"
            moves.apply(ledger, connection, MARK_EXPIRED, batch, reason=reason, evidence=reason, leased_by=None)
            return True
        connection.execute(
            batches.update()
            .where(batches.c.batch_no == batch.batch_no)
            .values(
                polls=batches.c.polls + 1,
                gone_polls=times,
                gone_since=since,
                next_poll_at=now + dt.timedelta(seconds=next_poll_s),
                leased_by=None,
            )
        )
        return False


@dataclass(frozen=True, slots=True)
class Expected:
    """What a batch still waits for, and which of the server's ids were read already."""

    tracking_ids: frozenset[str]  # of all its tasks
    open_tracking_ids: frozenset[str]
    read_task_ids: frozenset[str]  # the server's; reading them again would bring nothing new
    foreign_task_ids: frozenset[str]  # of those, what belongs to another batch
    unmatched: int  # results that are kept and lead to no task


def expected(ledger: Ledger, batch: Batch) -> Expected:
    """Return what a batch still waits for under its present id."""
    with ledger.read() as connection:
        rows = connection.execute(
            sa.select(tasks.c.tracking_id, tasks.c.state, tasks.c.vendor_task_id).where(
                tasks.c.batch_no == batch.batch_no
            )
        ).all()
        kept = connection.execute(
            sa.select(unmatched_results.c.vendor_task_id, unmatched_results.c.reason, unmatched_results.c.reads).where(
                unmatched_results.c.batch_no == batch.batch_no,
                unmatched_results.c.vendor_batch_id == batch.vendor_batch_id,
            )
        ).all()
        return Expected(
            frozenset(row.tracking_id for row in rows),
            frozenset(row.tracking_id for row in rows if row.state in OPEN),
            frozenset(row.vendor_task_id for row in rows if row.vendor_task_id)
            | frozenset(result.vendor_task_id for result in kept if result.reads >= READS),
            frozenset(result.vendor_task_id for result in kept if result.reason == FOREIGN),
            len(kept),
        )


# What of an answer may be kept, by the suppression list as the transaction that keeps it sees it.
Kept = Callable[[bytes, int, str | None], bytes]  # an answer, its batch_no and tracking id -> what is kept of it
Keepable = Callable[[sa.Connection], Kept]  # asked once a transaction


def as_received(_connection: sa.Connection) -> Kept:
    """Keep everything."""
    return lambda raw, _batch_no, _tracking_id: raw


def store_answers(
    ledger: Ledger,
    answers: Sequence[tuple[int, Ended | UnmatchedResult]],
    *,
    keep_hold_s: float,
    keepable: Keepable = as_received,
) -> None:
    """Commit answers, each together with its task's end; one that ended before stays as it was.

    Args:
        ledger: where.
        answers: (batch_no, answer) pairs; a group of them is one transaction.
        keep_hold_s: how much longer the batches they belong to are held.
        keepable: takes people out who are not to be kept.

    """
    now = ledger.clock()
    with ledger.write() as connection:
        kept = keepable(connection)
        answers = [(batch_no, _kept(batch_no, answer, kept)) for batch_no, answer in answers]
        ended: dict[int, list[Ended]] = {}
        for batch_no, answer in answers:
            if isinstance(answer, Ended):
                ended.setdefault(batch_no, []).append(answer)
        for batch_no, group in ended.items():
            seq = ledger.record(connection, "collect", batch_no=batch_no, ended=len(group))
            connection.execute(
                tasks.update()
                .where(
                    tasks.c.tracking_id == sa.bindparam("b_tracking_id"),
                    tasks.c.batch_no == batch_no,
                    sa.or_(*(tasks.c.state == state for state in OPEN)),  # IN can't be sent as many
                )
                .values(
                    state=sa.bindparam("b_state"),
                    vendor_task_id=sa.bindparam("b_vendor_task_id"),
                    raw=sa.bindparam("b_raw"),
                    note=sa.bindparam("b_note"),
                    emails=_as_billed("b_emails", Access.EMAIL),
                    phones=_as_billed("b_phones", Access.PHONE),
                    ended_at=now,
                    ended_seq=seq,
                ),
                [
                    {
                        "b_tracking_id": answer.tracking_id,
                        "b_state": answer.state,
                        "b_vendor_task_id": answer.vendor_task_id,
                        "b_raw": None if answer.raw is None else zlib.compress(answer.raw, 6),
                        "b_note": answer.note,
                        "b_emails": answer.emails,
                        "b_phones": answer.phones,
                    }
                    for answer in group
                ],
            )
            unmatched.discard_matched(connection, batch_no, [one.vendor_task_id for one in group if one.vendor_task_id])
        for batch_no, answer in answers:
            if isinstance(answer, UnmatchedResult):
                unmatched.store(connection, batch_no, answer, now)
                ledger.record(connection, "unmatched_result", batch_no=batch_no, reason=answer.reason)
        connection.execute(
            batches.update()
            .where(
                batches.c.batch_no.in_({batch_no for batch_no, _ in answers}),
                batches.c.leased_by == ledger.owner.owner_id,
            )
            .values(next_poll_at=now + dt.timedelta(seconds=keep_hold_s))
        )


def _kept(batch_no: int, answer: Ended | UnmatchedResult, kept: Kept) -> Ended | UnmatchedResult:
    if answer.raw is None:
        return answer
    raw = kept(answer.raw, batch_no, answer.tracking_id)
    return answer if raw is answer.raw else replace(answer, raw=raw)


def _as_billed(found: str, flag: Access) -> sa.ColumnElement[int]:
    """Count what was found as far as it was asked for: a batch never settles above what was reserved for it."""
    asked = sa.case((tasks.c.info_access.op("&")(flag.value) > 0, tasks.c.max_k), else_=0)
    count = sa.bindparam(found, type_=sa.Integer)
    return sa.case((count > asked, asked), else_=count)


def note_too_many_ids(ledger: Ledger, batch: Batch, *, listed: int, read: int) -> None:
    """Keep with the batch, once for each number, that the server lists more ids than are read at one look."""
    sentence = (
        f"The server lists {listed:,} task ids for batch {batch.batch_no}, which has {batch.tasks} tasks. {read} of "
        "them are read at each look, others each time; its tasks wait until theirs come. Ask Openmart about batch "
        f"{batch.vendor_batch_id}."
    )
    if batch.evidence == sentence:
        return
    with ledger.write() as connection:
        connection.execute(
            batches.update()
            .where(batches.c.batch_no == batch.batch_no, batches.c.vendor_batch_id == batch.vendor_batch_id)
            .values(evidence=sentence)
        )
        ledger.record(connection, "too_many_ids", batch_no=batch.batch_no, reason=sentence)


def settle(ledger: Ledger, batch: Batch, prices: PriceTable) -> bool:
    """Close a batch whose tasks have all ended, at what was found; return whether it is closed.

    What was found in unmatched results counts too: it was paid for. Together never more than was reserved.
    """
    with ledger.write() as connection:
        open_tasks, emails, phones = connection.execute(
            sa.select(
                sa.func.sum(sa.case((tasks.c.state.in_(OPEN), 1), else_=0)),
                sa.func.sum(tasks.c.emails),
                sa.func.sum(tasks.c.phones),
            ).where(tasks.c.batch_no == batch.batch_no)
        ).one()
        if open_tasks:
            return False
        more_emails, more_phones = unmatched.paid(connection, batch)
        credits_ = prices.cost(emails=(emails or 0) + more_emails, phones=(phones or 0) + more_phones)
        if credits_ is not None and batch.reserved_credits is not None:
            credits_ = min(credits_, batch.reserved_credits)
        try:
            moves.apply(
                ledger,
                connection,
                SETTLE,
                batch,
                collected_at=ledger.clock(),
                settled_credits=credits_,
                next_poll_at=None,
                leased_by=None,
            )
        except MoveRefused:
            return False  # another collector settled it first
        return True


def unmatch(ledger: Ledger, batch: Batch) -> int:
    """End the tasks that no id of their batch names, all ids having been read; return how many.

    None where somebody moved the batch meanwhile: what was read may have been another's, and is no end of these.
    """
    mine = sa.and_(tasks.c.batch_no == batch.batch_no, tasks.c.state.in_(OPEN))
    with ledger.read() as connection:
        if connection.execute(sa.select(tasks.c.task_no).where(mine).limit(1)).first() is None:
            return 0
    with ledger.write() as connection:
        now = moves.find(connection, batch.batch_no)
        if now.state not in ASKABLE or not moves.has_id_seen(batch, now):
            return 0
        seq = ledger.record(connection, "unmatched", batch_no=batch.batch_no)
        result = connection.execute(
            tasks.update()
            .where(mine)
            .values(
                state=TaskState.UNMATCHED,
                note="every task id of the batch was read and none carried this tracking id",
                ended_at=ledger.clock(),
                ended_seq=seq,
            )
        )
        return result.rowcount
