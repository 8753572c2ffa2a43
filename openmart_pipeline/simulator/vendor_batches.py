"""Batches and their tasks: bought, kept on disk, growing ready as time passes.

Time alone makes a task ready, counted from the purchase: a restarted simulator knows it as the old one did.
"""

import json
import sqlite3
import uuid
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b

from openmart_pipeline.simulator.exchange import JsonObject, JsonValue
from openmart_pipeline.simulator.state_file import transaction
from openmart_pipeline.simulator.submission import AskedTask

CACHED_BATCHES = 512  # some 20 MB; the others are read back from disk when asked for
PREFIX_CHARS = 23  # of a batch id, which its task ids share: a task id leads to its batch without an index


class TaskState(StrEnum):
    """What a task says it is; the vendor's four, and what a third party has seen (API section 3)."""

    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    ERRORED = "ERRORED"
    CANCELLED = "CANCELLED"
    PENDING = "PENDING"
    FAILED = "FAILED"
    QUARANTINED = "QUARANTINED"  # nobody has seen this one: what a client must survive


UNFINISHED = frozenset({TaskState.PROCESSING, TaskState.PENDING})
ERRORED = frozenset({TaskState.ERRORED, TaskState.FAILED, TaskState.CANCELLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """A task at the moment it is bought: asked for, how it will end, and what will be charged for."""

    asked: AskedTask
    outcome: TaskState
    emails: int
    phones: int


@dataclass(frozen=True, slots=True)
class Task:
    """One task of a batch."""

    task_id: str
    tracking_id: str | None
    domain: str
    title: str
    max_k: int
    wants_email: bool
    wants_phone: bool
    question: str
    outcome: TaskState
    done_at: float  # epoch seconds

    def state_at(self, now: float) -> TaskState:
        """Say how far the task is."""
        return TaskState.PROCESSING if now < self.done_at else self.outcome


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch; `tasks` stand in the order in which their ids are given, which is not the order asked."""

    batch_no: int
    batch_id: str
    key_hash: str
    is_expired: bool
    tasks: tuple[Task, ...]

    def status_at(self, now: float) -> JsonObject:
        """Count the tasks by state, as the vendor does (API section 2)."""
        states = Counter(task.state_at(now) for task in self.tasks)
        processing = sum(states[state] for state in UNFINISHED)
        return {
            "processing": processing,
            "completed": states[TaskState.COMPLETED],
            "errored": sum(states[state] for state in ERRORED),
            "total": len(self.tasks),
            "batch_ready": processing == 0,
        }


class BatchStore:
    """Keeps every batch on disk and the latest ones at hand."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._cache: OrderedDict[str, Batch] = OrderedDict()
        self._asked_about = {
            batch_no for (batch_no,) in connection.execute("SELECT batch_no FROM batches WHERE is_asked_about")
        }
        (self.credits_charged,) = connection.execute("SELECT coalesce(sum(credits), 0) FROM batches").fetchone()

    def buy(
        self,
        purchases: Sequence[Purchase],
        *,
        key_hash: str,
        now: float,
        processing_s: float,
        credits_due: int,
    ) -> Batch:
        """Create a batch; it is committed when this returns."""
        batch_id = str(uuid.uuid4())
        with transaction(self._connection):
            cursor = self._connection.execute(
                "INSERT INTO batches (prefix, batch_id, key_hash, created_at, processing_s, total, credits)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (batch_id[:PREFIX_CHARS], batch_id, key_hash, now, processing_s, len(purchases), credits_due),
            )
            batch_no = cursor.lastrowid
            self._connection.executemany(
                "INSERT INTO tasks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (
                        batch_no, position, _task_id(batch_id, position), asked.tracking_id, asked.domain,
                        asked.title, asked.max_k, asked.wants_email, asked.wants_phone, asked.question,
                        purchase.outcome, purchase.emails, purchase.phones,
                    )
                    for position, purchase in enumerate(purchases)
                    for asked in (purchase.asked,)
                ),
            )  # fmt: skip
        self.credits_charged += credits_due
        batch = self.find(batch_id)
        if batch is None:
            raise LookupError(f"batch {batch_id} was committed and is not there")
        return batch

    def find(self, any_id: str) -> Batch | None:
        """Give the batch that a batch id or a task id belongs to."""
        prefix = any_id[:PREFIX_CHARS]
        batch = self._cache.get(prefix)
        if batch is not None:
            self._cache.move_to_end(prefix)
            return batch
        batch = self._read(prefix)
        if batch is not None:
            self._cache[prefix] = batch
            if len(self._cache) > CACHED_BATCHES:
                self._cache.popitem(last=False)
        return batch

    def mark_heard(self, batch: Batch) -> None:
        """Note that the answer to the submit reached a client."""
        self._connection.execute("UPDATE batches SET is_heard = 1 WHERE batch_no = ?", (batch.batch_no,))

    def mark_asked_about(self, batch: Batch) -> None:
        """Note that somebody knows the batch's id, or one of its tasks': what was paid is not lost."""
        if batch.batch_no not in self._asked_about:
            self._asked_about.add(batch.batch_no)
            self._connection.execute("UPDATE batches SET is_asked_about = 1 WHERE batch_no = ?", (batch.batch_no,))

    def expire(self, batch_no: int | None) -> None:
        """Forget the batch, or all for None, as far as clients can see."""
        self._change("UPDATE batches SET is_expired = 1 WHERE ?1 IS NULL OR batch_no = ?1", batch_no)

    def finish(self, batch_no: int | None) -> None:
        """Make every task of the batch, or of all for None, as done as it will ever be, now."""
        self._change("UPDATE batches SET processing_s = 0 WHERE ?1 IS NULL OR batch_no = ?1", batch_no)

    def end_tasks(self, batch_no: int | None, outcome: TaskState, tracking_ids: JsonValue) -> None:
        """Let tasks of the batch, or of all for None, come to this end whatever was decided before.

        `tracking_ids` is a list that says which, or None for every task.
        """
        self._change(
            "UPDATE tasks SET outcome = ?2 WHERE (?1 IS NULL OR batch_no = ?1)"
            " AND (?3 = 'null' OR tracking_id IN (SELECT value FROM json_each(?3)))",
            batch_no,
            outcome,
            json.dumps(tracking_ids),
        )

    def task_id_elsewhere(self, batch: Batch) -> str | None:
        """Give the id of a real task that belongs to another batch of the same key, if there is one."""
        row = self._connection.execute(
            "SELECT task_id FROM batches JOIN tasks USING (batch_no)"
            " WHERE key_hash = ? AND batch_no <> ? AND position = 0 ORDER BY batch_no LIMIT 1",
            (batch.key_hash, batch.batch_no),
        ).fetchone()
        return row[0] if row else None

    def _change(self, statement: str, *parameters: object) -> None:
        self._connection.execute(statement, parameters)
        self._cache.clear()

    def _read(self, prefix: str) -> Batch | None:
        row = self._connection.execute(
            "SELECT batch_no, batch_id, key_hash, created_at, processing_s, is_expired FROM batches WHERE prefix = ?",
            (prefix,),
        ).fetchone()
        if row is None:
            return None
        batch_no, batch_id, key_hash, created_at, processing_s, is_expired = row
        tasks = self._connection.execute(
            "SELECT position, task_id, tracking_id, domain, title, max_k, wants_email, wants_phone, question,"
            " outcome FROM tasks WHERE batch_no = ? ORDER BY task_id",
            (batch_no,),
        )
        return Batch(
            batch_no, batch_id, key_hash, bool(is_expired),
            tuple(
                Task(
                    task_id, tracking_id, domain, title, max_k, bool(wants_email), bool(wants_phone), question,
                    TaskState(outcome), created_at + processing_s * _share(position, task_id),
                )
                for (position, task_id, tracking_id, domain, title, max_k, wants_email, wants_phone, question,
                     outcome) in tasks
            ),
        )  # fmt: skip


def _task_id(batch_id: str, position: int) -> str:
    """Make an id that leads to its batch and whose order says nothing about the order asked."""
    tail = blake2b(f"{batch_id}{position}".encode(), digest_size=5).hexdigest()
    return f"{batch_id[:PREFIX_CHARS]}-{tail}{position:02x}"


def _share(position: int, task_id: str) -> float:
    """Give the share of the batch's time after which a task is done: some early, the first always last."""
    return 1.0 if position == 0 else 0.5 + int(task_id[-4:-2], 16) / 512
