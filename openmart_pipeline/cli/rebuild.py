"""`rebuild`: the analysts' database made anew from the ledger and the file copies.

Lives here: one command.
"""

from collections.abc import Mapping

import click
from rich.progress import Progress

from openmart_pipeline.cli.exits import Exit, Refusal, plain_sentences
from openmart_pipeline.cli.screen import harmless, remarks, results
from openmart_pipeline.cli.workplace import new_run_id, workplace
from openmart_pipeline.pipeline import rebuilding


@click.command()
@click.pass_obj
def rebuild(environment: Mapping[str, str]) -> None:
    """Make the warehouse anew from the ledger and the file copies, and publish it. Free; asks no server.

    Analysts keep reading the old database until the new one is whole.
    """
    with plain_sentences(), workplace(environment) as (_settings, work):
        aside = remarks()
        with Progress(console=aside, transient=True, disable=not aside.is_terminal) as bars:
            bar = bars.add_task("files", total=None)

            def on_file(_key: str, done: int, files: int) -> None:
                bars.update(bar, completed=done, total=files)

            failed = rebuilding.rebuild(work, run_id=new_run_id(), on_file=on_file)
        results().print(harmless(f"Rebuilt and published: {work.warehouse.published_path}."))
    if failed:
        raise Refusal("Not rebuilt: " + " ".join(failed), Exit.WAITS)
