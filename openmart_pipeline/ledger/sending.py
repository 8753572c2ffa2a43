"""The ledger's side of a purchase: claim what is owed, within the budgets, and record what became of it.

Lives here: the transactions around one POST. The POST itself is in `submit`.
"""

import datetime as dt
import uuid
from dataclasses import dataclass

import sqlalchemy as sa

from openmart_pipeline.ledger import journal_mark, moves
from openmart_pipeline.ledger.journal_mark import JournalMark
from openmart_pipeline.ledger.moves import Batch
from openmart_pipeline.ledger.schema import asks, batches, partitions, plans, questions, tasks
from openmart_pipeline.ledger.selection import Selection
from openmart_pipeline.ledger.states import (
    ACCEPT,
    MARK_NOT_SENT,
    MARK_REJECTED,
    MARK_UNKNOWN,
    BatchState,
    FileState,
    TaskState,
)
from openmart_pipeline.ledger.store import Ledger, new_key
from openmart_pipeline.model.approval import Scope
from openmart_pipeline.model.prices import Budget, PriceTable
from openmart_pipeline.model.questions import Access


class BudgetReached(Exception):
    """The next task does not fit; the sentence names the limit and what it would take."""


class PlanStale(Exception):
    """The plan is not the one that was approved any more; the sentence says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedTask:
    """One purchase about to be sent."""

    tracking_id: str
    domain: str
    title: str
    max_k: int
    access: Access
    company_name: str | None
    city: str | None
    state: str | None
    country: str | None
    version: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A batch whose intent is on disk: one POST may go out for it, once."""

    batch: Batch
    tasks: tuple[ClaimedTask, ...]
    last_position: int  # of its asks in the plan: the next claim may start behind it


@dataclass(frozen=True, slots=True)
class Spent:
    """Credits committed so far, settled where an answer settled them, reserved where not."""

    by_approval: float
    by_run: float
    today: float
    in_total: float


def approve(ledger: Ledger, plan_id: str, *, credits_: float, by: str, scope: Scope = Scope.OWED) -> None:
    """Record who approved the plan up to how many credits. A refresh approves nothing that the plan still owes.

    Raises:
        PlanStale: another plan took its place, or the file was retired: nothing is approved.

    """
    with ledger.write() as connection:
        _partition_of(connection, plan_id)
        if scope is not Scope.STALE:
            connection.execute(
                plans.update().where(plans.c.plan_id == plan_id).values(approved_credits=credits_, approved_by=by)
            )
        ledger.record(connection, "approve", actor=by, plan_id=plan_id, credits=credits_, scope=scope.value)


def spent(ledger: Ledger, run_id: str = "", approval_id: str = "") -> Spent:
    """Return what is committed: under this approval, by this run, on this UTC day, in all."""
    with ledger.read() as connection:
        return _spent(ledger, connection, run_id, approval_id)


def _spent(ledger: Ledger, connection: sa.Connection, run_id: str, approval_id: str) -> Spent:
    committed = sa.func.coalesce(batches.c.settled_credits, batches.c.reserved_credits, 0.0)
    today = _day(ledger.clock())
    row = connection.execute(
        sa.select(
            sa.func.sum(sa.case((batches.c.approval_id == approval_id, committed), else_=0.0)),
            sa.func.sum(sa.case((batches.c.run_id == run_id, committed), else_=0.0)),
            sa.func.sum(sa.case((batches.c.budget_day == today, committed), else_=0.0)),
            sa.func.sum(committed),
        )
    ).one()
    return Spent(*(total or 0.0 for total in row))


def _day(now: dt.datetime) -> str:
    return now.astimezone(dt.UTC).date().isoformat()


