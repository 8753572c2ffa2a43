"""The command: quick to start and to stop, loopback only, plain sentences where it cannot run."""

import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from openmart_pipeline.simulator.command import simulate
from openmart_pipeline_tests.simulator.caller import Caller, request_bytes, task
from openmart_pipeline_tests.simulator_process import SimulatorProcess


def refused(*options: str) -> str:
    """Run a command that cannot start, and give its words."""
    result = CliRunner().invoke(simulate, [*options])
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return " ".join(result.output.split())


def test_it_says_where_it_listens_and_stops_at_once_when_told(tmp_path: Path):
    for number in (signal.SIGINT, signal.SIGTERM):
        command = [sys.executable, "-m", "openmart_pipeline.simulator", "--port", "0", "--state", "s.sqlite"]
        with subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert re.fullmatch(r"Simulator on http://127\.0\.0\.1:\d+, state in s\.sqlite\n", line)
            started = time.monotonic()
            process.send_signal(number)
            assert process.wait(5) == 0
            assert time.monotonic() - started < 2
            assert process.communicate() == ("", "")


def test_it_stops_at_once_while_answers_are_held(simulator: SimulatorProcess, tmp_path: Path):
    with SimulatorProcess(tmp_path, faults={"balance_timeout": "always"}) as held:
        with socket.create_connection(("127.0.0.1", held.port)) as client:
            client.sendall(request_bytes("GET", "/api/v2/credit-balance"))
            while not held.requests("balance"):
                time.sleep(0.01)
            started = time.monotonic()
            held.stop()
            assert time.monotonic() - started < 2
        assert held.log.read_text() == ""


def test_it_shares_no_code_with_what_it_stands_in_for_and_brings_no_heavy_library():
    code = "import sys, openmart_pipeline.simulator.command; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert modules.isdisjoint({"dagster", "pandas", "duckdb", "sqlalchemy", "httpx", "aiohttp", "pyarrow"})
    ours = {module for module in modules if module.startswith("openmart_pipeline.")}
    assert {module for module in ours if not module.startswith("openmart_pipeline.simulator")} == set()


def test_a_taken_port_is_said_in_a_sentence(simulator: SimulatorProcess, tmp_path: Path):
    words = refused("--port", str(simulator.port), "--state", str(tmp_path / "s.sqlite"))
    assert f"Port {simulator.port} is taken" in words
    assert "--port" in words


def test_a_state_file_in_use_is_said_in_a_sentence(simulator: SimulatorProcess):
    assert "held by another simulator" in refused("--port", "0", "--state", str(simulator.state))


def test_a_file_that_is_no_state_is_left_alone(tmp_path: Path):
    precious = tmp_path / "precious.csv"
    precious.write_text("domain\n" + "acme.com\n" * 200)
    assert "cannot be used as the simulator's state" in refused("--port", "0", "--state", str(precious))
    assert precious.read_text() == "domain\n" + "acme.com\n" * 200


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--fault", "poll_never=1"], "There is no fault 'poll_never'"),
        (["--fault", "poll_503"], "Write NAME=RULE, such as poll_503=next:1"),
        (["--fault", "poll_503=monthly"], "'monthly' cannot be read"),
        (["--submit-s", "-1"], "`submit_s` is not negative"),
    ],
    ids=str,
)
def test_an_option_that_cannot_be_is_explained(tmp_path: Path, options: list[str], words: str):
    assert words in refused("--port", "0", "--state", str(tmp_path / "s.sqlite"), *options)


def test_options_change_the_behaviour_kept_and_leave_the_rest(tmp_path: Path):
    with SimulatorProcess(tmp_path, submit_s=0.25) as simulator:
        state = simulator.state
    command = [
        sys.executable, "-m", "openmart_pipeline.simulator", "--port", "0", "--state", str(state),
        "--read-s", "0.5", "--credits", "77", "--fault", "poll_503=0.1", "--fault", "task_errored=domain:a.com",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Simulator on ")
        process.terminate()
    with SimulatorProcess(tmp_path) as simulator:
        behaviour = simulator.behave()
    assert (behaviour["submit_s"], behaviour["read_s"], behaviour["credits"]) == (0.25, 0.5, 77)
    assert behaviour["faults"] == {"poll_503": {"probability": 0.1}, "task_errored": {"domain": "a.com"}}


def test_a_chosen_key_is_the_only_one_let_in(tmp_path: Path):
    with (
        SimulatorProcess(tmp_path, only_key="the-one") as simulator,
        Caller(simulator, key="the-one") as right,
        Caller(simulator, key="another") as wrong,
    ):
        assert right.submit([task()]).status_code == 200
        assert wrong.submit([task()]).status_code == 401


def test_it_is_reached_on_loopback_only(simulator: SimulatorProcess):
    table = Path("/proc/net/tcp").read_text().splitlines()
    listening = [line.split()[1] for line in table if line.split()[3] == "0A"]
    assert f"0100007F:{simulator.port:04X}" in listening
    assert f"00000000:{simulator.port:04X}" not in listening
