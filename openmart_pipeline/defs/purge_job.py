"""`purge_old_answers_job` and its schedule: answers of a certain age are removed for good.

Lives here: the run configuration turned into one call of `people.purging`. No rule.
"""

import datetime as dt

import dagster as dg

from openmart_pipeline.defs.config import Purge
from openmart_pipeline.defs.failures import REFUSALS, refusals_as_failures
from openmart_pipeline.defs.resources import WorkplaceResource
from openmart_pipeline.ledger.purging import Selection
from openmart_pipeline.pipeline import retention as purging
from openmart_pipeline.pipeline.retention import PurgeRefused

SCHEDULE = "purge_old_answers_daily"
NO_AGE_SET = (
    "OPENMART_PURGE_AFTER_DAYS is not set, so nothing is removed: set it to the age in days at which an answer goes."
)


@dg.op(description="Says what would be removed, or removes it and publishes.")
def purge_old_answers(
    context: dg.OpExecutionContext, config: Purge, workplace: dg.ResourceParam[WorkplaceResource]
) -> None:
    """Do what the configuration says, and say what that was."""
    if config.older_than_days < 1:
        raise dg.Failure(
            f"older_than_days is {config.older_than_days}: write 1 or more. Nothing was removed.", allow_retries=False
        )
    selection = Selection(older_than=dt.timedelta(days=config.older_than_days))
    try:
        with refusals_as_failures(), workplace.open() as work:
            done = (
                purging.preview(work, selection)
                if config.dry_run
                else purging.purge(
                    work, selection, who=config.who, why=config.why, is_watched=not _is_scheduled(context)
                )
            )
    except PurgeRefused as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    context.log.info(str(done))


def _is_scheduled(context: dg.OpExecutionContext) -> bool:
    return context.run.tags.get("dagster/schedule_name") is not None


@dg.job(
    executor_def=dg.in_process_executor,
    description="Removes for good every answer that is older than older_than_days, with its contacts: out of the "
    "ledger, both databases and every old page. Credits and counts stay, and nothing buys those questions again by "
    "itself. A dry run unless dry_run is false.",
)
def purge_old_answers_job() -> None:
    """Purge by age."""
    purge_old_answers()


@dg.schedule(
    name=SCHEDULE,
    cron_schedule="30 3 * * *",
    job=purge_old_answers_job,
    description="**Deletes**, once you switch it on: every answer older than OPENMART_PURGE_AFTER_DAYS, with its "
    "contacts. Unset, it deletes nothing.",
)
def purge_old_answers_daily(workplace: dg.ResourceParam[WorkplaceResource]) -> dg.RunRequest | dg.SkipReason:
    """Request a purge of what is past the age that the settings name."""
    try:
        days = workplace.settings().purge_after_days
    except REFUSALS as refused:
        return dg.SkipReason(str(refused))
    if days is None:
        return dg.SkipReason(NO_AGE_SET)
    config = {
        "older_than_days": days,
        "dry_run": False,
        "who": f"the schedule {SCHEDULE}",
        "why": "OPENMART_PURGE_AFTER_DAYS",
    }
    return dg.RunRequest(run_config={"ops": {purge_old_answers.name: {"config": config}}})
