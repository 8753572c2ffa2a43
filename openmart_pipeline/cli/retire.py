"""`retire`: done with a file. Nothing is read, planned or bought for it any more; its data stays, or goes.

Lives here: asking once more, and saying what was done. The order of steps is `pipeline.retiring`'s.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import click

from openmart_pipeline.cli.exits import Refusal, plain_sentences
from openmart_pipeline.cli.history import copies_elsewhere
from openmart_pipeline.cli.screen import harmless, results
from openmart_pipeline.cli.workplace import person, workplace
from openmart_pipeline.intake.input_files import partition_key_of
from openmart_pipeline.ledger import plans
from openmart_pipeline.pipeline import retiring
from openmart_pipeline.services import Services


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--remove-data", is_flag=True, help="Also take its rows and contacts out of the databases, and its copies."
)
@click.option("--undo", is_flag=True, help="Bring it back: what was bought for it is owned.")
@click.option("--why", default="", metavar="REASON", help="For the ledger's history.")
@click.option("--yes", is_flag=True, help="Don't ask once more before data is removed.")
@click.pass_obj
def retire(
    environment: Mapping[str, str], files: tuple[str, ...], *, remove_data: bool, undo: bool, why: str, yes: bool
) -> None:
    """Read, plan and buy nothing more for FILE..., named as `status` lists them.

    What is on its way is collected: it is paid for. Answers stay in the ledger, where other files reuse them. The file
    itself, in the input folder, is yours and is not touched.
    """
    if undo and remove_data:
        raise Refusal("Say either --undo or --remove-data.")
    with plain_sentences(), workplace(environment) as (_settings, work):
        keys = [key_of(work, file) for file in files]
        if remove_data and not yes:
            _ask(keys)
        for key in keys:
            if undo:
                retiring.bring_back(work, key, who=person(), why=why)
                results().print(harmless(f"{key} is back: openmart-pipeline quote plans it as it is now."))
            else:
                done = retiring.retire(work, key, remove_data=remove_data, who=person(), why=why)
                results().print(harmless(done))
        if remove_data and (copies := copies_elsewhere(work)):
            results().print(copies)


def key_of(work: Services, file: str) -> str:
    """Return the partition key of a file as `status` lists it, or as a path to it in the input folder."""
    if plans.partition(work.ledger, file) is None:
        path = Path(file).absolute()
        if path.is_relative_to(work.data.input.absolute()):
            return partition_key_of(path.relative_to(work.data.input.absolute()))
    return file


def _ask(keys: list[str]) -> None:
    if not sys.stdin.isatty():
        raise Refusal("There is nobody to ask here: say --yes to remove the data. Nothing was changed.")
    names = ", ".join(str(harmless(key)) for key in keys)
    if not click.confirm(f"Take the rows and contacts of {names} out of the databases, and remove its copies?"):
        raise Refusal("Nothing was changed.")
