"""What is loaded is published, whatever dies in between; and nothing is published that lacks what was loaded."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from openmart_pipeline.ledger import loads, plans
from openmart_pipeline.pipeline import steps
from openmart_pipeline.pipeline.rebuilding import rebuild
from openmart_pipeline.services import Services
from openmart_pipeline.warehouse import WarehouseOutdated
from openmart_pipeline_tests.money import at_work, company_file, planned, whole_run
from openmart_pipeline_tests.simulator_process import SimulatorProcess
from openmart_pipeline_tests.warehouse.warehouse_children import exit_code_of

FILES = ("a.csv", "b.csv")
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def bought(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files, bought, loaded and published."""
    data_dir = tmp_path_factory.mktemp("data")
    for name in FILES:
        company_file(data_dir, name, [f"{name[0]}{number}.com" for number in range(8)])
    with (
        SimulatorProcess(tmp_path_factory.mktemp("simulator")) as simulator,
        at_work(data_dir, simulator.url) as (work, session),
    ):
        whole_run(work, session, *FILES)
    return data_dir


@pytest.fixture
def data_dir(bought: Path, tmp_path: Path) -> Path:
    return shutil.copytree(bought, tmp_path / "data")


@pytest.fixture
def work(data_dir: Path) -> Iterator[Services]:
    with at_work(data_dir, NOWHERE) as (work, _buyer):
        yield work


def published_contacts(work: Services) -> dict[str, int]:
    with duckdb.connect(work.warehouse.published_path, read_only=True) as connection:
        return dict(connection.execute("SELECT input_file, count(*) FROM contacts GROUP BY 1 ORDER BY 1").fetchall())


def test_what_is_loaded_is_due_until_it_is_published(work: Services) -> None:
    assert loads.unpublished_since(work.ledger) is None
    for load in (
        lambda: steps.ingest_companies(work, "a.csv"),
        lambda: planned(work, "a.csv"),
        lambda: steps.load_contacts(work, "a.csv", run_id="r"),
    ):
        load()
        assert loads.unpublished_since(work.ledger) is not None
        assert steps.publish(work) is True
        assert loads.unpublished_since(work.ledger) is None
    assert steps.publish(work) is False


def test_a_warehouse_that_lost_its_files_is_not_published_and_rebuild_brings_them_back(work: Services) -> None:
    before = published_contacts(work)
    work.warehouse.discard()
    steps.load_contacts(work, "a.csv", run_id="r")
    with pytest.raises(WarehouseOutdated, match=r"lacks 1 of the files.*b\.csv.*openmart-pipeline rebuild"):
        steps.publish(work)
    assert published_contacts(work) == before
    assert rebuild(work, run_id="r") == []
    assert published_contacts(work) == before


def rebuild_and_die(data_dir: Path) -> None:
    with at_work(data_dir, NOWHERE) as (work, _buyer):
        rebuild(work, run_id="r", on_file=lambda _key, _done, _files: os.kill(os.getpid(), signal.SIGKILL))


def test_a_rebuild_killed_halfway_changes_nothing_and_the_next_one_is_whole(work: Services, data_dir: Path) -> None:
    before = work.warehouse.query("SELECT contact_id FROM contacts ORDER BY 1")
    assert exit_code_of(rebuild_and_die, data_dir) == -signal.SIGKILL
    assert work.warehouse.query("SELECT contact_id FROM contacts ORDER BY 1") == before
    assert rebuild(work, run_id="r") == []
    assert work.warehouse.query("SELECT contact_id FROM contacts ORDER BY 1") == before
    assert not [path.name for path in data_dir.iterdir() if path.name.endswith("rebuilding")]


def test_what_others_plan_while_it_is_rebuilt_is_in_the_new_one(work: Services) -> None:
    def plan_meanwhile(key: str, _done: int, _files: int) -> None:
        if key == "b.csv":
            planned(work, "a.csv", titles=("CFO",))

    rebuild(work, run_id="r", on_file=plan_meanwhile)
    plan = plans.current_plan(work.ledger, "a.csv")
    assert plan is not None
    assert work.warehouse.plan_id("a.csv") == plan.plan_id
    titles = "SELECT DISTINCT title FROM enrichment_plan WHERE input_file = 'a.csv'"
    assert work.warehouse.query(titles) == [("CFO",)]


def test_a_file_whose_copy_is_gone_is_named_once_and_the_others_are_published(work: Services) -> None:
    sha256 = work.warehouse.company_file_sha256("a.csv")
    (work.data.files / str(sha256)).unlink()
    [said] = rebuild(work, run_id="r")
    assert "a.csv" in said
    assert list(published_contacts(work)) == ["b.csv"]
    steps.load_contacts(work, "b.csv", run_id="r")
    assert steps.publish(work) is True
    planned(work, "a.csv")
    steps.load_contacts(work, "a.csv", run_id="r")
    assert steps.publish(work) is True
    assert list(published_contacts(work)) == list(FILES)
