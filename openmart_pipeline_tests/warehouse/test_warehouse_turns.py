"""Many at one file, and every way to die in it: turns are taken, loads are whole or absent, errors say what to do."""

import random
import stat
import threading
from pathlib import Path

import duckdb
import pytest

from openmart_pipeline.warehouse import (
    Warehouse,
    WarehouseBusy,
    WarehouseOutdated,
    WarehouseUnwritable,
)
from openmart_pipeline.warehouse.connection import WarehouseFile
from openmart_pipeline_tests.warehouse.warehouse_children import (
    CONTEXT,
    PATIENCE_S,
    exit_code_of,
    hold_open,
    load_answers_until_killed,
    load_companies,
    load_on_a_full_disk,
    stage_and_wait_to_be_killed,
    started,
)
from openmart_pipeline_tests.warehouse.warehouse_rows import companies, rejected, warehouse_in

PROCESSES, ROUNDS, ROWS = 3, 6, 200
KILLS = 4


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    warehouse = warehouse_in(tmp_path)
    warehouse.replace_companies("a.csv", "sha", [(companies([2, 3]), rejected())])
    return warehouse


def test_processes_take_turns_and_every_load_arrives(tmp_path: Path) -> None:
    """The first of them also makes the file: nobody meets it half made."""
    children = [started(load_companies, tmp_path, f"{n}.csv", ROWS, ROUNDS) for n in range(PROCESSES)]
    for child in children:
        child.join(PATIENCE_S)
    assert [child.exitcode for child in children] == [0] * PROCESSES
    assert warehouse_in(tmp_path).query(
        "SELECT input_file, company_name, count(*) FROM companies GROUP BY ALL ORDER BY 1"
    ) == [(f"{n}.csv", f"Round {ROUNDS - 1}", ROWS) for n in range(PROCESSES)]


def test_what_a_turn_spills_to_disk_is_gone_with_it_and_the_next_may_spill_again(tmp_path: Path) -> None:
    """Two processes' engines on one folder: neither may take away what the other has just spilled."""
    one, other = (WarehouseFile(tmp_path / "w.duckdb", memory_limit="60MB", turn_timeout_s=5) for _ in range(2))
    spilled = tmp_path / "w.duckdb.tmp"
    for file in (one, other, one):
        with file.reading() as connection:
            rows = connection.execute("SELECT md5(i::VARCHAR) AS text FROM range(2_000_000) t(i) ORDER BY text")
            assert rows.fetchone() is not None
            assert list(spilled.iterdir()), "it fits into memory: this proves nothing"
        assert not spilled.exists()


def test_threads_take_turns_at_one_object(warehouse: Warehouse) -> None:
    failures: list[BaseException] = []

    def load(name: str) -> None:
        try:
            for _ in range(ROUNDS):
                warehouse.replace_companies(name, "sha", [(companies(range(2, 52)), rejected())])
                assert sum(len(frame) for frame in warehouse.companies_of(name)) == 50
        except BaseException as error:  # noqa: BLE001  carried to the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=load, args=(f"{n}.csv",)) for n in range(PROCESSES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert failures == []
    assert warehouse.query("SELECT count(*) FROM companies") == [(2 + 50 * PROCESSES,)]


@pytest.mark.parametrize("read_only", [True, False])
def test_somebody_in_the_private_file_is_waited_for(warehouse: Warehouse, tmp_path: Path, read_only: bool) -> None:
    heard, ready = CONTEXT.Pipe(duplex=False)
    started(hold_open, warehouse.path, read_only, ready, 0.5)
    assert heard.poll(PATIENCE_S)
    warehouse.replace_companies("b.csv", "sha", [(companies([2]), rejected())])
    assert warehouse.query("SELECT count(*) FROM companies") == [(3,)]


