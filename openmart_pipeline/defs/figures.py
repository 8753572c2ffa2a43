"""The figures that Dagster plots over time: of a file at its `contacts`, of everything at `published_database`.

Lives here: which numbers, under which names. They are reckoned in `checks.quality`.
"""

import dagster as dg

from openmart_pipeline.checks.quality import Quality, quality_in_total, quality_of_file
from openmart_pipeline.defs.metadata import Metadata, numbers, of_file
from openmart_pipeline.ledger import plans, queries, review
from openmart_pipeline.services import Services


def of_contacts(work: Services, key: str) -> Metadata:
    """Return the figures of one file's contacts."""
    return _figures(quality_of_file(work, key))


def of_publication(work: Services) -> Metadata:
    """Return the figures of everything that is published: what files share counts once."""
    path = work.warehouse.published_path
    known = [row for row in plans.all_partitions(work.ledger) if row.current_plan_id is not None]
    return {
        "dagster/uri": of_file(path),
        **_figures(quality_in_total(work)),
        **numbers(
            {
                "files": len(known),
                "files_waiting_for_answers": len(queries.waiting_partitions(work.ledger)),
                "estimated_credits_unspent": review.credits_not_spent(work.ledger),
                "file_bytes": path.stat().st_size,
                "generation": work.warehouse.published_generation(),
            }
        ),
    }


def _figures(quality: Quality) -> dict[str, dg.MetadataValue]:
    return numbers(
        {
            "people": quality.people,
            "answered": quality.answered,
            "hit_rate": quality.hit_rate,
            "verified_rate": quality.verified_rate,
            "estimated_credits": quality.estimated_credits,
            "credits_per_usable": quality.credits_per_usable_contact,
        }
    )
