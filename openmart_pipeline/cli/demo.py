"""`demo`: the whole job in the simulated world, on the sample files.

Lives here: one command that is `run` with everything chosen.
"""

from collections.abc import Mapping

import click

from openmart_pipeline.cli.exits import plain_sentences
from openmart_pipeline.cli.options import Choices
from openmart_pipeline.cli.run import run_files
from openmart_pipeline.cli.screen import harmless, results
from openmart_pipeline.cli.simulated import bring_samples, simulated_folder, simulator
from openmart_pipeline.cli.workplace import workplace
from openmart_pipeline.wiring import open_session

# Slow enough to be seen, quick enough to be waited for: the real route takes 26 s and more.
LATENCIES = ("--submit-s", "1.5", "--read-s", "0.05", "--processing-s", "1", "--jitter", "0.5")
PATIENCE_S = 60
CHOICES = Choices(  # nothing chosen: what the README's queries show, and what `dev` plans for the same files
    titles=None,
    max_k=None,
    info_access=None,
    location=None,
    version=None,
    notify_url=None,
    reask=None,
    limit=None,
)


@click.command()
@click.pass_obj
def demo(environment: Mapping[str, str]) -> None:
    """See all of it work: sample files, a simulator, a quote, a purchase, contacts. No key, no cost.

    Everything is kept in data/simulated: a second demo finds it owned, and buys nothing.
    """
    folder = simulated_folder(environment)
    with plain_sentences(), simulator(folder, *LATENCIES) as url:
        bring_samples(folder)
        results().print(harmless(f"The simulated world: a stand-in for Openmart at {url}, everything in {folder}."))
        simulated = {**environment, "OPENMART_SIMULATOR_URL": url}
        with workplace(simulated, makes=True) as (settings, work):
            code = run_files(
                simulated,
                work,
                open_session(settings, work),
                [work.data.input / path.name for path in sorted(work.data.input.iterdir()) if path.is_file()],
                CHOICES,
                None,
                credit_limit=None,
                is_approved=True,
                patience_s=PATIENCE_S,
            )
    raise SystemExit(code)
