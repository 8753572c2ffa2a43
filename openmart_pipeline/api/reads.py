"""Every call that costs nothing: progress, task ids, results, balance, deny rules.

Not here: the submit, and what is done with the answers.
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

import httpx

from openmart_pipeline.api.errors import ReadFailed, Throttled
from openmart_pipeline.api.models import (
    BatchStatus,
    CreditBalance,
    DenyKind,
    TaskResult,
    TaskState,
)
from openmart_pipeline.api.rate_limiter import LATE_S, NO_RATE_LIMIT, RateLimiter
from openmart_pipeline.api.retrying import RetryBounds, with_retries
from openmart_pipeline.api.transport import Answer, BrokenExchange, Transport, how_it_ended
from openmart_pipeline.api.verdicts import Transient, read_verdict
from openmart_pipeline.api.wire import JsonValue, parsed_if_damaged, text_of

T = TypeVar("T")

_DENY_RULES = "/api/v2/deny-rules"
_DENY_VALUES_PER_CALL = 100  # no limit is documented; this is the vendor's own for batches
_UNASKED_PAUSE_S = 1.0  # after a 429 that names no time: enough for a rate counted per second


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """A request that may be repeated, and what to call it in a sentence."""

    what: str
    path: str
    method: str = "GET"
    content: JsonValue = None
    is_of_an_id: bool = False


class Reader:
    """Free calls over shared connections; as many at once as there are connections, the others wait.

    Every method raises `StopAll` or `Gone` at once, and `ReadFailed` after its retries.
    """

    def __init__(
        self,
        transport: Transport,
        client: httpx.AsyncClient,
        rate_limiter: RateLimiter,
        *,
        connections: int,
        timeout_s: float,
        bounds: RetryBounds,
    ) -> None:
        self._transport = transport
        self._client = client
        self._rate_limiter = rate_limiter
        self._timeout_s = timeout_s
        self._bounds = bounds
        # Waiting for a connection must not count as the server's slowness.
        self._places = asyncio.Semaphore(connections)

    async def batch_status(self, batch_id: str) -> BatchStatus:
        """Return how far a batch is (API section 2)."""
        call = _Call(
            what=f"the status of batch {batch_id}",
            path=f"/api/v1/task/batch/{_segment(batch_id)}/status",
            is_of_an_id=True,
        )
        return await self._read(call, lambda raw: BatchStatus.from_wire(_object(raw)))

    async def task_ids(self, batch_id: str, state: TaskState | None = None) -> list[str]:
        """Return the ids of a batch's tasks, in no promised order, repeated if repeated (API section 3)."""
        query = f"?status={state.value}" if state else ""
        call = _Call(
            what=f"the task ids of batch {batch_id}",
            path=f"/api/v1/task/batch/{_segment(batch_id)}/task_ids{query}",
            is_of_an_id=True,
        )
        return await self._read(call, _ids)

    async def task(self, task_id: str) -> TaskResult:
        """Return a task's state and its answer as received (API section 4)."""
        call = _Call(what=f"task {task_id}", path=f"/api/v1/task/{_segment(task_id)}", is_of_an_id=True)
        return await self._read(call, lambda raw: TaskResult.from_wire(task_id, _object(raw), raw))

    async def credit_balance(self) -> CreditBalance:
        """Return what the team has left (API section 5)."""
        call = _Call(what="the credit balance", path="/api/v2/credit-balance")
        return await self._read(call, lambda raw: CreditBalance.from_wire(_object(raw)))

    async def deny(self, kind: DenyKind, values: Sequence[str]) -> None:
        """Keep these addresses or numbers out of every future answer to this key (API section 6)."""
        for rule in _deny_rules(kind, values):
            await self._read(_Call(what="adding deny rules", method="POST", path=_DENY_RULES, content=rule), _nothing)

    async def undeny(self, kind: DenyKind, values: Sequence[str]) -> None:
        """Take deny rules back (API section 6)."""
        for rule in _deny_rules(kind, values):
            await self._read(
                _Call(what="removing deny rules", method="DELETE", path=_DENY_RULES, content=rule), _nothing
            )

    async def denied(self, kind: DenyKind, values: Sequence[str]) -> dict[str, bool]:
        """Return which values are denied. A value the server says nothing readable about is left out."""
        verdicts: dict[str, bool] = {}
        for rule in _deny_rules(kind, values):
            call = _Call(what="the deny rules", method="POST", path=f"{_DENY_RULES}/check", content=rule)
            verdicts |= await self._read(call, _denials)
        return verdicts

    async def _read(self, call: _Call, interpret: Callable[[bytes], T]) -> T:
        async with self._places:
            return await with_retries(lambda: self._attempt(call, interpret), call.what, self._bounds)

    async def _attempt(self, call: _Call, interpret: Callable[[bytes], T]) -> T:
        await self._take_turn()
        answer = Answer()
        body = None if call.content is None else json.dumps(call.content).encode("ascii")
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._transport.exchange(self._client, call.method, call.path, answer, body)
        except (BrokenExchange, TimeoutError) as error:
            # A refusal counts even when the rest of it breaks off.
            if not answer.status or answer.is_success:
                raise Transient(how_it_ended(error)) from error
        if answer.is_success:
            try:
                return interpret(bytes(answer.body))
            except ValueError as error:
                raise Transient(f"the answer could not be read ({error})") from error
        verdict = read_verdict(
            answer.status,
            call.what,
            words=self._transport.words(answer),
            is_of_an_id=call.is_of_an_id,
            retry_after_s=self._transport.retry_after_s(answer),
        )
        if isinstance(verdict, Throttled):
            await asyncio.to_thread(self._rate_limiter.pause, pause_s(verdict, self._bounds))
        raise verdict

    async def _take_turn(self) -> None:
        if self._rate_limiter is NO_RATE_LIMIT:
            return
        late_s = LATE_S
        while True:
            # In a thread, because a shared pace may wait for its store.
            wait_s = await asyncio.to_thread(self._rate_limiter.acquire)
            begun_s = time.monotonic()
            await asyncio.sleep(wait_s)
            if time.monotonic() - begun_s <= wait_s + late_s:
                return
            late_s *= 2  # on a machine that is always late a read is slow, not for ever


