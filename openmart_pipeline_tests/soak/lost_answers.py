"""A storm in which one submit in five is bought and never heard of: each is named, none is sent again.

`python -m openmart_pipeline_tests.soak.lost_answers [--batches 400]` is the soak; the suite runs it small. Whenever the
breaker stops the buying, it is started again at once, which no person should do: that is the point.
"""

from pathlib import Path
from typing import Any

from openmart_pipeline.ledger import moves
from openmart_pipeline.ledger.states import BatchState
from openmart_pipeline.purchase.rules import Stop
from openmart_pipeline_tests.killable import Template
from openmart_pipeline_tests.money import assert_accounts_agree, batch_states
from openmart_pipeline_tests.soak.claims import judge
from openmart_pipeline_tests.soak.command import end, folder_of, options_of
from openmart_pipeline_tests.soak.faults import LOST, NEVER_CREATED, one_of
from openmart_pipeline_tests.soak.figures import Figures
from openmart_pipeline_tests.soak.watching import watched
from openmart_pipeline_tests.soak.world import MOST_ROUNDS, World, world_of

LOSING = 0.2  # of the submits: bought, and the answer lost
FAILING_BEFORE = 0.04  # of the submits: look the same, and nothing was bought
SEED = 6  # its luck makes gusts: the breaker trips several times within the first 400 submits


def soak(
    folder: Path,
    template: Template,
    *,
    batches: int,
    files: int,
    submit_s: float,
    patience_s: float,
    losing: float = LOSING,
    failing_before: float = FAILING_BEFORE,
    seed: int = SEED,
) -> Figures:
    """Send every batch into the storm once, look at what is unknown, decide about it, finish, compare the accounts."""
    faults = one_of(LOST, losing) | one_of(NEVER_CREATED, failing_before)
    server = {"submit_s": submit_s, "faults": faults, "seed": seed}
    with (
        world_of(folder, template, of="storm", batches=batches, files=files, patience_s=patience_s, **server) as world,
        watched(world, batches),
    ):
        _send_everything(world)
        _judge_the_storm(world, batches)
        world.decide()
        world.collect(100 * batches)
        world.run(is_whole=True)
        judge(world, 100 * batches)
    return world.figures


def _send_everything(world: World) -> None:
    """Start again whenever the breaker stopped it, until nothing is owed."""
    for _ in range(MOST_ROUNDS):
        if set(world.run().stops) <= {Stop.DONE}:
            return
    raise AssertionError(f"something is still owed after {MOST_ROUNDS} runs")


def _judge_the_storm(world: World, batches: int) -> None:
    """Put to the test, before a person has decided anything, what a lost answer means."""
    figures = world.figures
    never_heard = [_ids(batch) for batch in world.simulator.each_batch() if not batch["is_heard"]]
    with world.at_work() as (work, _buyer):
        unknown = [
            frozenset(work.ledger.tracking_id(batch.batch_no, position) for position in range(batch.tasks))
            for batch in moves.unknown_batches(work.ledger)
        ]
        sent = [state for state in batch_states(work) if state != BatchState.NOT_SENT]
        figures.claim(
            "every batch created and never heard of is among the unknown ones",
            lambda: [min(ids) for ids in never_heard if ids not in unknown],
        )
        figures.claim(
            "there were such batches, and others that were never created",
            lambda: "" if 0 < len(never_heard) < len(unknown) else f"{len(never_heard)} of {len(unknown)} unknown",
        )
        submits = world.simulator.account()["submits"]
        figures.claim(
            "none was sent again: one submit a batch",
            lambda: "" if submits == len(sent) == batches else f"{submits} submits of {len(sent)} batches",
        )
        figures.claim(
            "what was charged is known or named, before anybody decided",
            lambda: assert_accounts_agree(work, world.simulator),
        )


def _ids(batch: dict[str, Any]) -> frozenset[str]:
    return frozenset(batch["tracking_ids"])


def main() -> None:
    chosen = options_of(__doc__, batches=400, files=4, submit_s=0.5, patience_s=5.0, losing=LOSING, seed=SEED)
    with folder_of(chosen.pop("keep")) as folder, Template() as template:
        end("A storm of lost answers", soak(folder, template, **chosen))


if __name__ == "__main__":
    main()
