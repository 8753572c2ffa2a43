"""What the warehouse was given, and what of that analysts can read: kept here, so that asking takes no turn at DuckDB.

Lives here: one event for each load, one number for the newest publication. A kill between the two leaves it due.
"""

import datetime as dt

import sqlalchemy as sa

from openmart_pipeline.ledger.schema import events, meta, partitions
from openmart_pipeline.ledger.store import Ledger

LOAD = "load"  # the word of the history for a file's rows replaced in the warehouse
LOAD_AGAIN = -2  # as `partitions.load_watermark`: what was loaded is no longer what the ledger holds
PUBLISHED = "published_seq"  # key in `meta`: the newest event that the published database is known to hold


def note_rows_loaded(ledger: Ledger, partition_key: str) -> None:
    """Record that the warehouse holds the file's companies or plan anew: the published database is behind."""
    with ledger.write() as connection:
        ledger.record(connection, LOAD, partition_key=partition_key)


def note_answers_loaded(ledger: Ledger, partition_key: str, plan_id: str, seq: int) -> None:
    """Record that the file's contacts hold what ended up to event `seq`; said last, so that a kill repeats the load."""
    with ledger.write() as connection:
        connection.execute(
            partitions.update()
            .where(partitions.c.partition_key == partition_key, partitions.c.current_plan_id == plan_id)
            .values(load_watermark=seq, loaded_at=ledger.clock())
        )
        ledger.record(connection, LOAD, partition_key=partition_key, seq=seq)


def note_given_up(ledger: Ledger, partition_key: str) -> None:
    """Record that the warehouse can't hold the file: its stored copy is gone. Planning it again brings it back."""
    with ledger.write() as connection:
        connection.execute(
            partitions.update().where(partitions.c.partition_key == partition_key).values(loaded_at=None)
        )


def files_loaded(ledger: Ledger) -> set[str]:
    """Return the files whose contacts were loaded and not given up: the warehouse must hold them all."""
    query = sa.select(partitions.c.partition_key).where(
        partitions.c.loaded_at.is_not(None), partitions.c.current_plan_id.is_not(None)
    )
    with ledger.read() as connection:
        return set(connection.execute(query).scalars())


def note_published(ledger: Ledger, seq: int) -> None:
    """Record that everything loaded up to event `seq` is out."""
    with ledger.write() as connection:
        connection.execute(meta.delete().where(meta.c.key == PUBLISHED))
        connection.execute(meta.insert().values(key=PUBLISHED, value=str(seq)))


def unpublished_since(ledger: Ledger) -> dt.datetime | None:
    """Return when the oldest load was made that no publication holds; None when analysts can read everything."""
    with ledger.read() as connection:
        published = connection.execute(sa.select(meta.c.value).where(meta.c.key == PUBLISHED)).scalar()
        query = (
            sa.select(events.c.at)
            .where(events.c.move == LOAD, events.c.seq > int(published or 0))
            .order_by(events.c.seq)
            .limit(1)
        )
        return connection.execute(query).scalar()
