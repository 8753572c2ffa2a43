"""Plans in the ledger: which questions a file asks, which of them are answered, and what it still owes.

Lives here: partitions, plans, questions, asks. Nothing here spends.
"""

import datetime as dt
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from operator import itemgetter
from typing import TypeVar

import sqlalchemy as sa

from openmart_pipeline.ledger import withdrawn
from openmart_pipeline.ledger.schema import asks, batches, partitions, plans, tasks
from openmart_pipeline.ledger.states import ANSWERED, ENDED_BADLY, FileState, TaskState
from openmart_pipeline.ledger.store import Ledger
from openmart_pipeline.model.questions import BATCH_LIMIT, FINGERPRINT_VERSION, Ask, AskRow

T = TypeVar("T")

# Rows in one transaction: a buyer's commit never waits long behind a large plan. With a quarter as many, each of the
# index's pages is written four times as often, and a million rows take a third longer.
CHUNK_ROWS = 20_000

# Tasks in one POST by how often the server called the question's batch wrong: the culprit ends up alone, and one that
# was refused alone is not sent again. A rejection costs nothing, so it is no errored ask.
LIMIT_AFTER_REJECTIONS = (BATCH_LIMIT, 10, 1)
# Bought, and ended without an answer; an expired one has a word of its own.
FAILED_AFTER_PURCHASE = (TaskState.ERRORED, TaskState.CANCELLED, TaskState.UNMATCHED)


class Reask(StrEnum):
    """Which answered questions a plan owes again; nothing but a plan that says so ever does."""

    NOTHING = "nothing"
    STALE = "stale"  # answers past their lifetime
    ERRORED = "errored"  # ended badly, but not yet too often
    EXPIRED = "expired"  # the server no longer knew them


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """How long an answer counts, by outcome, and how often an errored question may be asked."""

    found: dt.timedelta = dt.timedelta(days=180)
    empty: dt.timedelta = dt.timedelta(days=30)
    errored_asks: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """One input file, as the ledger knows it."""

    partition_key: str
    source_path: str | None
    file_sha256: str | None
    current_plan_id: str | None
    load_watermark: int
    loaded_at: dt.datetime | None
    state: str
    reading: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a file asks, as approved or not; its asks are in the ledger beside it."""

    plan_id: str
    partition_key: str
    file_sha256: str
    config: str
    digest: str
    prices: str
    quote: str | None
    quoted_credits: float | None
    approved_credits: float | None
    approved_by: str | None
    created_at: dt.datetime


def register(ledger: Ledger, partition_key: str, *, source_path: str | None = None) -> None:
    """Make the file known; nothing changes for one that is."""
    with ledger.write() as connection:
        known = connection.execute(
            sa.select(partitions.c.partition_key).where(partitions.c.partition_key == partition_key)
        ).first()
        if known is None:
            connection.execute(partitions.insert().values(partition_key=partition_key, source_path=source_path))
        elif source_path is not None:
            connection.execute(
                partitions.update().where(partitions.c.partition_key == partition_key).values(source_path=source_path)
            )


def partition(ledger: Ledger, partition_key: str) -> Partition | None:
    """Return what the ledger knows of a file, None for a stranger."""
    query = sa.select(partitions).where(partitions.c.partition_key == partition_key)
    with ledger.read() as connection:
        row = connection.execute(query).mappings().first()
        return None if row is None else Partition(**row)


def all_partitions(ledger: Ledger) -> list[Partition]:
    """Return every file the ledger knows, by name."""
    with ledger.read() as connection:
        rows = connection.execute(sa.select(partitions).order_by(partitions.c.partition_key)).mappings()
        return [Partition(**row) for row in rows]


def set_partition_states(ledger: Ledger, states: Mapping[str, str]) -> None:
    """Mark files `active` or `missing`, all in one transaction; work in flight for them goes on."""
    if not states:
        return
    mine = partitions.c.partition_key == sa.bindparam("key")
    with ledger.write() as connection:
        connection.execute(
            partitions.update()
            .where(mine, partitions.c.state != FileState.RETIRED)
            .values(state=sa.bindparam("new_state")),
            [{"key": key, "new_state": state} for key, state in states.items()],
        )


def versions_of(ledger: Ledger, partition_key: str) -> list[str]:
    """Return the hash of every version that a plan of the file was ever made from."""
    query = sa.select(plans.c.file_sha256).where(plans.c.partition_key == partition_key).distinct()
    with ledger.read() as connection:
        return list(connection.execute(query).scalars())


def current_plan(ledger: Ledger, partition_key: str) -> Plan | None:
    """Return the plan that `submitted_batches` would buy, None before the first."""
    with ledger.read() as connection:
        row = (
            connection.execute(
                sa.select(plans)
                .join(partitions, partitions.c.current_plan_id == plans.c.plan_id)
                .where(partitions.c.partition_key == partition_key)
            )
            .mappings()
            .first()
        )
        return None if row is None else Plan(**row)


def find_plan(ledger: Ledger, plan_id: str) -> Plan:
    """Return this plan, whether it is its file's current one or not."""
    with ledger.read() as connection:
        return Plan(**connection.execute(sa.select(plans).where(plans.c.plan_id == plan_id)).mappings().one())


