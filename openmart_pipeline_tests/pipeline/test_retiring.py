"""A file somebody is done with: nothing more is bought, what is paid for is kept, and its data stays or goes."""

from pathlib import Path

import pytest

from openmart_pipeline.checks import findings
from openmart_pipeline.intake.refusals import FileRefused
from openmart_pipeline.ledger import plans, queries
from openmart_pipeline.ledger.moves import MoveRefused
from openmart_pipeline.pipeline import inventory, retiring, steps
from openmart_pipeline.pipeline.rebuilding import rebuild
from openmart_pipeline.purchase.rules import Stop
from openmart_pipeline.services import Services
from openmart_pipeline_tests.money import (
    assert_accounts_agree,
    at_work,
    bought,
    company_file,
    planned,
    whole_run,
)
from openmart_pipeline_tests.simulator_process import SimulatorProcess

BY = {"who": "Ada", "why": "the project ended"}


def rows_of(work: Services, key: str) -> dict[str, int]:
    tables = ("input_files", "companies", "enrichment_plan", "task_results", "contacts", "contact_rows")
    count = "SELECT count(*) FROM {} WHERE input_file = ?"
    return {table: work.warehouse.query(count.format(table), [key])[0][0] for table in tables}


def test_a_retired_file_is_left_alone_and_its_contacts_stay_until_its_data_is_removed(tmp_path: Path) -> None:
    with SimulatorProcess(tmp_path / "server") as simulator, at_work(tmp_path, simulator.url) as (work, session):
        key = company_file(tmp_path, "a.csv", [f"done-{number}.com" for number in range(20)])
        other = company_file(tmp_path, "b.csv", ["done-0.com", "done-1.com"])
        whole_run(work, session, key, other)
        before = rows_of(work, key)
        for _ in range(2):
            done = retiring.retire(work, key, remove_data=False, **BY)
        assert (done.contacts, done.rows, done.copies_removed) == (before["contacts"], 20, 0)
        assert done.is_in_input_folder
        for act in (
            lambda: steps.ingest_companies(work, key),
            lambda: steps.plan_questions(work, key, steps.last_settings(work, key)),
            lambda: bought(work, session, key),
        ):
            with pytest.raises(FileRefused, match="is retired"):
                act()
        assert rebuild(work, run_id="rebuild") == []
        assert rows_of(work, key) == before
        assert inventory.mark_missing(work.ledger, inventory.look(work.data)) == []

        done = retiring.retire(work, key, remove_data=True, **BY)
        assert done.copies_removed == 1
        assert rows_of(work, key) == dict.fromkeys(before, 0)
        assert rows_of(work, other)["contacts"] > 0
        assert steps.load_contacts(work, key, run_id="run").answers == 0
        assert rebuild(work, run_id="rebuild") == []
        assert rows_of(work, key) == dict.fromkeys(before, 0)
        assert findings.disagreements(work).is_kept

        retiring.bring_back(work, key, **BY)
        whole_run(work, session, key)
        assert simulator.account()["tasks"] == 20, "what was paid for stayed in the ledger"
        assert rows_of(work, key) == before
        assert_accounts_agree(work, simulator)


@pytest.mark.parametrize("remove_data", [False, True], ids=["data kept", "data removed"])
def test_what_is_on_its_way_when_a_file_is_retired_is_collected(tmp_path: Path, *, remove_data: bool) -> None:
    with SimulatorProcess(tmp_path / "server") as simulator, at_work(tmp_path, simulator.url) as (work, session):
        key = company_file(tmp_path, "a.csv", [f"way-{number}.com" for number in range(5)])
        planned(work, key)
        bought(work, session, key)
        assert retiring.retire(work, key, remove_data=remove_data, **BY).batches_not_ended == 1
        steps.collector(work, session, [key]).run(patience_s=10)
        assert queries.due_for_loading(work.ledger) == ([] if remove_data else [key])
        steps.load_contacts(work, key, run_id="run")
        steps.publish(work)
        assert (rows_of(work, key)["contacts"] > 0) is not remove_data
        assert queries.due_for_loading(work.ledger) == []
        assert_accounts_agree(work, simulator)
        retiring.bring_back(work, key, **BY)
        assert planned(work, key).quote.to_buy == 0


def test_a_buyer_at_work_stops_at_its_next_claim_when_the_file_is_retired(tmp_path: Path) -> None:
    with SimulatorProcess(tmp_path / "server") as simulator:
        settings = {"OPENMART_SUBMIT_CONCURRENCY": "1"}
        with at_work(tmp_path, simulator.url, **settings) as (work, session):
            key = company_file(tmp_path, "a.csv", [f"stop-{number}.com" for number in range(250)])
            planned(work, key)

            def retired_meanwhile(step: str, _batch: int, _tasks: int, _detail: str) -> None:
                if step == "accepted":
                    retiring.retire(work, key, remove_data=True, **BY)

            report = bought(work, session, key, on_event=retired_meanwhile)
            assert (report.stop, report.accepted_tasks) == (Stop.STALE, 100)
            assert "retired" in report.sentence
            assert simulator.account()["tasks"] == 100


def test_a_stranger_is_not_retired_and_only_the_retired_come_back(tmp_path: Path) -> None:
    with at_work(tmp_path, "http://127.0.0.1:9") as (work, _):
        with pytest.raises(MoveRefused, match=r"knows no file 'x\.csv'"):
            retiring.retire(work, "x.csv", remove_data=True, **BY)
        key = company_file(tmp_path, "a.csv", ["a.com"])
        planned(work, key)
        with pytest.raises(MoveRefused, match="not retired, it is active"):
            retiring.bring_back(work, key, **BY)
        known = plans.partition(work.ledger, key)
        assert known is not None
        assert known.state == "active"


def test_a_retired_file_waits_for_nothing_and_a_missing_one_is_shown_to_analysts(tmp_path: Path) -> None:
    with at_work(tmp_path, "http://127.0.0.1:9") as (work, _):
        for name in ("kept.csv", "done.csv", "gone.csv"):
            planned(work, company_file(tmp_path, name, ["a.com"]))
        retiring.retire(work, "done.csv", remove_data=False, **BY)
        (work.data.input / "gone.csv").unlink()
        assert inventory.mark_missing(work.ledger, inventory.look(work.data)) == ["gone.csv"]
        assert steps.publish(work)
        states = (
            "SELECT input_file, file_state, status FROM company_coverage JOIN input_files USING (input_file) ORDER BY 1"
        )
        assert work.warehouse.query(states) == [
            ("done.csv", "retired", "not_planned"),
            ("gone.csv", "missing", "waiting"),
            ("kept.csv", "active", "waiting"),
        ]
        assert work.warehouse.query("SELECT files_complete, files_waiting FROM published_info") == [(1, 2)]
        assert findings.missing_files(work).sample == ("gone.csv",)
        company_file(tmp_path, "gone.csv", ["a.com"])
        assert findings.missing_files(work).is_kept
