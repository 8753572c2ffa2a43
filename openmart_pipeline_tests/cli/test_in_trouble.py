"""F49 at the command line: a damaged ledger, folders that lead nowhere, too little memory, Ctrl-C in a query."""

import resource
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import click
import pytest

from openmart_pipeline.cli import LEAST_ADDRESS_SPACE
from openmart_pipeline.cli.exits import plain_sentences
from openmart_pipeline_tests.cli.terminal import ROOT, Terminal
from openmart_pipeline_tests.simulator_process import SimulatorProcess

ENDLESS = "SELECT count(*) FROM range(100000000000) a, range(1000) b WHERE a.range * b.range % 7 = 3"
DAMAGE = ("DROP TABLE asks", "UPDATE partitions SET state = CAST(x'ff' AS TEXT)", "UPDATE plans SET created_at = ''")
COMMANDS = (("status",), ("quote", "a.csv"), ("run", "a.csv", "--yes"), ("collect",), ("ledger", "verify"))


def test_a_damaged_ledger_is_a_sentence_in_every_command(terminal: Terminal, simulator: SimulatorProcess) -> None:
    terminal("quote", terminal.companies("a.csv", 2))
    ledger = terminal.data / "ledger.sqlite"
    whole, sold = ledger.read_bytes(), simulator.account()["submits"]
    for statement in DAMAGE:
        ledger.write_bytes(whole)
        with closing(sqlite3.connect(ledger)) as connection:
            connection.executescript(f"PRAGMA ignore_check_constraints = ON; {statement}")
        for command in COMMANDS:
            ended = terminal(*command)
            assert ended.exception is None or isinstance(ended.exception, SystemExit), (statement, command)
            assert ended.exit_code in (0, 6), (statement, command, ended.output)
        assert terminal("run", "a.csv", "--yes").exit_code == 6
    assert simulator.account()["submits"] == sold


def test_a_folder_that_leads_to_itself_is_a_sentence(terminal: Terminal) -> None:
    loop = terminal.folder / "loop"
    loop.symlink_to(loop)
    (terminal.folder / "loop.sqlite").symlink_to(terminal.folder / "loop.sqlite")
    terminal.companies("a.csv", 1)
    for settings in (
        {"OPENMART_DATA_DIR": str(loop)},
        {"OPENMART_LEDGER_URL": f"sqlite:///{terminal.folder / 'loop.sqlite'}"},
    ):
        for command in (("quote", "a.csv"), ("status",), ("check",)):
            ended = terminal(*command, **settings)
            assert ended.exception is None or isinstance(ended.exception, SystemExit), (settings, command)
            assert ended.exit_code != 0, (settings, command)
    assert terminal("quote", loop / "a.csv").exit_code == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_query_ends_at_ctrl_c_with_a_sentence(terminal: Terminal, number: signal.Signals) -> None:
    terminal("run", terminal.companies("a.csv", 1), "--yes")
    with terminal.start("export", "x.csv", "--sql", ENDLESS, OPENMART_DATA_DIR=str(terminal.data)) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("Data folder: ")
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.startswith("Error: Interrupted.")
    assert "Traceback" not in said
    assert list(terminal.folder.glob("*x.csv*")) == []


def test_too_little_memory_is_a_sentence(tmp_path: Path) -> None:
    """With so little the libraries would end the process themselves, in the middle of whatever it does."""
    most = LEAST_ADDRESS_SPACE - 2**20
    ended = subprocess.run(
        [sys.executable, "-m", "openmart_pipeline", "status"],
        cwd=ROOT, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (most, most)),
    )  # fmt: skip
    assert ended.returncode == 6
    assert "ulimit -v" in ended.stderr
    assert "Traceback" not in ended.stderr
    with pytest.raises(click.ClickException, match="too little memory") as said, plain_sentences():
        bytearray(2**62)
    assert said.value.exit_code == 6
