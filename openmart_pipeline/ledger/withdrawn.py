"""What a file once asked and bought, and asks no more: kept, so that the contacts stay and nobody pays for them again.

Lives here: which questions leave with a new plan, which come back, and how they are read. Nothing here spends.
"""

from collections.abc import Iterator

import sqlalchemy as sa

from openmart_pipeline.ledger.schema import asks, partitions, questions, tasks, withdrawn_asks
from openmart_pipeline.ledger.states import ANSWERED, OPEN
from openmart_pipeline.ledger.store import Ledger
from openmart_pipeline.model.answers import LeftRow
from openmart_pipeline.model.questions import Access

CHUNK_ROWS = 10_000
_COPIED = ("question_id", "source_row", "max_k", "info_access", "company_name")


def leave(ledger: Ledger, connection: sa.Connection, last: sa.RowMapping, plan_id: str) -> None:
    """Keep what the file's last plan bought and its new one does not ask; forget what the new one asks again.

    Args:
        ledger: for its clock.
        connection: the transaction that makes the plan current.
        last: the file's row of `partitions`, as it was with its last plan.
        plan_id: the new plan.

    """
    asked_now = sa.select(asks.c.question_id).where(asks.c.plan_id == plan_id)
    connection.execute(
        withdrawn_asks.delete().where(
            withdrawn_asks.c.partition_key == last["partition_key"], withdrawn_asks.c.question_id.in_(asked_now)
        )
    )
    if last["current_plan_id"] is None:
        return
    bought = sa.exists().where(tasks.c.question_id == asks.c.question_id, tasks.c.state.in_((*ANSWERED, *OPEN)))
    leaving = sa.select(
        sa.literal(last["partition_key"]),
        sa.literal(last["file_sha256"]),
        sa.literal(ledger.clock(), withdrawn_asks.c.withdrawn_at.type),
        *(asks.c[name] for name in _COPIED),
    ).where(asks.c.plan_id == last["current_plan_id"], asks.c.question_id.not_in(asked_now), bought)
    names = ["partition_key", "file_sha256", "withdrawn_at", *_COPIED]
    connection.execute(withdrawn_asks.insert().from_select(names, leaving))


def withdrawn_rows(ledger: Ledger, partition_key: str) -> Iterator[list[LeftRow]]:
    """Yield, in chunks and in file order, what the file asked in an earlier version or with other settings."""
    query = (
        sa.select(withdrawn_asks, questions)
        .join(questions, questions.c.question_id == withdrawn_asks.c.question_id)
        .where(withdrawn_asks.c.partition_key == partition_key)
        .order_by(withdrawn_asks.c.withdrawn_at, withdrawn_asks.c.source_row, questions.c.question_id)
    )
    with ledger.read() as connection:
        for rows in connection.execution_options(yield_per=CHUNK_ROWS).execute(query).mappings().partitions():
            yield [
                LeftRow(
                    source_row=row["source_row"],
                    file_sha256=row["file_sha256"],
                    withdrawn_at=row["withdrawn_at"],
                    fingerprint=row["fingerprint"],
                    domain=row["domain"],
                    title=row["title"],
                    company_name=row["company_name"],
                    city=row["city"],
                    state=row["state"],
                    country=row["country"],
                    version=row["version"],
                    max_k=row["max_k"],
                    info_access=Access(row["info_access"]).label,
                )
                for row in rows
            ]


def newest_end_of_withdrawn() -> sa.ScalarSelect[int]:
    """SQL: the number of the newest event that ended a task of what a partition no longer asks."""
    return (
        sa.select(sa.func.max(tasks.c.ended_seq))
        .select_from(withdrawn_asks)
        .join(tasks, tasks.c.question_id == withdrawn_asks.c.question_id)
        .where(withdrawn_asks.c.partition_key == partitions.c.partition_key)
        .correlate(partitions)
        .scalar_subquery()
    )
