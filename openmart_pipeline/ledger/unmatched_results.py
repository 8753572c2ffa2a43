"""Results of our batches that no tracking id leads to a task: kept, counted, and assigned with evidence.

Not here: which evidence is enough (`matching`). A result moves into its task in one transaction, and the history says
by which evidence or which person.
"""

import datetime as dt
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from openmart_pipeline.ledger import moves
from openmart_pipeline.ledger.moves import Batch, MoveRefused
from openmart_pipeline.ledger.schema import batches, questions, tasks, unmatched_results
from openmart_pipeline.ledger.states import ASKABLE, OPEN, BatchState, TaskState
from openmart_pipeline.ledger.store import Ledger
from openmart_pipeline.model.questions import Access

READS = 3  # a tracking id that is missing is looked for so often, at so many looks at the batch, before it is final

FOREIGN = "it carries a tracking id of another batch"
SECOND = "it carries the tracking id of a task that has an answer"
NO_ID = "it carries no tracking id"
CHANGED_ID = "it carries a tracking id that was never sent"
REVOKED = "it was read under a batch id that a person took back"
MATCH = "match"  # the history's word for a result that a rule gave to its task ...
ASSIGN = "assign"  # ... and for one that a person gave
# Tasks that a result may be given to: without an answer, and sent.
ASSIGNABLE = (*OPEN, TaskState.UNMATCHED, TaskState.EXPIRED, TaskState.RELEASED)
_READ_ONCE = (FOREIGN, SECOND)  # what these carry is readable: reading again brings nothing new


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmatchedResult:
    """A result of one of our batches that no tracking id leads to a task of that batch."""

    vendor_task_id: str
    vendor_batch_id: str | None  # under which it was read
    tracking_id: str | None  # what it carries
    reason: str
    state: TaskState  # what it would make of its task
    note: str | None = None
    raw: bytes | None
    people: int = 0
    emails: int = 0
    phones: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldResult:
    """An unmatched result as it is kept."""

    batch_no: int
    vendor_task_id: str
    vendor_batch_id: str | None
    tracking_id: str | None
    reason: str
    doubt: str | None
    state: TaskState
    people: int
    emails: int
    phones: int
    reads: int
    read_at: dt.datetime
    partition_key: str
    batch_state: BatchState
    is_of_this_id: bool  # read under the id that its batch has now
    raw: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SentTask:
    """A task of a batch, as far as a result is held against it."""

    tracking_id: str
    position: int
    domain: str
    title: str
    state: TaskState
    vendor_task_id: str | None
    is_proven: bool  # its answer carries its tracking id

    @property
    def is_without_answer(self) -> bool:
        """Whether a result may still be assigned to it."""
        return self.state in ASSIGNABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A result and the task it belongs to, with the evidence as a sentence."""

    vendor_task_id: str
    tracking_id: str
    evidence: str


def store(connection: sa.Connection, batch_no: int, result: UnmatchedResult, now: dt.datetime) -> None:
    """Keep a result, in the caller's transaction; one that is kept already counts one more read."""
    mine = sa.and_(
        unmatched_results.c.batch_no == batch_no, unmatched_results.c.vendor_task_id == result.vendor_task_id
    )
    known = connection.execute(sa.select(unmatched_results.c.reads, unmatched_results.c.purged_at).where(mine)).first()
    if known is not None and known.purged_at is not None:
        return
    reads = 0 if known is None else known.reads
    connection.execute(unmatched_results.delete().where(mine))
    connection.execute(
        unmatched_results.insert().values(
            batch_no=batch_no,
            vendor_task_id=result.vendor_task_id,
            vendor_batch_id=result.vendor_batch_id,
            tracking_id=result.tracking_id,
            reason=result.reason,
            state=result.state,
            note=result.note,
            raw=None if result.raw is None else zlib.compress(result.raw, 6),
            people=result.people,
            emails=result.emails,
            phones=result.phones,
            reads=READS if result.reason in _READ_ONCE else reads + 1,
            read_at=now,
        )
    )


def discard_matched(connection: sa.Connection, batch_no: int, vendor_task_ids: Sequence[str]) -> None:
    """Remove the results that carried their tracking id after all, in the transaction that stores the answers."""
    connection.execute(
        unmatched_results.delete().where(
            unmatched_results.c.batch_no == batch_no, unmatched_results.c.vendor_task_id == sa.bindparam("b_id")
        ),
        [{"b_id": vendor_task_id} for vendor_task_id in vendor_task_ids],
    )


