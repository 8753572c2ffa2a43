"""The way back: `task_results`, `contacts`, and the `published_database` that analysts read. All of it is free.

Lives here: three assets; each calls one step and says what it made.
"""

import time

import dagster as dg

from openmart_pipeline.collection.collector import CollectReport
from openmart_pipeline.defs.bought import submitted_batches
from openmart_pipeline.defs.failures import refusals_as_failures
from openmart_pipeline.defs.figures import of_contacts, of_publication
from openmart_pipeline.defs.lineage import CONTACTS, TASK_RESULTS
from openmart_pipeline.defs.metadata import (
    CODE_VERSION,
    GROUP,
    OWNERS,
    listed,
    numbers,
    of_rows,
    of_table,
    texts,
    version_of,
)
from openmart_pipeline.defs.partitions import input_file_of, input_files
from openmart_pipeline.defs.planned import enrichment_plan
from openmart_pipeline.defs.progress_log import ProgressLog
from openmart_pipeline.defs.publishing import left_to_others
from openmart_pipeline.defs.resources import OpenmartResource, WorkplaceResource
from openmart_pipeline.defs.waiting import what_waits
from openmart_pipeline.ledger import queries
from openmart_pipeline.ledger.coordination import lease
from openmart_pipeline.pipeline import steps
from openmart_pipeline.services import ApiSession, Services

COLLECT = "collect"  # the kind of lease: one slice per file at a time
SLICE_S = 15 * 60  # a run that ends lets others have its place, and shows what it has
PATIENCE_S = 30  # the slice ends when nothing came for so long: the sensor looks further, and asks again


@dg.asset(
    partitions_def=input_files,
    deps=[submitted_batches],
    group_name=GROUP,
    kinds={"openmart", "sqlite"},
    owners=OWNERS,
    code_version=CODE_VERSION,
    metadata=of_table("task_results", TASK_RESULTS),
    description="The raw answers to the file's questions, read from Openmart as its batches become ready and kept in "
    "the ledger. One run reads for at most a quarter of an hour; `batch_readiness_sensor` starts the next when there "
    "is more. Free, and may be repeated at any time. `contacts` puts them into the table.",
)
def task_results(
    context: dg.AssetExecutionContext,
    workplace: dg.ResourceParam[WorkplaceResource],
    openmart: dg.ResourceParam[OpenmartResource],
) -> dg.MaterializeResult[None]:
    """Read what is ready of the file's batches into the ledger."""
    key = input_file_of(context)
    with refusals_as_failures(), workplace.open() as work:
        session = openmart.session(work)
        with lease(work.ledger, key, COLLECT) as is_ours:
            report = _collect(context, work, session, key) if is_ours else CollectReport()
        waits = what_waits(work, key)
        progress = queries.progress(work.ledger, key)
        metadata = {
            **texts({"what_waits": waits.sentence}),
            **numbers(
                {
                    "answers_read": sum(report.ended.values()),
                    "people": report.people,
                    "emails": report.emails,
                    "phones": report.phones,
                    "failed_reads": report.failed_reads,
                    "unmatched_results": report.unmatched,
                    "results_matched_by_evidence": report.matched,
                    "parse_warnings": report.parse_warnings,
                    "batches_settled": report.settled_batches,
                    "batches_open": waits.batches,
                    "tasks_open": waits.tasks,
                    "estimated_credits_settled": progress.settled_credits,
                }
            ),
            **texts(
                {
                    "answers_by_outcome": listed(report.ended),
                    "tasks_by_state": listed(progress.tasks),
                    "under_way_elsewhere": ""
                    if is_ours
                    else "Another process is reading this file's answers just now.",
                    "disowned_batches": ", ".join(map(str, report.disowned_batches)),
                }
            ),
        }
        seq = queries.newest_end(work.ledger, key)
    context.log.info(waits.sentence)
    if report.stopped_by:
        raise dg.Failure(
            f"{report.stopped_by} What was read is kept, the rest is read when that is mended.",
            metadata=metadata,
            allow_retries=False,
        )
    return dg.MaterializeResult(data_version=version_of(seq, progress.tasks), metadata=metadata)


def _collect(context: dg.AssetExecutionContext, work: Services, session: ApiSession, key: str) -> CollectReport:
    collector = steps.collector(work, session, [key], ProgressLog(context.log))
    return collector.run(until=time.monotonic() + SLICE_S, patience_s=PATIENCE_S)


@dg.asset(
    partitions_def=input_files,
    deps=[task_results],
    group_name=GROUP,
    kinds={"duckdb"},
    owners=OWNERS,
    code_version=CODE_VERSION,
    metadata=of_table("contacts", CONTACTS),
    description="The people found for the file's companies, one row per person and question, each leading back to its "
    "rows, batch, task and run. Made of the answers in the ledger: free, and the same rows every time. To count people "
    "over all files, use the view `contact_directory` of the published database.",
)
def contacts(
    context: dg.AssetExecutionContext, workplace: dg.ResourceParam[WorkplaceResource]
) -> dg.MaterializeResult[None]:
    """Replace the file's contacts and task results by what the ledger holds."""
    key = input_file_of(context)
    with refusals_as_failures(), workplace.open() as work:
        counts = steps.load_contacts(work, key, run_id=context.run.run_id)
        rows, version = of_rows(work, "contacts", key)
        waits = what_waits(work, key)
        context.log.info("%d contacts. %s", counts.contacts, waits.sentence)
        return dg.MaterializeResult(
            data_version=version,
            metadata={
                **texts({"what_waits": waits.sentence}),
                **rows,
                **of_contacts(work, key),
                **numbers(
                    {
                        "with_email": counts.emails,
                        "with_phone": counts.phones,
                        "answers": counts.answers,
                        "answers_superseded": counts.superseded,
                        "answers_no_row_asks_for": counts.unplanned,
                        "answers_with_oddities": counts.answers_with_oddities,
                        "tasks_open": waits.tasks,
                    }
                ),
                **texts(
                    {
                        "answers_by_state": listed(counts.by_state),
                        "companies_by_status": listed(work.warehouse.coverage(key)),
                        "parse_warnings": listed(counts.parse_warnings),
                    }
                ),
            },
        )


@dg.asset(
    deps=[enrichment_plan, contacts],  # what it is made of, and after which of them it is worth doing
    group_name=GROUP,
    kinds={"duckdb"},
    owners=OWNERS,
    code_version=CODE_VERSION,
    description="The DuckDB file that analysts open, replaced in one step: no lock is ever met, and an open session "
    "keeps what it sees. Tables `contacts`, `companies` and the others, views `contact_directory` (each person once) "
    "and `company_coverage` (what became of each row). Every table and column carries its comment.",
)
def published_database(
    context: dg.AssetExecutionContext, workplace: dg.ResourceParam[WorkplaceResource]
) -> dg.MaterializeResult[None]:
    """Let analysts read what the warehouse holds now; nothing is written when exactly that is out."""
    with refusals_as_failures(), workplace.open() as work:
        why_not = left_to_others(context.instance, context.run, work)
        if why_not is not None:
            version = version_of(work.warehouse.published_generation())
            return dg.MaterializeResult(data_version=version, metadata=texts({"published": why_not}))
        was_new = steps.publish(work)
        path = work.warehouse.published_path
        return dg.MaterializeResult(
            data_version=version_of(work.warehouse.published_generation()),
            metadata={
                **of_publication(work),
                **texts(
                    {
                        "published": "now" if was_new else "exactly this was out already",
                        "query": f'duckdb -readonly {path} "FROM contact_directory LIMIT 20"',
                    }
                ),
            },
        )
