"""What is seen while reading, planning, buying and collecting: a bar on a terminal, a line now and then in a log.

Lives here: counting the steps and showing the counts. It listens and decides nothing.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from openmart_pipeline.cli.screen import harmless
from openmart_pipeline.model.events import OnEvent
from openmart_pipeline.model.words import plural
from openmart_pipeline.pipeline.buying_run import RunReport

LINE_EVERY_S = 10  # in a log: often enough to see it live, seldom enough to read the rest
_AGAIN = " Trying again in "
_INTAKE = {"rows_read": "rows read", "planned": "questions planned"}
_ENDS_A_SUBMIT = ("accepted", "unknown", "rejected", "not_sent")


class Watcher:
    """Counts what is sent and what has come back; safe to call from any thread."""

    def __init__(self, console: Console, report: RunReport, *, to_buy: int, to_collect: int) -> None:
        """Watch a run that buys `to_buy` tasks and collects those and `to_collect` older ones."""
        self._console = console
        self._report = report
        self._to_buy = to_buy
        self._to_collect = to_buy + to_collect
        self._lock = threading.Lock()
        self._claimed: dict[int, int] = {}  # batch -> tasks, while its POST may be under way
        self._sent = 0
        self._stored = 0
        self._said: set[str] = set()
        self._line_at = time.monotonic()
        self._bars: Progress | None = None
        self.is_interrupted = False

    @property
    def in_flight(self) -> int:
        """How many submits are under way."""
        with self._lock:
            return len(self._claimed)

    @property
    def _people(self) -> str:
        return plural(self._report.collected.people, "contact")

    @property
    def in_flight_batches(self) -> list[int]:
        """The numbers of the batches whose submits are under way."""
        with self._lock:
            return sorted(self._claimed)

    def __call__(self, step: str, batch_no: int, tasks: int, detail: str, /) -> None:
        """Hear of one step."""
        with self._lock:
            if step == "claimed":
                self._claimed[batch_no] = tasks
            elif step in _ENDS_A_SUBMIT:
                self._claimed.pop(batch_no, None)
                self._sent += tasks if step in ("accepted", "unknown") else 0
            elif step == "stored":
                self._stored += tasks
            self._show()
        if step == "stopped":
            self._say_stopped(detail)
        elif step in ("unknown", "rejected"):
            self._say(f"Batch {batch_no} ({plural(tasks, 'task')}) is {step}: {detail}")
        elif step == "waiting" and detail and (batch_no == 0 or "can't record" in detail):
            self._say_waiting(detail)

    def _say_stopped(self, detail: str) -> None:
        """Say at once what is waited for: a person who pressed Ctrl-C must not have to guess."""
        in_flight = self.in_flight
        if self.is_interrupted and in_flight:
            self._say(
                f"Stopping: nothing more is sent; waiting for {plural(in_flight, 'submit')} in flight (up to two "
                "minutes). Ctrl-C again abandons them: they may be paid for, and become unknown."
            )
        elif not self.is_interrupted:
            self._say(detail)

    def _say_waiting(self, detail: str) -> None:
        """Say why it waits once, and after that only for how long."""
        why, again, how_long = detail.partition(_AGAIN)
        if again and why in self._said:
            detail = f"No better yet.{again}{how_long}"
        self._said.add(why)
        self._say(detail)

    def _say(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            self._console.print(harmless(sentence))

    def _show(self) -> None:
        if self._bars is not None:
            self._bars.update(self._bars.task_ids[0], completed=self._sent)
            self._bars.update(self._bars.task_ids[-1], completed=self._stored, people=self._people)
        elif time.monotonic() - self._line_at >= LINE_EVERY_S:
            self._line_at = time.monotonic()
            self._console.print(
                f"submitted {self._sent:,} of {self._to_buy:,} tasks, collected {self._stored:,} of "
                f"{self._to_collect:,}, {self._people}"
            )

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show bars while this lasts, where there is a terminal to show them on, and reads that have to be repeated."""
        retries = _Retries(self._console)
        log = logging.getLogger("openmart_pipeline")
        log.addHandler(retries)
        try:
            with self._bars_shown():
                yield
        finally:
            log.removeHandler(retries)

    @contextmanager
    def _bars_shown(self) -> Iterator[None]:
        if not self._console.is_terminal:
            yield
            return
        columns = (
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[people]}"),
        )
        with Progress(*columns, console=self._console, transient=True) as bars:
            bars.add_task("submitted", total=self._to_buy, people="")
            bars.add_task("collected", total=self._to_collect, people=self._people)
            with self._lock:
                self._bars = bars
            try:
                yield
            finally:
                with self._lock:
                    self._bars = None


@contextmanager
def intake_shown(console: Console, key: str) -> Iterator[OnEvent]:
    """Yield a listener that shows how many rows of a file are read, then planned: what takes a while with a million."""
    counts = Counter[str]()
    said_at = time.monotonic()
    with console.status("") if console.is_terminal else nullcontext() as status:

        def on_event(step: str, _batch_no: int, rows: int, _detail: str, /) -> None:
            nonlocal said_at
            counts[step] += rows
            line = harmless(f"{key}: {counts[step]:,} {_INTAKE[step]}")
            if status is not None:
                status.update(line)
            elif time.monotonic() - said_at >= LINE_EVERY_S:
                said_at = time.monotonic()
                console.print(line)

        yield on_event


class _Retries(logging.Handler):
    """Says now and then that reads fail and are tried again: a line for each would bury everything else."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console
        self._times = 0
        self._said_at = float("-inf")

    def emit(self, record: logging.LogRecord) -> None:
        """Count one warning of the client."""
        self._times += 1
        if time.monotonic() - self._said_at >= LINE_EVERY_S:
            self._said_at = time.monotonic()
            times = "" if self._times == 1 else f" ({self._times:,} times so far)"
            self._console.print(harmless(f"{record.getMessage()}{times}"))
