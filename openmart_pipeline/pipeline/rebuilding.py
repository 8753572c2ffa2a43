"""The warehouse made anew: from the ledger's answers and the stored company files, at no cost.

Lives here: the order of loads, and what others did meanwhile. One file's load is in `steps`.
"""

from collections.abc import Callable
from dataclasses import replace

from openmart_pipeline.intake.refusals import FileRefused
from openmart_pipeline.ledger import loads, plans
from openmart_pipeline.ledger.erasure import nothing_erased_since
from openmart_pipeline.pipeline import steps
from openmart_pipeline.services import Services
from openmart_pipeline.warehouse import RowsOutdated


def rebuild(
    work: Services, *, run_id: str, on_file: Callable[[str, int, int], None] = lambda _key, _done, _files: None
) -> list[str]:
    """Make the warehouse anew from the ledger and the file copies, and publish it; return what could not be.

    Built beside the old one, which is used by everybody else until the new one is whole; so is the published one.
    Where something is erased meanwhile it is built again, since it may hold what was erased. `on_file` hears of each
    file when it is in: its name, how many are done, of how many.
    """
    while True:
        try:
            return _rebuild(work, run_id, on_file)
        except RowsOutdated:
            continue


def _rebuild(work: Services, run_id: str, on_file: Callable[[str, int, int], None]) -> list[str]:
    is_current = nothing_erased_since(work.ledger)
    files = [row for row in plans.all_partitions(work.ledger) if row.current_plan_id is not None]
    loaded: dict[str, steps.AnswersLoaded] = {}
    failed: dict[str, str] = {}
    with work.warehouse.made_anew(is_current) as fresh:
        for done, file in enumerate(files, start=1):
            key = file.partition_key
            try:
                loaded[key] = steps.load_answers(replace(work, warehouse=fresh), key, run_id)
            except FileRefused as error:
                failed[key] = str(error)
            on_file(key, done, len(files))
    for file in files:
        key = file.partition_key
        if key in failed:
            loads.note_given_up(work.ledger, key)
        elif plans.partition(work.ledger, key) != file:  # planned, loaded or made due, for the old one, meanwhile
            steps.load_contacts(work, key, run_id=run_id)
        else:
            loads.note_answers_loaded(work.ledger, key, loaded[key].plan_id, loaded[key].seq)
    steps.publish(work)
    return list(failed.values())
