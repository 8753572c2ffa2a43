"""Answers removed for good, by age, file or company: what was paid stays in the accounts, the people go.

Lives here: which answers that is, and taking them out. A purged question counts as answered: nothing buys it again
but a plan that says so. Which files show it is noted as for every erasure.
"""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from openmart_pipeline.ledger import erasure
from openmart_pipeline.ledger.erasure import CHANGES_AT_ONCE
from openmart_pipeline.ledger.ledger_errors import unpacked
from openmart_pipeline.ledger.schema import (
    asks,
    batches,
    partitions,
    questions,
    tasks,
    unmatched_results,
    withdrawn_asks,
)
from openmart_pipeline.ledger.states import FileState
from openmart_pipeline.ledger.store import Ledger
from openmart_pipeline.ledger.unmatched_results import READS


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which answers: those that every field given is true of."""

    older_than: dt.timedelta | None = None  # since the answer was read
    partition_key: str | None = None  # the file that asks or once asked it, or that it was bought for
    domain: str | None = None  # the company asked about, with everything below

    def __bool__(self) -> bool:
        """Whether anything is chosen: nothing given would mean everything."""
        return any(value is not None for value in (self.older_than, self.partition_key, self.domain))


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What a purge would remove."""

    answers: int
    emails: int  # people with an address in them, as counted when they were bought
    phones: int
    unmatched: int  # answers that name no question of ours
    shared: int  # answers of the file that stay, since other files ask the same question
    oldest_at: dt.datetime | None
    newest_at: dt.datetime | None


def choose(ledger: Ledger, selection: Selection) -> Chosen:
    """Return what a purge of this selection would remove now. Nothing is changed."""
    of_selection = _bought().where(_is_chosen(ledger, selection))
    counted = of_selection.with_only_columns(
        sa.func.count(),
        sa.func.coalesce(sa.func.sum(tasks.c.emails), 0),
        sa.func.coalesce(sa.func.sum(tasks.c.phones), 0),
        sa.func.min(tasks.c.ended_at),
        sa.func.max(tasks.c.ended_at),
    )
    with ledger.read() as connection:
        answers, emails, phones, oldest, newest = connection.execute(counted).one()
        shared = 0
        if selection.partition_key is not None:
            of_file = _bought().where(_is_chosen(ledger, selection, with_shared=True))
            with_shared = of_file.with_only_columns(sa.func.count())
            shared = connection.execute(with_shared).scalar_one() - answers
        unmatched = sum(1 for _ in _unmatched(ledger, connection, selection))
    return Chosen(
        answers=answers,
        emails=emails,
        phones=phones,
        unmatched=unmatched,
        shared=shared,
        oldest_at=oldest,
        newest_at=newest,
    )


def chosen_tasks(ledger: Ledger, selection: Selection) -> Iterator[list[int]]:
    """Yield, in chunks, the numbers of the tasks whose answers would go."""
    query = _bought().where(_is_chosen(ledger, selection)).with_only_columns(tasks.c.task_no)
    with ledger.read() as connection:
        for chunk in connection.execution_options(yield_per=10_000).execute(query).scalars().partitions():
            yield list(chunk)


def remove(ledger: Ledger, selection: Selection, *, who: str, why: str) -> Chosen:
    """Take the chosen answers out of the ledger, a few at a time; return what was chosen.

    The history says it with the first of them. A kill leaves the rest chosen: the same call again takes them out.
    """
    chosen = choose(ledger, selection)
    with ledger.write() as connection:
        ledger.record(
            connection,
            "purge",
            actor=who,
            reason=why,
            answers=chosen.answers,
            unmatched=chosen.unmatched,
            kept_for_other_files=chosen.shared,
            older_than_days=None if selection.older_than is None else selection.older_than / dt.timedelta(days=1),
            partition_key=selection.partition_key,
            is_by_company=selection.domain is not None,
        )
    _remove_answers(ledger, selection)
    _remove_unmatched(ledger, selection)
    return chosen


def _remove_answers(ledger: Ledger, selection: Selection) -> None:
    last = 0
    in_order = _bought().with_only_columns(tasks.c.task_no).order_by(tasks.c.task_no).limit(CHANGES_AT_ONCE)
    while True:
        with ledger.write() as connection:
            query = in_order.where(_is_chosen(ledger, selection), tasks.c.task_no > last)
            numbers = list(connection.execute(query).scalars())
            if not numbers:
                return
            connection.execute(
                tasks.update().where(tasks.c.task_no.in_(numbers)).values(raw=None, note=None, purged_at=ledger.clock())
            )
            erasure.note_due(ledger, connection, erasure.files_of(connection, numbers))
            last = numbers[-1]