def pause_s(error: Throttled, bounds: RetryBounds) -> float:
    """Return how long everyone should wait after a 429: what it asks, up to the cap."""
    asked_s = _UNASKED_PAUSE_S if error.retry_after_s is None else error.retry_after_s
    return min(asked_s, bounds.retry_after_cap_s)


def _segment(vendor_id: str) -> str:
    """Quote an id for use between two slashes: ids come from the server and may hold anything.

    Raises:
        ReadFailed: an id of dots, which every URL parser takes for a step up, however it is quoted.

    """
    if vendor_id in {".", ".."}:
        said = f"Openmart named {vendor_id!r} as an id, which no address can hold"
        raise ReadFailed(f"{said}. Nothing is lost; ask Openmart.", last=ValueError(said))
    return quote(vendor_id, safe="")


def _object(raw: bytes) -> dict[str, JsonValue]:
    document = parsed_if_damaged(raw)
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004  # a value from outside, not a caller's type
    return document


def _ids(raw: bytes) -> list[str]:
    document = parsed_if_damaged(raw)
    if isinstance(document, dict):
        document = document.get("task_ids")
    if not isinstance(document, list):
        raise ValueError("not a JSON array of ids")  # noqa: TRY004  # a value from outside
    return [task_id for item in document if (task_id := text_of(item)) is not None]


def _nothing(raw: bytes) -> None:
    del raw


def _denials(raw: bytes) -> dict[str, bool]:
    denied = _object(raw).get("denied")
    if not isinstance(denied, dict):
        raise ValueError("no `denied` object")  # noqa: TRY004  # a value from outside
    return {value: verdict for value, verdict in denied.items() if isinstance(verdict, bool)}


def _deny_rules(kind: DenyKind, values: Sequence[str]) -> list[JsonValue]:
    starts = range(0, len(values), _DENY_VALUES_PER_CALL)
    return [{"type": kind.value, "values": list(values[start : start + _DENY_VALUES_PER_CALL])} for start in starts]
