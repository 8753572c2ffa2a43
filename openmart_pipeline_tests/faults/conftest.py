"""One simulator for all tests of faults, behaving well at the start of each, and a desk at it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from openmart_pipeline_tests.faults import kept_people
from openmart_pipeline_tests.faults.shop import Shop
from openmart_pipeline_tests.ledger.desk import Desk, desk_at
from openmart_pipeline_tests.simulator_process import SimulatorProcess

GOOD = {
    "submit_s": 0, "read_s": 0, "processing_s": 0, "slow_s": 30, "rate_limit_per_s": None, "retry_after": "seconds",
    "date_offset_s": 0, "balance_says": "real", "credits": None, "faults": None,
}  # fmt: skip


@pytest.fixture(scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    with SimulatorProcess(tmp_path_factory.mktemp("server")) as process:
        yield process


@pytest.fixture
def shop(_server: SimulatorProcess) -> Iterator[Shop]:
    """Where everything is bought."""
    yield Shop(_server)
    _server.behave(**GOOD)


@pytest.fixture
def desk(tmp_path: Path, shop: Shop) -> Iterator[Desk]:
    """One process at one ledger, whose retries are quick."""
    with desk_at(tmp_path, shop.url) as desk:
        yield desk


@pytest.fixture(scope="session")
def bought(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A data folder after a run, and the address of the server it was bought from."""
    folder = tmp_path_factory.mktemp("bought")
    with SimulatorProcess(folder / "simulator") as simulator:
        kept_people.buy(folder / "data", simulator.url)
        yield folder / "data", simulator.url