def write_plan(
    ledger: Ledger,
    partition_key: str,
    *,
    file_sha256: str,
    config: str,
    digest: str,
    prices: str,
    wanted: Iterable[Ask | AskRow],
) -> str:
    """Write a plan's questions and asks, in file order, and return its id; invisible until `make_current`.

    In chunks, so that a million questions never keep a buyer's commit waiting. What a killed planner left
    behind is removed with the plan's predecessors by `make_current`.
    """
    with ledger.write() as connection:
        plan_id = _new_plan_id(connection)
        connection.execute(
            plans.insert().values(
                plan_id=plan_id,
                partition_key=partition_key,
                file_sha256=file_sha256,
                config=config,
                digest=digest,
                prices=prices,
                created_at=ledger.clock(),
            )
        )
    source = enumerate(ask if isinstance(ask, AskRow) else ask.row for ask in wanted)
    while chunk := list(islice(source, CHUNK_ROWS)):
        chunk.sort(key=itemgetter(1))  # by fingerprint, an ask's first: neighbours in the index are written together
        # As the driver takes them: naming a million parameters takes longer than writing them.
        with ledger.write() as connection:
            connection.exec_driver_sql(
                _INSERT_QUESTION, [(*ask[:_QUESTION_COLUMNS], FINGERPRINT_VERSION) for _, ask in chunk]
            )
            connection.exec_driver_sql(
                _INSERT_ASK,
                [(plan_id, position, *ask[_QUESTION_COLUMNS:], ask.fingerprint) for position, ask in chunk],
            )
    return plan_id


def _new_plan_id(connection: sa.Connection) -> str:
    """Return an id that no other plan of the ledger has, short enough to be typed.

    It begins with a letter: YAML would read some of the others as numbers.
    """
    while True:
        plan_id = f"p{uuid.uuid4().hex[:8]}"
        if connection.execute(sa.select(plans.c.plan_id).where(plans.c.plan_id == plan_id)).first() is None:
            return plan_id


_QUESTION_COLUMNS = AskRow._fields.index("max_k")  # the ask's own come after
_INSERT_QUESTION = """
    INSERT INTO questions (fingerprint, domain, title, city, state, country, version, fingerprint_version)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (fingerprint) DO NOTHING
"""
_INSERT_ASK = """
    INSERT INTO asks (plan_id, question_id, position, max_k, info_access, company_name, source_row)
    SELECT ?, question_id, ?, ?, ?, ?, ? FROM questions WHERE fingerprint = ?
"""