def _remove_unmatched(ledger: Ledger, selection: Selection) -> None:
    with ledger.write() as connection:
        found = list(_unmatched(ledger, connection, selection))
        for batch_no, vendor_task_id, _ in found:
            connection.execute(
                unmatched_results.update()
                .where(unmatched_results.c.batch_no == batch_no, unmatched_results.c.vendor_task_id == vendor_task_id)
                .values(raw=None, note=None, tracking_id=None, purged_at=ledger.clock(), reads=READS)
            )
        if found:
            erasure.note_due(ledger, connection, {partition_key for *_, partition_key in found})


def _bought() -> sa.Select[tuple[int]]:
    return (
        sa.select(tasks.c.task_no)
        .join(questions, questions.c.question_id == tasks.c.question_id)
        .join(batches, batches.c.batch_no == tasks.c.batch_no)
    )


def _is_chosen(ledger: Ledger, selection: Selection, *, with_shared: bool = False) -> sa.ColumnElement[bool]:
    """SQL: the task holds an answer that the selection is about."""
    conditions: list[sa.ColumnElement[bool]] = [tasks.c.raw.is_not(None)]
    if selection.older_than is not None:
        long_ago = ledger.clock() - selection.older_than
        # An answer is never older than its purchase, which no wrong clock can date: one is refused before it.
        conditions += [tasks.c.ended_at < long_ago, batches.c.intent_at < long_ago]
    if selection.domain is not None:
        below = questions.c.domain.endswith(f".{selection.domain}", autoescape=True)
        conditions.append(sa.or_(questions.c.domain == selection.domain, below))
    if selection.partition_key is not None:
        key = selection.partition_key
        conditions.append(sa.or_(batches.c.partition_key == key, _is_asked_by(partitions.c.partition_key == key, key)))
        if not with_shared:
            others = sa.and_(partitions.c.partition_key != key, partitions.c.state != FileState.RETIRED)
            conditions.append(sa.not_(_is_asked_by(others)))
    return sa.and_(*conditions)


def _is_asked_by(files: sa.ColumnElement[bool], once_by: str | None = None) -> sa.ColumnElement[bool]:
    """SQL: one of these files asks the task's question, or `once_by` did earlier."""
    now = (
        sa.select(sa.literal(1))
        .select_from(asks)
        .join(partitions, partitions.c.current_plan_id == asks.c.plan_id)
        .where(asks.c.question_id == tasks.c.question_id, files)
        .correlate(tasks)
        .exists()
    )
    if once_by is None:
        return now
    once = sa.exists().where(
        withdrawn_asks.c.question_id == tasks.c.question_id, withdrawn_asks.c.partition_key == once_by
    )
    return sa.or_(now, once)


def _unmatched(ledger: Ledger, connection: sa.Connection, selection: Selection) -> Iterator[tuple[int, str, str]]:
    """Yield batch, result and file of the chosen answers without a question; a company's name its domain."""
    query = (
        sa.select(
            unmatched_results.c.batch_no,
            unmatched_results.c.vendor_task_id,
            batches.c.partition_key,
            unmatched_results.c.raw,
        )
        .join(batches, batches.c.batch_no == unmatched_results.c.batch_no)
        .where(unmatched_results.c.raw.is_not(None))
    )
    if selection.older_than is not None:
        long_ago = ledger.clock() - selection.older_than
        query = query.where(unmatched_results.c.read_at < long_ago, batches.c.intent_at < long_ago)
    if selection.partition_key is not None:
        query = query.where(batches.c.partition_key == selection.partition_key)
    # With everything below the domain, and nothing that only ends or begins like it: `notacme.com`, `acme.com.au`.
    named = re.compile(rb"(?<![\w-])%s(?!\.?[\w-])" % re.escape((selection.domain or "").encode()))
    for batch_no, vendor_task_id, partition_key, raw in connection.execute(query):
        if selection.domain is None or named.search(unpacked(raw).lower()):
            yield batch_no, vendor_task_id, partition_key
