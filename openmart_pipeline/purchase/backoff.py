"""Pauses after POSTs that were surely not sent, shared by the threads of one buying run."""

import threading
import time
from collections.abc import Sequence

from openmart_pipeline.api.errors import Throttled

PAUSES_S = (1, 2, 4, 8, 16)  # after a POST that was surely not sent; then the run stops and says so
RETRY_AFTER_CAP_S = 600  # a server that wants us back later than that ends the run instead of holding it


class Backoff:
    """Growing pauses; threads whose POSTs failed together pause together."""

    def __init__(self, pauses_s: Sequence[float] = PAUSES_S) -> None:
        """Pause so long after each round of POSTs that were surely not sent; after the last, give up."""
        self._pauses_s = pauses_s
        self._lock = threading.Lock()
        self._not_before = 0.0  # monotonic
        self._rounds = 0

    def is_waiting(self) -> bool:
        """Whether no thread may send just now."""
        return time.monotonic() < self._not_before

    def wait(self, stopping: threading.Event) -> None:
        """Return once sending is allowed again, or the run is stopping."""
        while (wait_s := self._not_before - time.monotonic()) > 0 and not stopping.wait(min(wait_s, 1.0)):
            pass

    def after(self, error: BaseException) -> float | None:
        """Let no thread send for a while; return for how long, None when the last pause was used already.

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

    def reset(self) -> None:
        """Begin with the shortest pause again: the server gave a batch id."""
        with self._lock:
            self._rounds = 0
