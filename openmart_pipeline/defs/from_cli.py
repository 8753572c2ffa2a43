"""What the command line did, as Dagster shows it: one runless event for each asset, tagged `openmart/via=cli`.

Lives here: events about work that is done. No run is made up for it, so no run can become a ghost.
"""

from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from openmart_pipeline.defs.figures import of_contacts, of_publication
from openmart_pipeline.defs.metadata import Metadata, numbers, of_rows, texts, version_of
from openmart_pipeline.defs.partitions import input_files
from openmart_pipeline.defs.quote_metadata import quote_markdown
from openmart_pipeline.defs.reading_metadata import of_intake
from openmart_pipeline.pipeline.buying_run import RunReport
from openmart_pipeline.pipeline.steps import CompaniesIngested, Planned
from openmart_pipeline.services import Services

VIA = {"openmart/via": "cli"}


def report_assets(
    home: Path,
    work: Services,
    taken: Mapping[str, CompaniesIngested],
    planned: Mapping[str, Planned],
    report: RunReport,
) -> None:
    """Report every asset of every file of a finished command, and the published database."""
    with dg.DagsterInstance.from_config(str(home)) as instance:
        instance.add_dynamic_partitions(str(input_files.name), list(planned))
        for key, plan in planned.items():
            said: dict[str, Metadata] = {
                "companies": of_intake(work, key, taken[key]),
                "enrichment_plan": {"openmart/quote": dg.MetadataValue.md(quote_markdown(plan))},
                "submitted_batches": _bought(key, report),
                "task_results": {},
                "contacts": of_contacts(work, key),
            }
            for asset, metadata in said.items():
                rows, version = of_rows(work, asset, key)
                _report(instance, asset, {**metadata, **rows}, version, partition=key)
        version = version_of(work.warehouse.published_generation())
        _report(instance, "published_database", of_publication(work), version)


def _bought(key: str, report: RunReport) -> Metadata:
    bought = report.bought.get(key)
    if bought is None:
        return numbers({"tasks_bought": 0, "batches_bought": 0})
    return numbers(
        {
            "tasks_bought": bought.accepted_tasks,
            "batches_bought": bought.accepted_batches,
            "batches_unknown": len(bought.unknown_batches),
        }
    ) | texts({"what_happened": bought.sentence})


def _report(
    instance: dg.DagsterInstance,
    asset: str,
    metadata: Metadata,
    version: dg.DataVersion,
    *,
    partition: str | None = None,
) -> None:
    tags = {**VIA, "dagster/data_version": version.value}
    instance.report_runless_asset_event(
        dg.AssetMaterialization(asset_key=asset, partition=partition, metadata=metadata, tags=tags)
    )
