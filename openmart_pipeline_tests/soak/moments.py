"""When a process is killed: at random moments of buying and collecting, spread over the whole of the work.

Orders for `killable.Template`; nothing is killed here.
"""

import random
from collections.abc import Iterator
from typing import Any

OF_BATCHES = ("claimed", "journaled", "answered", "accepted", "polled", "ids_read", "settled")
OF_TASKS = ("answer_read", "stored")
AFTER_A_STEP_S = 0.3  # at most: the kill falls somewhere behind the step, not on its boundary
EARLY_ONE_IN = 6  # kills that fall soon after the start, whatever is done then
EARLY_S = (0.05, 8.0)
DONE_SHARE = 0.8  # of the work that is done, on average, when the last kill falls


def while_buying(chance: random.Random, *, batches: int, kills: int) -> Iterator[dict[str, Any]]:
    """Yield orders without end: killed so long after the start, or after so many of some step, at random.

    Args:
        chance: the dice; the same orders each time, as far as a scheduler allows.
        batches: how many there are to buy and collect.
        kills: over how many of them the work is spread.

    """
    most = max(2, int(2 * DONE_SHARE * batches / kills))
    while True:
        if chance.randrange(EARLY_ONE_IN) == 0:
            yield {"kill_after_s": chance.uniform(*EARLY_S)}
            continue
        step = chance.choice(OF_BATCHES + OF_TASKS)
        nth = chance.randint(1, most * (100 if step in OF_TASKS else 1))
        at_last = "settled", most  # should everything be bought by then, or nothing be left to poll
        yield {"kill_at": (step, nth), "or_kill_at": at_last, "kill_delay_s": chance.uniform(0, AFTER_A_STEP_S)}


def while_loading(chance: random.Random, *, files: int) -> Iterator[dict[str, Any]]:
    """Yield orders without end: killed behind the load of a file, in the next one's or, of few, while publishing."""
    while True:
        nth = chance.randint(1, -(-files // 3))  # not the last of many: each of these runs loads them all again
        yield {"kill_at": ("loaded", nth), "kill_delay_s": chance.uniform(0, AFTER_A_STEP_S)}
