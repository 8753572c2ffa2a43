"""The README, the help and the page of faults: what is written down is so, and what is so is written down."""

import ast
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
from click.testing import CliRunner

from openmart_pipeline.cli import COMMANDS, main
from openmart_pipeline.cli.exits import Exit
from openmart_pipeline.settings import SETTINGS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command and sub-command, as it is typed."""
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {below}", inner) for below, inner in command.commands.items())


def test_every_command_is_in_the_readme() -> None:
    assert [name for name, _ in commands() if not re.search(rf"openmart-pipeline {name}\b", README)] == []


def test_every_setting_is_in_the_readme_with_its_default() -> None:
    rows = re.findall(r"^\| `(OPENMART_[A-Z_]+)` \| (.*?) \|", README, re.MULTILINE)
    assert dict(rows) == {setting.name: setting.default for setting in SETTINGS}


def test_the_readme_names_no_setting_that_is_not_there() -> None:
    known = {setting.name for setting in SETTINGS}
    assert set(re.findall(r"OPENMART_[A-Z_]+[A-Z]", README)) <= known


def test_the_readme_names_no_command_that_is_not_there() -> None:
    known = {name for name, _ in commands()}
    typed = re.findall(r"openmart-pipeline ((?:[a-z]+)(?: [a-z]+)?)", README)
    assert [words for words in typed if words not in known and words.split()[0] not in known] == []


def test_the_example_of_an_env_file_names_only_settings() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    names = {line.split("=")[0].lstrip("# ") for line in lines if "=" in line}
    assert names
    assert names <= {setting.name for setting in SETTINGS}


def test_every_exit_code_is_in_the_readme_and_in_the_help_of_run() -> None:
    shown = CliRunner().invoke(main, ["run", "--help"]).output
    for code in Exit:
        assert re.search(rf"^\| {code.value} \|", README, re.MULTILINE)
        assert re.search(rf"\b{code.value}\b", shown)


def test_every_command_and_option_says_what_it_does() -> None:
    silent = []
    for name, command in commands():
        shown = CliRunner().invoke(main, [*name.split(), "--help"])
        assert (shown.exit_code, bool(command.help)) == (0, True), name
        options = [option for option in command.params if isinstance(option, click.Option)]
        silent += [(name, option.opts) for option in options if not option.help and not option.hidden]
    assert silent == []


def test_the_help_lists_every_command_and_answers_at_once() -> None:
    begun = time.monotonic()
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "openmart_pipeline", "--help"],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    assert time.monotonic() - begun < 5  # on a busy machine; what it must not do is loaded below
    assert not re.search(r"\| +(pandas|dagster|sqlalchemy|duckdb|httpx|rich)$", shown.stderr, re.MULTILINE)
    assert [name for name in COMMANDS if not re.search(rf"^  {name} ", shown.stdout, re.MULTILINE)] == []


TESTS = ROOT / "openmart_pipeline_tests"
FAULTS_PAGE = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
TESTS_OF_FAULTS = set(re.findall(r"`([a-z_/]+\.py::test_[a-z0-9_]+)`", FAULTS_PAGE))


def named_in(file: str) -> set[str]:
    """The tests of a file, as the page names them."""
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    functions = (node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return {f"{file}::{name}" for name in functions if name.startswith("test_")}


def test_every_fault_names_its_tests_and_each_of_them_exists() -> None:
    rows = [line.strip("| ").split(" | ") for line in FAULTS_PAGE.splitlines() if line.startswith("| ")]
    tests = {cells[0]: cells[-1].split("<br>") for cells in rows if cells[-1] != "tests"}
    assert [name for name in tests if re.fullmatch(r"F\d+", name)] == [f"F{number}" for number in range(1, 62)]
    assert {
        name: named for name, named in tests.items() if not {one.strip("`") for one in named} <= TESTS_OF_FAULTS
    } == {}
    assert TESTS_OF_FAULTS - {test for name in TESTS_OF_FAULTS for test in named_in(name.split("::")[0])} == set()


def test_every_test_of_a_fault_is_on_the_page() -> None:
    files = (f"faults/{path.name}" for path in (TESTS / "faults").glob("test_*.py"))
    assert {test for file in files for test in named_in(file)} - TESTS_OF_FAULTS == set()
