"""`batch_readiness_sensor`: asks Openmart what is ready, within a time budget, and requests collecting runs. Free.

Lives here: one tick. What is due, and for which files a run is worth it, is in the ledger's `standing`.
"""

from collections.abc import Iterator

import dagster as dg

from openmart_pipeline.collection.poll import PollReport
from openmart_pipeline.defs.checks import WATCHED, changed
from openmart_pipeline.defs.collected import COLLECT as COLLECT_LEASE
from openmart_pipeline.defs.failures import REFUSALS
from openmart_pipeline.defs.jobs import (
    COLLECT,
    KIND_TAG,
    PUBLISH,
    collect_contacts_job,
    publish_contacts_job,
    work_tags,
)
from openmart_pipeline.defs.partitions import input_files
from openmart_pipeline.defs.publishing import is_left_undone
from openmart_pipeline.defs.resources import OpenmartResource, WorkplaceResource
from openmart_pipeline.defs.under_way import unfinished
from openmart_pipeline.ledger import collecting, moves, queries
from openmart_pipeline.ledger.coordination import is_leased
from openmart_pipeline.ledger.orphans import reap_orphans
from openmart_pipeline.model.words import plural
from openmart_pipeline.pipeline import steps
from openmart_pipeline.services import Services

TICK_EVERY_S = 15
POLLING_BUDGET_S = 40.0  # of the 60 s after which Dagster calls a tick failed while it runs on
REQUESTS_PER_TICK = 50  # each takes Dagster a third of a second to submit


@dg.sensor(
    jobs=[collect_contacts_job, publish_contacts_job],
    minimum_interval_seconds=TICK_EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Asks Openmart about the batches under way, and starts collect_contacts_job for the files that have "
    "answers to read or to load, and publish_contacts_job for what a run loaded and did not publish. Free. Names "
    "batches whose sender died as unknown.",
)
def batch_readiness_sensor(
    context: dg.SensorEvaluationContext,
    workplace: dg.ResourceParam[WorkplaceResource],
    openmart: dg.ResourceParam[OpenmartResource],
) -> dg.SensorResult:
    """Poll what is due, and request a run for every file that a run would bring forward."""
    try:
        with workplace.open() as work:
            reap_orphans(work.ledger, work.journal)
            events = list(changed(context.instance, work, WATCHED))
            due: list[str] = []
            try:
                polled = steps.poll(work, openmart.session(work), budget_s=POLLING_BUDGET_S)
                due = list(_due(context, work))
                reason = None if due else _reason(work, polled)
            except REFUSALS as refused:  # no key: what needs none is still done
                reason = str(refused)
            requests = [_request(key) for key in due[:REQUESTS_PER_TICK]]
            if not due and is_left_undone(context.instance, work):  # the runs of files that are due publish anyway
                requests = [dg.RunRequest(tags={KIND_TAG: PUBLISH}, job_name=publish_contacts_job.name)]
            return dg.SensorResult(run_requests=requests, skip_reason=None if requests else reason, asset_events=events)
    except REFUSALS as refused:
        return dg.SensorResult(skip_reason=str(refused))


def _request(key: str) -> dg.RunRequest:
    return dg.RunRequest(partition_key=key, tags=work_tags(COLLECT, key), job_name=collect_contacts_job.name)


def _due(context: dg.SensorEvaluationContext, work: Services) -> Iterator[str]:
    """Yield the files that are due and that nobody is collecting, or about to."""
    busy = {run.tags.get("dagster/partition") for run in unfinished(context.instance, collect_contacts_job.name)}
    known = set(context.instance.get_dynamic_partitions(str(input_files.name)))
    for key in queries.due_for_collecting(work.ledger):
        if key in known and key not in busy and not is_leased(work.ledger, key, COLLECT_LEASE):
            yield key


def _reason(work: Services, polled: PollReport) -> str:
    open_batches = collecting.open_batches(work.ledger)
    parts = ["No batch is under way: nothing waits for an answer"]
    if open_batches:
        tasks = sum(batch.tasks for batch in open_batches)
        parts = [
            f"Under way: {plural(len(open_batches), 'batch', 'batches')} ({plural(tasks, 'task')})",
            f"asked about {polled.asked:,}: {polled.ready:,} ready, {polled.waiting:,} not yet",
        ]
    if unknown := moves.unknown_batches(work.ledger):
        parts.append(f"{plural(len(unknown), 'batch', 'batches')} in doubt (see no_submission_left_unknown)")
    if polled.failed:
        parts.append(f"{polled.failed:,} could not be asked, they are asked again")
    if polled.gone:
        parts.append(f"{polled.gone:,} unknown to the server")
    if polled.other_key:
        parts.append(f"{len(polled.other_key):,} belong to another API key ({polled.other_key[:5]})")
    if polled.left:
        parts.append(f"{polled.left:,} left for the next look")
    if polled.stopped_by:
        parts.append(polled.stopped_by)
    return "; ".join(parts).rstrip(".") + "."
