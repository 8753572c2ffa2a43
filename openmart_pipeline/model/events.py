"""How the money path tells what it does, as it does it.

Lives here: one callback type. Terminals, event logs and tests that kill the process listen; nothing depends on it.
"""

from typing import Protocol


class OnEvent(Protocol):
    """Hears of every step right after it is on disk, from the thread that took it; must not block.

    Reading says rows_read, planning says planned: with no batch, of so many rows or questions.
    Buying says: claimed, journaled, answered, accepted, unknown, rejected, given_back, waiting, stopped.
    Collecting says: polled, ids_read, answer_read, stored, settled, waiting.
    """

    def __call__(self, step: str, batch_no: int, tasks: int, detail: str, /) -> None:
        """Hear of one step: the batch's number, how many of its tasks, and what there is to say."""


def ignore_events(step: str, batch_no: int, tasks: int, detail: str, /) -> None:
    """Hear nothing."""