def set_quote(ledger: Ledger, plan_id: str, *, quote: str, credits_: float | None) -> None:
    """Keep what buying the plan would mean; a plan without a quote is not bought."""
    with ledger.write() as connection:
        connection.execute(
            plans.update().where(plans.c.plan_id == plan_id).values(quote=quote, quoted_credits=credits_)
        )


def make_current(ledger: Ledger, plan_id: str, *, reading: str | None = None) -> bool:
    """Let the plan be the one that is bought, of a file read like that; its predecessors' asks are removed.

    What the last plan bought and this one does not ask is kept in `withdrawn_asks`: its contacts stay. A purchase of
    the old plan stops at its next claim. The file is due for loading again.

    Returns False, and changes nothing, where a plan that was begun later is current already: it has removed the asks
    that were written here until then, so that this one would be bought in part and look whole.
    """
    with ledger.write() as connection:
        plan = connection.execute(sa.select(plans).where(plans.c.plan_id == plan_id)).mappings().one()
        last = (
            connection.execute(sa.select(partitions).where(partitions.c.partition_key == plan["partition_key"]))
            .mappings()
            .one()
        )
        if last["current_plan_id"] == plan_id:
            return True
        begun = sa.select(sa.literal_column("plans.rowid", sa.Integer))  # in the order begun, by no clock
        mine = connection.execute(begun.where(plans.c.plan_id == plan_id)).scalar_one()
        theirs = connection.execute(begun.where(plans.c.plan_id == last["current_plan_id"])).scalar()
        if theirs is not None and theirs > mine:
            connection.execute(asks.delete().where(asks.c.plan_id == plan_id))
            return False
        withdrawn.leave(ledger, connection, last, plan_id)
        connection.execute(
            partitions.update()
            .where(partitions.c.partition_key == plan["partition_key"])
            .values(current_plan_id=plan_id, file_sha256=plan["file_sha256"], reading=reading, load_watermark=-1)
        )
        ledger.record(connection, "plan", partition_key=plan["partition_key"], plan_id=plan_id)
        older = sa.select(plans.c.plan_id).where(
            plans.c.partition_key == plan["partition_key"], sa.literal_column("plans.rowid") < mine
        )
        connection.execute(asks.delete().where(asks.c.plan_id.in_(older)))
        return True


def apply_reask(ledger: Ledger, plan_id: str, reask: Reask, lifetimes: Lifetimes) -> None:
    """Mark the plan's asks whose answers shall not count: from here on they are owed again, once.

    What counts is told by the order of events, never by a clock: one that was ahead while planning would make every
    later answer look older than the mark, and the question would be owed for ever. A stale answer is marked with the
    instant from which it is stale, too: a clock that was ahead while planning makes no fresh answer owed.
    """
    if reask is Reask.NOTHING:
        return
    newest_end = newest_of_question(tasks.c.state, *ANSWERED, *ENDED_BADLY)
    rejections = count_of_question(TaskState.REJECTED)
    failures = count_of_question(*FAILED_AFTER_PURCHASE)
    condition = (
        is_stale(ledger.clock(), lifetimes)
        if reask is Reask.STALE
        else is_askable(reask, newest_end, rejections=rejections, failures=failures, lifetimes=lifetimes)
    )
    batch_limit = sa.case(dict(enumerate(LIMIT_AFTER_REJECTIONS)), value=rejections, else_=LIMIT_AFTER_REJECTIONS[-1])
    with ledger.write() as connection:
        seq = ledger.record(connection, "reask", plan_id=plan_id, reask=reask.value)
        connection.execute(
            asks.update()
            .where(asks.c.plan_id == plan_id, condition)
            .values(
                reask_after_seq=seq,
                batch_limit=batch_limit,
                stale_at=stale_at(lifetimes) if reask is Reask.STALE else None,
            )
        )
        if reask is Reask.STALE:
            _oldest_first(connection, plan_id)


