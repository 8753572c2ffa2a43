"""Whatever the umask, nobody else reads what the pipeline holds; and no file in a folder chooses where a key goes."""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from openmart_pipeline.cli.environment import read_environment
from openmart_pipeline.defs.instance_home import prepare_home
from openmart_pipeline.private_files import written_by_others
from openmart_pipeline.settings import SettingsRefused, read_settings
from openmart_pipeline.wiring import open_workplace
from openmart_pipeline_tests import money
from openmart_pipeline_tests.cli.terminal import Terminal

KEY = "sk-4711-canary"
FOR_OTHERS = {"", "input", "published"}  # below the data folder


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def modes(data: Path) -> dict[str, int]:
    return {path.relative_to(data).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in sorted(data.rglob("*"))}


def open_to_others(data: Path) -> dict[str, str]:
    """What of the private files and folders others may use in any way."""
    private = {
        name: mode
        for name, mode in modes(data).items()
        if name not in FOR_OTHERS and not name.startswith(("input/", "published/"))
    }
    assert {"ledger.sqlite", "submissions.jsonl", "warehouse.duckdb", "files", "owners"} <= private.keys()
    return {name: oct(mode) for name, mode in private.items() if mode & 0o077}


@pytest.mark.parametrize("mask", [0o000, 0o022])
def test_only_the_owner_reads_what_is_held_and_analysts_read_what_is_published(terminal: Terminal, mask: int) -> None:
    path = terminal.file("companies.csv", "Website", f"private-files-{mask}.com")
    with umask(mask):
        terminal.data = terminal.folder / "other_data"
        environment = {"OPENMART_DATA_DIR": str(terminal.data)}
        assert terminal("run", path, "--yes", **environment).exit_code == 0
        listed = terminal("suppress", "ada@example.com", "--why", "ticket 7", "--without-vendor", **environment)
        assert listed.exit_code == 0
        prepare_home(terminal.data / "dagster_home")
    assert open_to_others(terminal.data) == {
        name: oct(mode)
        for name, mode in modes(terminal.data).items()
        if name.startswith("dagster_home/") and mode & 0o077
    }
    assert modes(terminal.data)["suppression.key"] == 0o600
    assert modes(terminal.data)["dagster_home"] == 0o700  # what Dagster itself makes in it is out of reach
    assert modes(terminal.data)["published/contacts.duckdb"] == 0o444
    for folder in (terminal.data, terminal.data / "published", terminal.data / "input"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_what_others_could_read_is_closed_at_the_next_command(terminal: Terminal) -> None:
    path = terminal.file("companies.csv", "Website", "closed-again.com")
    assert terminal("run", path, "--yes").exit_code == 0
    for private in terminal.data.rglob("*"):
        private.chmod(0o777 if private.is_dir() else 0o666)
    assert terminal("status").exit_code == 0
    below = ("files/", "owners/")  # the folder is closed
    assert {name for name in open_to_others(terminal.data) if not name.startswith(below)} == set()


def test_the_logs_of_open_databases_are_private_and_the_umask_comes_back(terminal: Terminal) -> None:
    settings = read_settings({"OPENMART_DATA_DIR": str(terminal.data)})
    with umask(0):
        with open_workplace(settings, actor="tests") as work, open_workplace(settings, actor="tests"):
            terminal.file("data/input/companies.csv", "Website", "logs.com")
            money.planned(work, "companies.csv")
            work.journal.path.touch()
            open_now = modes(terminal.data)
            assert {"ledger.sqlite-wal", "ledger.sqlite-shm"} <= open_now.keys()
            assert open_to_others(terminal.data) == {}
        assert os.umask(0) == 0


@pytest.mark.parametrize(("mode", "is_fine"), [(0o600, True), (0o644, True), (0o664, False), (0o646, False)])
def test_check_says_that_others_may_write_the_env_file(terminal: Terminal, mode: int, is_fine: bool) -> None:
    terminal.file(".env", "OPENMART_CREDITS_PER_DAY=100").chmod(mode)
    result = terminal("check")
    assert ("PROBLEM  .env" in result.stdout) is not is_fine
    assert ("others may write to" in result.stdout) is not is_fine


@pytest.mark.parametrize("kind", ["loop", "dangling", "folder"])
def test_an_env_file_that_can_not_be_read_is_not_taken_for_one_without_limits(
    terminal: Terminal, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENMART_HOME", str(terminal.folder))
    path = terminal.folder / ".env"
    if kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(path if kind == "loop" else terminal.folder / "gone")
    with pytest.raises(click.UsageError, match="limits that stand in it would not hold"):
        read_environment()
    assert written_by_others(path) is None


def test_a_file_in_the_folder_does_not_choose_where_the_key_of_the_shell_goes(terminal: Terminal) -> None:
    address = terminal.environment["OPENMART_BASE_URL"]
    file = terminal.file("companies.csv", "Website", "where-the-key-goes.com")
    terminal.file(".env", f"OPENMART_BASE_URL={address}")
    for in_file in ("", "OPENMART_API_KEY=another"):
        terminal.file(".env", f"OPENMART_BASE_URL={address}", in_file)
        for command in (("run", file, "--yes"), ("check",), ("status",)):
            result = terminal(*command, OPENMART_BASE_URL=None, OPENMART_API_KEY=KEY)
            assert result.exit_code == 2
            assert "the file would choose where your key goes. Nothing was sent." in " ".join(result.stderr.split())
            assert KEY not in result.output
    assert not (terminal.data / "ledger.sqlite").exists()
    # Both from one place, whichever it is.
    assert terminal("check", OPENMART_API_KEY=KEY).exit_code == 0
    terminal.file(".env", f"OPENMART_BASE_URL={address}", f"OPENMART_API_KEY={KEY}")
    assert terminal("check", OPENMART_BASE_URL=None, OPENMART_API_KEY=None).exit_code == 0


def test_only_settings_of_ours_are_taken_from_the_env_file(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENMART_HOME", str(terminal.folder))
    lines = ["LD_PRELOAD=/tmp/x.so", "HTTPS_PROXY=http://evil.test", "OPENMART_DATA_DIR=${OPENMART_API_KEY}"]
    terminal.file(".env", *lines)
    taken = read_environment()
    assert {"LD_PRELOAD", "HTTPS_PROXY"}.isdisjoint(taken.keys() - os.environ.keys())
    assert taken["OPENMART_DATA_DIR"] == "${OPENMART_API_KEY}"


@pytest.mark.parametrize(
    "address",
    [
        f"https://{KEY}@api.openmart.ai",
        f"https://user:{KEY}@api.openmart.ai",
        f"https://api.openmart.ai?key={KEY}",
        f"https://api.openmart.ai/{KEY}/v1",
        f"https://api.openmart.ai/{KEY.replace('-', '%2D')}",
        f"https://{KEY}.api.openmart.ai",
    ],
)
def test_a_key_in_an_address_is_refused_without_being_repeated(address: str) -> None:
    with pytest.raises(SettingsRefused, match="OPENMART_BASE_URL") as refused:
        read_settings({"OPENMART_BASE_URL": address, "OPENMART_API_KEY": KEY})
    assert KEY not in str(refused.value)
