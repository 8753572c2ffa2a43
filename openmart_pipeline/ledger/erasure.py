"""Raw answers looked through and written over: the ledger's side of forgetting a person.

Lives here: every kept answer in turn, the cleaned ones put in place, and pages that hold nothing of the old ones.
"""

import datetime as dt
import json
import sqlite3
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from openmart_pipeline.ledger.ledger_errors import from_json, in_words, unpacked
from openmart_pipeline.ledger.schema import (
    asks,
    batches,
    meta,
    partitions,
    questions,
    tasks,
    unmatched_results,
    withdrawn_asks,
)
from openmart_pipeline.ledger.store import BUSY_TIMEOUT_S, Ledger

CHUNK_ROWS = 2_000
CHANGES_AT_ONCE = 500  # in one transaction: a buyer's commit never waits long behind it
CHANGED_BYTES = 16 << 20  # packed; whichever is reached first
_OF_BATCH = (batches.c.vendor_batch_id, batches.c.partition_key, batches.c.submitted_at, batches.c.intent_at)
DUE = "erasure_due"  # key in `meta`: the files still to be loaded again, each with the number of the erasure
ERASURES = "erasures"  # key in `meta`: how many transactions have erased something


class ErasureUnfinished(Exception):
    """The ledger's old pages could not be given back yet; the sentence says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldAnswer:
    """A raw answer as the ledger keeps it: a task's, or an unmatched result's."""

    batch_no: int
    task_no: int | None  # None for an unmatched result
    vendor_batch_id: str | None
    vendor_task_id: str | None
    input_file: str  # that the batch was bought for
    title: str | None  # None for an unmatched result
    companies: tuple[str, ...]  # asked about; for an unmatched result those of its whole batch
    countries: tuple[str | None, ...]  # of the questions, alike
    asked_at: dt.datetime
    received_at: dt.datetime | None
    raw: bytes


def held_answers(ledger: Ledger) -> Iterator[HeldAnswer]:
    """Yield every raw answer that is kept, whoever asked and whether or not it still counts."""
    yield from _of_tasks(ledger)
    yield from _of_unmatched(ledger)


def _of_tasks(ledger: Ledger) -> Iterator[HeldAnswer]:
    query = (
        sa.select(
            *(tasks.c[name] for name in ("batch_no", "task_no", "vendor_task_id", "ended_at", "raw")),
            *(questions.c[name] for name in ("domain", "title", "country")),
            *_OF_BATCH,
        )
        .select_from(tasks)
        .join(questions, questions.c.question_id == tasks.c.question_id)
        .join(batches, batches.c.batch_no == tasks.c.batch_no)
        .where(tasks.c.raw.is_not(None))
    )
    with ledger.read() as connection:
        for row in connection.execution_options(yield_per=CHUNK_ROWS).execute(query):
            yield _held(row, (row.domain,), (row.country,), row.ended_at, task_no=row.task_no, title=row.title)


def _of_unmatched(ledger: Ledger) -> Iterator[HeldAnswer]:
    query = (
        sa.select(*(unmatched_results.c[name] for name in ("batch_no", "vendor_task_id", "read_at", "raw")), *_OF_BATCH)
        .join(batches, batches.c.batch_no == unmatched_results.c.batch_no)
        .where(unmatched_results.c.raw.is_not(None))
        .order_by(unmatched_results.c.batch_no)
    )
    with ledger.read() as connection, ledger.read() as asking:
        of_batch: tuple[int, tuple[str, ...], tuple[str | None, ...]] = (-1, (), ())
        for row in connection.execution_options(yield_per=CHUNK_ROWS).execute(query):
            if of_batch[0] != row.batch_no:
                asked = asking.execute(
                    sa.select(questions.c.domain, questions.c.country)
                    .join(tasks, tasks.c.question_id == questions.c.question_id)
                    .where(tasks.c.batch_no == row.batch_no)
                ).all()
                of_batch = (
                    row.batch_no,
                    tuple(sorted({one.domain for one in asked})),
                    tuple({one.country for one in asked}),
                )
            yield _held(row, *of_batch[1:], row.read_at)


def _held(
    row: Any,
    companies: tuple[str, ...],
    countries: tuple[str | None, ...],
    received_at: dt.datetime | None,
    *,
    task_no: int | None = None,
    title: str | None = None,
) -> HeldAnswer:
    return HeldAnswer(
        batch_no=row.batch_no,
        task_no=task_no,
        vendor_batch_id=row.vendor_batch_id,
        vendor_task_id=row.vendor_task_id,
        input_file=row.partition_key,
        title=title,
        companies=companies,
        countries=countries,
        asked_at=row.submitted_at or row.intent_at,
        received_at=received_at,
        raw=unpacked(row.raw),
    )


def note_due(ledger: Ledger, connection: sa.Connection, partition_keys: Collection[str]) -> None:
    """Remember, in the transaction that erases, that these files must be loaded again: a kill must not forget it.

    Whoever read answers before this transaction finds out by `erasures` before writing them anywhere. Should nobody
    finish the erasure, the next collecting run loads these files all the same.
    """
    is_due = partitions.c.partition_key.in_(partition_keys)
    connection.execute(partitions.update().where(is_due).values(load_watermark=-1))
    number = erasures(ledger, connection) + 1
    _put_meta(connection, ERASURES, str(number))
    due = {**_due(connection), **dict.fromkeys(partition_keys, number)}
    _put_meta(connection, DUE, json.dumps(due, sort_keys=True))


def erasures(ledger: Ledger, connection: sa.Connection | None = None) -> int:
    """Return how many transactions have erased something so far: a number that only grows."""
    if connection is None:
        with ledger.read() as reading:
            return erasures(ledger, reading)
    return int(connection.execute(sa.select(meta.c.value).where(meta.c.key == ERASURES)).scalar() or 0)


def nothing_erased_since(ledger: Ledger) -> Callable[[], bool]:
    """Return what tells, whenever it is asked, whether nothing was erased since this call."""
    before = erasures(ledger)
    return lambda: erasures(ledger) == before


def due_files(ledger: Ledger) -> dict[str, int] | None:
    """Return the files still to be loaded again, each with its newest erasure; None when no erasure is under way."""
    with ledger.read() as connection:
        value = connection.execute(sa.select(meta.c.value).where(meta.c.key == DUE)).scalar()
    return None if value is None else dict(from_json(value))


def _due(connection: sa.Connection) -> dict[str, int]:
    value = connection.execute(sa.select(meta.c.value).where(meta.c.key == DUE)).scalar()
    return {} if value is None else dict(from_json(value))


def clear_due(ledger: Ledger, loaded: Mapping[str, int]) -> None:
    """Say that these erasures are finished everywhere; files of another process's later erasure stay due."""
    with ledger.write() as connection:
        left = {key: number for key, number in _due(connection).items() if loaded.get(key, -1) < number}
        connection.execute(meta.delete().where(meta.c.key == DUE))
        if left:
            connection.execute(meta.insert().values(key=DUE, value=json.dumps(left, sort_keys=True)))