def is_askable(
    reask: Reask,
    end: sa.ColumnElement[str],
    *,
    rejections: sa.ColumnElement[int],
    failures: sa.ColumnElement[int],
    lifetimes: Lifetimes,
) -> sa.ColumnElement[bool]:
    """SQL: with that `reask`, a question that last came to this end, after so many bad ones, is asked once more."""
    if reask is Reask.EXPIRED:
        return end == TaskState.EXPIRED
    return sa.or_(
        sa.and_(end == TaskState.REJECTED, rejections < len(LIMIT_AFTER_REJECTIONS)),
        sa.and_(end.in_(FAILED_AFTER_PURCHASE), failures <= lifetimes.errored_asks),
    )


def is_stale(now: dt.datetime, lifetimes: Lifetimes) -> sa.ColumnElement[bool]:
    """SQL: the ask's newest end is an answer, and that is past its lifetime."""
    return stale_at(lifetimes) < now


def stale_at(lifetimes: Lifetimes) -> sa.ScalarSelect[dt.datetime]:
    """SQL: when the ask's newest answer becomes stale; NULL where its newest end is no answer.

    An answer is never older than its purchase, which no wrong clock can date: one is refused before it.
    """
    answer = tasks.alias("answer")
    known_at = sa.case((answer.c.ended_at > batches.c.intent_at, answer.c.ended_at), else_=batches.c.intent_at)
    lifetime_s = sa.case(
        (answer.c.state == TaskState.FOUND, _seconds(lifetimes.found)),
        (answer.c.state == TaskState.EMPTY, _seconds(lifetimes.empty)),
    )
    end = sa.func.strftime("%Y-%m-%d %H:%M:%f000", known_at, lifetime_s, type_=asks.c.stale_at.type)
    return (
        sa.select(end)
        .select_from(answer.join(batches, batches.c.batch_no == answer.c.batch_no))
        .where(answer.c.task_no == newest_of_question(tasks.c.task_no, *ANSWERED, *ENDED_BADLY))
        .correlate(asks)
        .scalar_subquery()
    )


def _seconds(lifetime: dt.timedelta) -> str:
    """Return the time as SQLite adds it to another."""
    return f"+{lifetime.total_seconds():.3f} seconds"


def newest_of_question(column: sa.Column[T], *states: TaskState) -> sa.ScalarSelect[T]:
    """SQL: that column of the ask's task that came to one of these ends last."""
    return (
        sa.select(column)
        .where(tasks.c.question_id == asks.c.question_id, tasks.c.state.in_(states))
        .order_by(tasks.c.ended_seq.desc(), tasks.c.task_no.desc())
        .limit(1)
        .correlate(asks)
        .scalar_subquery()
    )


def _oldest_first(connection: sa.Connection, plan_id: str) -> None:
    """Put the questions asked anew behind the plan's others, the oldest answer first: a budget may not reach all."""
    last = connection.execute(sa.select(sa.func.max(asks.c.position)).where(asks.c.plan_id == plan_id)).scalar() or 0
    answered = (
        sa.select(asks.c.question_id, sa.func.max(tasks.c.ended_seq).label("seq"))
        .join(tasks, tasks.c.question_id == asks.c.question_id)
        .where(asks.c.plan_id == plan_id, asks.c.reask_after_seq.is_not(None), tasks.c.state.in_(ANSWERED))
        .group_by(asks.c.question_id, asks.c.position)
        .subquery()
    )
    in_turn = sa.select(
        answered.c.question_id,
        sa.func.row_number().over(order_by=(answered.c.seq, answered.c.question_id)).label("turn"),
    ).subquery()
    connection.execute(
        asks.update()
        .where(asks.c.plan_id == plan_id, asks.c.question_id == in_turn.c.question_id)
        .values(position=last + in_turn.c.turn)
    )


def count_of_question(*states: TaskState) -> sa.ScalarSelect[int]:
    """SQL: how many of the ask's tasks came to one of these ends."""
    return (
        sa.select(sa.func.count())
        .where(tasks.c.question_id == asks.c.question_id, tasks.c.state.in_(states))
        .correlate(asks)
        .scalar_subquery()
    )
