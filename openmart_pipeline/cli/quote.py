"""`quote`: what files would ask and cost, for nothing and without a key.

Lives here: one command.
"""

from collections.abc import Mapping
from pathlib import Path

import click

from openmart_pipeline.cli.exits import plain_sentences
from openmart_pipeline.cli.inputs import take_files
from openmart_pipeline.cli.options import Choices, as_option, paths_argument, question_options
from openmart_pipeline.cli.quotes import (
    plan_files,
    show_file,
    show_launchpad_line,
    show_quotes,
    to_buy,
)
from openmart_pipeline.cli.screen import harmless, remarks, results
from openmart_pipeline.cli.workplace import workplace
from openmart_pipeline.pipeline import steps


@click.command()
@paths_argument
@question_options
@as_option
@click.pass_obj
def quote(environment: Mapping[str, str], paths: tuple[Path, ...], choices: Choices, as_name: str | None) -> None:
    """Say what the companies in FILE_OR_FOLDER... would ask and cost. Free; buys nothing, needs no key."""
    with plain_sentences(), workplace(environment, makes=True) as (_settings, work):
        screen = results()
        taken = take_files(work, paths, as_name, choices)
        for sentence in taken.left_out:
            remarks().print(harmless(f"Left out: {sentence}"))
        planned = plan_files(work, taken.files, choices)
        for key, companies in taken.files.items():
            show_file(screen, work, key, companies)
        show_quotes(screen, work, planned)
        steps.publish(work)
        if to_buy(planned):
            screen.print("Nothing was bought. To buy it: openmart-pipeline run with the same words.")
            show_launchpad_line(screen, planned)
        else:
            screen.print("Nothing is left to buy.")
