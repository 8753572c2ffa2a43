"""How fast we may ask: the one question every request asks first.

Not here: how a rate is shared between processes (the ledger does that), retries.
"""

from typing import Protocol

LATE_S = 0.1  # a turn used later than that is given up for another: turns that were overslept add up to a burst


class RateLimiter(Protocol):
    """A shared rate limit. Both methods are called from several threads at once and may block briefly."""

    def acquire(self) -> float:
        """Reserve the next turn; return the seconds to wait before using it."""

    def pause(self, seconds: float) -> None:
        """Nobody sends before this many seconds have passed, because the server asked for it."""


class _Unpaced:
    def acquire(self) -> float:
        return 0.0

    def pause(self, seconds: float) -> None:
        pass


NO_RATE_LIMIT: RateLimiter = _Unpaced()
