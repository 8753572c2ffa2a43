"""Fixtures of the Dagster tests: a world, its instance and its simulator, closed in that order."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from openmart_pipeline.defs.instance_home import prepare_home
from openmart_pipeline_tests.defs.world import World
from openmart_pipeline_tests.simulator_process import SimulatorProcess


@pytest.fixture(scope="session")
def prepared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DAGSTER_HOME as the project makes it, to be copied: making its databases takes a second."""
    return prepare_home(tmp_path_factory.mktemp("prepared") / "dagster_home")


@pytest.fixture
def make_world(tmp_path: Path, prepared_home: Path) -> Iterator[Callable[..., World]]:
    """Make a world whose simulator behaves as told; settings go in as `settings={...}`.

    Dagster keeps its history in memory, where a run takes half the time, unless the test needs it `on_disk`.
    """
    with ExitStack() as closing:

        def make(*, settings: dict[str, str] | None = None, on_disk: bool = False, **behaviour: Any) -> World:
            simulator = closing.enter_context(SimulatorProcess(tmp_path / "simulator", **behaviour))
            home = tmp_path / "dagster_home"
            if on_disk:
                instance = dg.DagsterInstance.from_config(str(shutil.copytree(prepared_home, home)))
            else:
                instance = dg.DagsterInstance.ephemeral(str(home))
            world = World(tmp_path, simulator, closing.enter_context(instance))
            world.environment.update(settings or {})
            return world

        yield make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A world where everything goes well."""
    return make_world()


@pytest.fixture
def world_on_disk(make_world: Callable[..., World]) -> World:
    """The same, Dagster's history in files as a person has it."""
    return make_world(on_disk=True)
