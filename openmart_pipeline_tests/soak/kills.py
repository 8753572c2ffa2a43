"""Hundreds of kills at random moments of a run, in small worlds of their own: paid once, nothing lost.

`python -m openmart_pipeline_tests.soak.kills [--kills 500]` is the soak; the suite runs it small. Unlike a large run's,
these kills fall anywhere from the first read of the file to the last step of publishing.
"""

import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from openmart_pipeline.ledger import moves
from openmart_pipeline_tests.killable import Template
from openmart_pipeline_tests.money import (
    assert_accounts_agree,
    assert_each_task_is_in_one_place,
    at_work,
    company_file,
    settle_unknown,
    whole_run,
)
from openmart_pipeline_tests.simulator_process import SimulatorProcess
from openmart_pipeline_tests.soak.command import folder_of, options_of
from openmart_pipeline_tests.soak.contacts import compare

COMPANIES = 230  # three batches
RUNS_A_WORLD = 16
LATEST_KILL_S = 0.7  # after the start; a run that ended before is not killed


def nobody_reads(_line: str) -> None:
    """Take a line of progress for nobody."""


def soak(
    folder: Path, template: Template, *, kills: int, seed: int = 7, say: Callable[[str], None] = nobody_reads
) -> int:
    """Kill so many runs, world after world, each compared with the simulator's account; return how many worlds.

    Raises:
        AssertionError: something was paid twice, lost, doubled or left undecided.

    """
    chance = random.Random(seed)  # the same moments each time, as far as a scheduler allows
    killed = worlds = 0
    while killed < kills:
        worlds += 1
        killed += _one_world(folder / str(worlds), f"w{worlds}", template, chance)
        say(f"{killed} of {kills} kills, {worlds} worlds")
    return worlds


def _one_world(data_dir: Path, of: str, template: Template, chance: random.Random) -> int:
    """Kill runs on one file, finish it, compare; return how many were killed."""
    killed = 0
    with SimulatorProcess(data_dir / "server", submit_s=0.05, read_s=0.002, jitter=1.0) as simulator:
        key = company_file(data_dir, "companies.csv", [f"{of}-{number}.com" for number in range(COMPANIES)])
        for _ in range(RUNS_A_WORLD):
            run = template.run(data_dir, simulator.url, key, kill_after_s=chance.uniform(0.01, LATEST_KILL_S))
            killed += run.was_killed
            published_rows(data_dir)
        assert template.run(data_dir, simulator.url, key).exit_code == 0
        with at_work(data_dir, simulator.url) as (work, session):
            assert_accounts_agree(work, simulator)
            settle_unknown(work, simulator)
            whole_run(work, session, key)
            assert moves.unknown_batches(work.ledger) == []
            assert_accounts_agree(work, simulator)
            assert_each_task_is_in_one_place(work)
            assert simulator.account()["tasks"] == COMPANIES
            assert work.warehouse.coverage(key).keys() <= {"found", "nothing_found"}
        compared = compare(data_dir / "published" / "contacts.duckdb", simulator.each_batch())
        assert compared.contacts > 0
        assert (compared.lost, compared.too_many) == (0, 0), str(compared)
    return killed


def published_rows(data_dir: Path) -> list[tuple[object, ...]] | None:
    """The published contacts' ids, None before the first publication; it opens at any time."""
    path = data_dir / "published" / "contacts.duckdb"
    if not path.exists():
        return None
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute("SELECT contact_id FROM contacts ORDER BY contact_id").fetchall()


def main() -> None:
    chosen = options_of(__doc__, kills=500, seed=7)
    begun = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - begun:6.0f} s  {line}", file=sys.stderr, flush=True)

    with folder_of(chosen.pop("keep")) as folder, Template() as template:
        worlds = soak(folder, template, say=say, **chosen)
    print(
        f"{chosen['kills']} kills in {worlds} worlds, {time.monotonic() - begun:.0f} s: nothing paid for twice, nothing lost, "
        "nothing doubled, every published database opened"
    )


if __name__ == "__main__":
    main()
