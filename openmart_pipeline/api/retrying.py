"""Trying a free call again: bounded in attempts and in time, with jitter, as slow as the server asks.

Not here: which errors deserve it (`verdicts.py`), and submits, which are never tried again.
"""

import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import stamina

from openmart_pipeline.api.errors import ReadFailed, Throttled
from openmart_pipeline.api.verdicts import Transient

_logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryBounds:
    """How long one read may go on failing before it is left for later."""

    attempts: int
    total_s: float
    first_wait_s: float
    retry_after_cap_s: float
    longest_wait_s: float = 20.0  # doubling waits stop here: longer ones only hide that the server is down

    def wait_s(self, failures: int, asked_s: float | None) -> float:
        """Return the wait after so many failures: doubling, or what the server asked for up to the cap.

        Always with some chance in it, so that readers that failed together don't return together.
        """
        chance = random.random()  # noqa: S311  # spreads load, guards nothing
        doubling_s = min(self.longest_wait_s, self.first_wait_s * 2.0 ** (failures - 1))
        if asked_s is None:
            return doubling_s * (0.5 + chance / 2)
        return min(asked_s, self.retry_after_cap_s) + self.first_wait_s * chance


class _Failures:
    """The failures of one read so far, and what they allow: stamina asks it after each."""

    def __init__(self, what: str, bounds: RetryBounds) -> None:
        self._what = what
        self._bounds = bounds
        self._started_s = time.monotonic()
        self._count = 0

    def next_wait_s(self, error: Exception) -> float | bool:
        """Return the seconds to the next attempt, or False for none.

        None either where the wait itself would end too late: stamina's own time limit counts what has passed.
        """
        if not isinstance(error, Throttled | Transient):
            return False
        self._count += 1
        wait_s = self._bounds.wait_s(self._count, error.retry_after_s)
        if self._count >= self._bounds.attempts or self._spent_s() + wait_s > self._bounds.total_s:
            return False
        _logger.warning("Reading %s failed, next attempt in %.1f s: %s", self._what, wait_s, error)
        return wait_s

    def given_up(self, error: Exception) -> ReadFailed:
        """Return what to say when no attempt is left."""
        times = "once" if self._count == 1 else f"{self._count} times"
        return ReadFailed(
            f"Reading {self._what} failed {times} in {self._spent_s():.0f} s, at last with: {error}. "
            "Nothing is lost: reading is free and can be repeated later.",
            last=error,
        )

    def _spent_s(self) -> float:
        return time.monotonic() - self._started_s


async def with_retries(attempt: Callable[[], Awaitable[T]], what: str, bounds: RetryBounds) -> T:
    """Return what `attempt` returns, trying again after errors that may pass.

    Raises:
        ReadFailed: the attempts or the time ran out. Every other error passes through at once.

    """
    failures = _Failures(what, bounds)
    try:
        return await attempt()
    except (Throttled, Transient) as error:
        first = [error]

    async def attempt_or_first() -> T:
        if first:
            raise first.pop()
        return await attempt()

    # Only now, because stamina's bookkeeping would make each of the many reads that succeed a quarter dearer.
    trying = stamina.AsyncRetryingCaller(attempts=bounds.attempts, timeout=bounds.total_s)
    try:
        return await trying(failures.next_wait_s, attempt_or_first)
    except (Throttled, Transient) as error:
        raise failures.given_up(error) from error


def keep_stamina_quiet() -> None:
    """Turn off stamina's own reports, which reach standard output by way of structlog; ours go through `logging`."""
    stamina.instrumentation.set_on_retry_hooks([])
