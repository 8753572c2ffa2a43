"""A file that is done with: nothing is read, planned or bought for it any more, and its data stays or goes.

Lives here: the order of the steps, which makes a kill at any of them harmless: the same call again finishes it.
Imports `steps`, `holdings` and the ledger's moves of a file.
"""

from dataclasses import dataclass

from openmart_pipeline.enrichment import holdings, steps
from openmart_pipeline.enrichment.ledger import plans, retirement
from openmart_pipeline.enrichment.refusals import FileRefused
from openmart_pipeline.enrichment.steps import Workplace


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """What was done with a file's data, and what of it is still on its way."""

    contacts: int  # rows of contacts that the file had when it was retired
    rows: int  # rows of the file, kept and set aside
    copies_removed: int
    batches_not_ended: int  # collected into the ledger all the same; unknown ones wait for a person
    is_in_input_folder: bool  # the user's own file, which is never touched


def retire(work: Workplace, key: str, *, remove_data: bool, who: str, why: str) -> Retired:
    """Retire a file and publish; may be repeated, also to remove the data of one that is retired already.

    What is on its way is collected in any case: it is paid for. With the data kept it is loaded too, without it stays
    in the ledger, where other files reuse it.

    Raises:
        MoveRefused: the ledger knows no such file.

    """
    rows, contacts = _held(work, key)
    copies = _copies(work, key)
    retirement.retire(work.ledger, key, remove_data=remove_data, who=who, why=why)
    removed = 0
    if remove_data:
        work.warehouse.forget_file(key)
        in_use = holdings.copies_in_use(work)
        for sha256 in copies - in_use.keys():
            (work.data.files / sha256).unlink(missing_ok=True)
            removed += 1
    steps.publish(work)
    return Retired(
        contacts=contacts,
        rows=rows,
        copies_removed=removed,
        batches_not_ended=retirement.batches_not_ended(work.ledger).get(key, 0),
        is_in_input_folder=_is_there(work, key),
    )


def bring_back(work: Workplace, key: str, *, who: str, why: str) -> None:
    """Let a retired file be planned and bought for again; whatever was bought for it is owned.

    Raises:
        MoveRefused: it is not retired.

    """
    retirement.bring_back(work.ledger, key, who=who, why=why)
    steps.publish(work)


def _held(work: Workplace, key: str) -> tuple[int, int]:
    [(rows, contacts)] = work.warehouse.query(
        "SELECT (SELECT count(*) FROM companies WHERE input_file = $1), "
        "(SELECT count(*) FROM contacts WHERE input_file = $1)",
        [key],
    )
    return rows, contacts


def _copies(work: Workplace, key: str) -> set[str]:
    """Return the stored copies that only this file's versions can have left."""
    known = set(plans.versions_of(work.ledger, key)) | {work.warehouse.company_file_sha256(key)}
    return {sha256 for sha256 in known if sha256 is not None and (work.data.files / sha256).is_file()}


def _is_there(work: Workplace, key: str) -> bool:
    try:
        return work.data.source(key).is_file()
    except FileRefused:
        return False
