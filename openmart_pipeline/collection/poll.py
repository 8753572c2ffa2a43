"""Asking about batches: which are due, what the server says of each, once.

Lives here: one status question and what its answer means; the sensor's bounded round of them.
"""

import asyncio
import contextlib
import datetime as dt
import time
from dataclasses import dataclass, field

from openmart_pipeline.api.client import OpenmartClient
from openmart_pipeline.api.errors import Gone, NotSent, ReadFailed, StopAll, Throttled
from openmart_pipeline.api.reads import Reader
from openmart_pipeline.ledger import collecting, polling_leases
from openmart_pipeline.ledger.moves import Batch, MoveRefused
from openmart_pipeline.ledger.states import BatchState
from openmart_pipeline.ledger.store import Ledger

POLL_AT_LEAST_S = 1
POLL_AT_MOST_S = 60  # a batch that was ready a minute ago is soon enough for anybody
POLL_DAILY_S = 24 * 3600
GONE_POLL_S = 9 * 3600  # three 404s a day apart from the first: see `collecting.GONE_POLLS`
LEASE_S = 60  # for one status question and one list of ids, retries included
AGE_POLLS = 20  # a batch is old only after so many questions too: clocks alone age nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class StallPolicy:
    """How long is waited, by us; the vendor promises nothing."""

    stalled_after: dt.timedelta = dt.timedelta(hours=24)  # from submit to giving up on what has not ended
    stalled_polls: int = AGE_POLLS


@dataclass(slots=True)
class PollReport:
    """What one round of status questions found."""

    asked: int = 0
    ready: int = 0
    waiting: int = 0
    failed: int = 0
    gone: int = 0
    other_key: list[int] = field(default_factory=list)
    left: int = 0  # due, but out of time
    stopped_by: str | None = None


def next_poll_s(ledger: Ledger, batch: Batch) -> float:
    """Return how long to wait before asking again: a third of the batch's age, within bounds."""
    if batch.state is BatchState.STALLED:
        return POLL_DAILY_S
    age_s = (ledger.clock() - (batch.submitted_at or batch.intent_at)).total_seconds()
    return min(max(age_s / 3, POLL_AT_LEAST_S), POLL_AT_MOST_S)


def wait_longer(ledger: Ledger, batch: Batch, stall_policy: StallPolicy, *, why: str) -> None:
    """Ask again later, or, past the age limit, name the batch stalled and ask daily.

    Nothing changes for a batch that another process moved on meanwhile.
    """
    age = ledger.clock() - (batch.submitted_at or batch.intent_at)
    if (
        batch.state is not BatchState.STALLED
        and age > stall_policy.stalled_after
        and batch.polls >= stall_policy.stalled_polls
    ):
        reason = f"{why} for {age.total_seconds() / 3600:.1f} h"
        with contextlib.suppress(MoveRefused):
            collecting.age(ledger, batch, next_poll_s=0, reason=reason)  # due at once: what has ended is read
    else:
        collecting.not_ready(ledger, batch, next_poll_s=next_poll_s(ledger, batch))


async def ask(
    ledger: Ledger, reader: Reader, batch: Batch, stall_policy: StallPolicy, key_hash: str, report: PollReport
) -> bool:
    """Ask about one held batch and record the answer; return whether its results can be read now.

    Of a stalled batch, what has ended by now can: one task that never ends must not keep the others from their rows.

    Raises:
        StopAll: the key or the account is refused: no further read will do better.

    """
    assert batch.vendor_batch_id is not None
    report.asked += 1
    try:
        status = await reader.batch_status(batch.vendor_batch_id)
    except Gone:
        if batch.key_hash != key_hash:
            report.other_key.append(batch.batch_no)
            collecting.not_ready(ledger, batch, next_poll_s=GONE_POLL_S)
        else:
            report.gone += 1
            with contextlib.suppress(MoveRefused):  # another process heard the same, and said so first
                collecting.gone(ledger, batch, next_poll_s=GONE_POLL_S)
        return False
    except (ReadFailed, NotSent, Throttled):
        report.failed += 1
        wait_longer(ledger, batch, stall_policy, why="its status could not be read")
        return False
    if not status.is_ready:
        report.waiting += 1
        wait_longer(ledger, batch, stall_policy, why="not ready")
        return batch.state is BatchState.STALLED
    report.ready += 1
    try:
        collecting.ready(ledger, batch)
    except MoveRefused:
        return batch.state is BatchState.READY
    return True


def poll_due(
    ledger: Ledger,
    client: OpenmartClient,
    *,
    stall_policy: StallPolicy,
    key_hash: str,
    budget_s: float,
    at_once: int = 10,
) -> PollReport:
    """Ask about every batch that is due, oldest first, for at most `budget_s` seconds; collect nothing.

    The sensor's round: it never holds more than `at_once` batches, so what it has no time for stays due. Stalled
    batches are left to a collecting run, which reads what of them has ended.
    """
    return asyncio.run(_poll_due(ledger, client, stall_policy, key_hash, time.monotonic() + budget_s, at_once))


async def _poll_due(
    ledger: Ledger, client: OpenmartClient, stall_policy: StallPolicy, key_hash: str, until: float, at_once: int
) -> PollReport:
    report = PollReport()
    async with client.reader() as reader:
        while time.monotonic() < until:
            held = polling_leases.lease_due(ledger, limit=at_once, hold_s=LEASE_S, states=(BatchState.SUBMITTED,))
            if not held:
                return report
            try:
                async with asyncio.timeout(max(until - time.monotonic(), 1)):
                    await asyncio.gather(
                        *(ask(ledger, reader, batch, stall_policy, key_hash, report) for batch in held)
                    )
            except StopAll as error:
                report.stopped_by = str(error)
                return report
            except TimeoutError:
                break
    now = ledger.clock()
    report.left = sum(
        batch.state is BatchState.SUBMITTED and batch.next_poll_at is not None and batch.next_poll_at <= now
        for batch in collecting.open_batches(ledger)
    )
    return report
