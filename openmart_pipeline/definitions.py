"""What Dagster loads: every asset, check, job, sensor and schedule, and the one line that names the environment.

Nothing is read, opened or made here: definitions load without a key, a network or a folder.
"""

import os
from collections.abc import Mapping

import dagster as dg

from openmart_pipeline.defs.bought import submitted_batches
from openmart_pipeline.defs.checks import asset_checks
from openmart_pipeline.defs.collected import contacts, published_database, task_results
from openmart_pipeline.defs.file_sensor import company_files_sensor
from openmart_pipeline.defs.jobs import ASSET_JOBS
from openmart_pipeline.defs.planned import companies, enrichment_plan
from openmart_pipeline.defs.purge_job import purge_old_answers_daily, purge_old_answers_job
from openmart_pipeline.defs.readiness_sensor import batch_readiness_sensor
from openmart_pipeline.defs.resources import OpenmartResource, WorkplaceResource
from openmart_pipeline.defs.retire_job import retire_company_file_job
from openmart_pipeline.defs.schedules import (
    buy_planned_contacts_daily,
    plan_company_files_daily,
    refresh_stale_contacts_monthly,
)
from openmart_pipeline.defs.settle import settle_unknown_batches_job


def build_definitions(environment: Mapping[str, str] | None = None) -> dg.Definitions:
    """Return the definitions; `environment` stands in for the process's own, which is read when a step begins."""

    def read() -> Mapping[str, str]:
        return os.environ if environment is None else environment

    return dg.Definitions(
        assets=[companies, enrichment_plan, submitted_batches, task_results, contacts, published_database],
        asset_checks=asset_checks(),
        jobs=[*ASSET_JOBS, settle_unknown_batches_job, retire_company_file_job, purge_old_answers_job],
        sensors=[company_files_sensor, batch_readiness_sensor],
        schedules=[
            plan_company_files_daily,
            buy_planned_contacts_daily,
            refresh_stale_contacts_monthly,
            purge_old_answers_daily,
        ],
        resources={"workplace": WorkplaceResource(read), "openmart": OpenmartResource(read)},
        executor=dg.in_process_executor,  # a process per step costs 3 s each, and outlives a killed run
    )


defs = build_definitions()
