"""Analysts at the published file while it is replaced and its writers are killed: what each of them saw.

`python -m openmart_pipeline_tests.warehouse.readers_and_kills [--readers 20] [--replacements 100] [--kills 20]` is
the soak; the suite runs it small. Every process is a real one, and a kill is SIGKILL at a moment chosen by chance.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from openmart_pipeline_tests.warehouse.warehouse_children import CONTEXT, PATIENCE_S, started
from openmart_pipeline_tests.warehouse.warehouse_rows import (
    INFO,
    answer,
    companies,
    plan,
    rejected,
    warehouse_in,
)

NOBODY = 65_534  # the user whom the mode of the file keeps from writing; root would not be kept
TURN_TIMEOUT_S = 30  # far beyond any honest turn: a writer that waits so long was blocked

# What a reader must find in one publication: the replaced file whole and of one round, the other one as ever.
LOOK = """
SELECT (SELECT generation FROM published_info),
       count(*) FILTER (WHERE input_file = 'a.csv'), count(*) FILTER (WHERE input_file = 'b.csv'),
       count(DISTINCT batch_id) FILTER (WHERE input_file = 'a.csv'), max(batch_id) FILTER (WHERE input_file = 'a.csv'),
       (SELECT count(*) FROM company_coverage)
FROM contacts
"""


@dataclass(slots=True)
class Seen:
    """What all of them saw together."""

    looks: int = 0
    wrong: list[str] = field(default_factory=list)
    failed_opens: list[str] = field(default_factory=list)
    generations: set[int] = field(default_factory=set)
    careless: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    longest_round_s: float = 0.0
    stayed_the_same: bool = False


def load_round(folder: Path, round_: int, rows: int) -> None:
    """Replace the first file's contacts by those of a round, and publish them under its number."""
    warehouse = warehouse_in(folder, turn_timeout_s=TURN_TIMEOUT_S)
    answers = [answer(f"company{n}.com owner", n, batch_id=f"{round_:06}") for n in range(2, rows + 2)]
    warehouse.replace_answers("a.csv", [answers], api_host="h", run_id="r")
    warehouse.publish(round_, INFO)


def prepare(folder: Path, rows: int) -> None:
    """Make both files, and publish round 0."""
    warehouse = warehouse_in(folder)
    for input_file in ("a.csv", "b.csv"):
        numbers = range(2, rows + 2)
        warehouse.replace_companies(input_file, "sha", [(companies(numbers), rejected())])
        warehouse.replace_plan(input_file, "plan", [plan({"source_row": n} for n in numbers)])
    fixed = [answer(f"company{n}.com owner", rows + n) for n in range(2, rows + 2)]
    warehouse.replace_answers("b.csv", [fixed], api_host="h", run_id="r")
    load_round(folder, 0, rows)


def is_right(row: tuple[Any, ...], rows: int) -> bool:
    """Whether the tables of one publication agree."""
    generation, replaced, fixed, rounds, batch_id, covered = row
    return (replaced, fixed, rounds, batch_id, covered) == (rows, rows, 1, f"{generation:06}", 2 * rows)


def read_until_told(published: Path, rows: int, pause_s: float, stop: Any, told: Any) -> None:
    """Open, look and close, again and again; an analyst with a script."""
    looks, wrong, failed, generations = 0, [], [], set()
    while not stop.is_set():
        try:
            with duckdb.connect(published, read_only=True, config={"threads": 1}) as connection:
                row = connection.execute(LOOK).fetchall()[0]
        except duckdb.Error as error:
            failed.append(str(error)[:200])
        else:
            looks += 1
            generations.add(row[0])
            if not is_right(row, rows):
                wrong.append(str(row))
        stop.wait(pause_s)
    told.send((looks, wrong, failed, generations))


