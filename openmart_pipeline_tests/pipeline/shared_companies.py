"""The same companies in a file, its renamed self, a copy and a changed copy: bought once, and the changes beside them.

The test runs it with a thousand companies; `python -m` this module with five thousand, as `make soak` does.
"""

import tempfile
from pathlib import Path

from openmart_pipeline_tests.money import assert_accounts_agree, at_work, company_file, whole_run
from openmart_pipeline_tests.simulator_process import SimulatorProcess

CHANGED = 50


def buy_in_three_files(folder: Path, companies: int) -> None:
    """Buy a file, then rename it, copy it, and change a copy by fifty rows; assert what was paid and found."""
    domains = [f"shared-{number}.com" for number in range(companies)]
    changed = domains[CHANGED:] + [f"new-{number}.com" for number in range(CHANGED)]
    with SimulatorProcess(folder / "server") as simulator, at_work(folder, simulator.url) as (work, session):
        whole_run(work, session, company_file(folder, "list.csv", domains))
        (work.data.input / "list.csv").rename(work.data.input / "renamed.csv")
        company_file(folder, "copied.csv", domains)
        company_file(folder, "changed.csv", changed)
        whole_run(work, session, "renamed.csv", "copied.csv", "changed.csv")
        assert simulator.account()["tasks"] == companies + CHANGED
        assert_accounts_agree(work, simulator)
        found = dict(work.warehouse.query("SELECT input_file, count(*) FROM contacts GROUP BY ALL"))
        assert found["list.csv"] == found["renamed.csv"] == found["copied.csv"] > companies
        assert found["changed.csv"] > companies


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        buy_in_three_files(Path(name), 5_000)
    print("5,000 companies in three files more: bought once, and the 50 new ones")
