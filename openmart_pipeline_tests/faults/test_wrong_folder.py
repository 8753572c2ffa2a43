"""F39, F55: one ledger, wherever a person stands; reading makes none; another base path is another API."""

import importlib.util
import shutil
from pathlib import Path

import pytest

from openmart_pipeline import home
from openmart_pipeline.settings import SettingsRefused, read_settings
from openmart_pipeline_tests.cli.terminal import Terminal, number
from openmart_pipeline_tests.simulator_process import SimulatorProcess

READING = (
    ("status",), ("unknown", "list"), ("unknown", "history"), ("ledger", "verify"), ("ledger", "backup", "copy.sqlite"),
    ("subject", "ann@example.com"), ("query", "SELECT 1"), ("export", "out.csv"), ("report", "out.html"), ("collect",),
    ("rebuild",), ("retire", "a.csv"), ("forget", "ann@example.com", "--yes", "--why", "7", "--without-vendor"),
    ("ledger", "restored", "--lift"), ("ledger", "new-journal", "--why", "lost"),
)  # fmt: skip


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another folder to stand in."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_the_same_command_from_three_folders_buys_once(
    terminal: Terminal, simulator: SimulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = terminal.companies("a.csv", 3)
    before = simulator.account()["tasks"]
    for name in ("one", "two", "three"):
        folder = terminal.folder / name
        folder.mkdir()
        monkeypatch.chdir(folder)
        shown = terminal("run", file, "--yes")
        assert (shown.exit_code, list(folder.iterdir())) == (0, []), shown.output
        assert f"Data folder: {terminal.data}." in shown.stderr
    assert simulator.account()["tasks"] - before == 3
    assert number(shown.output, "questions reused") == 3


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_a_command_that_reads_makes_nothing_where_nothing_is_and_says_so(
    tmp_path: Path, elsewhere: Path, words: tuple[str, ...]
) -> None:
    terminal = Terminal(tmp_path / "nothing", "http://127.0.0.1:9")
    shown = terminal(*words)
    assert (shown.exit_code, terminal.folder.exists(), list(elsewhere.iterdir())) == (2, False, []), shown.output
    assert f"There is no ledger at {terminal.data}" in shown.stderr or "no published database" in shown.stderr
    assert f"Data folder: {terminal.data}." in shown.stderr
    assert "Nothing is held" not in shown.output


def test_check_before_the_first_run_makes_nothing_and_finds_all_in_order(
    terminal: Terminal, tmp_path: Path, elsewhere: Path
) -> None:
    nothing = tmp_path / "nothing"
    shown = terminal("check", OPENMART_HOME=str(nothing))
    assert (shown.exit_code, nothing.exists(), list(elsewhere.iterdir())) == (0, False, []), shown.output
    assert "none yet" in shown.output


def test_the_env_file_of_the_current_folder_is_not_read(terminal: Terminal, elsewhere: Path) -> None:
    (elsewhere / ".env").write_text("OPENMART_CREDITS_PER_DAY=nonsense\n")
    assert terminal("check").exit_code == 0
    shutil.move(elsewhere / ".env", terminal.folder / ".env")
    assert "OPENMART_CREDITS_PER_DAY" in terminal("check").stderr


def test_a_home_that_depends_on_where_one_stands_is_refused(terminal: Terminal) -> None:
    with pytest.raises(SettingsRefused, match="OPENMART_HOME is 'somewhere'"):
        read_settings({"OPENMART_HOME": "somewhere"})
    assert terminal("status", OPENMART_HOME="somewhere").exit_code == 2
    terminal.file(".env", "OPENMART_HOME=/somewhere")
    assert "set it in the shell instead" in terminal("status").output


def test_a_users_folder_that_depends_on_where_one_stands_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """HOME is relative: the ledger, and what is known of others, would be other ones in every folder."""
    monkeypatch.setenv("HOME", ".")
    monkeypatch.setattr(home, "ROOT", tmp_path)
    with pytest.raises(home.HomeUnknown, match="another folder wherever you stand"):
        home.home_folder({})
    assert home.registry_path({}) is None


def test_relative_folders_lie_in_the_home_folder_and_absolute_ones_where_they_say(tmp_path: Path) -> None:
    read = read_settings({"OPENMART_HOME": "/h", "OPENMART_DATA_DIR": "d", "OPENMART_LEDGER_URL": "sqlite:///l.sqlite"})
    assert (read.data_dir, read.ledger_path) == (Path("/h/d"), Path("/h/l.sqlite"))
    absolute = {"OPENMART_DATA_DIR": str(tmp_path), "OPENMART_LEDGER_URL": f"sqlite:///{tmp_path}/l.sqlite"}
    read = read_settings({"OPENMART_HOME": "/h", **absolute})
    assert (read.data_dir, read.ledger_path) == (tmp_path, tmp_path / "l.sqlite")
    simulated = read_settings({"OPENMART_HOME": "/h", "OPENMART_SIMULATOR_URL": "http://127.0.0.1:1"})
    assert (simulated.data_dir, simulated.ledger_path) == (
        Path("/h/data/simulated"), Path("/h/data/simulated/ledger.sqlite")
    )  # fmt: skip


def test_a_checkout_is_its_own_home_and_an_installed_package_has_the_users(tmp_path: Path, elsewhere: Path) -> None:
    assert elsewhere
    assert home.home_folder({}) == Path(__file__).resolve().parents[2]
    installed = tmp_path / "site-packages" / "openmart_pipeline" / "home.py"
    installed.parent.mkdir(parents=True)
    shutil.copyfile(home.__file__, installed)
    spec = importlib.util.spec_from_file_location("installed_home", installed)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.home_folder({"XDG_DATA_HOME": "/x"}) == Path("/x/openmart_pipeline")
    assert module.home_folder({}) == Path("~/.local/share/openmart_pipeline").expanduser()


def test_another_base_path_of_a_host_is_another_api() -> None:
    identities = [
        read_settings({"OPENMART_BASE_URL": f"https://API.example.com{path}"}).api_identity
        for path in ("", "/", "/prod", "/prod/", "/staging", "/Prod")
    ]
    host = "api.example.com"
    assert identities == [host, host, f"{host}/prod", f"{host}/prod", f"{host}/staging", f"{host}/Prod"]
