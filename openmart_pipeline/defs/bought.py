"""`submitted_batches`: the asset whose materialization spends, up to the credit limit that a person typed.

Lives here: the approval going in, the report coming out. Every gate in front of money is in `purchase.submit`.
"""

import math

import dagster as dg

from openmart_pipeline.defs.config import Approval
from openmart_pipeline.defs.failures import refusals_as_failures
from openmart_pipeline.defs.lineage import SUBMITTED_BATCHES
from openmart_pipeline.defs.metadata import (
    CODE_VERSION,
    GROUP,
    OWNERS,
    Metadata,
    listed,
    numbers,
    of_rows,
    of_table,
    texts,
)
from openmart_pipeline.defs.partitions import input_file_of, input_files
from openmart_pipeline.defs.planned import enrichment_plan
from openmart_pipeline.defs.progress_log import ProgressLog
from openmart_pipeline.defs.quote_metadata import quote_markdown
from openmart_pipeline.defs.resources import OpenmartResource, WorkplaceResource
from openmart_pipeline.defs.waiting import what_waits
from openmart_pipeline.ledger import outstanding, plans, queries
from openmart_pipeline.ledger.outstanding import AskStatus
from openmart_pipeline.model import approval
from openmart_pipeline.model.words import plural
from openmart_pipeline.pipeline import steps
from openmart_pipeline.purchase.outcomes import SubmitReport
from openmart_pipeline.purchase.rules import Stop
from openmart_pipeline.services import Services

_FAILS = (Stop.KEY, Stop.CREDITS)  # a person must act before anything more can be bought, by any run
_FAILS_IF_NOTHING_BOUGHT = (Stop.ADDRESS, Stop.UNREACHABLE, Stop.CLOCK, Stop.STALE)


@dg.asset(
    partitions_def=input_files,
    deps=[enrichment_plan],
    group_name=GROUP,
    kinds={"openmart", "sqlite"},
    owners=OWNERS,
    code_version=CODE_VERSION,
    metadata=of_table("submitted_batches", SUBMITTED_BATCHES),
    description="**Buys.** Sends what the file's plan still owes to Openmart, in batches of up to 100 questions, "
    "within the `credit_limit` and the `plan` you type and the budgets of the settings. Whatever is owned, on its way "
    "or perhaps paid for is never sent again, however often this runs. Terminate waits for the requests under way.",
)
def submitted_batches(
    context: dg.AssetExecutionContext,
    config: Approval,
    workplace: dg.ResourceParam[WorkplaceResource],
    openmart: dg.ResourceParam[OpenmartResource],
) -> dg.MaterializeResult[None]:
    """Buy what the file's plan owes, up to the approved credits."""
    key = input_file_of(context)
    if not math.isfinite(config.credit_limit) or config.credit_limit < 0:
        raise dg.Failure(
            f"credit_limit is {config.credit_limit}: type a number of credits, 0 or more. The quote in the newest "
            "materialization of enrichment_plan ends with it. Nothing was bought.",
            allow_retries=False,
        )
    with refusals_as_failures(), workplace.open() as work:
        approved = _approval(context, config)
        report = steps.buy(
            work, openmart.session(work), key, approved, run_id=context.run.run_id, on_event=ProgressLog(context.log)
        )
        if "dagster/schedule_name" in context.run.tags and work.budget.per_day is None:
            report.warnings.append(
                "OPENMART_CREDITS_PER_DAY is not set: nothing bounds what the schedules buy for all files together."
            )
        steps.load_batches(work, key)
        rows, version = of_rows(work, "submitted_batches", key)
        happened = _what_happened(report)
        said = texts({"what_happened": happened, "what_waits": what_waits(work, key).sentence})
        metadata = {**_new_quote(work, key, approved), **said, **_of_report(report), **_of_file(work, key), **rows}
    for warning in report.warnings:
        context.log.warning(warning)
    context.log.info(happened)
    if report.stop in _FAILS or (report.stop in _FAILS_IF_NOTHING_BOUGHT and not report.accepted_batches):
        raise dg.Failure(happened, metadata=metadata, allow_retries=False)
    return dg.MaterializeResult(data_version=version, metadata=metadata)


