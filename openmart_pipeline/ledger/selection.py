"""Which questions of a plan one purchase may buy: decided again by every claim, in the transaction that claims.

The rule of what is owed is in `owed`; here is what an approval leaves of it.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from openmart_pipeline.ledger.outstanding import has_duplicate_in_flight, is_outstanding, live_state
from openmart_pipeline.ledger.plans import Lifetimes, newest_of_question, stale_at
from openmart_pipeline.ledger.queries import newest_event
from openmart_pipeline.ledger.schema import asks, batches, partitions, plans, tasks
from openmart_pipeline.ledger.states import ANSWERED, ENDED_BADLY, FileState
from openmart_pipeline.ledger.store import Ledger
from openmart_pipeline.model.approval import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The questions of a plan that a purchase may buy, as seen when it began.

    The instant stays the one of the beginning, when the clock was held against the server's. So a clock that jumps
    ahead during a long purchase makes no answer stale, and an answer that came during it is never asked again by it.
    """

    scope: Scope
    as_of: dt.datetime
    newest_seq: int
    lifetimes: Lifetimes

    def holds(self) -> sa.ColumnElement[bool]:
        """SQL: the purchase may buy the ask."""
        if self.scope is Scope.STALE:
            return self._is_due()
        is_new = asks.c.reask_after_seq.is_(None) if self.scope is Scope.NEW else sa.true()
        return sa.and_(is_outstanding(self.as_of), is_new)

    def _is_due(self) -> sa.ColumnElement[bool]:
        """SQL: the ask's newest end is a stale answer, as wide as the ask, that somebody approved for this file.

        Either a plan of the file bought it, or the file's current plan was approved and reuses it.
        """
        answer, bought, current = tasks.alias("answer"), plans.alias("bought"), plans.alias("current")
        has_answer = (
            sa.select(sa.literal(1))
            .select_from(
                answer.join(batches, batches.c.batch_no == answer.c.batch_no)
                .join(bought, bought.c.plan_id == batches.c.plan_id)
                .join(current, current.c.plan_id == asks.c.plan_id)
            )
            .where(
                answer.c.task_no == newest_of_question(tasks.c.task_no, *ANSWERED, *ENDED_BADLY),
                answer.c.ended_seq <= self.newest_seq,
                answer.c.max_k >= asks.c.max_k,
                answer.c.info_access.op("&")(asks.c.info_access) == asks.c.info_access,
                answer.c.purged_at.is_(None),  # somebody wanted the people gone
                bought.c.approved_credits > 0,
                sa.or_(bought.c.partition_key == current.c.partition_key, current.c.approved_credits > 0),
            )
            .correlate(asks)
            .exists()
        )
        return sa.and_(
            stale_at(self.lifetimes) < self.as_of,
            has_answer,
            live_state().is_(None),
            sa.not_(has_duplicate_in_flight()),
        )


def select_now(ledger: Ledger, scope: Scope = Scope.OWED, lifetimes: Lifetimes | None = None) -> Selection:
    """Return the selection of a purchase that begins now."""
    return Selection(
        scope=scope, as_of=ledger.clock(), newest_seq=newest_event(ledger), lifetimes=lifetimes or Lifetimes()
    )


def first_outstanding(ledger: Ledger, plan_id: str, selection: Selection | None = None) -> int | None:
    """Return the position of the first ask that may be bought, None when there is none."""
    may_buy = (selection or select_now(ledger)).holds()
    query = sa.select(asks.c.position).where(asks.c.plan_id == plan_id, may_buy).order_by(asks.c.position).limit(1)
    with ledger.read() as connection:
        return connection.execute(query).scalar()


def plans_to_refresh(ledger: Ledger, lifetimes: Lifetimes) -> dict[str, str]:
    """Return the current plans a refresh would buy from, the oldest answer first: partition key -> plan id."""
    oldest = sa.func.min(newest_of_question(tasks.c.ended_at, *ANSWERED))
    query = (
        _due(ledger, lifetimes)
        .with_only_columns(partitions.c.partition_key, partitions.c.current_plan_id)
        .group_by(partitions.c.partition_key)
        .order_by(oldest, partitions.c.partition_key)
    )
    with ledger.read() as connection:
        return {row.partition_key: row.current_plan_id for row in connection.execute(query)}


def widths_to_refresh(ledger: Ledger, lifetimes: Lifetimes) -> dict[tuple[int, int], int]:
    """Return how many questions a refresh of all files would ask again: (max_k, info_access bits) -> questions."""
    how = asks.c.max_k, asks.c.info_access
    query = _due(ledger, lifetimes).with_only_columns(*how, sa.func.count(asks.c.question_id.distinct())).group_by(*how)
    with ledger.read() as connection:
        return {(max_k, bits): count for max_k, bits, count in connection.execute(query)}


def _due(ledger: Ledger, lifetimes: Lifetimes) -> sa.Select[Any]:
    return (
        sa.select(asks)
        .select_from(asks.join(partitions, partitions.c.current_plan_id == asks.c.plan_id))
        .where(partitions.c.state != FileState.RETIRED, select_now(ledger, Scope.STALE, lifetimes).holds())
    )
