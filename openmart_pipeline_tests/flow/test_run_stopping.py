"""`run` as a process: interrupted once and twice, ended by SIGTERM, asked at a terminal, without a server."""

import os
import pty
import re
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openmart_pipeline_tests.cli.terminal import Terminal
from openmart_pipeline_tests.money import assert_accounts_agree, at_work, batch_states
from openmart_pipeline_tests.simulator_process import SimulatorProcess

SECONDS_OF_A_SUBMIT = 2.0
LONG_S = 40.0


@pytest.fixture(scope="module")
def without_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Terminal, subprocess.Popen[str]]]:
    """A run that nobody answers. It tries for most of a minute, so it is started long before it is looked at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        terminal = Terminal(tmp_path_factory.mktemp("alone"), f"http://127.0.0.1:{taken.getsockname()[1]}")
        with terminal.start("run", terminal.companies("a.csv", 2), "--yes") as process:
            yield terminal, process
            process.kill()


@pytest.fixture
def shop(make_simulator: Callable[..., SimulatorProcess], terminal: Terminal) -> SimulatorProcess:
    """A server whose submits are slow enough to be interrupted."""
    simulator = make_simulator(submit_s=SECONDS_OF_A_SUBMIT)
    terminal.environment["OPENMART_BASE_URL"] = simulator.url
    return simulator


def until_submits_are_in_flight(simulator: SimulatorProcess, count: int) -> None:
    deadline = time.monotonic() + 30
    while simulator.account()["submits"] < count:
        assert time.monotonic() < deadline, "no submit came"
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
@pytest.mark.usefixtures("without_server")
def test_an_interrupt_waits_for_the_submits_in_flight_and_says_so_at_once(
    terminal: Terminal, shop: SimulatorProcess, number: signal.Signals
) -> None:
    path = terminal.companies("a.csv", 220)
    with terminal.start("run", path, "--yes", OPENMART_SUBMIT_CONCURRENCY="2") as process:
        until_submits_are_in_flight(shop, 2)
        assert process.stderr is not None
        assert process.stderr.readline() == f"Data folder: {terminal.data}.\n"
        asked_at = time.monotonic()
        process.send_signal(number)
        said = process.stderr.readline()
        assert time.monotonic() - asked_at < SECONDS_OF_A_SUBMIT / 2
        output, _ = process.communicate(timeout=LONG_S)
    assert "waiting for 2 submits in flight" in said
    assert "Ctrl-C again abandons them" in said
    assert process.returncode == 130
    assert "20 questions still to buy" in output
    with at_work(terminal.data, shop.url) as (work, _):
        assert set(batch_states(work)) <= {"submitted", "ready", "collected"}
        assert_accounts_agree(work, shop)
    shop.behave(submit_s=0)
    assert terminal("run", path, "--yes").exit_code == 0
    with at_work(terminal.data, shop.url) as (work, _):
        assert_accounts_agree(work, shop)
    assert shop.account()["tasks"] == 220


@pytest.mark.usefixtures("without_server")
def test_a_second_interrupt_abandons_and_what_was_abandoned_is_unknown(
    terminal: Terminal, shop: SimulatorProcess
) -> None:
    shop.behave(submit_s=30)
    path = terminal.companies("a.csv", 150)
    with terminal.start("run", path, "--yes") as process:
        until_submits_are_in_flight(shop, 2)
        assert process.stderr is not None
        assert process.stderr.readline().startswith("Data folder: ")
        process.send_signal(signal.SIGINT)
        process.stderr.readline()
        abandoned_at = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=LONG_S)
    assert time.monotonic() - abandoned_at < 10
    assert process.returncode == 130
    assert "Batches 1, 2 may be paid for" in said
    listed = terminal("unknown", "list")
    assert re.findall(r"^ (\d) +a\.csv", listed.stdout, re.MULTILINE) == ["1", "2"]
    again = terminal("run", path, "--yes")
    assert again.exit_code == 4
    assert shop.account()["submits"] == 2


@pytest.mark.parametrize(("answer", "code"), [("n\n", 2), ("y\n", 0)])
def test_a_person_at_a_terminal_is_asked_and_sees_it_go_on(
    terminal: Terminal, simulator: SimulatorProcess, answer: str, code: int
) -> None:
    before = simulator.account()["batches"]
    ours, theirs = pty.openpty()
    with terminal.start("run", terminal.companies("a.csv", 3), screen=theirs, TERM="xterm") as process:
        os.close(theirs)
        assert process.stdout is not None
        shown = ""
        while "[y/N]" not in shown:
            piece = os.read(process.stdout.fileno(), 4096).decode()
            assert piece, shown
            shown += piece
        os.write(ours, answer.encode())
        screen = read_all(ours)
        process.communicate(timeout=LONG_S)
    assert "Buy 3 tasks for up to 99 credits (estimated)?" in shown
    assert process.returncode == code
    if code:
        assert "Nothing was bought" in screen
    else:
        assert "submitted" in screen
        assert "collected" in screen
    assert simulator.account()["batches"] == before + (code == 0)


def read_all(descriptor: int) -> str:
    """What is written to a pseudo terminal until its last writer has gone."""
    pieces = []
    try:
        while select.select([descriptor], [], [], LONG_S)[0]:
            pieces.append(os.read(descriptor, 4096))
    except OSError:  # Linux says the end of a pseudo terminal so
        pass
    finally:
        os.close(descriptor)
    return b"".join(pieces).decode("utf-8", "replace")


def test_a_key_is_in_no_output_and_no_file(terminal: Terminal, make_simulator: Callable[..., SimulatorProcess]) -> None:
    canary = "canary-4f1c9e77ab"
    simulator = make_simulator(only_key=canary, faults={"created_then_502": "nth:1", "task_500": "next:3"})
    terminal.environment |= {"OPENMART_BASE_URL": simulator.url, "OPENMART_API_KEY": canary}
    path = terminal.companies("a.csv", 150)
    said = [terminal(*words) for words in (("check",), ("run", path, "--yes"), ("status",), ("unknown", "list"))]
    said.append(terminal("run", terminal.companies("b.csv", 2), "--yes", OPENMART_API_KEY=f"{canary}-wrong"))
    assert [done.exit_code for done in said] == [0, 4, 0, 0, 6]
    assert not [done.output for done in said if canary in done.output]
    files = [file for file in Path(terminal.data).rglob("*") if file.is_file()]
    assert len(files) > 4
    assert not [file for file in files if canary.encode() in file.read_bytes()]


def test_without_a_server_nothing_is_bought_and_everything_stays_owed(
    without_server: tuple[Terminal, subprocess.Popen[str]],
) -> None:
    terminal, process = without_server
    output, said = process.communicate(timeout=90)
    assert process.returncode == 6
    assert "OPENMART_BASE_URL" in output.splitlines()[-1] or "reach" in output
    assert "2 questions still to buy" in output.splitlines()[-1]
    assert "Trying again in" in said
    with at_work(terminal.data, str(terminal.environment["OPENMART_BASE_URL"])) as (work, _):
        assert set(batch_states(work)) == {"not_sent"}
