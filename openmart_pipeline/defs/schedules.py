"""Schedules: planning every day; buying and refreshing only where a person switched them on and set a limit.

Lives here: when, for which files, with which configuration.
"""

from collections.abc import Mapping

import dagster as dg

from openmart_pipeline.defs.bought import submitted_batches
from openmart_pipeline.defs.failures import REFUSALS
from openmart_pipeline.defs.jobs import (
    BUY,
    PLAN,
    buy_planned_contacts_job,
    plan_company_files_job,
    refresh_stale_contacts_job,
    work_tags,
)
from openmart_pipeline.defs.partitions import input_files
from openmart_pipeline.defs.resources import WorkplaceResource
from openmart_pipeline.ledger import plans
from openmart_pipeline.ledger.retirement import retired_files
from openmart_pipeline.ledger.selection import first_outstanding, plans_to_refresh, select_now
from openmart_pipeline.model.approval import Scope
from openmart_pipeline.pipeline import inventory
from openmart_pipeline.services import Services

NO_LIMIT_SET = (
    "OPENMART_CREDITS_PER_RUN is not set, so nothing is bought: set it to the most estimated credits that one run, "
    "that is one file, may spend."
)
Requested = list[dg.RunRequest] | dg.SkipReason


@dg.schedule(
    cron_schedule="30 4 * * *",
    job=plan_company_files_job,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Plans, free of charge, every file whose plan is not made from the file and the prices as they are "
    "now: whatever company_files_sensor missed, or what failed that day.",
)
def plan_company_files_daily(
    context: dg.ScheduleEvaluationContext, workplace: dg.ResourceParam[WorkplaceResource]
) -> Requested:
    """Request a plan for every file that lacks one that could be bought."""
    try:
        with workplace.open() as work:
            keys = [key for key in _partitions(context, work) if not _has_valid_plan(work, key)]
    except REFUSALS as refused:
        return dg.SkipReason(str(refused))
    if not keys:
        return dg.SkipReason("Every file is planned as it is now, with the prices as they are now.")
    return [dg.RunRequest(partition_key=key, tags=work_tags(PLAN, key)) for key in keys]


@dg.schedule(
    cron_schedule="0 6 * * *",
    job=buy_planned_contacts_job,
    description="**Spends**, once you switch it on: buys what every file's plan still owes, up to "
    "OPENMART_CREDITS_PER_RUN for each file, and within OPENMART_CREDITS_PER_DAY for all files together: set both. "
    "Without the first it buys nothing. What a plan with reask asks again is never bought by it.",
)
def buy_planned_contacts_daily(
    context: dg.ScheduleEvaluationContext, workplace: dg.ResourceParam[WorkplaceResource]
) -> Requested:
    """Request a purchase for every file whose plan owes something."""
    try:
        limit = workplace.settings().credits_per_run
        if limit is None:
            return dg.SkipReason(NO_LIMIT_SET)
        with workplace.open() as work:
            owing = {key: plan_id for key in _partitions(context, work) if (plan_id := _owing_plan(work, key))}
    except REFUSALS as refused:
        return dg.SkipReason(str(refused))
    if not owing:
        return dg.SkipReason("No file's plan owes anything: there is nothing to buy.")
    return _purchases(owing, limit, Scope.NEW)


@dg.schedule(
    cron_schedule="0 5 1 * *",
    job=refresh_stale_contacts_job,
    description="**Spends**, once you switch it on: asks again what is older than its lifetime, up to "
    "OPENMART_CREDITS_PER_RUN for each file, and within OPENMART_CREDITS_PER_DAY for all files together: set both. "
    "Without the first it buys nothing. Questions that were never approved and bought are not asked.",
)
def refresh_stale_contacts_monthly(
    context: dg.ScheduleEvaluationContext, workplace: dg.ResourceParam[WorkplaceResource]
) -> Requested:
    """Request a refresh for every file with answers past their lifetime, oldest first: the day's budget may bind."""
    try:
        limit = workplace.settings().credits_per_run
        if limit is None:
            return dg.SkipReason(NO_LIMIT_SET)
        with workplace.open() as work:
            here = set(_partitions(context, work))
            stale = plans_to_refresh(work.ledger, work.lifetimes)
    except REFUSALS as refused:
        return dg.SkipReason(str(refused))
    due = {key: plan_id for key, plan_id in stale.items() if key in here}
    if not due:
        return dg.SkipReason("No answer is past its lifetime.")
    return _purchases(due, limit, Scope.STALE)


def _purchases(plan_of: Mapping[str, str], credit_limit: float, scope: Scope) -> list[dg.RunRequest]:
    """Return a purchase for each file: of the plan that the schedule looked at, and of no other."""
    return [
        dg.RunRequest(
            partition_key=key,
            run_config={
                "ops": {
                    submitted_batches.op.name: {
                        "config": {"credit_limit": credit_limit, "plan": plan_id, "scope": scope.value}
                    }
                }
            },
            tags=work_tags(BUY, key),
        )
        for key, plan_id in plan_of.items()
    ]


def _partitions(context: dg.ScheduleEvaluationContext, work: Services) -> list[str]:
    """Return the files that are in the input folder, known to Dagster and not retired, by name."""
    here = inventory.look(work.data).stamps.keys() - retired_files(work.ledger).keys()
    return [key for key in context.instance.get_dynamic_partitions(str(input_files.name)) if key in here]


def _has_valid_plan(work: Services, key: str) -> bool:
    return inventory.is_planned(work.data, plans.partition(work.ledger, key)) and inventory.is_quoted_with(
        work.ledger, key, work.prices
    )


def _owing_plan(work: Services, key: str) -> str | None:
    """Return the file's plan, None where it owes nothing that the daily purchase may buy."""
    plan = plans.current_plan(work.ledger, key)
    if plan is None or plan.quote is None:
        return None
    owes = first_outstanding(work.ledger, plan.plan_id, select_now(work.ledger, Scope.NEW, work.lifetimes)) is not None
    return plan.plan_id if owes else None
