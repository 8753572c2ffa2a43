"""Threads that can be waited for again after an interrupt.

Lives here: one class. `Thread.join` is not it: in Python 3.11 and 3.12 a join that an exception interrupts marks the
running thread as ended, and the next join returns at once.
"""

import threading
from collections.abc import Callable


class Worker(threading.Thread):
    """A daemon thread whose end is waited for by `wait`, as often as needed."""

    def __init__(self, work: Callable[[], None], *, name: str) -> None:
        """Do `work` once started; `name` is for whoever looks at the process."""
        super().__init__(name=name, daemon=True)
        self._work = work
        self._ended = threading.Event()

    def run(self) -> None:
        """Do the work, and say so however it ends."""
        try:
            self._work()
        finally:
            self._ended.set()

    def wait(self) -> None:
        """Return when the work has ended. Interrupted by an exception, it may be called again."""
        self._ended.wait()
