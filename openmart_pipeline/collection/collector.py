"""Collecting: task ids and results of the batches that are ready, each answer committed with its task's end.

Lives here: the reads, their order, and what a result means for its task. Reading twice is free, storing twice
changes nothing.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from openmart_pipeline.api.client import OpenmartClient
from openmart_pipeline.api.errors import Gone, NotSent, ReadFailed, StopAll, Throttled
from openmart_pipeline.api.event_loop import run_reads
from openmart_pipeline.api.models import TaskResult
from openmart_pipeline.api.models import TaskState as ServerState
from openmart_pipeline.api.reads import Reader
from openmart_pipeline.collection import matching
from openmart_pipeline.collection.meaning import understood
from openmart_pipeline.collection.poll import (
    LEASE_S,
    POLL_AT_MOST_S,
    PollReport,
    StallPolicy,
    ask,
    wait_longer,
)
from openmart_pipeline.ledger import adoption, collecting, polling_leases
from openmart_pipeline.ledger import unmatched_results as unmatched
from openmart_pipeline.ledger.collecting import Ended, Expected, Keepable, as_received
from openmart_pipeline.ledger.moves import Batch, MoveRefused
from openmart_pipeline.ledger.states import BatchState, TaskState
from openmart_pipeline.ledger.store import Ledger
from openmart_pipeline.ledger.unmatched_results import UnmatchedResult
from openmart_pipeline.model.events import OnEvent, ignore_events
from openmart_pipeline.model.prices import PriceTable

BATCHES_AT_ONCE = 6  # batches being read at a time: 600 results bound the memory, and feed any number of connections
GROUP_ANSWERS = 500  # answers in one commit
GROUP_BYTES = 32 * 2**20  # of raw answers in one commit, about: one answer may have 10 MB
GROUP_S = 0.4  # or those of so long
LOOK_EVERY_S = 0.1  # for batches that became due
LOOK_SHARE = 0.1  # of the time, at most: a look takes long where thousands of other files' batches are due


@dataclass(slots=True)
class CollectReport:
    """What one collecting run brought in; filled while it runs."""

    polls: PollReport = field(default_factory=PollReport)
    ended: dict[str, int] = field(default_factory=dict)  # task state -> tasks
    people: int = 0
    emails: int = 0
    phones: int = 0
    unmatched: int = 0  # results read that no tracking id leads to a task
    matched: int = 0  # of those, and of earlier ones: given to their task by other evidence
    parse_warnings: int = 0
    settled_batches: int = 0
    disowned_batches: list[int] = field(default_factory=list)
    failed_reads: int = 0
    open_batches: int = 0  # still expected when the run ended
    stopped_by: str | None = None


@dataclass(slots=True)
class _Reading:
    """A batch whose results are being read."""

    batch: Batch
    expected: Expected
    listed: list[str]  # ids that may be its own, in the server's order
    to_read: int
    left_unread: int = 0  # ids beyond what is read at one look
    room: int = 0  # unmatched results that may still be kept
    seen: set[str] = field(default_factory=set)  # tracking ids of results read in this round
    unfinished: int = 0  # results that are not final, or could not be read
    disowned: bool = False


def ids_at_one_look(tasks: int) -> int:
    """Return how many task ids of a batch are read at one look, and how many unmatched results of it are kept.

    A server that lists thousands of ids for ten tasks must not fill the ledger; twice the tasks leaves room for ids
    that are repeated, replaced or somebody else's.
    """
    return 2 * tasks + 20


def _some_of(unread: list[str], limit: int, *, look: int) -> list[str]:
    """Return the ids to read at this look: others at each, so that every one gets its turn."""
    if len(unread) <= limit:
        return unread
    start = look * limit % len(unread)
    return (unread[start:] + unread[:start])[:limit]


def _begins_like_ours(reading: _Reading, tracking_id: str) -> bool:
    """Whether an id begins as those of the batch do; a batch keeps its prefix also where the ledger got another."""
    return tracking_id.startswith(tuple({f"{own.rpartition('-')[0]}-" for own in reading.expected.tracking_ids}))


class Collector:
    """One collecting run over some files, or over all of them."""

    def __init__(
        self,
        ledger: Ledger,
        client: OpenmartClient,
        prices: PriceTable,
        *,
        key_hash: str,
        stall_policy: StallPolicy | None = None,
        partition_keys: Collection[str] | None = None,
        connections: int = 25,
        keepable: Keepable = as_received,
        on_event: OnEvent = ignore_events,
    ) -> None:
        """Collect for `partition_keys` (None: everything), with so many requests at a time."""
        self._ledger = ledger
        self._client = client
        self._prices = prices
        self._key_hash = key_hash
        self._stall_policy = stall_policy or StallPolicy()
        self._keys = partition_keys
        self._connections = connections
        self._keepable = keepable
        self._on_event = on_event
        self._queue: asyncio.Queue[tuple[_Reading, str]] = asyncio.Queue()
        self._buffer: list[tuple[_Reading, Ended | UnmatchedResult | None]] = []
        self._buffered_bytes = 0
        self._flush_now = asyncio.Event()
        self._reading = 0  # batches being opened or read
        self.report = CollectReport()

    def run(
        self,
        *,
        more_coming: Callable[[], bool] = lambda: False,
        until: float = float("inf"),
        patience_s: float = float("inf"),
        stop: threading.Event | None = None,
    ) -> CollectReport:
        """Read until nothing is expected any more; answers read are committed whatever ends the run.

        Args:
            more_coming: whether batches may still be submitted meanwhile.
            until: `time.monotonic()` at which the run ends with what it has.
            patience_s: the run ends when nothing came in for so long.
            stop: ends the run when set.

        """
        polling_leases.free_holds(self._ledger)
        run_reads(self._run(more_coming, until, patience_s, stop or threading.Event()))
        self.report.open_batches = len(collecting.open_batches(self._ledger, self._keys))
        return self.report

    async def _run(
        self, more_coming: Callable[[], bool], until: float, patience_s: float, stop: threading.Event
    ) -> None:
        async with self._client.reader() as reader:
            workers = [asyncio.create_task(self._read_results(reader)) for _ in range(self._connections)]
            workers.append(asyncio.create_task(self._store_groups()))
            openers: set[asyncio.Task[None]] = set()
            quiet_since, last_seen = time.monotonic(), -1
            try:
                while not stop.is_set() and time.monotonic() < until and self.report.stopped_by is None:
                    for done in [task for task in (*workers, *openers) if task.done()]:
                        openers.discard(done)
                        done.result()
                    coming = more_coming()
                    looked = time.monotonic()
                    held = self._hold_due()
                    for batch in held:
                        self._reading += 1
                        openers.add(asyncio.create_task(self._open(reader, batch)))
                    progress = sum(self.report.ended.values()) + self.report.settled_batches
                    if progress != last_seen or coming:
                        quiet_since, last_seen = time.monotonic(), progress
                    if time.monotonic() - quiet_since > patience_s:
                        break
                    if not held:
                        if not coming and not self._reading and self._is_done():
                            break
                        await asyncio.sleep(max(LOOK_EVERY_S, (time.monotonic() - looked) / LOOK_SHARE))
            finally:
                for task in (*workers, *openers):
                    task.cancel()
                await asyncio.gather(*workers, *openers, return_exceptions=True)
                self._store()
                polling_leases.free_holds(self._ledger)

    def _is_done(self) -> bool:
        """Nothing can come any more: what is left is stalled, or asked about again in hours."""
        return not polling_leases.is_any_due_within(self._ledger, 2 * POLL_AT_MOST_S, self._keys)

    def _hold_due(self) -> list[Batch]:
        """Take due batches while the readers have room: no question is asked before its answer can be used."""
        room = BATCHES_AT_ONCE - self._reading
        if room <= 0 or self._queue.qsize() > 2 * self._connections:
            return []
        return polling_leases.lease_due(self._ledger, limit=room, hold_s=LEASE_S, partition_keys=self._keys)

    async def _open(self, reader: Reader, batch: Batch) -> None:
        """Ask whether a batch is ready, list its ids, and hand them to the readers."""
        handed_over = False
        try:
            if batch.state is not BatchState.READY:
                is_ready = await ask(self._ledger, reader, batch, self._stall_policy, self._key_hash, self.report.polls)
                self._on_event("polled", batch.batch_no, batch.tasks, "ready" if is_ready else "waiting")
                if not is_ready:
                    return
            assert batch.vendor_batch_id is not None
            ids = list(dict.fromkeys(await reader.task_ids(batch.vendor_batch_id)))
            self._on_event("ids_read", batch.batch_no, len(ids), "")
            expected = collecting.expected(self._ledger, batch)
            unread = [task_id for task_id in ids if task_id not in expected.read_task_ids]
            limit = ids_at_one_look(batch.tasks)
            to_read = _some_of(unread, limit, look=batch.polls)
            reading = _Reading(
                batch,
                expected,
                listed=[task_id for task_id in ids if task_id not in expected.foreign_task_ids],
                to_read=len(to_read),
                left_unread=len(unread) - len(to_read),
                room=limit - expected.unmatched,
            )
            if reading.left_unread:
                collecting.note_too_many_ids(self._ledger, batch, listed=len(ids), read=limit)
            if not to_read:
                self._finish(reading)
                return
            handed_over = True
            for task_id in to_read:
                self._queue.put_nowait((reading, task_id))
        except StopAll as error:
            self.report.stopped_by = str(error)
        except (Gone, ReadFailed, NotSent, Throttled) as error:
            self.report.failed_reads += 1
            self._on_event("waiting", batch.batch_no, batch.tasks, str(error))
            wait_longer(self._ledger, batch, self._stall_policy, why="its task ids could not be read")
        finally:
            if not handed_over:
                self._reading -= 1

    async def _read_results(self, reader: Reader) -> None:
        while True:
            reading, task_id = await self._queue.get()
            if reading.disowned:
                self._put(reading, None)  # counted: a batch is done with when all its ids are
                continue
            try:
                result = await reader.task(task_id)
            except StopAll as error:
                self.report.stopped_by = str(error)
                return
            except (Gone, ReadFailed, NotSent, Throttled) as error:
                self.report.failed_reads += 1
                self._on_event("waiting", reading.batch.batch_no, 1, str(error))
                self._put(reading, None)
                continue
            self._on_event("answer_read", reading.batch.batch_no, 1, result.state)
            self._put(reading, self._understood(reading, result))
            del result  # may be megabytes, and the next one may be long in coming

    def _put(self, reading: _Reading, answer: Ended | UnmatchedResult | None) -> None:
        self._buffer.append((reading, answer))
        self._buffered_bytes += 0 if answer is None else len(answer.raw or b"")
        if len(self._buffer) >= GROUP_ANSWERS or self._buffered_bytes >= GROUP_BYTES:
            self._flush_now.set()

    def _understood(self, reading: _Reading, result: TaskResult) -> Ended | UnmatchedResult | None:
        """Return what the result means for its task; None when it is not final."""
        if result.state not in (ServerState.COMPLETED, ServerState.ERRORED, ServerState.CANCELLED):
            return None
        tracking_id = result.tracking_id
        if tracking_id is None:
            return self._unmatched(reading, result, unmatched.NO_ID)
        if tracking_id not in reading.expected.tracking_ids:
            if self._is_of_another_batch(reading, tracking_id):
                with contextlib.suppress(ValueError):  # takes no place among the batch's own: one may still be missing
                    reading.listed.remove(result.task_id)
                return self._unmatched(reading, result, unmatched.FOREIGN)
            return self._unmatched(reading, result, unmatched.CHANGED_ID)
        if tracking_id not in reading.expected.open_tracking_ids or tracking_id in reading.seen:
            return self._unmatched(reading, result, unmatched.SECOND)
        reading.seen.add(tracking_id)
        return self._ended(result, tracking_id)

    def _may_be_ours(self, reading: _Reading, result: UnmatchedResult) -> bool:
        """Whether what a result carries does not tell it from one of this batch: nothing, or an id of ours, changed."""
        return result.tracking_id is None or _begins_like_ours(reading, result.tracking_id)

    def _is_of_another_batch(self, reading: _Reading, tracking_id: str) -> bool:
        """Whether the ledger gave the id to another batch. One of this batch that came back changed is none."""
        return self._ledger.is_own(tracking_id) and not _begins_like_ours(reading, tracking_id)

    def _ended(self, result: TaskResult, tracking_id: str) -> Ended:
        found = understood(result)
        self.report.parse_warnings += found.is_odd
        self.report.people += found.people
        self.report.emails += found.emails
        self.report.phones += found.phones
        return Ended(tracking_id, found.state, result.task_id, result.raw, found.note, found.emails, found.phones)

    def _unmatched(self, reading: _Reading, result: TaskResult, reason: str) -> UnmatchedResult | None:
        if reading.left_unread and reading.room <= 0:
            return None  # of a flood of ids only so many results are kept; it is read again at a later look
        reading.room -= 1
        found = understood(result)
        return UnmatchedResult(
            vendor_task_id=result.task_id,
            vendor_batch_id=reading.batch.vendor_batch_id,
            tracking_id=result.tracking_id,
            reason=reason,
            state=found.state,
            note=found.note,
            raw=result.raw,
            people=found.people,
            emails=found.emails,
            phones=found.phones,
        )

    async def _store_groups(self) -> None:
        """Commit what was read, in groups, as long as the run lasts."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GROUP_S):
                    await self._flush_now.wait()
            self._flush_now.clear()
            self._store()

    def _store(self) -> None:
        group, self._buffer, self._buffered_bytes = self._buffer, [], 0
        if not group:
            return
        adopted = self._foreign(group)
        answers = [
            (reading.batch.batch_no, answer) for reading, answer in group if answer is not None and not reading.disowned
        ]
        if answers:
            collecting.store_answers(self._ledger, answers, keep_hold_s=LEASE_S, keepable=self._keepable)
        for batch_no, stored in answers:
            if isinstance(stored, Ended):
                self.report.ended[stored.state] = self.report.ended.get(stored.state, 0) + 1
            else:
                self.report.unmatched += 1
            self._on_event("stored", batch_no, 1, "")
        for reading in adopted:
            self._give_up_adopted(reading)
        for reading, answer in group:
            reading.to_read -= 1
            reading.unfinished += answer is None
            if reading.to_read == 0:
                self._reading -= 1
                if not reading.disowned:
                    self._finish(reading)

    def _foreign(self, group: list[tuple[_Reading, Ended | UnmatchedResult | None]]) -> list[_Reading]:
        """Mark the adopted batches whose first answers name somebody else's tasks."""
        foreign = []
        for reading, answer in group:
            is_stranger = isinstance(answer, UnmatchedResult) and not self._may_be_ours(reading, answer)
            if (
                is_stranger
                and not reading.disowned
                and not reading.seen
                and adoption.is_unproven(self._ledger, reading.batch.batch_no)
            ):
                reading.disowned = True
                foreign.append(reading)
        return foreign

    def _give_up_adopted(self, reading: _Reading) -> None:
        reason = f"the answers under {reading.batch.vendor_batch_id} carry tracking ids that are not of this batch"
        with contextlib.suppress(MoveRefused):
            adoption.revoke_foreign(self._ledger, reading.batch, reason=reason)
        self.report.disowned_batches.append(reading.batch.batch_no)

    def _finish(self, reading: _Reading) -> None:
        """Settle a batch whose every task has ended; else say why not, and look again later."""
        batch = reading.batch
        is_read = not reading.unfinished and not reading.left_unread and len(reading.listed) >= batch.tasks
        is_stuck = batch.state is BatchState.STALLED
        # One that the server no longer lists can't be read again; nor is a stalled batch kept waiting for it.
        is_final = is_stuck or not unmatched.to_read_again(self._ledger, batch) & set(reading.listed)
        if is_final and (is_read or is_stuck):
            self._count(self._match(reading, is_complete=is_read))
            if is_read:
                self._count([TaskState.UNMATCHED] * collecting.unmatch(self._ledger, batch))
        if collecting.settle(self._ledger, batch, self._prices):
            self.report.settled_batches += 1
            self._on_event("settled", batch.batch_no, batch.tasks, "")
            return
        why = "some task ids are missing"
        if not is_final:
            why = "some results carry no tracking id of its tasks, and are read again"
        elif reading.unfinished or reading.left_unread:
            why = "some results are not final or could not be read"
        self._on_event("waiting", batch.batch_no, reading.unfinished, why)
        wait_longer(self._ledger, batch, self._stall_policy, why=why)

    def _match(self, reading: _Reading, *, is_complete: bool) -> list[TaskState]:
        """Give results without a tracking id to their tasks, where there is no doubt; return what those became."""
        batch = reading.batch
        results = unmatched.held(self._ledger, batch)
        if not results:
            return []
        verdict = matching.judge(
            matching.Situation(
                tasks=unmatched.sent_tasks(self._ledger, batch.batch_no),
                results=results,
                listed=reading.listed,
                is_complete=is_complete,
                is_id_certain=not adoption.is_unproven(self._ledger, batch.batch_no),
            )
        )
        ended = unmatched.assign_proven(self._ledger, batch, verdict.assignments, verdict.doubts)
        self.report.matched += len(ended)
        return ended

    def _count(self, ended: list[TaskState]) -> None:
        for state in ended:
            self.report.ended[state] = self.report.ended.get(state, 0) + 1
