import dagster as dg

from openmart_pipeline.definitions import defs
from openmart_pipeline.defs.instance_home import prepare_home
from openmart_pipeline_tests import money
from openmart_pipeline_tests.simulator_process import SimulatorProcess


def whole_chain() -> dg.JobDefinition:
    """All assets in one run, as Materialize all runs them."""
    job = dg.define_asset_job("whole_chain_job", dg.AssetSelection.all())
    return dg.Definitions.merge(defs, dg.Definitions(jobs=[job])).resolve_job_def("whole_chain_job")


def test_a_run_that_failed_at_buying_goes_on_from_there_and_pays_once(tmp_path, monkeypatch):
    faults = {"402_before_creating": "nth:2"}
    with (
        SimulatorProcess(tmp_path / "simulator", faults=faults) as simulator,
        dg.DagsterInstance.from_config(str(prepare_home(tmp_path / "dagster_home"))) as instance,
        money.at_work(tmp_path / "data", simulator.url) as (work, _),
    ):
        for name, value in {
            "OPENMART_BASE_URL": simulator.url,
            "OPENMART_API_KEY": simulator.api_key,
            "OPENMART_DATA_DIR": str(tmp_path / "data"),
            "OPENMART_SUBMIT_CONCURRENCY": "1",
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("OPENMART_SIMULATOR_URL", raising=False)
        key = money.company_file(tmp_path / "data", "accounts.csv", [f"company-{n}.com" for n in range(150)])
        instance.add_dynamic_partitions("input_files", [key])
        job = dg.reconstructable(whole_chain)
        tags = {"dagster/partition": key}
        approved = {"credit_limit": 1_000_000, "plan": money.planned(work, key).plan.plan_id}
        everything = {"ops": {"submitted_batches": {"config": approved}}}

        with dg.execute_job(job, instance, run_config=everything, tags=tags) as failed:
            assert [event.step_key for event in failed.all_events if event.is_step_failure] == ["submitted_batches"]
        again = dg.ReexecutionOptions.from_failure(failed.run_id, instance)
        with dg.execute_job(job, instance, run_config=everything, tags=tags, reexecution_options=again) as whole:
            assert whole.success
            assert not whole.asset_materializations_for_node("companies")
            [contacts] = whole.asset_materializations_for_node("contacts")

        assert contacts.metadata["openmart/answers"].value == 150
        money.assert_accounts_agree(work, simulator)
