"""Publishing: analysts always find a database that opens, whatever dies, lies about or is full."""

import contextlib
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from openmart_pipeline.warehouse import Warehouse
from openmart_pipeline.warehouse.definitions_sql import data_dictionary
from openmart_pipeline_tests.warehouse.warehouse_children import (
    CONTEXT,
    PATIENCE_S,
    exit_code_of,
    publish,
    publish_and_die,
    publish_on_a_disk_that_fills_up,
    started,
)
from openmart_pipeline_tests.warehouse.warehouse_rows import (
    INFO,
    answer,
    companies,
    plan,
    rejected,
    warehouse_in,
)

STEPS = ["marked", "checkpointed", "copied", "stored", "synced", "cleared", "replaced", "published"]


def load_contacts(warehouse: Warehouse, number: int) -> None:
    answers = [answer(f"company{n}.com owner", n) for n in range(2, number + 2)]
    warehouse.replace_answers("a.csv", [answers], api_host="h", run_id="r")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    warehouse = warehouse_in(tmp_path_factory.mktemp("loaded"))
    warehouse.replace_companies("a.csv", "sha", [(companies(range(2, 7)), rejected())])
    warehouse.replace_plan("a.csv", "plan", [plan({"source_row": n} for n in range(2, 7))])
    load_contacts(warehouse, 3)
    return warehouse.path


@pytest.fixture
def warehouse(loaded: Path, tmp_path: Path) -> Warehouse:
    """A private file with three contacts, and room for two more."""
    warehouse = warehouse_in(tmp_path)
    shutil.copyfile(loaded, warehouse.path)
    return warehouse


def contacts(published: Path) -> int:
    with duckdb.connect(published, read_only=True) as connection:
        row = connection.execute("SELECT count(*) FROM contacts").fetchone()
    assert row
    return int(row[0])


def test_what_is_published_is_what_was_loaded(warehouse: Warehouse) -> None:
    assert warehouse.published_generation() is None
    assert warehouse.publish(7, INFO) is True
    assert warehouse.published_generation() == 7
    assert contacts(warehouse.published_path) == 3
    with duckdb.connect(warehouse.published_path, read_only=True) as connection:
        info = connection.execute("SELECT generation, published_at, files_complete FROM published_info").fetchall()
    assert info == [(7, INFO.published_at.replace(tzinfo=None), 1)]


def test_what_is_out_is_not_published_again(warehouse: Warehouse) -> None:
    warehouse.publish(7, INFO)
    before = warehouse.published_path.stat().st_ino
    assert warehouse.publish(7, INFO) is False
    assert warehouse.published_path.stat().st_ino == before


def test_a_change_is_published_even_under_the_same_generation(warehouse: Warehouse) -> None:
    warehouse.publish(7, INFO)
    load_contacts(warehouse, 5)
    assert warehouse.publish(7, INFO) is True
    assert contacts(warehouse.published_path) == 5


def test_a_warehouse_made_anew_is_published_under_the_same_generation(warehouse: Warehouse) -> None:
    warehouse.publish(7, INFO)
    warehouse.discard()
    assert warehouse.publish(7, INFO) is True
    assert contacts(warehouse.published_path) == 0


def test_a_published_file_that_was_deleted_comes_back(warehouse: Warehouse) -> None:
    warehouse.publish(7, INFO)
    warehouse.published_path.unlink()
    assert warehouse.published_generation() is None
    assert warehouse.publish(7, INFO) is True


def test_a_published_file_that_was_damaged_is_replaced(warehouse: Warehouse) -> None:
    warehouse.publish(7, INFO)
    warehouse.published_path.chmod(0o644)
    warehouse.published_path.write_bytes(b"not a database")
    assert warehouse.published_generation() is None
    assert warehouse.publish(7, INFO) is True
    assert contacts(warehouse.published_path) == 3


def test_nobody_writes_to_the_published_file_by_accident(warehouse: Warehouse) -> None:
    warehouse.publish(7, INFO)
    assert stat.S_IMODE(warehouse.published_path.stat().st_mode) == 0o444


def test_a_reader_keeps_the_old_rows_and_the_next_one_sees_the_new(warehouse: Warehouse, tmp_path: Path) -> None:
    warehouse.publish(1, INFO)
    with duckdb.connect(warehouse.published_path, read_only=True) as analyst:
        load_contacts(warehouse, 5)
        assert exit_code_of(publish, tmp_path, 2) == 0
        assert analyst.execute("SELECT count(*) FROM contacts").fetchone() == (3,)
    assert contacts(warehouse.published_path) == 5


@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_leaves_a_file_that_opens_and_the_next_call_finishes(
    warehouse: Warehouse, tmp_path: Path, step: str
) -> None:
    warehouse.publish(1, INFO)
    load_contacts(warehouse, 5)
    exit_code = exit_code_of(publish_and_die, tmp_path, 2, step)
    assert exit_code == -signal.SIGKILL
    is_out = step in {"replaced", "published"}
    assert contacts(warehouse.published_path) == (5 if is_out else 3)
    assert warehouse.publish(2, INFO) is not is_out
    assert contacts(warehouse.published_path) == 5
    assert [path.name for path in warehouse.published_path.parent.iterdir()] == ["contacts.duckdb"]


