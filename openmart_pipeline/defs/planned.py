"""The free half of the way in: `companies` and `enrichment_plan`, from a file to its quote.

Lives here: two assets; each calls one step and says what it made. Nothing here spends.
"""

import dagster as dg

from openmart_pipeline.defs.config import PlanChoices, ReadingChoices
from openmart_pipeline.defs.failures import refusals_as_failures
from openmart_pipeline.defs.lineage import ENRICHMENT_PLAN
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
from openmart_pipeline.defs.progress_log import ProgressLog
from openmart_pipeline.defs.quote_metadata import quote_markdown
from openmart_pipeline.defs.reading_metadata import of_intake, rows_markdown
from openmart_pipeline.defs.resources import WorkplaceResource
from openmart_pipeline.pipeline import steps
from openmart_pipeline.planning.question_settings import merged_over


@dg.asset(
    partitions_def=input_files,
    group_name=GROUP,
    kinds={"csv", "duckdb"},
    owners=OWNERS,
    code_version=CODE_VERSION,
    metadata=of_table("companies"),
    description="The rows of a company file, checked: one with a usable company domain is kept, every other one is set "
    "aside with a reason (table `rejected_rows`). Works on a copy of the file, taken by content. Free.",
)
def companies(
    context: dg.AssetExecutionContext, config: ReadingChoices, workplace: dg.ResourceParam[WorkplaceResource]
) -> dg.MaterializeResult[None]:
    """Take the file's rows into `companies` and `rejected_rows`."""
    key = input_file_of(context)
    with refusals_as_failures(), workplace.open() as work:
        try:
            reading = steps.last_reading(work, key).with_choices(**config.model_dump())
        except ValueError as wrong:
            raise dg.Failure(f"{wrong} Nothing was read.", allow_retries=False) from None
        taken = steps.ingest_companies(work, key, reading, ProgressLog(context.log))
        rows, version = of_rows(work, "companies", key)
        for note in taken.report.notes:
            context.log.info(note)
        if not taken.counts.companies:
            context.log.warning("No company is left to ask about: see the table rejected_rows for each row's reason.")
        return dg.MaterializeResult(
            data_version=version_of(taken.version.sha256, version.value),
            metadata={**of_intake(work, key, taken), **rows},
        )


@dg.asset(
    partitions_def=input_files,
    deps=[companies],
    group_name=GROUP,
    kinds={"duckdb"},
    owners=OWNERS,
    code_version=CODE_VERSION,
    metadata=of_table("enrichment_plan", ENRICHMENT_PLAN),
    description="What the file would ask Openmart: one question per company and job title, those that are answered or "
    "on their way already marked as such, and a **quote** of what buying the rest would cost (in the metadata). Free: "
    "nothing is bought until `submitted_batches` is materialized with a credit limit.",
)
def enrichment_plan(
    context: dg.AssetExecutionContext, config: PlanChoices, workplace: dg.ResourceParam[WorkplaceResource]
) -> dg.MaterializeResult[None]:
    """Plan the file's questions and quote them."""
    key = input_file_of(context)
    with refusals_as_failures(), workplace.open() as work:
        try:
            settings = merged_over(steps.last_settings(work, key), **config.model_dump())
        except ValueError as wrong:
            raise dg.Failure(f"{wrong} Nothing was planned or bought.", allow_retries=False) from None
        planned = steps.plan_questions(work, key, settings, ProgressLog(context.log))
        rows, version = of_rows(work, "enrichment_plan", key)
        quote = planned.quote
        return dg.MaterializeResult(
            data_version=version_of(planned.plan.plan_id, version.value),
            metadata={
                "openmart/quote": dg.MetadataValue.md(quote_markdown(planned)),
                "openmart/rows_by_outcome": dg.MetadataValue.md(rows_markdown(work.warehouse.row_outcomes(key))),
                **rows,
                **numbers(
                    {
                        "rows": quote.rows,
                        "companies": quote.companies,
                        "set_aside": sum(quote.set_aside.values()),
                        "tasks_to_buy": quote.to_buy,
                        "tasks_reused": quote.outcomes.get("owned", 0),
                        "batches_to_buy": quote.batches,
                        "estimated_credits_at_most": quote.worst_case_credits,
                        "estimated_credits_expected": quote.expected_credits,
                        "estimated_credits_unspent": quote.credits_not_spent,
                    }
                ),
                **texts(
                    {
                        "plan_id": planned.plan.plan_id,
                        "questions_by_outcome": listed(quote.outcomes),
                        "settings": planned.settings.to_json(),
                    }
                ),
            },
        )
