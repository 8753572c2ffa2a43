"""Jobs: which assets run together, and the tags by which the queue lets one run per file and kind through.

Lives here: names and selections. Who starts them is in the sensors and schedules.
"""

import dagster as dg

from openmart_pipeline.defs.bought import submitted_batches
from openmart_pipeline.defs.collected import contacts, published_database, task_results
from openmart_pipeline.defs.planned import companies, enrichment_plan
from openmart_pipeline.defs.publishing import PUBLISH_JOB

KIND_TAG = "openmart/kind"
WORK_TAG = "openmart/work"  # kind and file: dagster.yaml lets one of each run at a time
PLAN, BUY, COLLECT, PUBLISH = "plan", "buy", "collect", "publish"
_HOUR_S = 3600


def _tags(kind: str, *, most_hours: int) -> dict[str, str]:
    return {KIND_TAG: kind, "dagster/max_runtime": str(most_hours * _HOUR_S)}


def work_tags(kind: str, key: str) -> dict[str, str]:
    """Return the tags of a run that a sensor or schedule requests for a file."""
    return {KIND_TAG: kind, WORK_TAG: f"{kind}: {key}"}


plan_company_files_job = dg.define_asset_job(
    "plan_company_files_job",
    selection=dg.AssetSelection.assets(companies, enrichment_plan, published_database),
    tags=_tags(PLAN, most_hours=6),
    description="Reads a file, plans what it would ask and quotes it. Free; started by company_files_sensor.",
)

buy_planned_contacts_job = dg.define_asset_job(
    "buy_planned_contacts_job",
    selection=dg.AssetSelection.assets(submitted_batches),
    tags=_tags(BUY, most_hours=48),
    description="**Spends.** Buys what the approved plan of a file still owes, up to credit_limit. Look at the quote "
    "in enrichment_plan first: it ends with the line to paste.",
)

collect_contacts_job = dg.define_asset_job(
    "collect_contacts_job",
    selection=dg.AssetSelection.assets(task_results, contacts, published_database),
    tags=_tags(COLLECT, most_hours=2),
    description="Reads answers that are ready, loads the contacts and publishes them. Free; started by "
    "batch_readiness_sensor.",
)

publish_contacts_job = dg.define_asset_job(
    PUBLISH_JOB,
    selection=dg.AssetSelection.assets(published_database),
    tags=_tags(PUBLISH, most_hours=2),
    description="Publishes what is loaded. Free; every run that loads does it too, so batch_readiness_sensor starts "
    "this only for what a run that died left behind.",
)

refresh_stale_contacts_job = dg.define_asset_job(
    "refresh_stale_contacts_job",
    selection=dg.AssetSelection.assets(submitted_batches),
    tags=_tags(BUY, most_hours=48),
    description="**Spends.** Asks again those answers of a file that are past their lifetime and were bought under an "
    "approved plan, up to credit_limit. Started by refresh_stale_contacts_monthly, with scope: stale.",
)

ASSET_JOBS = (
    plan_company_files_job,
    buy_planned_contacts_job,
    collect_contacts_job,
    publish_contacts_job,
    refresh_stale_contacts_job,
)
