"""What of a plan has no answer although it was bought: in which state each question is, and what may be asked again.

Lives here: reads for whoever shows it. No money moves here.
"""

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from openmart_pipeline.ledger.ledger_errors import member
from openmart_pipeline.ledger.outstanding import AskStatus, ask_status
from openmart_pipeline.ledger.plans import (
    FAILED_AFTER_PURCHASE,
    Lifetimes,
    Reask,
    count_of_question,
    is_askable,
    newest_of_question,
)
from openmart_pipeline.ledger.schema import asks, tasks
from openmart_pipeline.ledger.states import ENDED_BADLY, TaskState
from openmart_pipeline.ledger.store import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Questions that came to the same end without an answer, or are `stalled` on the way to one."""

    state: TaskState
    questions: int
    askable: int  # those that a plan with the right `reask` would buy again; the others were asked too often


def without_answer(ledger: Ledger, plan_ids: Collection[str], lifetimes: Lifetimes) -> list[Ending]:
    """Return how the questions of these plans stand that were bought and have no answer, the most frequent first.

    A question that several plans ask counts once. Those on their way, and those in doubt, are none of these.
    """
    failures, rejections = count_of_question(*FAILED_AFTER_PURCHASE), count_of_question(TaskState.REJECTED)
    newest = newest_of_question(tasks.c.state, *ENDED_BADLY)
    stands = ask_status(ledger.clock())
    of_asks = (
        sa.select(
            asks.c.question_id,
            sa.case((stands == AskStatus.STALLED, TaskState.STALLED.value), else_=newest).label("state"),
            failures.label("failures"),
            rejections.label("rejections"),
        )
        .where(asks.c.plan_id.in_(plan_ids), stands.in_((AskStatus.STALLED, AskStatus.ENDED_BADLY)))
        .distinct()
        .subquery()
    )
    end, so_often = of_asks.c.state, {"rejections": of_asks.c.rejections, "failures": of_asks.c.failures}
    can_be_asked = sa.or_(
        *(is_askable(reask, end, **so_often, lifetimes=lifetimes) for reask in (Reask.ERRORED, Reask.EXPIRED))
    )
    query = (
        sa.select(of_asks.c.state, sa.func.count(), sa.func.sum(sa.cast(can_be_asked, sa.Integer)))
        .group_by(of_asks.c.state)
        .order_by(sa.func.count().desc(), of_asks.c.state)
    )
    with ledger.read() as connection:
        return [
            Ending(state=member(TaskState, state), questions=questions, askable=askable)
            for state, questions, askable in connection.execute(query)
        ]
