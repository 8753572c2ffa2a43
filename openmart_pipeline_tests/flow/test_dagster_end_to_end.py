import csv
import os
import signal
from pathlib import Path

import duckdb
import pytest

from openmart_pipeline.ledger import moves, plans, queries
from openmart_pipeline.ledger.plans import Plan
from openmart_pipeline.ledger.states import LIVE, TaskState
from openmart_pipeline_tests import money
from openmart_pipeline_tests.flow.dagster_service import DagsterService, until
from openmart_pipeline_tests.simulator_process import SimulatorProcess

BUY, COLLECT = "buy_planned_contacts_job", "collect_contacts_job"
PATIENCE_S = 300  # for anything that is waited for: on an idle machine it comes within half a minute
STOPPED, KILLED = "west/stopped by a person.csv", "killed.csv"
HEADER = ["Company", "Website", "Remarks"]
WEBSITES = (  # as people write them; the company's number goes in
    "company-{}.com",
    "https://WWW.Company-{}.co.uk/about?from=list#team",
    "jane.doe@company-{}.de",
    "http://company-{}.com.:8080/",
    "  Bücher-{}.org ",
    "company-{}.com",
    "company-{}.io/",
)
SET_ASIDE = ("", "sales-{}@gmail.com", "https://www.facebook.com/company{}")
REMARKS = ("", '=HYPERLINK("http://x")', "two\nlines, and a comma", 'said "later"', "Zoë, Łódź, 株式会社")


def _rows(numbers: range) -> list[list[str]]:
    """Rows as people have them: three of ten name no domain of a company, and are set aside."""
    websites = (*WEBSITES, *SET_ASIDE)
    return [[f"Company {n}", websites[n % len(websites)].format(n), REMARKS[n % len(REMARKS)]] for n in numbers]


def _write(folder: Path, name: str, rows: list[list[str]]) -> None:
    path = folder / "input" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])


def _approved(plan: Plan) -> dict[str, object]:
    config = {"credit_limit": plan.quoted_credits, "plan": plan.plan_id}
    return {"ops": {"submitted_batches": {"config": config}}}


def test_through_terminate_and_kill_everything_is_paid_once_and_the_sensors_bring_it_home(tmp_path):
    data = tmp_path / "data"
    _write(data, STOPPED, _rows(range(300)))
    _write(data, KILLED, _rows(range(300, 500)))
    with SimulatorProcess(tmp_path / "simulator", submit_s=6) as simulator:
        environment = {
            "OPENMART_BASE_URL": simulator.url,
            "OPENMART_API_KEY": simulator.api_key,
            "OPENMART_DATA_DIR": str(data),
            "OPENMART_SUBMIT_CONCURRENCY": "1",
        }
        with (
            DagsterService(tmp_path, data / "dagster_home", environment) as dagster,
            money.at_work(data, simulator.url) as (work, _),
        ):
            # company_files_sensor finds the files and plans them; nothing is spent.
            def quoted() -> dict[str, Plan] | None:
                found = {key: plans.current_plan(work.ledger, key) for key in (STOPPED, KILLED)}
                ready = {key: plan for key, plan in found.items() if plan and plan.quoted_credits}
                return ready if len(ready) == 2 else None

            made = until("both files are planned", quoted, PATIENCE_S)
            assert simulator.account()["submits"] == 0
            with pytest.raises(ValueError, match="credit_limit"):
                dagster.launch(BUY, STOPPED, {})

            def submits_of(key: str) -> int:
                return sum(row.batch.state != "not_sent" for row in queries.batches_of(work.ledger, key))

            # Terminate in the middle of a submit waits for it: nothing is in doubt.
            stopped = dagster.launch(BUY, STOPPED, _approved(made[STOPPED]))
            killed = dagster.launch(BUY, KILLED, _approved(made[KILLED]))
            until("the first file is being bought", lambda: submits_of(STOPPED), PATIENCE_S)
            dagster.terminate(stopped)
            assert dagster.wait_for(stopped, BUY, PATIENCE_S) == "CANCELED"
            assert moves.unknown_batches(work.ledger, STOPPED) == []
            assert money.asks_left(work, STOPPED) > 0

            # kill -9 in the middle of a submit leaves exactly that batch in doubt.
            until("the second file is being bought", lambda: submits_of(KILLED), PATIENCE_S)
            pid = until("its worker is named", lambda: dagster.worker_pid(killed), PATIENCE_S)
            os.kill(pid, signal.SIGKILL)
            assert dagster.wait_for(killed, BUY, PATIENCE_S) == "FAILURE"

            # Bought again, both files get what is still owed, and the sensors do the rest.
            simulator.behave(submit_s=0)
            for key in (STOPPED, KILLED):
                dagster.launch(BUY, key, _approved(made[key]))

            def all_ended() -> bool:
                states = money.task_states(work)
                open_tasks = sum(count for state, count in states.items() if state in (*LIVE, "duplicate_in_flight"))
                asked = all(not money.asks_left(work, key) for key in (STOPPED, KILLED))
                return asked and open_tasks == states.get(TaskState.UNKNOWN, 0)

            until("every answer is collected", all_ended, PATIENCE_S)
            until("everything is loaded", lambda: not queries.due_for_loading(work.ledger), PATIENCE_S)
            until("the last run ends", lambda: set(dagster.runs(COLLECT).values()) == {"SUCCESS"}, PATIENCE_S)

            money.assert_accounts_agree(work, simulator)
            money.assert_each_task_is_in_one_place(work)
            assert [batch.partition_key for batch in moves.unknown_batches(work.ledger)] in ([], [KILLED])
            with duckdb.connect(work.warehouse.published_path, read_only=True) as published:
                files = published.execute("SELECT DISTINCT input_file FROM contacts ORDER BY 1").fetchall()
                found = published.execute("SELECT count(*) FROM task_results WHERE state = 'found'").fetchone()
            assert files == [(KILLED,), (STOPPED,)]
            for key, rows in ((STOPPED, 300), (KILLED, 200)):
                became = work.warehouse.coverage(key)
                assert (sum(became.values()), became.pop("set_aside")) == (rows, rows * 3 // 10)
                assert became.keys() <= {"found", "nothing_found", *(["unknown"] if key == KILLED else [])}
            assert found == (money.task_states(work)[TaskState.FOUND],)
