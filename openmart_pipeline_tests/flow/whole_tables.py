"""Tables of companies, whole, on both ways a person has: the command line, and Dagster with its sensors.

`python -m openmart_pipeline_tests.flow.whole_tables FILE...` buys them on a simulator of its own, twice each way, and
ends with an error if a row is unaccounted for, if the simulator charged what our ledger does not say, or if the second
time bought anything. What is read and found is never written anywhere but to a folder that is removed at the end.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from openmart_pipeline.ledger import plans, queries
from openmart_pipeline.services import Services
from openmart_pipeline_tests import money
from openmart_pipeline_tests.flow.dagster_service import DagsterService, until
from openmart_pipeline_tests.simulator_process import SimulatorProcess

BUY, COLLECT = "buy_planned_contacts_job", "collect_contacts_job"
PATIENCE_S = 900.0  # for any one thing that is waited for
ENDS = {"found", "nothing_found", "set_aside"}


class Outcome(NamedTuple):
    """One way, from the files to the published database."""

    seconds: float
    rows: Counter[str]  # by what became of them
    contacts: int
    tasks: int
    credits_charged: float


def checked(work: Services, simulator: SimulatorProcess, keys: Sequence[str], seconds: float) -> Outcome:
    """Hold every row, every task and every credit against the simulator's own account."""
    money.assert_accounts_agree(work, simulator)
    money.assert_each_task_is_in_one_place(work)
    rows = Counter[str]()
    for key in keys:
        coverage = work.warehouse.coverage(key)
        [(in_file,)] = work.warehouse.query("SELECT count(*) FROM companies WHERE input_file = ?", [key])
        assert sum(coverage.values()) == in_file, f"{key}: {in_file} rows, of which {coverage}"
        assert coverage.keys() <= ENDS, f"{key}: {coverage}"
        rows.update(coverage)
    account = simulator.account()
    settled = sum(queries.progress(work.ledger, key).settled_credits for key in keys)
    assert settled == account["credits_charged"], f"settled {settled:,.0f}, charged {account['credits_charged']:,.0f}"
    [(contacts,)] = work.warehouse.query("SELECT count(*) FROM contacts")
    return Outcome(seconds, rows, contacts, account["tasks"], account["credits_charged"])


def by_command(folder: Path, files: Sequence[Path]) -> Outcome:
    """`run FILE... --yes`, twice."""
    keys = [file.name for file in files]
    data = folder / "data"
    with SimulatorProcess(folder / "simulator") as simulator:
        environment = {**os.environ, **_environment(simulator, data), "DAGSTER_HOME": ""}
        command = [sys.executable, "-m", "openmart_pipeline", "run", *map(str, files), "--yes"]
        begun = time.monotonic()
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        seconds = time.monotonic() - begun
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        with money.at_work(data, simulator.url) as (work, _):
            return checked(work, simulator, keys, seconds)


def by_dagster(folder: Path, files: Sequence[Path]) -> Outcome:
    """Files dropped into the folder, one approval each through the Launchpad, and the sensors for the rest; twice."""
    keys = [file.name for file in files]
    data = folder / "data"
    (data / "input").mkdir(parents=True)
    for file in files:
        shutil.copyfile(file, data / "input" / file.name)
    with (
        SimulatorProcess(folder / "simulator") as simulator,
        DagsterService(folder, data / "dagster_home", _environment(simulator, data)) as dagster,
        money.at_work(data, simulator.url) as (work, _),
    ):
        begun = time.monotonic()
        until("every file is planned", lambda: len(_quotes(work, keys)) == len(keys), PATIENCE_S)
        assert simulator.account()["submits"] == 0
        quoted = _quotes(work, keys)
        _bought(dagster, quoted)
        until("every answer is loaded", _is_home(work, keys), PATIENCE_S)
        until("the last run ends", lambda: set(dagster.runs(COLLECT).values()) == {"SUCCESS"}, PATIENCE_S)
        outcome = checked(work, simulator, keys, time.monotonic() - begun)
        _bought(dagster, quoted)
        return checked(work, simulator, keys, outcome.seconds)


def _environment(simulator: SimulatorProcess, data: Path) -> dict[str, str]:
    return {
        "OPENMART_BASE_URL": simulator.url,
        "OPENMART_API_KEY": simulator.api_key,
        "OPENMART_DATA_DIR": str(data),
    }


def _quotes(work: Services, keys: Sequence[str]) -> dict[str, plans.Plan]:
    found = {key: plans.current_plan(work.ledger, key) for key in keys}
    return {key: plan for key, plan in found.items() if plan and plan.quoted_credits is not None}


def _bought(dagster: DagsterService, quoted: Mapping[str, plans.Plan]) -> None:
    runs = [
        dagster.launch(BUY, key, {"ops": {"submitted_batches": {"config": _approval(plan)}}})
        for key, plan in quoted.items()
    ]
    for run in runs:
        assert dagster.wait_for(run, BUY, PATIENCE_S) == "SUCCESS"


def _approval(plan: plans.Plan) -> dict[str, object]:
    return {"credit_limit": plan.quoted_credits, "plan": plan.plan_id}


def _is_home(work: Services, keys: Sequence[str]) -> Callable[[], bool]:
    def look() -> bool:
        statuses = {status for key in keys for status in work.warehouse.coverage(key)}
        return statuses <= ENDS and not queries.due_for_loading(work.ledger)

    return look


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    files = [file.resolve() for file in parser.parse_args().files]
    for name, way in (("command line", by_command), ("Dagster", by_dagster)):
        with tempfile.TemporaryDirectory() as folder:
            done = way(Path(folder), files)
        rows = ", ".join(f"{status} {count:,}" for status, count in sorted(done.rows.items()))
        print(
            f"{name}: {done.rows.total():,} rows in {done.seconds:.0f} s ({rows}); {done.tasks:,} tasks and "
            f"{done.credits_charged:,.0f} credits by both accounts, {done.contacts:,} contacts, nothing the second time"
        )


if __name__ == "__main__":
    main()
