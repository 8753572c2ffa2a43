"""Whose turn it is to ask about a batch: what is due is held by one process at a time.

Lives here: due, held and free again. Comfort, not correctness: asking twice is free, storing twice changes nothing.
Imports `store`, `schema`, `states`, `collecting`.
"""

import datetime as dt
from collections.abc import Collection

import sqlalchemy as sa

from openmart_pipeline.enrichment.ledger.collecting import of_current_plan
from openmart_pipeline.enrichment.ledger.moves import Batch
from openmart_pipeline.enrichment.ledger.schema import batches
from openmart_pipeline.enrichment.ledger.states import ASKABLE, BatchState
from openmart_pipeline.enrichment.ledger.store import Ledger

MOST_AHEAD = dt.timedelta(days=2)  # the longest pause between two questions is a day


def hold_due(
    ledger: Ledger,
    *,
    limit: int,
    hold_s: float,
    states: Collection[BatchState] = ASKABLE,
    partition_keys: Collection[str] | None = None,
) -> list[Batch]:
    """Take up to `limit` batches that are due, oldest first, so that nobody else asks about them meanwhile.

    Their next poll is moved ahead by `hold_s` in the same transaction: the command line, the daemon and a second
    machine share the work, and what a killed process held is due again by itself.
    """
    now = ledger.clock()
    query = (
        sa.select(batches)
        .where(
            batches.c.state.in_(states),
            # Nothing is put off that far: where it seems so, the clock was ahead and has been set back.
            sa.or_(batches.c.next_poll_at <= now, batches.c.next_poll_at > now + MOST_AHEAD),
        )
        .order_by(batches.c.next_poll_at)
        .limit(limit)
    )
    if partition_keys is not None:
        query = query.where(sa.or_(sa.false(), *(of_current_plan(key) for key in partition_keys)))
    with ledger.read() as connection:  # most looks find nothing: they should not queue behind writers
        if connection.execute(query).first() is None:
            return []
    with ledger.write() as connection:
        held = [Batch.of(row) for row in connection.execute(query).mappings()]
        if held:
            connection.execute(
                batches.update()
                .where(batches.c.batch_no.in_([batch.batch_no for batch in held]))
                .values(next_poll_at=now + dt.timedelta(seconds=hold_s), held_by=ledger.owner.owner_id)
            )
    return held


def free_holds(ledger: Ledger) -> None:
    """Make due at once what dead processes held, and what this one still holds."""
    with ledger.read() as connection:
        holders = connection.execute(
            sa.select(batches.c.held_by).where(batches.c.held_by.is_not(None)).distinct()
        ).scalars()
        free = [holder for holder in holders if holder == ledger.owner.owner_id or ledger.owner.is_gone(holder)]
    if free:
        with ledger.write() as connection:
            connection.execute(
                batches.update().where(batches.c.held_by.in_(free)).values(held_by=None, next_poll_at=ledger.clock())
            )


def is_any_due_within(ledger: Ledger, seconds: float, partition_keys: Collection[str] | None = None) -> bool:
    """Whether a batch is to be asked about that soon, or is being asked about; only these files' where named."""
    until = ledger.clock() + dt.timedelta(seconds=seconds)
    query = sa.select(batches.c.batch_no).where(batches.c.state.in_(ASKABLE), batches.c.next_poll_at <= until).limit(1)
    if partition_keys is not None:
        query = query.where(sa.or_(sa.false(), *(of_current_plan(key) for key in partition_keys)))
    with ledger.read() as connection:
        return connection.execute(query).first() is not None
