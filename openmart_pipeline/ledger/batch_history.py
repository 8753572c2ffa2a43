"""What happened to batches, and who decided it: the events, read back.

Lives here: reads of the append-only history. No money moves here.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from openmart_pipeline.ledger.ledger_errors import from_json
from openmart_pipeline.ledger.schema import batches, events
from openmart_pipeline.ledger.states import ADOPT, RELEASE, REVOKE, REVOKE_FOREIGN
from openmart_pipeline.ledger.store import Ledger
from openmart_pipeline.ledger.unmatched_results import ASSIGN

# A person's word on a batch that may have been paid for, and the server's that an adopted id is somebody else's.
DECISIONS = (ADOPT.name, RELEASE.name, REVOKE_FOREIGN.name, REVOKE.name, ASSIGN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """One event of one batch."""

    at: dt.datetime
    actor: str
    batch_no: int
    partition_key: str
    move: str
    from_state: str | None
    to_state: str | None
    reason: str | None
    detail: dict[str, Any]

    @property
    def what(self) -> str:
        """What it did to the batch, in words: `adopted as ID`, `released, credits given back`, `sending -> unknown`."""
        told = self.detail
        words = {
            ADOPT.name: f"adopted as {told.get('vendor_batch_id', 'an id not kept')}",
            RELEASE.name: "released, credits given back" if told.get("vouched_unpaid") else "released",
            REVOKE_FOREIGN.name: "unknown again, its id taken back",
            REVOKE.name: f"unknown again, {told.get('vendor_batch_id')} taken back",
            ASSIGN: f"result {told.get('vendor_task_id')} given to {told.get('tracking_id')}",
        }
        if self.move in words:
            return words[self.move]
        if self.to_state is None:
            return self.move
        return self.to_state if self.from_state is None else f"{self.from_state} -> {self.to_state}"


def newest_at(ledger: Ledger) -> dt.datetime | None:
    """Return when the newest event was written; None before the first."""
    with ledger.read() as connection:
        return connection.execute(sa.select(events.c.at).order_by(events.c.seq.desc()).limit(1)).scalar()


def decisions(ledger: Ledger, *, newest: int | None = None) -> list[Happened]:
    """Return what was decided about batches in doubt, oldest first; only so many of the newest."""
    return _happened(ledger, events.c.move.in_(DECISIONS), newest)


def of_batches(ledger: Ledger, batch_nos: Collection[int]) -> list[Happened]:
    """Return all that happened to these batches, oldest first."""
    return _happened(ledger, events.c.batch_no.in_(batch_nos), None)


def _happened(ledger: Ledger, which: sa.ColumnElement[bool], newest: int | None) -> list[Happened]:
    query = (
        sa.select(events, batches.c.partition_key)
        .join(batches, batches.c.batch_no == events.c.batch_no)
        .where(which)
        .order_by(events.c.seq.desc())
        .limit(newest)
    )
    with ledger.read() as connection:
        rows = connection.execute(query).all()
    return [
        Happened(
            at=row.at,
            actor=row.actor,
            batch_no=row.batch_no,
            partition_key=row.partition_key,
            move=row.move,
            from_state=row.from_state,
            to_state=row.to_state,
            reason=row.reason,
            detail={} if row.detail is None else from_json(row.detail),
        )
        for row in reversed(rows)
    ]
