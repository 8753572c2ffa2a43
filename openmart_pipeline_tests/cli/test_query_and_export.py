"""`query` and `export` at the command line: what is printed, what is refused, and how they end."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from openmart_pipeline.cli.export import export
from openmart_pipeline.cli.query import query
from openmart_pipeline_tests.cli.terminal import remarks
from openmart_pipeline_tests.warehouse.warehouse_rows import (
    INFO,
    answer,
    body,
    companies,
    plan,
    rejected,
    warehouse_in,
)

PEOPLE = [
    {"full_name": "Ann\x1b[31m", "title": "=1+1", "email": {"email": "ann@company2.com", "verified": True}},
    {"full_name": "Bob"},
]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    warehouse = warehouse_in(folder)
    warehouse.replace_companies("a.csv", "sha", [(companies([2]), rejected())])
    warehouse.replace_plan("a.csv", "plan", [plan([{"source_row": 2}])])
    warehouse.replace_answers("a.csv", [[answer("company2.com owner", raw=body(*PEOPLE))]], api_host="h", run_id="r")
    warehouse.publish(1, INFO)
    return folder


def ask(data_dir: Path, *args: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(query, args, obj={"OPENMART_DATA_DIR": str(data_dir)}, input=stdin)


def write(data_dir: Path, *args: object) -> Result:
    return CliRunner().invoke(export, [str(arg) for arg in args], obj={"OPENMART_DATA_DIR": str(data_dir)})


def test_a_query_prints_a_table_that_a_terminal_can_not_obey(data_dir: Path) -> None:
    done = ask(data_dir, "SELECT full_name, email FROM contacts ORDER BY full_name")
    assert done.exit_code == 0
    lines = [line.split() for line in done.stdout.splitlines() if line.strip()]
    assert lines[0] == ["full_name", "email"]
    assert lines[-1] == ["Bob", "NULL"]
    assert "\x1b" not in done.stdout


def test_a_long_result_says_how_much_is_not_shown(data_dir: Path) -> None:
    done = ask(data_dir, "SELECT range FROM range(5000)", "--rows", "3")
    assert "4,997 more rows" in done.stderr
    assert "4999" not in done.stdout


def test_csv_and_json_are_for_other_programs(data_dir: Path) -> None:
    sql = "SELECT title, is_role_address FROM contacts WHERE email IS NOT NULL"
    assert ask(data_dir, sql, "--format", "csv").stdout == "title,is_role_address\n'=1+1,False\n"
    assert json.loads(ask(data_dir, sql, "--format", "json").stdout) == {"title": "=1+1", "is_role_address": False}


def test_sql_can_come_from_stdin(data_dir: Path) -> None:
    assert "42" in ask(data_dir, "-", stdin="SELECT 42 AS answer").stdout


@pytest.mark.parametrize("sql", ["DROP TABLE contacts", "SELECT nonsense FROM contacts", "COPY contacts TO 'x.csv'"])
def test_sql_that_is_refused_ends_with_a_sentence_and_code_2(data_dir: Path, sql: str) -> None:
    done = ask(data_dir, sql)
    assert (done.exit_code, done.stdout) == (2, "")
    assert remarks(done).startswith("Error: ")
    assert "Traceback" not in done.stderr


def test_without_a_published_database_both_say_how_to_get_one(tmp_path: Path) -> None:
    for done in (ask(tmp_path, "SELECT 1"), write(tmp_path, tmp_path / "x.csv")):
        assert done.exit_code == 2
        assert "openmart-pipeline run" in done.stderr


def test_an_export_says_what_it_wrote_and_what_it_marked(data_dir: Path, tmp_path: Path) -> None:
    target = tmp_path / "contacts.csv"
    done = write(data_dir, target, "--file", "a.csv")
    assert done.exit_code == 0
    assert done.stdout.split(".csv.")[0].startswith("2 rows written")
    assert "1 text that a spreadsheet might run as a formula is marked" in done.stdout
    assert write(data_dir, target).exit_code == 2
    assert write(data_dir, target, "--replace", "--view", "best_contacts").exit_code == 0


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["x.csv", "--file", "z.csv"], "it knows a.csv"),
        (["x.doc"], "names no format"),
        (["x.csv", "--view", "nonsense"], "best_contacts"),
        (["x.csv", "--sql", "DELETE FROM contacts"], "only read"),
        (["x.csv", "--sql", "SELECT 1", "--view", "contacts"], "either"),
    ],
)
def test_an_export_that_is_refused_says_why(data_dir: Path, tmp_path: Path, args: list[str], says: str) -> None:
    done = write(data_dir, tmp_path / args[0], *args[1:])
    assert done.exit_code == 2
    assert says in done.stderr
    assert not list(tmp_path.iterdir())
