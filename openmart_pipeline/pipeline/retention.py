"""Retention: answers removed for good by age, file or company, out of the ledger first and then out of everything.

Lives here: the order of the steps, and what a purge that nobody watches must not do. Which answers: `ledger.purging`.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from openmart_pipeline.ledger import batch_history as history
from openmart_pipeline.ledger import erasure, plans, purging
from openmart_pipeline.ledger.purging import Chosen, Selection
from openmart_pipeline.model.words import plural
from openmart_pipeline.pipeline import erasing
from openmart_pipeline.services import Services

# A clock that jumped ahead makes every answer look old. A pipeline in use writes into its history more often than this.
QUIET_AT_MOST = dt.timedelta(days=31)


class PurgeRefused(Exception):
    """Nothing was removed; the sentence says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """What was removed, or would be."""

    chosen: Chosen
    contacts: int  # rows of `contacts` that were read from those answers
    is_done: bool
    files_loaded: tuple[str, ...] = ()
    not_loaded: tuple[str, ...] = ()  # sentences

    def __str__(self) -> str:
        """Say it in a few sentences, without a person."""
        chosen = self.chosen
        verb = "Removed for good" if self.is_done else "A purge would remove"
        answers, contacts = plural(chosen.answers, "answer"), plural(self.contacts, "contact")
        said = [f"{verb}: {answers} with {contacts}."]
        if chosen.unmatched:
            said.append(f"Besides, {plural(chosen.unmatched, 'answer')} matching no question.")
        if chosen.oldest_at is not None and chosen.newest_at is not None:
            said.append(f"Read from {chosen.oldest_at:%Y-%m-%d} to {chosen.newest_at:%Y-%m-%d}.")
        if chosen.shared:
            said.append(
                f"Kept: {plural(chosen.shared, 'answer')} of the file that other files ask for too; purge those by "
                "age or company."
            )
        said.append("Credits and counts stay. The questions stay answered: nothing buys them again by itself.")
        return " ".join((*said, *self.not_loaded))


def preview(work: Services, selection: Selection) -> Purged:
    """Return what a purge would remove now. Nothing is changed.

    Raises:
        PurgeRefused: nothing says which answers, or the file is not known.

    """
    _refuse_unclear(work, selection)
    return Purged(chosen=purging.choose(work.ledger, selection), contacts=_contacts(work, selection), is_done=False)


def purge(
    work: Services,
    selection: Selection,
    *,
    who: str,
    why: str,
    is_watched: bool = True,
    on_step: Callable[[str], None] = lambda _step: None,
) -> Purged:
    """Remove the chosen answers from the ledger, both databases and every old page.

    May be repeated at any time; after a kill it must be. What is on its way is collected all the same: purge it when
    it is here.

    Args:
        work: where.
        selection: which answers.
        who: acts, for the history.
        why: a reference, for the history.
        is_watched: a person has seen what would be removed; otherwise a clock that may be wrong removes nothing.
        on_step: hears the name of each step once it is done.

    Raises:
        PurgeRefused: nothing says which answers, the file is not known, or nobody watches and the clock may be wrong.
        ErasureUnfinished: the ledger's old pages are still in use; the same call again finishes it.

    """
    _refuse_unclear(work, selection)
    if not is_watched:
        _refuse_a_clock_that_jumped(work)
    contacts = _contacts(work, selection)
    chosen = purging.remove(work.ledger, selection, who=who, why=why)
    on_step("answers removed")
    if not (chosen.answers or chosen.unmatched) and erasure.due_files(work.ledger) is None:
        return Purged(chosen=chosen, contacts=0, is_done=True)
    finished = erasing.finish(work, run_id="purge", on_step=on_step)
    return Purged(
        chosen=chosen,
        contacts=contacts,
        is_done=True,
        files_loaded=tuple(finished.loaded),
        not_loaded=tuple(finished.not_loaded),
    )


def _contacts(work: Services, selection: Selection) -> int:
    count = "SELECT count(*) FROM contacts WHERE task_no IN (SELECT unnest(?::BIGINT[]))"
    return sum(work.warehouse.query(count, [some])[0][0] for some in purging.chosen_tasks(work.ledger, selection))


def _refuse_unclear(work: Services, selection: Selection) -> None:
    if not selection:
        raise PurgeRefused("Nothing says which answers: name an age, a file or a company. Nothing was removed.")
    key = selection.partition_key
    if key is not None and plans.partition(work.ledger, key) is None:
        raise PurgeRefused(
            f"The ledger knows no file {key!r}: write its name as `openmart-pipeline status` lists it. Nothing was "
            "removed."
        )


def _refuse_a_clock_that_jumped(work: Services) -> None:
    newest = history.newest_at(work.ledger)
    now = work.ledger.clock()
    if newest is None or now - newest > QUIET_AT_MOST or newest - now > QUIET_AT_MOST:
        raise PurgeRefused(
            f"This machine says that it is {now:%Y-%m-%d}, and the history ends at "
            f"{newest.strftime('%Y-%m-%d') if newest else 'nothing'}: the clock may be wrong, and a purge can't be "
            "undone. Nothing was removed. If the date is right, run openmart-pipeline purge once by hand."
        )
