"""F5: one server in trouble, many small files: the breaker counts over all of them."""

from pathlib import Path

from openmart_pipeline.ledger import moves
from openmart_pipeline.purchase.rules import Stop
from openmart_pipeline_tests.money import assert_accounts_agree, at_work, company_file, whole_run
from openmart_pipeline_tests.simulator_process import SimulatorProcess


def test_a_gateway_that_answers_502_to_everything_is_met_five_times_however_many_files_there_are(
    tmp_path: Path,
) -> None:
    faults = {"created_then_502": "always"}
    with (
        SimulatorProcess(tmp_path / "server", faults=faults) as simulator,
        at_work(tmp_path, simulator.url) as (work, session),
    ):
        keys = [company_file(tmp_path, f"{number}.csv", [f"gateway-{number}.com"]) for number in range(8)]
        report = whole_run(work, session, *keys, patience_s=1)
        assert [bought.stop for bought in report.bought.values()] == [Stop.DONE] * 4 + [Stop.BREAKER]
        assert len(moves.unknown_batches(work.ledger)) == 5
        assert simulator.account()["submits"] == 5
        assert_accounts_agree(work, simulator)
