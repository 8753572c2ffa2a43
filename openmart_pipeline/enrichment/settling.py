"""Unknown batches, settled by a person: adopted under the id that the vendor named, or released to be owed again.

Lives here: the question to the server before an id is taken over. What each word does to money is in
`ledger.moves`. Imports that, `steps` and `api`.
"""

import asyncio

from openmart_pipeline.api.client import OpenmartClient
from openmart_pipeline.api.errors import Gone, OpenmartError
from openmart_pipeline.api.models import BatchStatus
from openmart_pipeline.enrichment.ledger import moves
from openmart_pipeline.enrichment.ledger.moves import MoveRefused
from openmart_pipeline.enrichment.ledger.store import Ledger


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
