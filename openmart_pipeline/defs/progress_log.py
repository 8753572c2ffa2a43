"""The run's log as a listener of the money path: what a person must see at once, the rest as a line now and then.

Lives here: one listener, called from many threads. No rules.
"""

import threading
import time
from collections import Counter
from typing import Protocol

LINE_EVERY_S = 15.0  # every line is a write to Dagster's event log: a long run stays readable
NOTABLE_LINES = 50  # of each kind; a million rows must not become a million lines
_NOTABLE = {
    "unknown": "Batch {batch_no} may have been bought, its answer is lost: {detail}",
    "rejected": "The server refused batch {batch_no} as wrong: {detail}",
    "not_sent": "Batch {batch_no} was not sent and stays owed: {detail}",
    "stopped": "No more batches are sent. {detail}",
}
_COUNTED = {
    "rows_read": "rows read",
    "planned": "questions planned",
    "accepted": "tasks bought",
    "stored": "answers stored",
    "settled": "tasks settled",
}


class Log(Protocol):
    """What we need of Dagster's log."""

    def info(self, msg: object) -> None:
        """Log a line."""

    def warning(self, msg: object) -> None:
        """Log a line that a person should read."""


class ProgressLog:
    """Hears every step of reading, planning, buying or collecting (`model.events.OnEvent`)."""

    def __init__(self, log: Log) -> None:
        """Write to the run's log."""
        self._log = log
        self._lock = threading.Lock()
        self._counts = Counter[str]()
        self._notable = Counter[str]()
        self._next_line = time.monotonic() + LINE_EVERY_S

    def __call__(self, step: str, batch_no: int, tasks: int, detail: str, /) -> None:
        """Count the step; write a line where one is due."""
        with self._lock:
            self._counts[step] += tasks
            self._notable[step] += 1
            is_notable = step in _NOTABLE and self._notable[step] <= NOTABLE_LINES
            is_due = time.monotonic() >= self._next_line
            if is_due:
                self._next_line = time.monotonic() + LINE_EVERY_S
            line = self._line()
        if is_notable:
            self._log.warning(_NOTABLE[step].format(batch_no=batch_no, detail=detail))
        if is_due:
            self._log.info(line)
            if step == "waiting":
                self._log.info(f"Batch {batch_no} waits: {detail}" if batch_no else f"Waiting: {detail}")

    def _line(self) -> str:
        counted = [f"{self._counts[step]:,} {what}" for step, what in _COUNTED.items() if self._counts[step]]
        return ", ".join(counted) + " so far" if counted else "Nothing came back yet"
