"""A world of its own for each Dagster test: an input folder, a simulator, a Dagster instance, the real definitions.

Runs go through `execute_in_process` on a real instance in the test's folder. No fixtures here, no claims.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

from openmart_pipeline.definitions import build_definitions
from openmart_pipeline.defs.checks import CHECKS
from openmart_pipeline.defs.resources import OpenmartResource, WorkplaceResource
from openmart_pipeline.ledger import plans
from openmart_pipeline.pipeline.steps import Planned
from openmart_pipeline.services import Services
from openmart_pipeline.settings import read_settings
from openmart_pipeline.wiring import open_workplace
from openmart_pipeline_tests import money
from openmart_pipeline_tests.prepared import lay_warehouse
from openmart_pipeline_tests.simulator_process import API_KEY, SimulatorProcess

PLAN, BUY, COLLECT = "plan_company_files_job", "buy_planned_contacts_job", "collect_contacts_job"
SETTLE = "settle_unknown_batches_job"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}  # a fifth of a run's time is its log


class World:
    """One data folder and everything that works on it."""

    def __init__(self, folder: Path, simulator: SimulatorProcess, instance: dg.DagsterInstance) -> None:
        self.folder = folder
        self.simulator = simulator
        self.instance = instance
        self.environment = {
            "OPENMART_BASE_URL": simulator.url,
            "OPENMART_API_KEY": API_KEY,
            "OPENMART_DATA_DIR": str(folder / "data"),
        }
        lay_warehouse(folder / "data")
        self.definitions = build_definitions(self.environment)
        self.resources = {
            "workplace": WorkplaceResource(lambda: self.environment),
            "openmart": OpenmartResource(lambda: self.environment),
        }

    def file(self, name: str, *domains: str, header: str = "Website") -> str:
        """Put a file of companies into the input folder, registered as a partition; return its key."""
        path = self.folder / "data" / "input" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([header, *domains]) + "\n", encoding="utf-8")
        self.instance.add_dynamic_partitions("input_files", [name])
        return name

    def run(
        self, job: str, key: str | None = None, *, tags: Mapping[str, str] | None = None, **config: Mapping[str, Any]
    ) -> dg.ExecuteInProcessResult:
        """Run a job; `config` is by op. A failed step is in the result, not raised."""
        ops = {op: {"config": dict(values)} for op, values in config.items()}
        return self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance, partition_key=key, run_config={"ops": ops, **QUIET}, raise_on_error=False, tags=tags
        )

    def planned(self, *keys: str, **choices: Any) -> list[Planned]:
        """Plan without Dagster, where the plan is not what the test is about: a fifth of the time."""
        with self.work() as work:
            return [money.planned(work, key, **choices) for key in keys]

    def plan(self, key: str, **choices: Any) -> dg.ExecuteInProcessResult:
        return self.run(PLAN, key, enrichment_plan=choices)

    def plan_of(self, key: str) -> str:
        """The id of a file's current plan, as its quote shows it; of a stranger, one that no file has."""
        with self.work() as work:
            plan = plans.current_plan(work.ledger, key)
            return "none" if plan is None else plan.plan_id

    def buy(
        self, key: str, credit_limit: float = 1_000_000, plan: str | None = None, **more: Any
    ) -> dg.ExecuteInProcessResult:
        """Buy what the file's current plan owes, or another plan that somebody approved."""
        config = {"credit_limit": credit_limit, "plan": plan or self.plan_of(key)}
        return self.run(BUY, key, submitted_batches=config, **more)

    def collect(self, key: str) -> dg.ExecuteInProcessResult:
        return self.run(COLLECT, key)

    def settle(self, **settlement: Any) -> dg.ExecuteInProcessResult:
        return self.run(SETTLE, settle_unknown_batches={"who": "Ada", "why": "ticket 7", **settlement})

    @contextmanager
    def work(self) -> Iterator[Services]:
        """The plain workplace, as the command line has it."""
        with open_workplace(read_settings(self.environment), actor="tests") as work:
            yield work

    def check(self, asset: str, name: str) -> dg.AssetCheckEvaluation | None:
        """What Dagster shows of a check now."""
        record = self.instance.get_latest_asset_check_evaluation_record(dg.AssetCheckKey(dg.AssetKey(asset), name))
        if record is None or record.event is None or record.event.dagster_event is None:
            return None
        evaluation = record.event.dagster_event.event_specific_data
        assert isinstance(evaluation, dg.AssetCheckEvaluation)
        return evaluation

    def check_now(self, name: str) -> dg.AssetCheckResult:
        """What a check would say now, without the run that says it."""
        [promise] = [promise for promise in CHECKS if promise.name == name]
        with self.work() as work:
            return promise.result(promise.find(work))


def shown(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    """The metadata of an asset's materialization in this run, by the last part of each key."""
    [event] = result.asset_materializations_for_node(asset)
    return {name.rpartition("/")[2]: value.value for name, value in event.metadata.items()}


def failure(result: dg.ExecuteInProcessResult) -> str:
    """The sentence of the one failed step."""
    assert not result.success
    [event] = [event for event in result.all_events if event.is_step_failure]
    data = event.step_failure_data.user_failure_data
    assert data is not None, event.step_failure_data.error
    return str(data.description)
