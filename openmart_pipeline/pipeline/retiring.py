"""A file that is done with: nothing is read, planned or bought for it any more, and its data stays or goes.

Lives here: the order of the steps, which makes a kill at any of them harmless: the same call again finishes it.
"""

from dataclasses import dataclass

from openmart_pipeline.intake.refusals import FileRefused
from openmart_pipeline.ledger import plans, retirement
from openmart_pipeline.model.words import plural
from openmart_pipeline.pipeline import erasing, steps
from openmart_pipeline.privacy import holdings
from openmart_pipeline.services import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """What was done with a file's data, and what of it is still on its way; as text, a person's answer."""

    key: str
    is_data_removed: bool
    rows: int  # of the file, kept and set aside
    contacts: int
    copies_removed: int
    batches_not_ended: int  # collected into the ledger all the same; unknown ones wait for a person
    is_in_input_folder: bool  # the user's own file, which is never touched

    def __str__(self) -> str:
        """Say it in a few sentences."""
        rows, contacts = plural(self.rows, "row"), plural(self.contacts, "contact")
        said = [f"{self.key} is retired: nothing is read, planned or bought for it any more."]
        if self.is_data_removed:
            copies = plural(self.copies_removed, "stored copy", "stored copies")
            said.append(f"Removed: {rows}, {contacts}, {copies}. What was paid for stays in the ledger.")
        else:
            said.append(f"Kept: {rows} and {contacts}.")
        if self.batches_not_ended:
            batches = plural(self.batches_not_ended, "batch", "batches")
            said.append(f"{batches} not ended: collected as ever, being paid for.")
        if self.is_in_input_folder:
            said.append("The file itself is still in the input folder, which is yours.")
        return " ".join(said)


def retire(work: Services, key: str, *, remove_data: bool, who: str, why: str) -> Retired:
    """Retire a file and publish; may be repeated, also to remove the data of one that is retired already.

    What is on its way is collected in any case: it is paid for. With the data kept it is loaded too, without it stays
    in the ledger, where other files reuse it. Removed data leaves no byte in either database.

    Raises:
        MoveRefused: the ledger knows no such file.
        ErasureUnfinished: the ledger's old pages are still in use; the same call again finishes it.

    """
    rows, contacts = _held(work, key)
    copies = _copies(work, key)
    retirement.retire(work.ledger, key, remove_data=remove_data, who=who, why=why, rows=rows, contacts=contacts)
    removed = 0
    if remove_data:
        work.warehouse.forget_file(key)
        in_use = holdings.copies_in_use(work)
        for sha256 in copies - in_use.keys():
            (work.data.files / sha256).unlink(missing_ok=True)
            removed += 1
        erasing.finish(work, run_id="retire")
    else:
        steps.publish(work)
    return Retired(
        key=key,
        is_data_removed=remove_data,
        rows=rows,
        contacts=contacts,
        copies_removed=removed,
        batches_not_ended=retirement.batches_not_ended(work.ledger).get(key, 0),
        is_in_input_folder=_is_there(work, key),
    )


def bring_back(work: Services, key: str, *, who: str, why: str) -> None:
    """Let a retired file be planned and bought for again; whatever was bought for it is owned.

    Raises:
        MoveRefused: it is not retired.

    """
    retirement.bring_back(work.ledger, key, who=who, why=why)
    steps.publish(work)


def _held(work: Services, key: str) -> tuple[int, int]:
    [(rows, contacts)] = work.warehouse.query(
        "SELECT (SELECT count(*) FROM companies WHERE input_file = $1), "
        "(SELECT count(*) FROM contacts WHERE input_file = $1)",
        [key],
    )
    return rows, contacts


def _copies(work: Services, key: str) -> set[str]:
    """Return the stored copies that only this file's versions can have left."""
    known = set(plans.versions_of(work.ledger, key)) | {work.warehouse.company_file_sha256(key)}
    return {sha256 for sha256 in known if sha256 is not None and (work.data.files / sha256).is_file()}


def _is_there(work: Services, key: str) -> bool:
    try:
        return work.data.source(key).is_file()
    except FileRefused:
        return False
