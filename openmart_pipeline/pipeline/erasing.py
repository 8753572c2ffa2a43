"""The end of every erasure: files loaded again, databases rewritten and published, nothing left in old pages.

Lives here: what forgetting, suppressing, retiring and purging have in common. What is erased is decided by them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from openmart_pipeline.intake.refusals import FileRefused
from openmart_pipeline.ledger import erasure
from openmart_pipeline.pipeline import steps
from openmart_pipeline.services import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Which files were loaded again, and a sentence for each whose rows could not be."""

    loaded: list[str]
    not_loaded: list[str]


def finish(work: Services, *, run_id: str, on_step: Callable[[str], None] = lambda _step: None) -> Finished:
    """Take what the ledger no longer holds, or may no longer show, out of both databases and out of every old page.

    May be repeated at any time; after a kill it must be. Each step is done whole before the next begins.

    Args:
        work: where.
        run_id: the run that the files are loaded by.
        on_step: hears the name of each step once it is done.

    Raises:
        ErasureUnfinished: another process kept the ledger's old pages in use for a minute.

    """
    erasure.write_over_old_pages(work.ledger)
    on_step("ledger written over")
    due = erasure.due_files(work.ledger) or {}
    loaded, not_loaded = _load_again(work, due, run_id)
    on_step("files loaded")
    work.warehouse.compact()
    on_step("warehouse rewritten")
    steps.publish(work)
    on_step("published")
    work.data.remove_leftovers()
    erasure.clear_due(work.ledger, due)
    return Finished(loaded=loaded, not_loaded=not_loaded)


def _load_again(work: Services, due: dict[str, int], run_id: str) -> tuple[list[str], list[str]]:
    loaded, not_loaded = [], []
    for key in due:
        try:
            steps.reload(work, key, run_id=run_id)
            loaded.append(key)
        except FileRefused as error:
            not_loaded.append(str(error))
    return loaded, not_loaded