@pytest.mark.parametrize("step", ["marked", "copied", "stored", "cleared", "replaced"])
def test_a_kill_at_a_step_of_the_first_publication_is_made_good(
    warehouse: Warehouse, tmp_path: Path, step: str
) -> None:
    exit_code_of(publish_and_die, tmp_path, 1, step)
    warehouse.publish(1, INFO)
    assert contacts(warehouse.published_path) == 3


CARELESS = """
import duckdb, os, signal, sys
connection = duckdb.connect(sys.argv[1])
connection.execute("CREATE TABLE my_notes AS SELECT 'call Jane' AS note")
print("wrote", flush=True)
if sys.argv[2] == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
sys.stdin.read()
"""


@contextlib.contextmanager
def careless_analyst(published: Path, end: str):
    """Somebody who made the file writable and writes to it, leaving a log beside it."""
    published.chmod(0o644)
    with subprocess.Popen(
        [sys.executable, "-c", CARELESS, str(published), end], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout
        assert child.stdout.readline() == b"wrote\n"
        if end == "kill":
            child.wait()
        yield
        if end != "kill":
            child.kill()


@pytest.mark.parametrize("end", ["kill", "stays"])
@pytest.mark.parametrize("changed", [True, False], ids=["changed", "unchanged"])
def test_a_log_that_a_careless_writer_left_never_meets_the_new_file(
    warehouse: Warehouse, tmp_path: Path, end: str, changed: bool
) -> None:
    warehouse.publish(1, INFO)
    log = warehouse.published_path.with_name("contacts.duckdb.wal")
    with careless_analyst(warehouse.published_path, end):
        assert log.exists()
        if changed:
            load_contacts(warehouse, 5)
        assert exit_code_of(publish, tmp_path, 2) == 0
        assert not log.exists()
        assert contacts(warehouse.published_path) == (5 if changed else 3)


@pytest.mark.parametrize("step", ["cleared", "replaced"])
def test_a_careless_writer_and_a_kill_together_still_leave_a_file_that_opens(
    warehouse: Warehouse, tmp_path: Path, step: str
) -> None:
    warehouse.publish(1, INFO)
    load_contacts(warehouse, 5)
    with careless_analyst(warehouse.published_path, "kill"):
        exit_code_of(publish_and_die, tmp_path, 2, step)
        assert contacts(warehouse.published_path) == (5 if step == "replaced" else 3)
        warehouse.publish(2, INFO)
        assert contacts(warehouse.published_path) == 5


def test_a_full_disk_leaves_the_old_file_and_says_what_to_do(warehouse: Warehouse, tmp_path: Path) -> None:
    warehouse.publish(1, INFO)
    load_contacts(warehouse, 5)
    heard, said = CONTEXT.Pipe(duplex=False)
    assert exit_code_of(publish_on_a_disk_that_fills_up, tmp_path, 2, said) == 0
    assert heard.poll(5)
    message = heard.recv()
    assert "Free some space" in message
    assert "Analysts still read the one before" in message
    assert contacts(warehouse.published_path) == 3
    assert warehouse.publish(2, INFO) is True
    assert contacts(warehouse.published_path) == 5


def test_publishing_in_two_processes_at_once_ends_with_one_whole_file(warehouse: Warehouse, tmp_path: Path) -> None:
    children = [started(publish, tmp_path, generation) for generation in (1, 1, 2, 3)]
    for child in children:
        child.join(PATIENCE_S)
    assert [child.exitcode for child in children] == [0, 0, 0, 0]
    assert warehouse.published_generation() in {1, 2, 3}
    assert contacts(warehouse.published_path) == 3


def test_views_and_comments_of_an_earlier_version_are_made_anew_before_they_are_published(
    warehouse: Warehouse,
) -> None:
    """Also in a file that says nothing of what its views were made from."""
    warehouse.publish(1, INFO)
    with duckdb.connect(warehouse.path) as connection:
        connection.execute("CREATE OR REPLACE VIEW lineage AS SELECT 'old' AS contact_id")
        connection.execute("DROP MACRO views_made_from")
    load_contacts(warehouse, 4)
    warehouse.publish(2, INFO)
    expected = {(entry.column, entry.comment) for entry in data_dictionary() if entry.table == "lineage"}
    with duckdb.connect(warehouse.published_path, read_only=True) as connection:
        said = connection.execute(
            "SELECT '', comment FROM duckdb_views() WHERE view_name = 'lineage' "
            "UNION ALL SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'lineage'"
        ).fetchall()
        leftovers = connection.execute("SELECT function_name FROM duckdb_functions() WHERE NOT internal").fetchall()
    assert (set(said), leftovers) == (expected, [])