def _of_batch(batch: Batch) -> sa.ColumnElement[bool]:
    """SQL: read under the id that the batch has now; what an earlier id brought is no result of it."""
    return sa.and_(
        unmatched_results.c.batch_no == batch.batch_no,
        unmatched_results.c.vendor_batch_id == batch.vendor_batch_id,
    )


def to_read_again(ledger: Ledger, batch: Batch) -> set[str]:
    """Return the results of the batch that were not read often enough to say that their tracking id is lost."""
    query = sa.select(unmatched_results.c.vendor_task_id).where(_of_batch(batch), unmatched_results.c.reads < READS)
    with ledger.read() as connection:
        return set(connection.execute(query).scalars())


def paid(connection: sa.Connection, batch: Batch) -> tuple[int, int]:
    """Return the addresses and numbers in the batch's unmatched results: they were paid for like the others."""
    emails, phones = connection.execute(
        sa.select(sa.func.sum(unmatched_results.c.emails), sa.func.sum(unmatched_results.c.phones)).where(
            _of_batch(batch), unmatched_results.c.reason != FOREIGN
        )
    ).one()
    return emails or 0, phones or 0


def held(
    ledger: Ledger, batch: Batch | None = None, *, partition_key: str | None = None, with_raw: bool = True
) -> list[HeldResult]:
    """Return the unmatched results, oldest batch first; of a batch under its present id, or of a file, where named."""
    raw = unmatched_results.c.raw
    query = (
        sa.select(
            *(column for column in unmatched_results.c if column is not raw),
            (raw if with_raw else sa.null()).label("raw"),
            batches.c.partition_key,
            batches.c.state.label("batch_state"),
            batches.c.vendor_batch_id.label("batch_id_now"),
        )
        .join(batches, batches.c.batch_no == unmatched_results.c.batch_no)
        .order_by(unmatched_results.c.batch_no, unmatched_results.c.read_at, unmatched_results.c.vendor_task_id)
    )
    if batch is not None:
        query = query.where(_of_batch(batch))
    if partition_key is not None:
        query = query.where(batches.c.partition_key == partition_key)
    with ledger.read() as connection:
        return [_held(row) for row in connection.execute(query).mappings()]


def _held(row: sa.RowMapping) -> HeldResult:
    return HeldResult(
        batch_no=row["batch_no"],
        vendor_task_id=row["vendor_task_id"],
        vendor_batch_id=row["vendor_batch_id"],
        tracking_id=row["tracking_id"],
        reason=row["reason"],
        doubt=row["doubt"],
        state=TaskState(row["state"]),
        people=row["people"],
        emails=row["emails"],
        phones=row["phones"],
        reads=row["reads"],
        read_at=row["read_at"],
        partition_key=row["partition_key"],
        batch_state=BatchState(row["batch_state"]),
        is_of_this_id=row["vendor_batch_id"] == row["batch_id_now"],
        raw=row["raw"],
    )


def unpacked(result: HeldResult) -> bytes | None:
    """Return the result as received."""
    return None if result.raw is None else zlib.decompress(result.raw)


def sent_tasks(ledger: Ledger, batch_no: int) -> list[SentTask]:
    """Return the tasks of a batch in the order in which they were sent."""
    query = (
        sa.select(tasks, questions.c.domain, questions.c.title)
        .join(questions, questions.c.question_id == tasks.c.question_id)
        .where(tasks.c.batch_no == batch_no)
        .order_by(tasks.c.position)
    )
    with ledger.read() as connection:
        return [
            SentTask(
                tracking_id=row["tracking_id"],
                position=row["position"],
                domain=row["domain"],
                title=row["title"],
                state=TaskState(row["state"]),
                vendor_task_id=row["vendor_task_id"],
                is_proven=row["vendor_task_id"] is not None and row["matched_by"] is None,
            )
            for row in connection.execute(query).mappings()
        ]


def assign_proven(
    ledger: Ledger, batch: Batch, assignments: Sequence[Assignment], doubts: Mapping[str, str]
) -> list[TaskState]:
    """Give results to their tasks, and note why the others were not assigned; return what the tasks became.

    Nothing happens where somebody moved the batch meanwhile: what was read may have been another's.
    """
    with ledger.write() as connection:
        now = moves.find(connection, batch.batch_no)
        if now.state not in ASKABLE or not moves.has_id_seen(batch, now):
            return []
        for vendor_task_id, doubt in doubts.items():
            connection.execute(
                unmatched_results.update()
                .where(_of_batch(now), unmatched_results.c.vendor_task_id == vendor_task_id)
                .values(doubt=doubt)
            )
        return [_assign(ledger, connection, now, one, actor=None, reason=one.evidence) for one in assignments]


