"""What the ledger says when asked: the answers of a plan, how far the purchases stand, which files are due.

Lives here: reads for the warehouse, the sensors and `status`. No money moves here.
"""

import datetime as dt
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from openmart_pipeline.ledger.ledger_errors import unpacked
from openmart_pipeline.ledger.loads import LOAD_AGAIN
from openmart_pipeline.ledger.moves import Batch
from openmart_pipeline.ledger.plans import Plan
from openmart_pipeline.ledger.schema import (
    asks,
    batches,
    events,
    partitions,
    questions,
    tasks,
    withdrawn_asks,
)
from openmart_pipeline.ledger.states import LIVE, BatchState, TaskState
from openmart_pipeline.ledger.store import Ledger
from openmart_pipeline.ledger.withdrawn import newest_end_of_withdrawn
from openmart_pipeline.model.answers import Answer
from openmart_pipeline.model.prices import PriceTable
from openmart_pipeline.model.questions import Access

ANSWERS_CHUNK = 2_000
CHUNK_BYTES = 32 * 2**20  # of raw answers; whichever is reached first, since one answer may have 10 MB
ROWS_AT_ONCE = 50  # read from the database; each may hold megabytes
PURGED = "purged"  # what analysts see as the state of an answer that was removed for good


def answers_of_file(ledger: Ledger, plan: Plan, prices: PriceTable) -> Iterator[list[Answer]]:
    """Yield, in chunks, every task sent for a question that the file asks or once asked, whoever bought it."""
    asked = sa.select(asks.c.question_id, asks.c.position).where(asks.c.plan_id == plan.plan_id)
    behind_all = sa.literal(sys.maxsize).label("position")
    no_more = sa.select(withdrawn_asks.c.question_id, behind_all).where(
        withdrawn_asks.c.partition_key == plan.partition_key
    )
    mine = sa.union_all(asked, no_more).subquery()
    query = (
        sa.select(
            mine.c.position.label("ask_position"),
            questions.c.fingerprint,
            questions.c.domain,
            questions.c.country,
            tasks,
            batches.c.vendor_batch_id,
            batches.c.submitted_at,
            batches.c.run_id,
        )
        .select_from(mine)
        .join(questions, questions.c.question_id == mine.c.question_id)
        .join(tasks, tasks.c.question_id == mine.c.question_id)
        .join(batches, batches.c.batch_no == tasks.c.batch_no)
        .where(batches.c.state.not_in((BatchState.NOT_SENT,)))
        .order_by(mine.c.position, tasks.c.task_no)
    )
    with ledger.read() as connection:
        chunk: list[Answer] = []
        size_bytes = 0
        for row in connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query).mappings():
            answer = _answer(row, prices)
            chunk.append(answer)
            size_bytes += len(answer.raw or b"")
            if len(chunk) >= ANSWERS_CHUNK or size_bytes >= CHUNK_BYTES:
                yield chunk
                chunk, size_bytes = [], 0
        if chunk:
            yield chunk


def _answer(row: sa.RowMapping, prices: PriceTable) -> Answer:
    return Answer(
        fingerprint=row["fingerprint"],
        domain=row["domain"],
        country=row["country"],
        batch_no=row["batch_no"],
        batch_id=row["vendor_batch_id"],
        task_no=row["task_no"],
        position=row["position"],
        vendor_task_id=row["vendor_task_id"],
        tracking_id=row["tracking_id"],
        state=row["state"] if row["purged_at"] is None else PURGED,
        matched_by=row["matched_by"],
        error=row["note"] if row["purged_at"] is None else f"removed for good on {row['purged_at']:%Y-%m-%d}",
        max_k=row["max_k"],
        info_access=Access(row["info_access"]).label,
        submitted_at=row["submitted_at"],
        fetched_at=row["ended_at"],
        run_id=row["run_id"],
        estimated_credits=None if row["emails"] is None else prices.cost(emails=row["emails"], phones=row["phones"]),
        raw=None if row["raw"] is None else unpacked(row["raw"]),
    )


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """A batch, and how many of its tasks ended how."""

    batch: Batch
    found: int
    empty: int
    errored: int


