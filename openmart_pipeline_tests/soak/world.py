"""The world of one soak: company files, a server in trouble, processes that buy and die, and a person who decides.

Lives here: what may happen, each thing counted. What happens when is the business of the soaks.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from openmart_pipeline.ledger import schema
from openmart_pipeline.ledger.states import BatchState
from openmart_pipeline.purchase.rules import Stop
from openmart_pipeline.services import ApiSession, Services
from openmart_pipeline_tests.killable import Ended, Template
from openmart_pipeline_tests.money import at_work, company_file
from openmart_pipeline_tests.simulator_process import SimulatorProcess
from openmart_pipeline_tests.soak import person
from openmart_pipeline_tests.soak.figures import Figures

MOST_ROUNDS = 100  # of run and decision, until everything is collected; a soak that needs more goes nowhere
SETTINGS = {"OPENMART_READ_CONNECTIONS": "64"}  # the most there may be: reads that wait to be repeated hold one each
HASTE = {"first_retry_wait_s": 0.05, "retry_after_cap_s": 0.25}  # a soak is about what is repeated, not about waiting


class World:
    """Files, a server and a ledger; every run is a process of its own."""

    def __init__(
        self, data_dir: Path, keys: tuple[str, ...], simulator: SimulatorProcess, template: Template, patience_s: float
    ) -> None:
        """Give up on an answer that the server holds back after `patience_s`; the product waits for minutes."""
        self.data_dir = data_dir
        self.keys = keys
        self.simulator = simulator
        self.figures = Figures()
        self._template = template
        self._client: Mapping[str, float] = {**HASTE, "submit_timeout_s": patience_s, "read_timeout_s": patience_s}

    @property
    def ledger_path(self) -> Path:
        """Where the ledger is."""
        return self.data_dir / "ledger.sqlite"

    def run(self, *, is_whole: bool = False, **order: Any) -> Ended:
        """Let a process buy and collect everything; killed as `order` says, or not.

        A whole one also plans every file anew, loads and publishes.

        Raises:
            AssertionError: it ended in another way than by a kill or well.

        """
        ended = self._template.run(
            self.data_dir,
            self.simulator.url,
            *self.keys,
            settings=SETTINGS,
            client=self._client,
            choices={"replans": is_whole, "loads": is_whole},
            **order,
        )
        assert ended.was_killed or ended.exit_code == 0, f"a run ended with exit code {ended.exit_code}"
        self.figures.runs += 1
        self.figures.kills += ended.was_killed
        self.figures.breaker_trips += Stop.BREAKER in ended.stops
        self.figures.peak_mb = max(self.figures.peak_mb, ended.peak_mb)
        return ended

    @contextmanager
    def at_work(self) -> Iterator[tuple[Services, ApiSession]]:
        """A workplace in this process, for a person."""
        with at_work(self.data_dir, self.simulator.url, client=self._client, **SETTINGS) as at:
            yield at

    def decide(self) -> None:
        """Let a person decide about everything that is unknown."""
        with self.at_work() as (work, session):
            decided = person.decide(work, session, self.simulator)
        self.figures.unknown += decided.unknown
        self.figures.adopted += decided.adopted
        self.figures.released += decided.released

    def collected_tasks(self) -> int:
        """How many tasks are in batches that are closed."""
        with self.at_work() as (work, _buyer), work.ledger.read() as connection:
            tasks = sa.select(sa.func.sum(schema.batches.c.tasks))
            return connection.execute(tasks.where(schema.batches.c.state == BatchState.COLLECTED)).scalar() or 0

    def collect(self, tasks: int) -> None:
        """Run and decide in turn until so many tasks are collected."""
        for _ in range(MOST_ROUNDS):
            self.run()
            if self.collected_tasks() == tasks:
                return
            self.decide()
        raise AssertionError(f"not everything was collected after {MOST_ROUNDS} runs")


@contextmanager
def world_of(
    folder: Path, template: Template, *, of: str, batches: int, files: int, patience_s: float, **behaviour: Any
) -> Iterator[World]:
    """Make the files and start the server, which is stopped at the end."""
    data_dir = folder / "data"
    each, rest = divmod(batches, files)
    keys = tuple(
        company_file(
            data_dir,
            f"{of}-{number}.csv",
            [f"{of}-{number}-{company}.com" for company in range(100 * (each + (number < rest)))],
        )
        for number in range(files)
    )
    with SimulatorProcess(folder / "server", jitter=1.0, **behaviour) as simulator:
        yield World(data_dir, keys, simulator, template, patience_s)