def _put_meta(connection: sa.Connection, key: str, value: str) -> None:
    connection.execute(meta.delete().where(meta.c.key == key))
    connection.execute(meta.insert().values(key=key, value=value))


def clean_answers(ledger: Ledger, clean: Callable[[HeldAnswer], bytes]) -> int:
    """Put cleaned answers in the place of those that `clean` changes; return how many. Counts and states stay."""
    total = 0
    for chunk in _cleaned(ledger, clean):
        with ledger.write() as connection:
            for answer, packed in chunk:
                _put(connection, answer, packed)
            bought_for = {answer.input_file for answer, _ in chunk}  # whose tables list unmatched results
            note_due(ledger, connection, bought_for | files_of(connection, [answer.task_no for answer, _ in chunk]))
        total += len(chunk)
    return total


def _cleaned(ledger: Ledger, clean: Callable[[HeldAnswer], bytes]) -> Iterator[list[tuple[HeldAnswer, bytes]]]:
    """Yield the answers that change, each with what is to be kept of it, a few at a time: one may have 10 MB."""
    chunk: list[tuple[HeldAnswer, bytes]] = []
    size_bytes = 0
    for answer in held_answers(ledger):
        cleaned = clean(answer)
        if cleaned != answer.raw:
            chunk.append((replace(answer, raw=b""), zlib.compress(cleaned, 6)))
            size_bytes += len(chunk[-1][1])
            if len(chunk) == CHANGES_AT_ONCE or size_bytes > CHANGED_BYTES:
                yield chunk
                chunk, size_bytes = [], 0
    if chunk:
        yield chunk


def _put(connection: sa.Connection, answer: HeldAnswer, packed: bytes) -> None:
    if answer.task_no is not None:
        connection.execute(tasks.update().where(tasks.c.task_no == answer.task_no).values(raw=packed))
        return
    mine = sa.and_(
        unmatched_results.c.batch_no == answer.batch_no, unmatched_results.c.vendor_task_id == answer.vendor_task_id
    )
    connection.execute(unmatched_results.update().where(mine).values(raw=packed))


def files_of(connection: sa.Connection, task_nos: Sequence[int | None]) -> set[str]:
    """Return the files whose tables hold answers of these tasks."""
    mine = tasks.c.task_no.in_([number for number in task_nos if number is not None])
    bought = sa.select(batches.c.partition_key).join(tasks, tasks.c.batch_no == batches.c.batch_no).where(mine)
    asked = (
        sa.select(partitions.c.partition_key)
        .join(asks, asks.c.plan_id == partitions.c.current_plan_id)
        .join(tasks, tasks.c.question_id == asks.c.question_id)
        .where(mine)
    )
    once_asked = (
        sa.select(withdrawn_asks.c.partition_key)
        .join(tasks, tasks.c.question_id == withdrawn_asks.c.question_id)
        .where(mine)
    )
    return {key for query in (bought, asked, once_asked) for key in connection.execute(query).scalars()}


def write_over_old_pages(ledger: Ledger) -> None:
    """Write the whole ledger anew and empty its log: nothing of what was replaced stays in either file.

    Raises:
        ErasureUnfinished: another process kept reading or writing for a minute.

    """
    unfinished = ErasureUnfinished(
        f"{ledger.path.name} still holds old pages: another process was reading or writing it for over a minute. What "
        "is in use is clean. Run the same command again when the other has ended (openmart-pipeline status)."
    )
    try:
        with closing(sqlite3.connect(ledger.path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("VACUUM")
            is_busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        if "locked" in str(error) or "busy" in str(error):
            raise unfinished from error
        raise in_words(error, ledger.path) from error
    if is_busy:
        raise unfinished