def write_until_told(published: Path, pause_s: float, stop: Any, told: Any) -> None:
    """Open without saying read-only, as an ordinary user, and note to oneself in a table; a careless analyst."""
    if os.getuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    outcomes: Counter[str] = Counter()
    while not stop.is_set():
        try:
            with duckdb.connect(published) as connection:
                connection.execute("CREATE OR REPLACE TABLE notes AS SELECT 1")
            outcomes["wrote"] += 1
        except duckdb.Error as error:
            outcomes["refused" if "ermission" in str(error) or "read-only" in str(error) else str(error)[:200]] += 1
        stop.wait(pause_s)
    told.send(outcomes)


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that every user may read, as a shared one would be."""
    folder = Path(tempfile.mkdtemp(prefix="readers-and-kills-"))
    try:
        (folder / "published").mkdir(mode=0o755)
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def soak(*, readers: int, replacements: int, kills: int, pause_s: float, rows: int = 50, seed: int = 1) -> Seen:
    """Replace a file so often, killing writers so often, while so many read; return what everybody saw.

    `pause_s` lies between two looks of a reader: opening a database takes some CPU, and the writers need theirs.
    """
    chance = random.Random(seed)
    seen = Seen()
    with open_folder() as folder:
        prepare(folder, rows)
        published = folder / "published" / "contacts.duckdb"
        stop = CONTEXT.Event()
        pipes = [CONTEXT.Pipe(duplex=False) for _ in range(readers + 1)]
        children = [started(read_until_told, published, rows, pause_s, stop, said) for _, said in pipes[:-1]]
        children.append(started(write_until_told, published, pause_s, stop, pipes[-1][1]))
        with duckdb.connect(published, read_only=True) as stays_open:
            before = stays_open.execute(LOOK).fetchall()
            to_kill = set(chance.sample(range(1, replacements + 1), min(kills, replacements)))
            for round_ in range(1, replacements + 1):
                begun = time.monotonic()
                while round_ in to_kill and not killed(started(load_round, folder, round_, rows), chance):
                    pass  # it was done before the moment came
                seen.kills += round_ in to_kill
                writer = started(load_round, folder, round_, rows)
                writer.join(PATIENCE_S)
                assert writer.exitcode == 0, f"round {round_} ended with {writer.exitcode}"
                seen.longest_round_s = max(seen.longest_round_s, time.monotonic() - begun)
            seen.stayed_the_same = stays_open.execute(LOOK).fetchall() == before
        stop.set()
        for heard, _ in pipes[:-1]:
            looks, wrong, failed, generations = heard.recv()
            seen.looks += looks
            seen.wrong += wrong
            seen.failed_opens += failed
            seen.generations |= generations
        seen.careless = pipes[-1][0].recv()
        for child in children:
            child.join(PATIENCE_S)
    return seen


def killed(writer: Any, chance: random.Random) -> bool:
    """Kill a writer at a moment of chance; whether it was still at work then."""
    writer.join(chance.uniform(0.01, 0.4))
    is_at_work = writer.is_alive()
    if is_at_work:
        os.kill(writer.pid, signal.SIGKILL)
    writer.join(PATIENCE_S)
    return is_at_work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=20)
    parser.add_argument("--replacements", type=int, default=100)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--pause-s", type=float, default=0.5)
    options = parser.parse_args()
    begun = time.monotonic()
    seen = soak(**vars(options))
    print(
        f"{options.readers} readers, {options.replacements} replacements, {seen.kills} writers killed, "
        f"{time.monotonic() - begun:.0f} s: {seen.looks:,} looks at {len(seen.generations)} publications, "
        f"{len(seen.wrong)} wrong, {len(seen.failed_opens)} failed opens, the longest round {seen.longest_round_s:.1f} s; "
        f"the open session {'kept' if seen.stayed_the_same else 'LOST'} its view; careless opener: {dict(seen.careless)}"
    )
    for example in (*seen.wrong[:3], *seen.failed_opens[:3]):
        print(example)
    sys.exit(bool(seen.wrong or seen.failed_opens or not seen.stayed_the_same or seen.careless["wrote"]))


if __name__ == "__main__":
    main()
