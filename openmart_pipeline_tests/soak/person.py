"""The person who decides about unknown batches: adopts what the vendor's account names, releases the rest.

Through the product's own ways of doing so. No claim lives here.
"""

import datetime as dt
from dataclasses import dataclass

from openmart_pipeline.ledger import moves
from openmart_pipeline.ledger.moves import MoveRefused
from openmart_pipeline.pipeline import settling
from openmart_pipeline.services import ApiSession, Services
from openmart_pipeline_tests.simulator_process import SimulatorProcess

WHO = "a person"
PAST_EVERY_DEADLINE = dt.timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of the unknown batches."""

    unknown: int
    adopted: int
    released: int


def decide(work: Services, session: ApiSession, simulator: SimulatorProcess) -> Decided:
    """Adopt each unknown batch that was charged, release all the others at once.

    What can't be adopted now, because the server could not be asked, stays unknown for the next time.
    """
    moves.mark_orphans_unknown(work.ledger)
    unknown = {work.ledger.tracking_id(batch.batch_no, 0): batch for batch in moves.unknown_batches(work.ledger)}
    if not unknown:
        return Decided(0, 0, 0)
    charged = {
        batch["tracking_ids"][0]: batch["batch_id"]
        for batch in simulator.each_batch()
        if batch["tracking_ids"][0] in unknown
    }
    adopted = 0
    for tracking_id, batch_id in charged.items():
        try:
            settling.adopt_known(
                work.ledger,
                session.client,
                unknown[tracking_id].batch_no,
                batch_id,
                who=WHO,
                why="the vendor's account names its tracking ids",
            )
            adopted += 1
        except MoveRefused:
            continue
    never_created = [batch.batch_no for tracking_id, batch in unknown.items() if tracking_id not in charged]
    return Decided(len(unknown), adopted, _release(work, never_created))


def _release(work: Services, batch_nos: list[int]) -> int:
    """Release them as if every deadline had passed: the senders are dead, and nothing is waited for."""
    clock = work.ledger.clock
    work.ledger.clock = lambda: clock() + PAST_EVERY_DEADLINE
    try:
        released, refused = settling.release_each(
            work.ledger, batch_nos, who=WHO, why="the vendor's account does not know it", vouch_unpaid=True
        )
    finally:
        work.ledger.clock = clock
    assert refused == []
    return len(released)
