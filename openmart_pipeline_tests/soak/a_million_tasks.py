"""A million tasks from a server in trouble, bought by processes that are killed: paid once, nothing lost.

`python -m openmart_pipeline_tests.soak.a_million_tasks [--batches 10000] [--kills 50] [--files 10]` is the soak; the
suite runs it small. 5 % of all requests fail, in every way that `faults.mixed` knows; every kill is a SIGKILL.
"""

import random
from pathlib import Path

from openmart_pipeline_tests.killable import Template
from openmart_pipeline_tests.soak.claims import judge
from openmart_pipeline_tests.soak.command import end, folder_of, options_of
from openmart_pipeline_tests.soak.faults import mixed
from openmart_pipeline_tests.soak.figures import Figures
from openmart_pipeline_tests.soak.moments import while_buying, while_loading
from openmart_pipeline_tests.soak.watching import watched
from openmart_pipeline_tests.soak.world import world_of

FAILING = 0.05  # of the submits, polls, lists of ids and results, each
PROCESSING_SHARE = 0.5  # of the time that a submit takes
A_PERSON_LOOKS_EVERY = 10  # kills
LATE_SHARE = 0.05  # of the kills fall when everything is collected, while it is loaded


def soak(
    folder: Path,
    template: Template,
    *,
    batches: int,
    kills: int,
    files: int,
    submit_s: float,
    patience_s: float,
    failing: float = FAILING,
    seed: int = 1,
) -> Figures:
    """Buy and collect so many batches with so many kills on the way, finish, and compare the accounts.

    `submit_s` is how long the server takes for a submit: with it, buying lasts as long as collecting.
    """
    server = {"submit_s": submit_s, "processing_s": submit_s * PROCESSING_SHARE, "faults": mixed(failing), "seed": seed}
    chance = random.Random(seed)  # the same moments each time, as far as a scheduler allows
    late = max(1, int(LATE_SHARE * kills))
    with (
        world_of(folder, template, of="soak", batches=batches, files=files, patience_s=patience_s, **server) as world,
        watched(world, batches),
    ):
        for order in while_buying(chance, batches=batches, kills=kills - late):
            ended = world.run(**order)
            if world.figures.runs % A_PERSON_LOOKS_EVERY == 0 or not ended.was_killed:
                world.decide()
            if world.figures.kills == kills - late or world.collected_tasks() == 100 * batches:
                break
        world.collect(100 * batches)
        for order in while_loading(chance, files=files):
            if world.figures.kills == kills:
                break
            world.run(is_whole=True, **order)
        world.run(is_whole=True)
        killed = world.figures.kills
        world.figures.claim("so many runs were killed", lambda: "" if killed == kills else f"{killed} of {kills}")
        judge(world, 100 * batches)
    return world.figures


def main() -> None:
    chosen = options_of(__doc__, batches=10_000, kills=50, files=10, submit_s=1.0, patience_s=10.0, seed=1)
    with folder_of(chosen.pop("keep")) as folder, Template() as template:
        end("A million tasks", soak(folder, template, **chosen))


if __name__ == "__main__":
    main()
