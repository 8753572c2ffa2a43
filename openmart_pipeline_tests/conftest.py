"""Fixtures that more than one folder of tests uses: a simulator, and the command line in this process."""

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from openmart_pipeline.cli import LOOK_FOR_CYCLES_AFTER
from openmart_pipeline_tests.cli.terminal import Terminal
from openmart_pipeline_tests.prepared import lay_warehouse
from openmart_pipeline_tests.simulator_process import SimulatorProcess

gc.set_threshold(LOOK_FOR_CYCLES_AFTER)  # as the commands do: a tenth of the tests' time
settings.register_profile("claims", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # no claim is a speed
settings.load_profile("claims")


LONGEST_FIRST = ("flow/test_dagster_end_to_end", "flow/", "soak/", "test_ledger_machine", "")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that start whole programs: they are the longest, and nobody should wait for one at the end."""
    items.sort(key=lambda item: next(n for n, part in enumerate(LONGEST_FIRST) if part in item.path.as_posix()))


@pytest.fixture(scope="session")
def _one_simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    with SimulatorProcess(tmp_path_factory.mktemp("simulator")) as process:
        yield process


@pytest.fixture
def simulator(_one_simulator: SimulatorProcess) -> Iterator[SimulatorProcess]:
    """One simulator for many tests, behaving well at the start of each; its account goes on from test to test."""
    yield _one_simulator
    _one_simulator.behave(submit_s=0, read_s=0, processing_s=0, rate_limit_per_s=None, credits=None, faults=None)


@pytest.fixture
def make_simulator(tmp_path: Path) -> Iterator[Callable[..., SimulatorProcess]]:
    """Make a simulator of the test's own: with a key, or with an account that starts empty."""
    with ExitStack() as closing:

        def make(**options: Any) -> SimulatorProcess:
            return closing.enter_context(SimulatorProcess(tmp_path / "own_simulator", **options))

        yield make


@pytest.fixture
def terminal(tmp_path: Path, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A person at a shell, in an empty folder, with a key and a server."""
    for name in list(os.environ):
        if name.startswith(("OPENMART_", "DAGSTER_")):
            monkeypatch.delenv(name)
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    lay_warehouse(folder / "data")
    return Terminal(folder, simulator.url)
