"""Taking an adopted batch id back: what came under it leaves the tasks, and the right id is still accepted.

Not here: adopting (`moves`). Only what no tracking id proves can be taken back.
"""

import sqlalchemy as sa

from openmart_pipeline.ledger import moves
from openmart_pipeline.ledger import unmatched_results as unmatched
from openmart_pipeline.ledger.loads import LOAD_AGAIN
from openmart_pipeline.ledger.moves import NOTHING_HEARD, Batch, MoveRefused
from openmart_pipeline.ledger.schema import asks, batches, events, partitions, tasks, withdrawn_asks
from openmart_pipeline.ledger.states import ADOPT, REVOKE, REVOKE_FOREIGN, Move
from openmart_pipeline.ledger.store import Ledger


def is_adopted(connection: sa.Connection, batch_no: int) -> bool:
    """Whether a person named the id that the batch has now."""
    adopted = (
        sa.select(events.c.seq)
        .join(batches, batches.c.batch_no == events.c.batch_no)
        .where(
            events.c.batch_no == batch_no,
            events.c.move == ADOPT.name,
            sa.func.json_extract(events.c.detail, "$.vendor_batch_id") == batches.c.vendor_batch_id,
        )
    )
    return connection.execute(adopted.limit(1)).first() is not None


def is_unproven(ledger: Ledger, batch_no: int) -> bool:
    """Whether the batch got its id from a person and no answer carries a tracking id of its tasks."""
    with ledger.read() as connection:
        return is_adopted(connection, batch_no) and not is_proven(connection, batch_no)


def is_proven(connection: sa.Connection, batch_no: int) -> bool:
    """Whether an answer under the batch's id carries the tracking id of one of its tasks: then the id is its own."""
    named = sa.select(tasks.c.task_no).where(
        tasks.c.batch_no == batch_no, tasks.c.vendor_task_id.is_not(None), tasks.c.matched_by.is_(None)
    )
    return connection.execute(named.limit(1)).first() is not None


def revoke(ledger: Ledger, batch_no: int, *, who: str, why: str) -> tuple[int, list[str]]:
    """Take an adoption back by a person's word: the batch is unknown again, under no id.

    Returns:
        How many answers were taken out of its tasks, and the files that are loaded again without them.

    Raises:
        MoveRefused: the id was not adopted, or its answers carry the batch's own tracking ids.

    """
    with ledger.write() as connection:
        batch = moves.find(connection, batch_no)
        if batch.vendor_batch_id is None or not is_adopted(connection, batch_no):
            raise MoveRefused(
                f"Batch {batch_no} is {batch.state}, and no adopted id is in use for it. Nothing was changed."
            )
        if is_proven(connection, batch_no):
            raise MoveRefused(
                f"The answers under {batch.vendor_batch_id} carry the tracking ids of batch {batch_no}: the id is "
                "right. Nothing was changed."
            )
        return _take_back(ledger, connection, REVOKE, batch, reason=why, actor=who)


def revoke_foreign(ledger: Ledger, batch: Batch, *, reason: str) -> None:
    """Take an adopted id back: its answers are somebody else's. The batch is unknown again."""
    with ledger.write() as connection:
        if is_proven(connection, batch.batch_no):
            raise MoveRefused(f"Answers of batch {batch.batch_no} carry its tracking ids. Nothing was changed.")
        _take_back(ledger, connection, REVOKE_FOREIGN, batch, reason=reason, actor=None)


def _take_back(
    ledger: Ledger, connection: sa.Connection, move: Move, batch: Batch, *, reason: str, actor: str | None
) -> tuple[int, list[str]]:
    # The move last in effect, first in order: it refuses what somebody changed meanwhile.
    answers = unmatched.keep_answers_of_revoked(ledger, connection, batch)
    moves.apply(
        ledger,
        connection,
        move,
        batch,
        reason=reason,
        actor=actor,
        noted={"vendor_batch_id": batch.vendor_batch_id, "answers": answers},
        vendor_batch_id=None,
        submitted_at=None,
        ready_at=None,
        collected_at=None,
        settled_credits=None,
        next_poll_at=None,
        leased_by=None,
        evidence=reason,
        **NOTHING_HEARD,
    )
    files = _files_with(connection, batch.batch_no) if answers else []
    connection.execute(
        partitions.update().where(partitions.c.partition_key.in_(files)).values(load_watermark=LOAD_AGAIN)
    )
    return answers, files


def _files_with(connection: sa.Connection, batch_no: int) -> list[str]:
    """Return the files that were loaded and ask, or once asked, a question of the batch."""
    mine = sa.select(tasks.c.question_id).where(tasks.c.batch_no == batch_no)
    asking = sa.select(partitions.c.partition_key).where(
        partitions.c.load_watermark >= 0,
        sa.or_(
            sa.exists().where(asks.c.plan_id == partitions.c.current_plan_id, asks.c.question_id.in_(mine)),
            sa.exists().where(
                withdrawn_asks.c.partition_key == partitions.c.partition_key, withdrawn_asks.c.question_id.in_(mine)
            ),
        ),
    )
    return sorted(connection.execute(asking).scalars())
