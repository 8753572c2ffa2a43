"""A line every ten seconds, for whoever watches a soak: how far it is, read from the ledger beside the work.

Nothing is decided here and nothing waits for it.
"""

import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from openmart_pipeline_tests.soak.world import World

LINE_EVERY_S = 10.0
COUNTS = "SELECT state, count(*) FROM batches GROUP BY state ORDER BY state"


@contextmanager
def watched(world: World, batches: int) -> Iterator[None]:
    """Say how far it is while this lasts."""
    stop = threading.Event()
    begun = time.monotonic()

    def say() -> None:
        while not stop.wait(LINE_EVERY_S):
            counts = _counts(world)
            others = ", ".join(f"{count:,} {state}" for state, count in counts.items() if state != "collected")
            minutes, seconds = divmod(int(time.monotonic() - begun), 60)
            print(
                f"{minutes:3}:{seconds:02}  {counts.get('collected', 0):,} of {batches:,} batches collected"
                f"{f' ({others})' if others else ''}; {world.figures.runs} runs, {world.figures.kills} killed",
                file=sys.stderr,
                flush=True,
            )

    watcher = threading.Thread(target=say, name="watcher", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()


def _counts(world: World) -> dict[str, int]:
    """How many batches are in which state; nothing while there is no ledger yet, or no turn at it."""
    try:
        with closing(sqlite3.connect(f"file:{world.ledger_path}?mode=ro", uri=True)) as connection:
            return dict(connection.execute(COUNTS).fetchall())
    except sqlite3.OperationalError:
        return {}
