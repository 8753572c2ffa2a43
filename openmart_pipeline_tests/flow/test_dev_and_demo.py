"""`demo` and `dev` as a newcomer starts them: no key, nothing set, and no process left when they end."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import threading
from contextlib import ExitStack
from pathlib import Path

import dagster as dg
import pytest

from openmart_pipeline.defs.instance_home import prepare_home
from openmart_pipeline.defs.partitions import input_files
from openmart_pipeline_tests.cli.terminal import Terminal, number
from openmart_pipeline_tests.dagster_web import JOB, LAUNCH, dagster_web, execution
from openmart_pipeline_tests.flow.browser import CHROMIUM, HostilePage, browser
from openmart_pipeline_tests.flow.dagster_service import DagsterService, until
from openmart_pipeline_tests.simulator_process import SimulatorProcess

DEMO_TIMEOUT_S = 300.0
# What DuckDB's binding says last, without a line's end, in a process that was stopped in the middle of a look.
UNENDED_LINE = "See https://nanobind.readthedocs.io/en/latest/refleaks.html"
FILE = "accounts.csv"  # of the samples
SUBSCRIBE = """new Promise((done) => {
  const socket = new WebSocket(`ws://${location.host}/graphql`, "graphql-ws");
  socket.onopen = () => socket.send('{"type": "connection_init"}');
  socket.onmessage = (message) => done(message.data);
  socket.onerror = () => done("refused");
})"""
README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def newcomer(tmp_path: Path) -> Terminal:
    """A person at a shell in an empty folder, without a key and without any setting."""
    terminal = Terminal(tmp_path, "")
    terminal.environment = {"OPENMART_API_KEY": None, "OPENMART_BASE_URL": None, "OPENMART_HOME": str(tmp_path)}
    return terminal


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def processes_of(folder: Path) -> list[str]:
    """Every process whose environment, command or current folder lies in this folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
            if str(folder).encode() in words or (entry / "cwd").resolve().is_relative_to(folder):
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:  # it ended meanwhile, or is somebody else's
            continue
    return found


def lines_of(text: str) -> list[str]:
    """What is on the screen, without what lies in another place on each machine: the path of Python."""
    return [line.rstrip() for line in text.splitlines() if line.strip() and "import duckdb" not in line]


def test_a_demo_shows_what_the_readme_shows_and_a_second_one_buys_nothing(newcomer: Terminal) -> None:
    with newcomer.start("demo") as first:
        shown, _ = first.communicate(timeout=DEMO_TIMEOUT_S)
    with newcomer.start("demo") as second:
        again, _ = second.communicate(timeout=DEMO_TIMEOUT_S)
    assert (first.returncode, second.returncode) == (0, 0)
    [promised] = re.findall(r"```text\n\$ make demo\n\[.*\]\n(.*?)```", README, re.DOTALL)
    assert lines_of(promised) == lines_of(shown)[-len(lines_of(promised)) :]
    bought = number(shown, "questions bought now")
    assert bought > 100
    assert number(again, "questions bought now") == 0
    assert number(again, "questions reused") >= bought
    assert again.strip().endswith("Nothing was bought: all of it was owned.")
    query = next(line for line in shown.splitlines() if "import duckdb" in line)
    answer = subprocess.run(query, shell=True, cwd=newcomer.folder, capture_output=True, text=True, check=True)
    assert "person_id" in answer.stdout
    assert processes_of(newcomer.folder) == []


def test_a_killed_demo_leaves_no_simulator_that_holds_its_state(newcomer: Terminal) -> None:
    with newcomer.start("demo") as process:
        assert process.stdout is not None
        assert "The simulated world" in process.stdout.readline()
        assert any("simulator" in line for line in processes_of(newcomer.folder))
        process.kill()
    until("the simulator has ended too", lambda: not processes_of(newcomer.folder), 10)


def test_dev_says_which_port_is_taken_and_starts_nothing(newcomer: Terminal) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with newcomer.start("dev", "--port", port) as process:
            _, said = process.communicate(timeout=DEMO_TIMEOUT_S)
    assert process.returncode == 2
    assert f"Port {port} is taken" in said
    assert "--port" in said
    assert not (newcomer.data / "simulated").exists()


