"""One simulator for each file of these tests, behaving well at the start of each test."""

from collections.abc import Iterator

import pytest

from openmart_pipeline_tests.simulator.caller import Caller
from openmart_pipeline_tests.simulator_process import SimulatorProcess


@pytest.fixture(scope="module")
def simulator_of_the_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    with SimulatorProcess(tmp_path_factory.mktemp("simulator")) as simulator:
        yield simulator


@pytest.fixture
def simulator(simulator_of_the_file: SimulatorProcess) -> SimulatorProcess:
    as_started = {
        "submit_s": 0, "read_s": 0, "processing_s": 0, "jitter": 0, "slow_s": 30, "trickle_s": 1,
        "rate_limit_per_s": None, "retry_after": "seconds", "date_offset_s": 0, "balance_says": "real",
        "credits": None, "seed": 0, "faults": None,
    }  # fmt: skip
    simulator_of_the_file.behave(**as_started)
    return simulator_of_the_file


@pytest.fixture
def caller(simulator: SimulatorProcess) -> Iterator[Caller]:
    with Caller(simulator) as caller:
        yield caller