def test_somebody_who_stays_in_the_private_file_is_named_and_nothing_changes(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    heard, ready = CONTEXT.Pipe(duplex=False)
    analyst = started(hold_open, warehouse.path, True, ready, PATIENCE_S)
    assert heard.poll(PATIENCE_S)
    with pytest.raises(WarehouseBusy, match=rf"PID {analyst.pid}.*published database"):
        warehouse_in(tmp_path, turn_timeout_s=0.2).replace_companies("b.csv", "sha", [(companies([2]), rejected())])
    analyst.terminate()
    analyst.join(PATIENCE_S)
    assert warehouse.query("SELECT count(*) FROM companies") == [(2,)]


def test_a_writer_that_takes_too_long_is_not_waited_for_for_ever(warehouse: Warehouse, tmp_path: Path) -> None:
    with warehouse._file.turn(), pytest.raises(WarehouseBusy, match="run this step again"):
        warehouse_in(tmp_path, turn_timeout_s=0.1).query("SELECT 1")


def test_a_kill_at_any_moment_leaves_the_last_load_whole(tmp_path: Path) -> None:
    chance = random.Random(20261102)
    for _ in range(KILLS):
        heard, ready = CONTEXT.Pipe(duplex=False)
        child = started(load_answers_until_killed, tmp_path, ROWS, ready)
        assert heard.poll(PATIENCE_S)
        child.join(chance.uniform(0, 0.3))
        child.kill()
        child.join(PATIENCE_S)
        tasks, batches = warehouse_in(tmp_path).query("SELECT count(*), count(DISTINCT batch_id) FROM task_results")[0]
        assert (tasks, batches) == (ROWS, 1)
        assert warehouse_in(tmp_path).query(
            "SELECT count(*), count(DISTINCT contact_id), count(DISTINCT batch_id) FROM contacts"
        ) == [(ROWS, ROWS, 1)]


def test_what_a_killed_process_staged_is_removed_by_the_next_one(warehouse: Warehouse, tmp_path: Path) -> None:
    heard, ready = CONTEXT.Pipe(duplex=False)
    child = started(stage_and_wait_to_be_killed, tmp_path, ready)
    assert heard.poll(PATIENCE_S)
    (staged,) = tmp_path.glob("*.staging-*")
    assert stat.S_IMODE(staged.stat().st_mode) == 0o700
    list(warehouse.companies_of("a.csv"))
    assert staged.exists(), "its owner still lives"
    child.kill()
    child.join(PATIENCE_S)
    list(warehouse.companies_of("a.csv"))
    assert list(tmp_path.glob("*.staging-*")) == []


@pytest.mark.parametrize("rows", [1_000, 20_000], ids=["in the database", "while staging"])
def test_a_full_disk_changes_nothing_and_says_what_to_do(warehouse: Warehouse, tmp_path: Path, rows: int) -> None:
    heard, said = CONTEXT.Pipe(duplex=False)
    assert exit_code_of(load_on_a_full_disk, tmp_path, rows, said) == 0
    assert heard.poll(PATIENCE_S)
    message = heard.recv()
    assert "Free some space" in message
    assert ("parquet" in message) is (rows > 1_000)
    assert warehouse.query("SELECT count(*) FROM companies WHERE company_name LIKE 'Company%'") == [(2,)]
    assert list(tmp_path.glob("*.staging-*")) == []


def test_a_file_of_another_version_is_refused_and_named_until_discarded(tmp_path: Path) -> None:
    with duckdb.connect(tmp_path / "warehouse.duckdb") as connection:
        connection.execute("CREATE TABLE contacts (email VARCHAR)")
    warehouse = warehouse_in(tmp_path)
    with pytest.raises(WarehouseOutdated, match="openmart-pipeline rebuild"):
        warehouse.query("SELECT 1")
    warehouse.discard()
    assert warehouse.query("SELECT count(*) FROM contacts") == [(0,)]


def test_a_damaged_file_is_named_and_can_be_discarded(tmp_path: Path) -> None:
    (tmp_path / "warehouse.duckdb").write_bytes(b"x" * 20_000)
    warehouse = warehouse_in(tmp_path)
    with pytest.raises(WarehouseUnwritable, match=r"warehouse\.duckdb can't be used.*rebuild"):
        warehouse.query("SELECT 1")
    warehouse.discard()
    assert warehouse.query("SELECT count(*) FROM contacts") == [(0,)]


def test_a_file_that_a_kill_left_without_tables_is_completed(tmp_path: Path) -> None:
    duckdb.connect(tmp_path / "warehouse.duckdb").close()
    assert warehouse_in(tmp_path).query("SELECT count(*) FROM contacts") == [(0,)]


def test_a_private_file_that_was_removed_is_made_anew(warehouse: Warehouse) -> None:
    warehouse.path.unlink()
    assert warehouse.query("SELECT count(*) FROM companies") == [(0,)]


def test_nothing_is_made_before_it_is_needed(tmp_path: Path) -> None:
    warehouse = warehouse_in(tmp_path / "data")
    assert warehouse.published_generation() is None
    assert list(tmp_path.iterdir()) == []


def test_an_older_duckdb_can_read_the_file(warehouse: Warehouse) -> None:
    with duckdb.connect(warehouse.path, read_only=True) as connection:
        tags = connection.execute("SELECT tags FROM duckdb_databases() WHERE NOT internal").fetchall()
    assert "v1.4.0" in str(tags)
