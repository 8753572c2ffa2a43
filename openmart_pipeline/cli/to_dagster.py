"""Telling Dagster what the command line did, where there is a Dagster to tell.

Lives here: when that is, and what is said if it fails: a warning, since nothing of money rests on it.
"""

from collections.abc import Mapping
from pathlib import Path

from openmart_pipeline.pipeline.buying_run import RunReport
from openmart_pipeline.pipeline.steps import CompaniesIngested, Planned
from openmart_pipeline.services import Services


def report_to_dagster(
    work: Services,
    environment: Mapping[str, str],
    taken: Mapping[str, CompaniesIngested],
    planned: Mapping[str, Planned],
    report: RunReport,
) -> str | None:
    """Report each asset to the DAGSTER_HOME of this data folder; return what went wrong, None where nothing did."""
    home = Path(environment.get("DAGSTER_HOME") or work.data.dagster_home)
    if not (home / "dagster.yaml").is_file():
        return None
    from openmart_pipeline.defs.from_cli import report_assets  # noqa: PLC0415  two seconds, for those who have Dagster

    try:
        report_assets(home, work, taken, planned, report)
    except Exception as error:  # noqa: BLE001  whatever Dagster raises: the work itself is done and recorded
        return f"Dagster in {home} could not be told ({type(error).__name__}: {error}). Everything else is done."
    return None