def batches_of(ledger: Ledger, partition_key: str) -> list[BatchCounts]:
    """Return the batches bought for a file, by number."""
    mine = batches.c.partition_key == partition_key
    counts: dict[int, dict[str, int]] = {}
    with ledger.read() as connection:
        for batch_no, state, count in connection.execute(
            sa.select(tasks.c.batch_no, tasks.c.state, sa.func.count())
            .join(batches, batches.c.batch_no == tasks.c.batch_no)
            .where(mine)
            .group_by(tasks.c.batch_no, tasks.c.state)
        ):
            counts.setdefault(batch_no, {})[state] = count
        rows = connection.execute(sa.select(batches).where(mine).order_by(batches.c.batch_no)).mappings()
        return [
            BatchCounts(
                Batch.of(row), *(counts[row["batch_no"]].get(state, 0) for state in ("found", "empty", "errored"))
            )
            for row in rows
        ]


def waiting_partitions(ledger: Ledger) -> set[str]:
    """Return the files some of whose questions are sent and not ended."""
    query = (
        sa.select(partitions.c.partition_key)
        .join(asks, asks.c.plan_id == partitions.c.current_plan_id)
        .join(tasks, tasks.c.question_id == asks.c.question_id)
        .where(tasks.c.state.in_(LIVE))
        .distinct()
    )
    with ledger.read() as connection:
        return set(connection.execute(query).scalars())


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Counts of batches and tasks; of a file or of the whole ledger."""

    batches: dict[str, int]
    tasks: dict[str, int]
    reserved_credits: float
    settled_credits: float
    open_credits: float  # reserved, and not settled yet


def progress(ledger: Ledger, partition_key: str | None = None) -> Progress:
    """Return how far the purchases stand."""
    mine = sa.true() if partition_key is None else batches.c.partition_key == partition_key
    with ledger.read() as connection:
        by_batch = connection.execute(
            sa.select(
                batches.c.state,
                sa.func.count(),
                sa.func.sum(batches.c.reserved_credits),
                sa.func.sum(batches.c.settled_credits),
                sa.func.sum(sa.case((batches.c.settled_credits.is_(None), batches.c.reserved_credits), else_=0.0)),
            )
            .where(mine)
            .group_by(batches.c.state)
        ).all()
        by_task = connection.execute(
            sa.select(tasks.c.state, sa.func.count())
            .join(batches, batches.c.batch_no == tasks.c.batch_no)
            .where(mine)
            .group_by(tasks.c.state)
        ).all()
    return Progress(
        batches={state: count for state, count, *_ in by_batch},
        tasks={row.state: row[1] for row in by_task},
        reserved_credits=sum(reserved or 0.0 for _, _, reserved, *_ in by_batch),
        settled_credits=sum(settled or 0.0 for *_, settled, _ in by_batch),
        open_credits=sum(open_ or 0.0 for *_, open_ in by_batch),
    )


QUARTER_AFTER = dt.timedelta(minutes=5)  # a quarter of the open batches is worth a run that often
ANY_AFTER = dt.timedelta(minutes=15)  # nothing that is ready waits longer


def due_for_collecting(ledger: Ledger) -> list[str]:
    """Return the files that a collecting run would bring forward, oldest readiness first.

    A file is due when answers wait and nothing more is coming soon, when a quarter of what is open is ready, when
    anything waited long enough, when a stalled batch is to be looked at again, or when answers that others collected
    are not in its contacts yet.
    """
    now = ledger.clock()
    by_state = {
        state: sa.func.count().filter(batches.c.state == state)
        for state in (BatchState.SENDING, BatchState.SUBMITTED, BatchState.READY)
    }
    with ledger.read() as connection:
        rows = connection.execute(
            sa.select(
                batches.c.partition_key,
                by_state[BatchState.SENDING] + by_state[BatchState.SUBMITTED],
                by_state[BatchState.READY],
                sa.func.min(batches.c.ready_at).filter(batches.c.state == BatchState.READY),
                partitions.c.loaded_at,
            )
            .join(partitions, partitions.c.partition_key == batches.c.partition_key)
            .where(batches.c.state.in_(tuple(by_state)))
            .group_by(batches.c.partition_key)
        ).all()
    due: dict[str, dt.datetime] = {}
    for key, coming, ready, first_ready_at, loaded_at in rows:
        if not ready:
            continue
        waited = now - max(first_ready_at, loaded_at or first_ready_at)
        if not coming or (4 * ready >= ready + coming and waited >= QUARTER_AFTER) or waited >= ANY_AFTER:
            due[key] = first_ready_at
    for key in (*_with_stuck_batches_due(ledger), *due_for_loading(ledger)):
        due.setdefault(key, now)
    return sorted(due, key=lambda key: (due[key], key))


def _with_stuck_batches_due(ledger: Ledger) -> list[str]:
    query = (
        sa.select(batches.c.partition_key)
        .where(batches.c.state == BatchState.STALLED, batches.c.next_poll_at <= ledger.clock())
        .distinct()
    )
    with ledger.read() as connection:
        return list(connection.execute(query).scalars())


def due_for_loading(ledger: Ledger) -> list[str]:
    """Return the files for whose questions something ended since they were loaded, with nothing left in flight.

    A retired file too: what was on its way when it was retired is paid for.
    """
    in_flight = (
        sa.select(sa.literal(1))
        .select_from(asks.alias("mine"))
        .join(tasks, tasks.c.question_id == sa.literal_column("mine.question_id"))
        .where(
            sa.literal_column("mine.plan_id") == partitions.c.current_plan_id,
            tasks.c.state == TaskState.IN_FLIGHT,
        )
        .correlate(partitions)
        .exists()
    )
    query = (
        sa.select(partitions.c.partition_key)
        .where(
            partitions.c.current_plan_id.is_not(None),
            sa.or_(
                newest_end_of_plan() > partitions.c.load_watermark,
                newest_end_of_withdrawn() > partitions.c.load_watermark,
                partitions.c.load_watermark == LOAD_AGAIN,
            ),
            sa.not_(in_flight),
        )
        .order_by(partitions.c.partition_key)
    )
    with ledger.read() as connection:
        return list(connection.execute(query).scalars())


def behind(ledger: Ledger) -> list[str]:
    """Return the files whose contacts lack something that the ledger holds, or may soon."""
    open_ = sa.exists().where(
        batches.c.partition_key == partitions.c.partition_key,
        batches.c.state.in_((BatchState.SENDING, BatchState.SUBMITTED, BatchState.READY)),
    )
    query = (
        sa.select(partitions.c.partition_key)
        .where(
            partitions.c.current_plan_id.is_not(None),
            sa.or_(
                partitions.c.load_watermark < 0,
                newest_end_of_plan() > partitions.c.load_watermark,
                newest_end_of_withdrawn() > partitions.c.load_watermark,
                open_,
            ),
        )
        .order_by(partitions.c.partition_key)
    )
    with ledger.read() as connection:
        return list(connection.execute(query).scalars())


def newest_end_of_plan() -> sa.ScalarSelect[int]:
    """SQL: the number of the newest event that ended a task of a partition's current plan."""
    return (
        sa.select(sa.func.max(tasks.c.ended_seq))
        .select_from(asks)
        .join(tasks, tasks.c.question_id == asks.c.question_id)
        .where(asks.c.plan_id == partitions.c.current_plan_id)
        .correlate(partitions)
        .scalar_subquery()
    )


def newest_end(ledger: Ledger, partition_key: str) -> int:
    """Return the number of the newest event that ended a task for the file: what a load started now will hold."""
    with ledger.read() as connection:
        query = sa.select(newest_end_of_plan(), newest_end_of_withdrawn()).select_from(partitions)
        row = connection.execute(query.where(partitions.c.partition_key == partition_key)).first()
        return max((seq for seq in row or () if seq is not None), default=0)


def newest_event(ledger: Ledger) -> int:
    """Return the number of the newest event: the generation of everything derived from the ledger."""
    with ledger.read() as connection:
        return connection.execute(sa.select(sa.func.max(events.c.seq))).scalar() or 0
