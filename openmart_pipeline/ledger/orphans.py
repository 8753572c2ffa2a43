"""What is done about batches whose sender died: accepted where the journal knows their id, else `unknown`.

Lives here: the look into the journal before a batch is called unknown or released. Free; asks no server.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from openmart_pipeline.ledger import moves
from openmart_pipeline.ledger.journal import ACCEPTED, SubmissionJournal
from openmart_pipeline.ledger.ledger_errors import from_json
from openmart_pipeline.ledger.moves import Batch, MoveRefused
from openmart_pipeline.ledger.schema import batches, events
from openmart_pipeline.ledger.states import ACCEPT, REVOKE, REVOKE_FOREIGN, BatchState
from openmart_pipeline.ledger.store import Ledger


def reap_orphans(ledger: Ledger, journal: SubmissionJournal) -> list[int]:
    """Accept what the journal knows, then call `unknown` what else a dead process was sending; return those numbers.

    A process that is killed between its two records has written the id into the journal only. Without this look a
    person would be told that nobody knows the id, and a release would pay again.
    """
    accept_answered(ledger, journal)
    return moves.mark_orphans_unknown(ledger)


def accept_answered(ledger: Ledger, journal: SubmissionJournal) -> list[int]:
    """Accept every batch without an id whose id is in the journal and whose sender is gone; return their numbers."""
    undecided = batches.c.state.in_((BatchState.SENDING, BatchState.UNKNOWN))
    with ledger.read() as connection:
        rows = connection.execute(sa.select(batches).where(undecided).order_by(batches.c.batch_no)).mappings()
        waiting = [Batch.of(row) for row in rows]
    waiting = [batch for batch in waiting if ledger.owner.is_gone(batch.owner_id)]
    heard = journal.answers_to([batch.token for batch in waiting])
    accepted = []
    for batch in waiting:
        outcome = heard.get(batch.token, {})
        if outcome.get("event") != ACCEPTED:
            continue
        try:
            with ledger.write() as connection:
                if not is_usable(connection, outcome):
                    continue
                accept(ledger, connection, batch, outcome)
        except MoveRefused:
            continue  # another process accepted it first, or a person decided
        accepted.append(batch.batch_no)
    return accepted


def is_usable(connection: sa.Connection, outcome: Mapping[str, Any]) -> bool:
    """Whether the id may be given to the batch: no other batch has it, and it was not found to be somebody else's."""
    vendor_batch_id, batch_no = outcome["batch_id"], outcome["batch_no"]
    named = sa.and_(batches.c.vendor_batch_id == vendor_batch_id, batches.c.token != outcome["token"])
    if connection.execute(sa.select(batches.c.batch_no).where(named)).first() is not None:
        return False
    taken_back = sa.select(events.c.detail).where(
        events.c.batch_no == batch_no, events.c.move.in_((REVOKE_FOREIGN.name, REVOKE.name))
    )
    return vendor_batch_id not in {
        from_json(detail or "{}").get("vendor_batch_id") for detail in connection.execute(taken_back).scalars()
    }


def accept(
    ledger: Ledger, connection: sa.Connection, batch: Batch, outcome: Mapping[str, Any], who: str | None = None
) -> None:
    """Give a batch the id that the journal knows; its answers are read from now on.

    Raises:
        MoveRefused: it is in a state that has an id, or has ended.

    """
    moves.apply(
        ledger,
        connection,
        ACCEPT,
        batch,
        reason="the submission journal knows its id",
        actor=who,
        vendor_batch_id=outcome["batch_id"],
        submitted_at=dt.datetime.fromisoformat(outcome["at"]),
        settled_credits=None,
        next_poll_at=ledger.clock(),
        **moves.NOTHING_HEARD,
    )
