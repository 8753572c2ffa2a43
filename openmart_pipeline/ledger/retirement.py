"""Retired files in the ledger: nothing more is claimed for them, and what is on its way is collected all the same.

Lives here: the two moves of a file, and what of it is still open. No batch and no answer is touched.
"""

import sqlalchemy as sa

from openmart_pipeline.ledger import erasure
from openmart_pipeline.ledger.moves import MoveRefused
from openmart_pipeline.ledger.schema import asks, batches, partitions, plans, withdrawn_asks
from openmart_pipeline.ledger.states import BatchState, FileState
from openmart_pipeline.ledger.store import Ledger

# Batches of which something is still to be heard, by the server's answer or a person's word.
NOT_ENDED = (BatchState.SENDING, BatchState.SUBMITTED, BatchState.READY, BatchState.STALLED, BatchState.UNKNOWN)


def retire(
    ledger: Ledger, partition_key: str, *, remove_data: bool, who: str, why: str, rows: int = 0, contacts: int = 0
) -> None:
    """Let nothing more be planned or bought for the file; with `remove_data` it is forgotten what it asks.

    A buyer in the middle of its plan stops at the next claim. Answers stay: they are paid for, and other files reuse
    them.

    Raises:
        MoveRefused: the ledger knows no such file.

    """
    with ledger.write() as connection:
        _refuse_stranger(connection, partition_key)
        values: dict[str, object] = {"state": FileState.RETIRED}
        if remove_data:
            mine = sa.select(plans.c.plan_id).where(plans.c.partition_key == partition_key)
            connection.execute(asks.delete().where(asks.c.plan_id.in_(mine)))
            connection.execute(withdrawn_asks.delete().where(withdrawn_asks.c.partition_key == partition_key))
            erasure.note_due(ledger, connection, ())  # whoever is loading the file must not write what was read before
            values |= {"current_plan_id": None, "file_sha256": None, "load_watermark": -1, "loaded_at": None}
        connection.execute(partitions.update().where(partitions.c.partition_key == partition_key).values(**values))
        ledger.record(
            connection,
            "retire",
            actor=who,
            reason=why,
            partition_key=partition_key,
            remove_data=remove_data,
            rows=rows,
            contacts=contacts,
        )


def bring_back(ledger: Ledger, partition_key: str, *, who: str, why: str) -> None:
    """Let the file be planned and bought for again, with the plan it had if its data was kept.

    Raises:
        MoveRefused: it is not retired.

    """
    with ledger.write() as connection:
        state = _refuse_stranger(connection, partition_key)
        if state != FileState.RETIRED:
            raise MoveRefused(f"{partition_key!r} is not retired, it is {state}: nothing was changed.")
        connection.execute(
            partitions.update().where(partitions.c.partition_key == partition_key).values(state=FileState.ACTIVE)
        )
        ledger.record(connection, "bring_back", actor=who, reason=why, partition_key=partition_key)


def _refuse_stranger(connection: sa.Connection, partition_key: str) -> str:
    state = connection.execute(
        sa.select(partitions.c.state).where(partitions.c.partition_key == partition_key)
    ).scalar()
    if state is None:
        raise MoveRefused(
            f"The ledger knows no file {partition_key!r}: write its name as `openmart-pipeline status` lists it. "
            "Nothing was changed."
        )
    return str(state)


def retired_files(ledger: Ledger) -> dict[str, bool]:
    """Return the retired files, and whether the data of each was kept."""
    query = sa.select(partitions.c.partition_key, partitions.c.current_plan_id).where(
        partitions.c.state == FileState.RETIRED
    )
    with ledger.read() as connection:
        return {key: plan_id is not None for key, plan_id in connection.execute(query)}


def is_retired(ledger: Ledger, partition_key: str) -> bool:
    """Whether the file is retired."""
    query = sa.select(partitions.c.state).where(partitions.c.partition_key == partition_key)
    with ledger.read() as connection:
        return connection.execute(query).scalar() == FileState.RETIRED


def batches_not_ended(ledger: Ledger) -> dict[str, int]:
    """Return how many batches of which files have not ended, the unknown ones among them."""
    query = (
        sa.select(batches.c.partition_key, sa.func.count())
        .where(batches.c.state.in_(NOT_ENDED))
        .group_by(batches.c.partition_key)
    )
    with ledger.read() as connection:
        return {row.partition_key: row[1] for row in connection.execute(query)}
