"""Ctrl-C and SIGTERM: the same thing, once to stop in order, twice to abandon.

Lives here: two signal handlers, for as long as they are wanted. What stopping means is decided in `submit` and `run`.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptible(on_interrupt: Callable[[int], None]) -> Iterator[None]:
    """Raise KeyboardInterrupt at each of the two signals, after telling `on_interrupt` how many there were.

    SIGINT is taken explicitly too: a process started in the background by a shell is born ignoring it.
    """
    times = 0

    def interrupted(_number: int, _frame: FrameType | None) -> None:
        nonlocal times
        times += 1
        on_interrupt(times)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupted) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
