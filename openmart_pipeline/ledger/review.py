"""What the ledger says to somebody who checks it: batches that need a person, plans that wait, answers it holds.

Lives here: reads for the findings; no money moves here.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from openmart_pipeline.ledger.ledger_errors import from_json
from openmart_pipeline.ledger.moves import Batch
from openmart_pipeline.ledger.outstanding import is_outstanding
from openmart_pipeline.ledger.schema import asks, batches, events, partitions, plans, tasks
from openmart_pipeline.ledger.states import ANSWERED, BatchState, FileState, TaskState
from openmart_pipeline.ledger.store import Ledger


def batches_unmended(ledger: Ledger, *states: BatchState) -> list[Batch]:
    """Return the batches in these states, oldest first; without those whose questions were all sent again since."""
    later = tasks.alias("later")
    sent_again = sa.exists().where(
        later.c.question_id == tasks.c.question_id,
        later.c.task_no > tasks.c.task_no,
        later.c.state.not_in((TaskState.NOT_SENT, TaskState.RELEASED)),
    )
    unmended = sa.exists().where(tasks.c.batch_no == batches.c.batch_no, tasks.c.raw.is_(None), sa.not_(sent_again))
    query = sa.select(batches).where(batches.c.state.in_(states), unmended).order_by(batches.c.batch_no)
    with ledger.read() as connection:
        return [Batch.of(row) for row in connection.execute(query).mappings()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A plan that was approved and still owes questions."""

    partition_key: str
    questions: int
    approved_credits: float
    quoted_credits: float | None


def approved_and_owing(ledger: Ledger) -> list[Waiting]:
    """Return the approved plans whose questions are not all bought, with nobody sending for them just now."""
    sending = sa.exists().where(
        batches.c.partition_key == partitions.c.partition_key, batches.c.state == BatchState.SENDING
    )
    query = (
        sa.select(
            partitions.c.partition_key,
            sa.func.count().label("questions"),
            plans.c.approved_credits,
            plans.c.quoted_credits,
        )
        .join(plans, plans.c.plan_id == partitions.c.current_plan_id)
        .join(asks, asks.c.plan_id == plans.c.plan_id)
        .where(
            partitions.c.state != FileState.RETIRED,
            plans.c.approved_credits > 0,
            sa.not_(sending),
            is_outstanding(ledger.clock()),
        )
        .group_by(partitions.c.partition_key)
        .order_by(partitions.c.partition_key)
    )
    with ledger.read() as connection:
        return [Waiting(**row) for row in connection.execute(query).mappings()]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWork:
    """What is bought for a file and not collected yet."""

    partition_key: str
    batches: int
    questions: int
    ready: int  # batches whose answers can be read
    since: dt.datetime  # when the oldest was sent
    poll_due_at: dt.datetime | None  # when the one that waits longest for a look should have got it
    ready_at: dt.datetime | None  # when the first that can be read became so


def open_work(ledger: Ledger) -> list[OpenWork]:
    """Return what waits for an answer or to be read, file by file, longest first."""
    is_ready = batches.c.state == BatchState.READY
    query = (
        sa.select(
            batches.c.partition_key,
            sa.func.count().label("batches"),
            sa.func.sum(batches.c.tasks).label("questions"),
            sa.func.count().filter(is_ready).label("ready"),
            sa.func.min(sa.func.coalesce(batches.c.submitted_at, batches.c.intent_at)).label("since"),
            sa.func.min(batches.c.next_poll_at).filter(batches.c.state == BatchState.SUBMITTED).label("poll_due_at"),
            sa.func.min(batches.c.ready_at).filter(is_ready).label("ready_at"),
        )
        .where(batches.c.state.in_((BatchState.SENDING, BatchState.SUBMITTED, BatchState.READY)))
        .group_by(batches.c.partition_key)
        .order_by(sa.literal_column("since"))
    )
    with ledger.read() as connection:
        return [OpenWork(**row) for row in connection.execute(query).mappings()]


def collected_at(ledger: Ledger) -> dt.datetime | None:
    """Return when an answer was last read; None before the first."""
    query = sa.select(events.c.at).where(events.c.move == "collect").order_by(events.c.seq.desc()).limit(1)
    with ledger.read() as connection:
        return connection.execute(query).scalar()


def first_tracking_ids(ledger: Ledger, batch_nos: Collection[int]) -> dict[int, str]:
    """Return the tracking id of the first task of each of these batches, as it was sent: batch_no -> id."""
    query = sa.select(tasks.c.batch_no, tasks.c.tracking_id).where(
        tasks.c.batch_no.in_(batch_nos), tasks.c.position == 0
    )
    with ledger.read() as connection:
        return {row.batch_no: row.tracking_id for row in connection.execute(query)}


@dataclass(frozen=True, slots=True)
class TrackedBatch:
    """What the tracking ids of a batch begin with, and how many there are."""

    tracking_prefix: str
    vendor_batch_id: str | None
    tasks: int


def tracked_batches(ledger: Ledger) -> list[TrackedBatch]:
    """Return every batch that was sent, by what its answers can be recognised by."""
    query = sa.select(tasks.c.tracking_id, batches.c.vendor_batch_id, batches.c.tasks).join(
        tasks, sa.and_(tasks.c.batch_no == batches.c.batch_no, tasks.c.position == 0)
    )
    with ledger.read() as connection:
        return [
            TrackedBatch(tracking_id.rpartition("-")[0], vendor_batch_id, count)
            for tracking_id, vendor_batch_id, count in connection.execute(query)
        ]


def plans_held(ledger: Ledger) -> dict[str, str]:
    """Return the current plan of every file that has one: partition key -> plan id."""
    query = sa.select(partitions.c.partition_key, partitions.c.current_plan_id).where(
        partitions.c.current_plan_id.is_not(None)
    )
    with ledger.read() as connection:
        return {row.partition_key: row.current_plan_id for row in connection.execute(query)}


def credits_not_spent(ledger: Ledger) -> float:
    """Return what the current plans of all files would have cost at most, were it not owned when they were made."""
    query = sa.select(plans.c.quote).join(partitions, partitions.c.current_plan_id == plans.c.plan_id)
    with ledger.read() as connection:
        quotes = connection.execute(query.where(plans.c.quote.is_not(None))).scalars().all()
    return sum(from_json(quote).get("credits_not_spent") or 0.0 for quote in quotes)


def answers_loaded(ledger: Ledger) -> dict[str, int]:
    """Return, for each loaded file, how many answers to its questions had ended when it was last loaded."""
    query = (
        sa.select(partitions.c.partition_key, sa.func.count().label("answers"))
        .join(asks, asks.c.plan_id == partitions.c.current_plan_id)
        .join(tasks, tasks.c.question_id == asks.c.question_id)
        .where(tasks.c.state.in_(ANSWERED), tasks.c.ended_seq <= partitions.c.load_watermark)
        .group_by(partitions.c.partition_key)
    )
    with ledger.read() as connection:
        return {row.partition_key: row.answers for row in connection.execute(query)}