def assign_by_person(
    ledger: Ledger, batch_no: int, vendor_task_id: str, tracking_id: str, *, who: str, why: str
) -> TaskState:
    """Give a result to the task that a person names; return what the task became.

    Raises:
        MoveRefused: no such result or task, or the task has an answer, or the result came under another batch's id.

    """
    with ledger.write() as connection:
        batch = moves.find(connection, batch_no)
        if batch.state not in (*ASKABLE, BatchState.COLLECTED, BatchState.EXPIRED, BatchState.RELEASED):
            raise MoveRefused(
                f"Batch {batch_no} is {batch.state}: results are assigned once it has an id. Nothing was changed."
            )
        one = Assignment(vendor_task_id=vendor_task_id, tracking_id=tracking_id, evidence=f"{who} assigned it: {why}")
        return _assign(ledger, connection, batch, one, actor=who, reason=why)


def _assign(
    ledger: Ledger, connection: sa.Connection, batch: Batch, one: Assignment, *, actor: str | None, reason: str
) -> TaskState:
    mine = sa.and_(_of_batch(batch), unmatched_results.c.vendor_task_id == one.vendor_task_id)
    result = connection.execute(sa.select(unmatched_results).where(mine)).mappings().first()
    if result is None:
        raise MoveRefused(
            f"Batch {batch.batch_no} has no unmatched result {one.vendor_task_id} under its present id. Nothing was "
            "changed. See `openmart-pipeline unmatched list`."
        )
    if result["reason"] == FOREIGN:
        raise MoveRefused(
            f"The result {one.vendor_task_id} belongs to another batch: {result['tracking_id']}. Nothing was changed."
        )
    task = (
        connection.execute(
            sa.select(tasks).where(tasks.c.batch_no == batch.batch_no, tasks.c.tracking_id == one.tracking_id)
        )
        .mappings()
        .first()
    )
    if task is None:
        raise MoveRefused(f"Batch {batch.batch_no} has no task {one.tracking_id}. Nothing was changed.")
    if task["state"] not in ASSIGNABLE:
        raise MoveRefused(f"The task {one.tracking_id} is {task['state']} already. Nothing was changed.")
    access = Access(task["info_access"])
    seq = ledger.record(
        connection,
        MATCH if actor is None else ASSIGN,
        batch_no=batch.batch_no,
        reason=reason,
        actor=actor,
        vendor_task_id=one.vendor_task_id,
        tracking_id=one.tracking_id,
    )
    connection.execute(
        tasks.update()
        .where(tasks.c.task_no == task["task_no"])
        .values(
            state=result["state"],
            vendor_task_id=one.vendor_task_id,
            matched_by=one.evidence,
            raw=result["raw"],
            purged_at=result["purged_at"],
            note=result["note"],
            emails=min(result["emails"], task["max_k"]) if Access.EMAIL in access else 0,
            phones=min(result["phones"], task["max_k"]) if Access.PHONE in access else 0,
            ended_at=ledger.clock(),
            ended_seq=seq,
        )
    )
    connection.execute(unmatched_results.delete().where(mine))
    return TaskState(result["state"])


def keep_answers_of_revoked(ledger: Ledger, connection: sa.Connection, batch: Batch) -> int:
    """Take the answers that came under the batch's id out of its tasks; return how many.

    They stay as unmatched results under that id, for the record, and are assigned to nothing.
    """
    answered = sa.and_(tasks.c.batch_no == batch.batch_no, tasks.c.vendor_task_id.is_not(None))
    rows = connection.execute(sa.select(tasks).where(answered)).mappings().all()
    for row in rows:
        connection.execute(
            unmatched_results.insert().values(
                batch_no=batch.batch_no,
                vendor_task_id=row["vendor_task_id"],
                vendor_batch_id=batch.vendor_batch_id,
                reason=REVOKED,
                state=row["state"],
                note=row["note"],
                raw=row["raw"],
                purged_at=row["purged_at"],
                people=max(row["emails"] or 0, row["phones"] or 0),
                emails=row["emails"] or 0,
                phones=row["phones"] or 0,
                reads=0,  # read again should the id be named once more
                read_at=row["ended_at"] or ledger.clock(),
            )
        )
    connection.execute(unmatched_results.update().where(_of_batch(batch)).values(reason=REVOKED, reads=0, doubt=None))
    connection.execute(
        tasks.update()
        .where(tasks.c.batch_no == batch.batch_no)
        .values(
            vendor_task_id=None, matched_by=None, raw=None, note=None, emails=None, phones=None, ended_at=None,
            ended_seq=None, state=TaskState.RELEASED,
        )
    )  # fmt: skip
    return len(rows)