def _approval(context: dg.AssetExecutionContext, config: Approval) -> approval.Approval:
    """Return the approval in the run's configuration; a backfill's runs share one, and so do a run and its retries."""
    try:
        scope = approval.scope_named(config.scope)
    except ValueError as wrong:
        raise dg.Failure(f"{wrong} Nothing was bought.", allow_retries=False) from None
    return approval.Approval(
        plan_ids=approval.plans_named(config.plan),
        credit_limit=config.credit_limit,
        approval_id=_approval_id(context),
        by=_approver(context),
        scope=scope,
    )


def _approval_id(context: dg.AssetExecutionContext) -> str:
    """Return the name that the limit counts under: of the first backfill, else of the first run.

    A backfill that is executed again has a new id, and a run of a backfill that has ended loses its id.
    """
    run, root_id = context.run, context.run.tags.get("dagster/root_run_id")
    root = context.instance.get_run_by_id(root_id) if root_id else None
    for tags in (run.tags, root.tags if root is not None else {}):
        if backfill := tags.get("dagster/root_backfill_id") or tags.get("dagster/backfill"):
            return backfill
    return root_id or run.run_id


def _new_quote(work: Services, key: str, approved: approval.Approval) -> Metadata:
    """Return the quote of the file's plan where that is not the one that was approved."""
    planned = steps.current_quote(work, key)
    if planned is None or planned.plan.plan_id in approved.plan_ids:
        return {}
    return {"openmart/quote": dg.MetadataValue.md(quote_markdown(planned))}


def _approver(context: dg.AssetExecutionContext) -> str:
    """Return who approved, for the ledger's history: the schedule or backfill, else whoever pressed the button."""
    tags = context.run.tags
    for tag, who in (("dagster/schedule_name", "the schedule"), ("dagster/backfill", "the backfill")):
        if tag in tags:
            return f"{who} {tags[tag]}"
    return f"a person in Dagster, run {context.run.run_id[:8]}"


def _what_happened(report: SubmitReport) -> str:
    """Return why buying ended, and before it whatever a person must look at."""
    doubts = []
    if report.unknown_batches:
        doubts.append(
            f"{plural(len(report.unknown_batches), 'batch', 'batches')} may have been bought without an answer: see "
            "the check no_submission_left_unknown."
        )
    if report.rejected_batches:
        doubts.append(
            f"The server called {plural(len(report.rejected_batches), 'batch', 'batches')} a wrong request: see the "
            "check every_batch_was_accepted."
        )
    if doubts and report.stop is Stop.DONE:
        return " ".join([*doubts, "Everything else that the plan owes is bought."])
    return " ".join([*doubts, report.sentence])


def _of_report(report: SubmitReport) -> Metadata:
    return numbers(
        {
            "batches_bought": report.accepted_batches,
            "tasks_bought": report.accepted_tasks,
            "batches_unknown": len(report.unknown_batches),
            "batches_rejected": len(report.rejected_batches),
            "batches_given_back": report.not_sent_batches,
        }
    ) | texts(
        {
            "ended_by": report.stop.value,
            "unknown_batches": _numbered(report.unknown_batches),
            "rejected_batches": _numbered(report.rejected_batches),
            "warnings": " ".join(report.warnings),
        }
    )


def _numbered(batch_nos: list[int]) -> str:
    return ", ".join(f"batch {batch_no}" for batch_no in batch_nos)


def _of_file(work: Services, key: str) -> Metadata:
    plan = plans.current_plan(work.ledger, key)
    now = outstanding.ask_status_counts(work.ledger, plan.plan_id) if plan is not None else {}
    progress = queries.progress(work.ledger, key)
    return numbers(
        {
            "tasks_reused": now.get(AskStatus.OWNED, 0),
            "tasks_still_to_buy": now.get(AskStatus.TO_BUY, 0),
            "estimated_credits_reserved": progress.reserved_credits,
            "estimated_credits_settled": progress.settled_credits,
        }
    ) | texts({"batches_by_state": listed(progress.batches), "tasks_by_state": listed(progress.tasks)})