def claim(
    ledger: Ledger,
    plan_id: str,
    *,
    budget: Budget,
    prices: PriceTable,
    run_id: str,
    approval_id: str,
    selection: Selection,
    key_hash: str,
    deadline_s: float,
    after_position: int = -1,
) -> Claim | None:
    """Commit the intent to buy the next owed asks of the plan: what fits in one POST and in the budgets.

    Owed is decided here, in the transaction that claims: nothing that another process bought, sends or lost in
    the meantime is in it.

    Args:
        ledger: where.
        plan_id: must be its file's current plan.
        budget: the limits; the tightest binds.
        prices: what the plan was quoted with.
        run_id: whose budget it counts against.
        approval_id: whose credit limit it counts against: over all its runs and plans.
        selection: which of the plan's asks may be bought.
        key_hash: short hash of the API key, so that another key is never taken for the buyer.
        deadline_s: how long the POST may take; nobody releases the batch before.
        after_position: look behind this place of the plan only: where the last claim ended.

    Returns:
        None when nothing is owed behind that place.

    Raises:
        PlanStale: another plan took its place, or the file was retired.
        BudgetReached: not one task fits.

    """
    with ledger.write() as connection:
        ledger.take_name(connection)
        partition = _partition_of(connection, plan_id)
        rows = connection.execute(_outstanding(plan_id, selection, after_position)).mappings().all()
        if not rows:
            return None
        rows = [row for row in rows[: rows[0]["batch_limit"]] if row["batch_limit"] == rows[0]["batch_limit"]]
        fitting, reserved = _fitting(rows, _room(budget, _spent(ledger, connection, run_id, approval_id)), prices)
        now = ledger.clock()
        batch_no = new_key(
            connection.execute(
                batches.insert().values(
                    token=uuid.uuid4().hex,
                    plan_id=plan_id,
                    partition_key=partition["partition_key"],
                    state=BatchState.SENDING,
                    tasks=len(fitting),
                    owner_id=ledger.owner.owner_id,
                    key_hash=key_hash,
                    intent_at=now,
                    deadline_at=now + dt.timedelta(seconds=deadline_s),
                    budget_day=_day(now),
                    reserved_credits=reserved,
                    run_id=run_id,
                    approval_id=approval_id,
                )
            )
        )
        connection.execute(
            tasks.insert(),
            [
                {
                    "batch_no": batch_no,
                    "position": position,
                    "question_id": row["question_id"],
                    "max_k": row["max_k"],
                    "info_access": row["info_access"],
                    "tracking_id": ledger.tracking_id(batch_no, position),
                    "state": TaskState.IN_FLIGHT,
                }
                for position, row in enumerate(fitting)
            ],
        )
        ledger.record(
            connection,
            "claim",
            batch_no=batch_no,
            to_state=BatchState.SENDING,
            tasks=len(fitting),
            reserved_credits=reserved,
        )
        return Claim(
            batch=moves.find(connection, batch_no),
            tasks=tuple(
                ClaimedTask(
                    tracking_id=ledger.tracking_id(batch_no, position),
                    domain=row["domain"],
                    title=row["title"],
                    max_k=row["max_k"],
                    access=Access(row["info_access"]),
                    company_name=row["company_name"],
                    city=row["city"],
                    state=row["state"],
                    country=row["country"],
                    version=row["version"],
                )
                for position, row in enumerate(fitting)
            ),
            last_position=fitting[-1]["position"],
        )


def _partition_of(connection: sa.Connection, plan_id: str) -> sa.RowMapping:
    query = sa.select(partitions).where(partitions.c.current_plan_id == plan_id)
    partition = connection.execute(query).mappings().first()
    if partition is None or partition["state"] == FileState.RETIRED:
        raise PlanStale(
            "Another plan took this one's place, or its file was retired: buying stopped there. What was sent "
            "stays ours. Look at the new plan, and buy that."
        )
    return partition


def _outstanding(plan_id: str, selection: Selection, after_position: int) -> sa.Select[tuple[object, ...]]:
    return (
        sa.select(
            asks.c.question_id,
            asks.c.position,
            asks.c.max_k,
            asks.c.info_access,
            asks.c.company_name,
            asks.c.batch_limit,
            questions.c.domain,
            questions.c.title,
            questions.c.city,
            questions.c.state,
            questions.c.country,
            questions.c.version,
        )
        .join(questions, questions.c.question_id == asks.c.question_id)
        .where(asks.c.plan_id == plan_id, asks.c.position > after_position, selection.holds())
        .order_by(asks.c.position)
        .limit(100)
    )


