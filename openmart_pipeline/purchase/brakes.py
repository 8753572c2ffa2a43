"""What slows a buying run down or ends it when the server is in trouble: pauses, and the breaker.

Lives here: counting and clocks, shared by the run's threads. What an error means is in `rules`.
"""

import collections
import threading
import time
from collections.abc import Sequence

from openmart_pipeline.api.errors import Throttled

BREAKER_IN_A_ROW = 5
BREAKER_OF_LAST = (10, 20)
PAUSES_S = (1, 2, 4, 8, 16)  # after a POST that was surely not sent; then the run stops and says so
RETRY_AFTER_CAP_S = 600  # a server that wants us back later than that ends the run instead of holding it


class Brakes:
    """Shared by the threads of one buying run."""

    def __init__(self, pauses_s: Sequence[float] = PAUSES_S) -> None:
        """Pause so long after each round of POSTs that were surely not sent; after the last, give up."""
        self._pauses_s = pauses_s
        self._lock = threading.Lock()
        self._got_ids = collections.deque[bool](maxlen=BREAKER_OF_LAST[1])
        self._not_before = 0.0  # monotonic
        self._rounds = 0

    def are_on(self) -> bool:
        """Whether nobody may send just now."""
        return time.monotonic() < self._not_before

    def wait(self, stopping: threading.Event) -> None:
        """Return once sending is allowed again, or the run is stopping."""
        while (wait_s := self._not_before - time.monotonic()) > 0 and not stopping.wait(min(wait_s, 1.0)):
            pass

    def hold(self, error: BaseException) -> float | None:
        """Let nobody send for a while; return for how long, None when it was the last pause already.

        Threads whose POSTs failed together count as one round: the later ones are told the rest of its pause.
        """
        asked_s = (error.retry_after_s or 0.0) if isinstance(error, Throttled) else 0.0
        with self._lock:
            now = time.monotonic()
            if now < self._not_before:
                return self._not_before - now
            if self._rounds >= len(self._pauses_s) or asked_s > RETRY_AFTER_CAP_S:
                return None
            wait_s = max(asked_s, self._pauses_s[self._rounds])
            self._rounds += 1
            self._not_before = now + wait_s
            return wait_s

    def trip(self, *, got_id: bool) -> str | None:
        """Count a batch; return what to say once five in a row, or ten of twenty, came back without an id."""
        with self._lock:
            if got_id:
                self._rounds = 0
            self._got_ids.append(got_id)
            last = list(self._got_ids)
        misses = last.count(False)
        in_a_row = len(last) >= BREAKER_IN_A_ROW and not any(last[-BREAKER_IN_A_ROW:])
        if not in_a_row and misses < BREAKER_OF_LAST[0]:
            return None
        return f"{misses} of the last {len(last)} batches came back without a batch id: the server is in trouble."
