"""What a plan still owes: whether an ask is answered, expected, ended badly, or to be bought.

Lives here: that rule as SQL, and what is counted with it. Nothing is written.
"""

import datetime as dt
from collections.abc import Collection, Iterator
from enum import StrEnum

import sqlalchemy as sa

from openmart_pipeline.ledger.schema import asks, batches, questions, tasks
from openmart_pipeline.ledger.states import ANSWERED, ENDED_BADLY, LIVE, TaskState
from openmart_pipeline.ledger.store import Ledger


class AskStatus(StrEnum):
    """Where an ask stands; also the words of `enrichment_plan.outcome`."""

    TO_BUY = "to_buy"
    OWNED = "owned"
    IN_FLIGHT = "in_flight"
    UNKNOWN = "unknown"
    STALLED = "stalled"
    ENDED_BADLY = "ended_badly"


def live_state() -> sa.ScalarSelect[str]:
    """SQL: the state of the one live task of an ask's question, NULL without one."""
    return (
        sa.select(tasks.c.state)
        .where(tasks.c.question_id == asks.c.question_id, tasks.c.state.in_(LIVE))
        .correlate(asks)
        .scalar_subquery()
    )


def has_duplicate_in_flight() -> sa.Exists:
    """SQL: an answer is on its way in a batch that a person had released: buying once more would pay twice."""
    return (
        sa.select(sa.literal(1))
        .where(tasks.c.question_id == asks.c.question_id, tasks.c.state == TaskState.DUPLICATE_IN_FLIGHT)
        .correlate(asks)
        .exists()
    )


def _counts(now: dt.datetime) -> sa.ColumnElement[bool]:
    return sa.and_(
        tasks.c.question_id == asks.c.question_id,
        sa.or_(
            asks.c.reask_after_seq.is_(None),
            tasks.c.ended_seq > asks.c.reask_after_seq,
            asks.c.stale_at > now,  # marked by a clock that was ahead: the answer is not stale
        ),
    )


def is_owned(now: dt.datetime) -> sa.ColumnElement[bool]:
    """SQL: an answer at least as wide as the ask is there, and the plan does not ask for it anew."""
    return (
        sa.select(sa.literal(1))
        .where(
            _counts(now),
            tasks.c.state.in_(ANSWERED),
            tasks.c.max_k >= asks.c.max_k,
            tasks.c.info_access.op("&")(asks.c.info_access) == asks.c.info_access,
        )
        .correlate(asks)
        .exists()
    )


def has_ended_badly(now: dt.datetime) -> sa.ColumnElement[bool]:
    """SQL: the question ended without an answer, and the plan does not ask it anew."""
    return sa.select(sa.literal(1)).where(_counts(now), tasks.c.state.in_(ENDED_BADLY)).correlate(asks).exists()


def is_outstanding(now: dt.datetime) -> sa.ColumnElement[bool]:
    """SQL: nothing is bought, expected or ended for the ask: the plan may buy it."""
    return sa.and_(
        live_state().is_(None),
        sa.not_(has_duplicate_in_flight()),
        sa.not_(is_owned(now)),
        sa.not_(has_ended_badly(now)),
    )


def ask_status(now: dt.datetime) -> sa.ColumnElement[str]:
    """SQL: the ask's `AskStatus`."""
    return sa.case(
        (live_state().is_not(None), live_state()),
        (has_duplicate_in_flight(), AskStatus.IN_FLIGHT.value),
        (is_owned(now), AskStatus.OWNED.value),
        (has_ended_badly(now), AskStatus.ENDED_BADLY.value),
        else_=AskStatus.TO_BUY.value,
    )


def has_task() -> sa.Exists:
    """SQL: the ask's question was bought at least once, however that ended."""
    return sa.select(sa.literal(1)).where(tasks.c.question_id == asks.c.question_id).correlate(asks).exists()


def ask_statuses(ledger: Ledger, plan_id: str) -> Iterator[tuple[str, AskStatus]]:
    """Yield fingerprint and standing of each ask whose question was ever bought; every other one is to buy."""
    query = (
        sa.select(questions.c.fingerprint, ask_status(ledger.clock()))
        .join(questions, questions.c.question_id == asks.c.question_id)
        .where(asks.c.plan_id == plan_id, has_task())
    )
    with ledger.read() as connection:
        for fingerprint, state in connection.execute(query):
            yield fingerprint, AskStatus(state)


def asks_of(ledger: Ledger, plan_id: str) -> int:
    """Return how many questions the plan asks."""
    with ledger.read() as connection:
        return connection.execute(sa.select(sa.func.count()).where(asks.c.plan_id == plan_id)).scalar_one()


def widths(ledger: Ledger, plan_id: str) -> dict[AskStatus, dict[tuple[int, int], int]]:
    """Return, for each standing, how many of the plan's asks there are of each (max_k, info_access bits)."""
    state = ask_status(ledger.clock()).label("state")
    query = (
        sa.select(state, asks.c.max_k, asks.c.info_access, sa.func.count())
        .where(asks.c.plan_id == plan_id)
        .group_by(state, asks.c.max_k, asks.c.info_access)
    )
    counts: dict[AskStatus, dict[tuple[int, int], int]] = {name: {} for name in AskStatus}
    with ledger.read() as connection:
        for name, max_k, bits, count in connection.execute(query):
            counts[AskStatus(name)][max_k, bits] = count
    return counts


def ask_status_counts(ledger: Ledger, plan_id: str) -> dict[AskStatus, int]:
    """Return how many of a plan's asks are in each standing."""
    return {name: sum(counts.values()) for name, counts in widths(ledger, plan_id).items()}


def questions_to_buy(ledger: Ledger, plan_ids: Collection[str]) -> int:
    """Return how many questions these plans owe together: one that several of them ask is bought once."""
    query = sa.select(sa.func.count(asks.c.question_id.distinct())).where(
        asks.c.plan_id.in_(plan_ids), is_outstanding(ledger.clock())
    )
    with ledger.read() as connection:
        return connection.execute(query).scalar_one()


def reused(ledger: Ledger, plan_id: str, run_id: str) -> int:
    """Return how many of the plan's asks are answered by what this run did not buy for the plan."""
    by_this_run = (
        sa.select(sa.literal(1))
        .select_from(tasks)
        .join(batches, batches.c.batch_no == tasks.c.batch_no)
        .where(tasks.c.question_id == asks.c.question_id, batches.c.plan_id == plan_id, batches.c.run_id == run_id)
        .correlate(asks)
        .exists()
    )
    query = sa.select(sa.func.count()).where(asks.c.plan_id == plan_id, is_owned(ledger.clock()), sa.not_(by_this_run))
    with ledger.read() as connection:
        return connection.execute(query).scalar_one()


def wider_asks(ledger: Ledger, plan_id: str) -> int:
    """Return how many owed asks have an answer already, but a narrower one: they cost in full."""
    answered = (
        sa.select(sa.literal(1))
        .where(tasks.c.question_id == asks.c.question_id, tasks.c.state.in_(ANSWERED))
        .correlate(asks)
        .exists()
    )
    query = sa.select(sa.func.count()).where(
        asks.c.plan_id == plan_id, asks.c.reask_after_seq.is_(None), answered, is_outstanding(ledger.clock())
    )
    with ledger.read() as connection:
        return connection.execute(query).scalar_one()
