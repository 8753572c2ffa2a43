"""What a person decides: which id an unknown batch has, that it is given up, whose a result is.

Lives here: the question to the server before an id is taken over, and the tables brought up to the decision. What each
word does to money is in the ledger.
"""

import asyncio

from openmart_pipeline.api.client import OpenmartClient
from openmart_pipeline.api.errors import Gone, OpenmartError
from openmart_pipeline.api.models import BatchStatus
from openmart_pipeline.ledger import adoption, moves, queries
from openmart_pipeline.ledger import unmatched_results as unmatched
from openmart_pipeline.ledger.moves import MoveRefused
from openmart_pipeline.ledger.states import TaskState
from openmart_pipeline.ledger.store import Ledger
from openmart_pipeline.pipeline import steps
from openmart_pipeline.services import Services


def adopt_known(
    ledger: Ledger, client: OpenmartClient, batch_no: int, vendor_batch_id: str, *, who: str, why: str
) -> None:
    """Ask the server about the id, then give it to the batch: its answers are collected from now on. Free.

    Raises:
        MoveRefused: the server does not know the id or counts other tasks, or the batch is in another state.

    """
    try:
        status = asyncio.run(_status(client, vendor_batch_id))
    except Gone:
        raise MoveRefused(
            f"The server does not know the batch {vendor_batch_id} under this key. Nothing was changed: check the id, "
            "and that OPENMART_API_KEY is the key that bought it."
        ) from None
    except OpenmartError as error:
        raise MoveRefused(
            f"The server could not be asked about {vendor_batch_id}: {error} Nothing was changed."
        ) from None
    moves.adopt(ledger, batch_no, vendor_batch_id, total=status.total, who=who, why=why)


async def _status(client: OpenmartClient, vendor_batch_id: str) -> BatchStatus:
    async with client.reader() as reader:
        return await reader.batch_status(vendor_batch_id)


def release_each(
    ledger: Ledger, batch_nos: list[int], *, who: str, why: str, vouch_unpaid: bool
) -> tuple[list[int], list[str]]:
    """Owe the questions of these batches again; return the numbers released, and a sentence for each that was not."""
    released, refused = [], []
    for batch_no in batch_nos:
        try:
            moves.release(ledger, batch_no, who=who, why=why, vouch_unpaid=vouch_unpaid)
            released.append(batch_no)
        except MoveRefused as error:
            refused.append(str(error))
    return released, refused


def revoke(work: Services, batch_no: int, *, who: str, why: str, run_id: str) -> tuple[int, list[str]]:
    """Take an adopted id back and bring analysts the tables without what came under it. Asks no server; free.

    Returns:
        How many answers left the batch's tasks, and the files that were loaded again.

    Raises:
        MoveRefused: the id was not adopted, or tracking ids prove it.
        FileRefused: a file could not be loaded again; the ledger is right all the same.

    """
    taken_back = adoption.revoke(work.ledger, batch_no, who=who, why=why)
    load_due(work, run_id)
    return taken_back


def assign(
    work: Services, batch_no: int, vendor_task_id: str, tracking_id: str, *, who: str, why: str, run_id: str
) -> TaskState:
    """Give an unmatched result to the task that a person names, and bring analysts its people. Free.

    Raises:
        MoveRefused: no such result or task, or the task has an answer.
        FileRefused: a file could not be loaded again; the ledger is right all the same.

    """
    state = unmatched.assign_by_person(work.ledger, batch_no, vendor_task_id, tracking_id, who=who, why=why)
    load_due(work, run_id)
    return state


def load_due(work: Services, run_id: str) -> None:
    """Load every file that something ended for since it was loaded, and publish."""
    due = queries.due_for_loading(work.ledger)
    for key in due:
        steps.load_contacts(work, key, run_id=run_id)
    if due:
        steps.publish(work)
