"""Whose turn it is to ask about a batch: what is due is held by one process at a time.

Lives here: due, held and free again. Comfort, not correctness: asking twice is free, storing twice changes nothing.
"""

import datetime as dt
from collections.abc import Collection

import sqlalchemy as sa

from openmart_pipeline.ledger.collecting import answers_to, bought_for
from openmart_pipeline.ledger.moves import Batch
from openmart_pipeline.ledger.schema import batches
from openmart_pipeline.ledger.states import ASKABLE, BatchState
from openmart_pipeline.ledger.store import Ledger

# Nothing is put off further: where it seems so, the clock was ahead and has been set back.
MOST_AHEAD = dt.timedelta(hours=10)  # nine hours is the longest pause between two questions about a batch ...
STUCK_MOST_AHEAD = dt.timedelta(days=2)  # ... that is not stalled; about one that is, a day


def lease_due(
    ledger: Ledger,
    *,
    limit: int,
    hold_s: float,
    states: Collection[BatchState] = ASKABLE,
    partition_keys: Collection[str] | None = None,
) -> list[Batch]:
    """Take up to `limit` batches that are due, oldest first, so that nobody else asks about them meanwhile.

    Where files are named: first what was bought for them, then what others bought that answers them.

    Their next poll is moved ahead by `hold_s` in the same transaction: the command line, the daemon and a second
    machine share the work, and what a killed process held is due again by itself.
    """
    now = ledger.clock()
    is_due = sa.and_(
        batches.c.state.in_(states),
        sa.or_(
            batches.c.next_poll_at <= now,
            batches.c.next_poll_at > now + STUCK_MOST_AHEAD,
            sa.and_(batches.c.state != BatchState.STALLED, batches.c.next_poll_at > now + MOST_AHEAD),
        ),
    )
    query = sa.select(batches.c.batch_no).where(is_due).order_by(batches.c.next_poll_at).limit(limit)
    looks = [query]
    if partition_keys is not None:
        looks = [query.where(bought_for(partition_keys)), query.where(answers_to(partition_keys))]
    found: list[int] = []
    # Most looks find nothing, and some have thousands of batches to look into: neither should keep a writer waiting.
    with ledger.read() as connection:
        for look in looks:
            found = list(connection.execute(look).scalars())
            if found:
                break
    if not found:
        return []
    with ledger.write() as connection:
        still_due = sa.select(batches).where(batches.c.batch_no.in_(found), is_due).order_by(batches.c.next_poll_at)
        held = [Batch.of(row) for row in connection.execute(still_due).mappings()]
        if held:
            connection.execute(
                batches.update()
                .where(batches.c.batch_no.in_([batch.batch_no for batch in held]))
                .values(next_poll_at=now + dt.timedelta(seconds=hold_s), leased_by=ledger.owner.owner_id)
            )
    return held


def free_holds(ledger: Ledger) -> None:
    """Make due at once what dead processes held, and what this one still holds."""
    with ledger.read() as connection:
        holders = connection.execute(
            sa.select(batches.c.leased_by).where(batches.c.leased_by.is_not(None)).distinct()
        ).scalars()
        free = [holder for holder in holders if holder == ledger.owner.owner_id or ledger.owner.is_gone(holder)]
    if free:
        with ledger.write() as connection:
            connection.execute(
                batches.update()
                .where(batches.c.leased_by.in_(free))
                .values(leased_by=None, next_poll_at=ledger.clock())
            )


def is_any_due_within(ledger: Ledger, seconds: float, partition_keys: Collection[str] | None = None) -> bool:
    """Whether a batch is to be asked about that soon, or is being asked about; only these files' where named."""
    until = ledger.clock() + dt.timedelta(seconds=seconds)
    query = sa.select(batches.c.batch_no).where(batches.c.state.in_(ASKABLE), batches.c.next_poll_at <= until).limit(1)
    if partition_keys is not None:
        query = query.where(sa.or_(bought_for(partition_keys), answers_to(partition_keys)))
    with ledger.read() as connection:
        return connection.execute(query).first() is not None