def _room(budget: Budget, so_far: Spent) -> tuple[float, str]:
    """Return the credits still free under the tightest limit, and that limit in words."""
    rooms = [(budget.approved - so_far.by_approval, f"the approved credit limit of {budget.approved:,.0f}")]
    if budget.per_run is not None:
        rooms.append((budget.per_run - so_far.by_run, f"the run's budget of {budget.per_run:,.0f} credits"))
    if budget.per_day is not None:
        rooms.append((budget.per_day - so_far.today, f"the day's budget of {budget.per_day:,.0f} credits (UTC day)"))
    if budget.in_total is not None:
        rooms.append((budget.in_total - so_far.in_total, f"the total budget of {budget.in_total:,.0f} credits"))
    return min(rooms)


def _fitting(
    rows: list[sa.RowMapping], room: tuple[float, str], prices: PriceTable
) -> tuple[list[sa.RowMapping], float]:
    """Return the first rows whose worst case fits into the room, and the credits they reserve."""
    free, limit = room
    reserved = 0.0
    fitting: list[sa.RowMapping] = []
    for row in rows:
        worst_case = prices.worst_case(row["max_k"], Access(row["info_access"]))
        if worst_case is None:
            raise BudgetReached(
                "A price is unknown, so no credit limit can bind and nothing is bought. Set "
                "OPENMART_PRICE_PER_EMAIL and OPENMART_PRICE_PER_PHONE."
            )
        if reserved + worst_case > free:
            if not fitting:
                raise BudgetReached(
                    f"The next task may cost {worst_case:,.0f} credits (estimated), and {limit} leaves "
                    f"{max(free, 0):,.0f}. What was sent stays ours; the rest stays owed."
                )
            break
        reserved += worst_case
        fitting.append(row)
    return fitting, reserved


def mark_not_sent(ledger: Ledger, batch: Batch, reason: str) -> None:
    """Record that the batch was surely not created: its questions are owed again, its credits free."""
    with ledger.write() as connection:
        moves.apply(ledger, connection, MARK_NOT_SENT, batch, reason=reason, evidence=reason)


def mark_rejected(ledger: Ledger, batch: Batch, reason: str) -> None:
    """Record that the server called the request wrong: nothing was bought, and a person should look."""
    with ledger.write() as connection:
        moves.apply(ledger, connection, MARK_REJECTED, batch, reason=reason, evidence=reason)


def mark_unknown(ledger: Ledger, batch: Batch, reason: str) -> None:
    """Record that the batch may have been created: nothing sends it again but a person's word."""
    with ledger.write() as connection:
        moves.apply(ledger, connection, MARK_UNKNOWN, batch, reason="no readable answer", evidence=reason)


def accept(
    ledger: Ledger,
    batch: Batch,
    *,
    vendor_batch_id: str,
    evidence: str,
    first_poll_s: float,
    journaled: JournalMark | None = None,
) -> None:
    """Record the server's batch id: from here on the answers are ours to collect.

    Legal from `sending`, and by the same token also after somebody took the sender for dead. `journaled` is where the
    journal says the same: the ledger has seen it up to there.
    """
    with ledger.write() as connection:
        now = ledger.clock()
        moves.apply(
            ledger,
            connection,
            ACCEPT,
            batch,
            vendor_batch_id=vendor_batch_id,
            submitted_at=now,
            settled_credits=None,  # given back by a person's word that it was never created: it was
            evidence=evidence,
            next_poll_at=now + dt.timedelta(seconds=first_poll_s),
            **moves.NOTHING_HEARD,
        )
        if journaled is not None:
            journal_mark.advance(connection, journaled)
