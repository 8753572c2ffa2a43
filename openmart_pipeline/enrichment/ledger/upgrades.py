"""An older ledger brought forward by a newer program: its tables step by step, its questions keyed anew.

Lives here: what `store` does inside the transaction that opens a ledger, so that a kill leaves the old one whole.
Forward only: an older program refuses what this made. Imports `schema`, `states` and the rules of a question.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import sqlalchemy as sa

from openmart_pipeline.enrichment.ledger.schema import asks, left_asks, partitions, plans, questions, tasks
from openmart_pipeline.enrichment.ledger.states import LIVE, TaskState
from openmart_pipeline.enrichment.questions import Question

CHUNK_ROWS = 10_000


def _remember_more_of_a_file(connection: sa.Connection) -> None:
    """How it is read, which row asks what, and what it no longer asks."""
    connection.exec_driver_sql("ALTER TABLE partitions ADD COLUMN reading TEXT")
    connection.exec_driver_sql("ALTER TABLE asks ADD COLUMN source_row INTEGER")
    connection.exec_driver_sql("""
        CREATE TABLE left_asks (
            partition_key TEXT NOT NULL, question_id INTEGER NOT NULL, file_sha256 TEXT NOT NULL, source_row INTEGER,
            max_k INTEGER NOT NULL, info_access INTEGER NOT NULL, company_name TEXT, left_at DATETIME NOT NULL,
            PRIMARY KEY (partition_key, question_id))
    """)
    connection.exec_driver_sql("CREATE INDEX left_asks_of_question ON left_asks (question_id)")


# Schema version -> the step that leads from it to the next. A step is never changed once it was released.
STEPS: Mapping[int, Callable[[sa.Connection], None]] = {1: _remember_more_of_a_file}


def bring_forward(connection: sa.Connection, version: int, target: int) -> None:
    """Take every step from `version` to `target`, in the caller's transaction."""
    for step in range(version, target):
        STEPS[step](connection)


@dataclass(slots=True)
class Rekeyed:
    """What keying anew changed, in questions."""

    changed: int = 0
    merged: int = 0  # told apart by the old rules, one and the same by the new


def as_told_apart_today(question: Question) -> Question:
    """Return the question with its domain as the normaliser writes it now.

    A domain that today's rules take for somebody else's (another suffix list, another platform) stays as it was
    asked: its answers are of that company.
    """
    from openmart_pipeline.enrichment.intake.domains import normalise_domain  # noqa: PLC0415  the suffix list takes a while
    from openmart_pipeline.enrichment.intake.platforms import PlatformList  # noqa: PLC0415

    domain = normalise_domain(question.domain, platforms=PlatformList.bundled())
    is_same_company = isinstance(domain, str) and not question.domain.endswith(f".{domain}")
    return replace(question, domain=domain) if isinstance(domain, str) and is_same_company else question


def rekey(
    connection: sa.Connection,
    canon_version: int,
    *,
    renewed: Callable[[Question], Question] = as_told_apart_today,
    fingerprint: Callable[[Question], str] = lambda question: question.fingerprint,
) -> Rekeyed:
    """Give every question the key of today's rules, so that what is owned stays owned: nothing is bought for it.

    Two questions that the new rules take for one become one, with the answers of both. Plans are of the old rules: each
    gets a new id and no prices, so that it is read into the warehouse again, and planned again before it is bought.

    Args:
        connection: a write transaction; all of it or nothing.
        canon_version: the version of today's rules.
        renewed: brings a question's fields to today's form.
        fingerprint: the key by today's rules.

    """
    done = Rekeyed()
    for question_id, old, key in _older_than(connection, canon_version):
        question = renewed(old)
        new_key = fingerprint(question)
        into = connection.execute(
            sa.select(questions.c.question_id).where(
                questions.c.fingerprint == new_key, questions.c.question_id != question_id
            )
        ).scalar()
        if into is None:
            connection.execute(
                questions.update()
                .where(questions.c.question_id == question_id)
                .values(fingerprint=new_key, domain=question.domain, canon_version=canon_version)
            )
            done.changed += new_key != key
        else:
            _merge(connection, question_id, into)
            done.merged += 1
    if done.changed or done.merged:
        _renew_plans(connection)
    return done


def _older_than(connection: sa.Connection, canon_version: int) -> Iterator[tuple[int, Question, str]]:
    after = -1
    query = (
        sa.select(questions)
        .where(questions.c.canon_version < canon_version, questions.c.question_id > sa.bindparam("after"))
        .order_by(questions.c.question_id)
        .limit(CHUNK_ROWS)
    )
    while rows := connection.execute(query, {"after": after}).mappings().all():
        for row in rows:
            fields = {name: row[name] for name in ("domain", "title", "city", "state", "country", "version")}
            yield row["question_id"], Question(**fields), row["fingerprint"]
        after = rows[-1]["question_id"]


def _merge(connection: sa.Connection, gone: int, into: int) -> None:
    live = sa.select(tasks.c.task_no).where(tasks.c.question_id == into, tasks.c.state.in_(LIVE))
    if connection.execute(live).first() is not None:  # both are on their way and paid for: both are collected
        connection.execute(
            tasks.update().where(tasks.c.question_id == gone, tasks.c.state.in_(LIVE)).values(state=TaskState.TWIN)
        )
    connection.execute(tasks.update().where(tasks.c.question_id == gone).values(question_id=into))
    asked_by = sa.select(asks.c.plan_id).where(asks.c.question_id == into)
    connection.execute(asks.delete().where(asks.c.question_id == gone, asks.c.plan_id.in_(asked_by)))
    connection.execute(asks.update().where(asks.c.question_id == gone).values(question_id=into))
    left_by = sa.select(left_asks.c.partition_key).where(left_asks.c.question_id == into)
    connection.execute(
        left_asks.delete().where(left_asks.c.question_id == gone, left_asks.c.partition_key.in_(left_by))
    )
    connection.execute(left_asks.update().where(left_asks.c.question_id == gone).values(question_id=into))
    connection.execute(questions.delete().where(questions.c.question_id == gone))


def _renew_plans(connection: sa.Connection) -> None:
    current = sa.select(partitions.c.current_plan_id).where(partitions.c.current_plan_id.is_not(None))
    for old_id in connection.execute(current).scalars().all():
        new_id = f"{old_id}+"
        is_old = {"plan_id": new_id, "digest": "", "prices": ""}
        connection.execute(plans.update().where(plans.c.plan_id == old_id).values(**is_old))
        connection.execute(asks.update().where(asks.c.plan_id == old_id).values(plan_id=new_id))
        connection.execute(
            partitions.update()
            .where(partitions.c.current_plan_id == old_id)
            .values(current_plan_id=new_id, loaded_seq=-1)
        )