def attack_from_a_page(folder: Path, service: DagsterService, approved: dict[str, object], said: list[str]) -> None:
    """Open a page of another site that knows the plan, in a real browser: its ways are live elsewhere, and fail here."""
    folder.mkdir()
    variables = json.dumps(execution("WAY", FILE, approved))
    with dagster_web(prepare_home(folder / "dagster_home"), FILE) as web, ExitStack() as closing:
        doors = {"open": web.open_port, "dev": service.port}
        targets = [{"door": door, "port": at, "query": LAUNCH, "variables": variables} for door, at in doors.items()]
        page = closing.enter_context(HostilePage(targets))
        rebound = {at: closing.enter_context(HostilePage(targets, relay_to=at)).port for at in doors.values()}
        names = {f"evil.test:{at}": relay for at, relay in rebound.items()}
        chromium = closing.enter_context(browser(folder, {**names, f"evil.test:{page.port}": page.port}))
        chromium.page(f"http://evil.test:{page.port}/cats.html")
        report = page.report()
        tried = {*report["ways"], "rebinding"}
        live = {f"open: {way}" for way in tried}
        until("every way is live at Dagster's own web server", lambda: live <= web.ways(), DEMO_TIMEOUT_S)
        assert service.runs(JOB) == {}
        until("dev refuses each", lambda: sum("Refused" in line for line in said) >= len(tried), DEMO_TIMEOUT_S)
        read = report["read"]
        assert {"open: websocket", "open: rebinding"} <= read.keys()
        assert {door: text for door, text in read.items() if door.startswith("dev")}.keys() == {"dev: rebinding"}
        assert read["dev: rebinding"].startswith("Refused: ")

        ui = chromium.page(f"http://localhost:{service.port}/assets")
        shows = lambda: "enrichment_plan" in (chromium.evaluate(ui, "document.body.innerText") or "")  # noqa: E731
        until("the UI itself shows the assets", shows, DEMO_TIMEOUT_S)
        subscribes = lambda: "connection_ack" in (chromium.evaluate(ui, SUBSCRIBE) or "")  # noqa: E731
        until("the UI itself hears of events", subscribes, DEMO_TIMEOUT_S)


def test_dev_is_a_simulated_world_that_no_page_can_spend_in_and_ctrl_c_waits_for_its_submits(
    newcomer: Terminal,
) -> None:
    assert CHROMIUM or not os.environ.get("CI"), "Chromium is missing: .ci/run installs it"
    port = free_port()
    said: list[str] = []
    newcomer.file(".env", "OPENMART_DATA_DIR=elsewhere")  # Dagster would load it over the shell's own
    newcomer.environment["OPENMART_DATA_DIR"] = "data"
    with newcomer.start("dev", "--port", port, "--simulator-port", 0) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        readers = [
            threading.Thread(target=said.extend, args=(process.stderr,)),
            threading.Thread(target=process.stdout.read),
        ]
        for reader in readers:
            reader.start()
        ready = until("Dagster answers", lambda: [line for line in said if line.startswith("Ready: ")], DEMO_TIMEOUT_S)
        assert ready == [f"Ready: http://localhost:{port}\n"]
        url = re.search(r"The world is simulated, by (http://\S+)\.", said[0])
        assert url, said[0]
        newcomer.environment["OPENMART_SIMULATOR_URL"] = url[1]
        with newcomer.start("quote", newcomer.data / "simulated" / "input" / FILE) as quote:
            quote.communicate(timeout=DEMO_TIMEOUT_S)
        assert quote.returncode == 0
        service = DagsterService(newcomer.folder, newcomer.data / "simulated" / "dagster_home", {})
        service.port = port
        with dg.DagsterInstance.from_config(str(newcomer.data / "simulated" / "dagster_home")) as instance:
            instance.add_dynamic_partitions(str(input_files.name), [FILE])  # as the sensor does on its second look
        with sqlite3.connect(newcomer.data / "simulated" / "ledger.sqlite") as ledger:
            [(plan,)] = ledger.execute(
                "SELECT current_plan_id FROM partitions WHERE partition_key = ?", [FILE]
            ).fetchall()
        approved = {"ops": {"submitted_batches": {"config": {"credit_limit": 100_000, "plan": plan}}}}
        simulator = SimulatorProcess(newcomer.folder)
        simulator.port = int(url[1].rpartition(":")[2])
        if CHROMIUM:
            attack_from_a_page(newcomer.folder / "attack", service, approved, said)
            assert service.runs(JOB) == {}
        assert simulator.account()["submits"] == 0
        service.launch(JOB, FILE, approved)
        until("a submit is in flight", lambda: simulator.account()["submits"], DEMO_TIMEOUT_S)
        process.send_signal(signal.SIGINT)
        process.wait(DEMO_TIMEOUT_S)
        for reader in readers:
            reader.join()
    assert process.returncode == 0
    assert said[-1].removeprefix(UNENDED_LINE) == "Stopped.\n"
    assert not (newcomer.folder / "elsewhere").exists()
    assert "UserWarning" not in "".join(said)  # nothing that a newcomer would have to be told to ignore
    assert processes_of(newcomer.folder) == []
    with newcomer.start("status") as status:
        shown, _ = status.communicate(timeout=DEMO_TIMEOUT_S)
    assert re.search(r"^ submitted +1 *$", shown, re.MULTILINE), shown
    assert "Unknown" not in shown
    if not CHROMIUM:
        pytest.skip("No Chromium here: all but the page of another site was tried")
