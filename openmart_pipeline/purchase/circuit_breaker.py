"""The circuit breaker: ends a buying run whose batches come back without an id, shared by the run's threads."""

import collections
import threading

BREAKER_IN_A_ROW = 5
BREAKER_OF_LAST = (10, 20)


class CircuitBreaker:
    """Closed while batches get ids; opens after five in a row, or ten of the last twenty, without one."""

    def __init__(self) -> None:
        """Start closed."""
        self._lock = threading.Lock()
        self._got_ids = collections.deque[bool](maxlen=BREAKER_OF_LAST[1])

    def count(self, *, got_id: bool) -> str | None:
        """Count a batch; return what to say when the breaker is open, None while it is closed."""
        with self._lock:
            self._got_ids.append(got_id)
            last = list(self._got_ids)
        misses = last.count(False)
        in_a_row = len(last) >= BREAKER_IN_A_ROW and not any(last[-BREAKER_IN_A_ROW:])
        if not in_a_row and misses < BREAKER_OF_LAST[0]:
            return None
        return f"{misses} of the last {len(last)} batches came back without a batch id: the server is in trouble."
