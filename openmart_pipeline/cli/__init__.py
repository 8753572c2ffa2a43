"""The command line: which commands there are. What each does is in the module beside it, loaded when it is called.

No rule about money or rows lives here, and no heavy import: `--help` must answer at once.
"""

import gc
import importlib
import resource
from typing import Any

import click

from openmart_pipeline import __version__
from openmart_pipeline.cli.environment import read_environment

COMMANDS = {
    "run": ("openmart_pipeline.cli.run:run", "Find contacts for files of companies: quote, ask, buy, collect."),
    "quote": ("openmart_pipeline.cli.quote:quote", "Say what a file would ask and cost. Free; needs no key."),
    "collect": ("openmart_pipeline.cli.collect:collect", "Collect what was bought and is still open. Free."),
    "status": ("openmart_pipeline.cli.status:status", "Show files, batches, what waits, and what was spent."),
    "unknown": ("openmart_pipeline.cli.unknown:unknown", "Decide about batches that may have been paid for."),
    "unmatched": (
        "openmart_pipeline.cli.unmatched:unmatched",
        "Give paid results their questions.",
    ),
    "ledger": ("openmart_pipeline.cli.ledger:ledger", "Verify, back up or bring back the record of what was paid for."),
    "query": ("openmart_pipeline.cli.query:query", "Run one SELECT on the analysts' database, locked down."),
    "export": ("openmart_pipeline.cli.export:export", "Write contacts to CSV, XLSX or Parquet, safe for spreadsheets."),
    "report": (
        "openmart_pipeline.cli.report:report",
        "Write a page of pictures: coverage, hit rates, cost. No person.",
    ),
    "subject": ("openmart_pipeline.cli.subject:subject", "Show all that is held on one person."),
    "forget": ("openmart_pipeline.cli.people:forget", "Remove one person from everything, and keep them out."),
    "suppress": ("openmart_pipeline.cli.people:suppress", "Keep people or whole companies out of plans and tables."),
    "retire": ("openmart_pipeline.cli.retire:retire", "Be done with a file; its data stays, or goes."),
    "history": ("openmart_pipeline.cli.history:history", "Show who did what, when, how many and why."),
    "purge": ("openmart_pipeline.cli.purge:purge", "Remove answers for good, by age, file or company."),
    "rebuild": ("openmart_pipeline.cli.rebuild:rebuild", "Make the analysts' database anew from the ledger. Free."),
    "check": ("openmart_pipeline.cli.check:check", "Check settings, key, balance, clock, folders and disk."),
    "demo": ("openmart_pipeline.cli.demo:demo", "See all of it work, in a simulated world: no key, no cost."),
    "dev": ("openmart_pipeline.cli.dev:dev", "Start Dagster's UI on this machine, and the simulator without a key."),
    "simulate": (
        "openmart_pipeline.simulator.command:simulate",
        "Run a stand-in for the Openmart API on this machine.",
    ),
}


# Objects made before Python looks for cycles among them. Nearly nothing here is in one, and with Python's own 700
# a twentieth to a tenth of every command's time goes into looking.
LOOK_FOR_CYCLES_AFTER = 50_000


INTERRUPTED = 130  # as `exits.Exit` has it, which loads too much for here
STOPPED = 6
LEAST_ADDRESS_SPACE = 2**30  # with less, the libraries end the process in the middle, without a word


class _Ended(click.ClickException):
    """The command ends with one sentence on stderr and this code, before its own module could say so."""

    def __init__(self, sentence: str, code: int) -> None:
        super().__init__(sentence)
        vars(self)["exit_code"] = code  # click declares one code for the whole class


class _Commands(click.Group):
    """Loads a command's module when that command is called, and for nothing else."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            _refuse_too_little_memory()
            return super().invoke(ctx)
        except KeyboardInterrupt as error:  # also while modules are loaded, which takes a second
            raise _Ended("Interrupted. Whatever was bought or heard is recorded.", INTERRUPTED) from error
        except MemoryError as error:
            raise _Ended("There is too little memory to go on. What was recorded is safe.", STOPPED) from error
        except ImportError as error:
            raise _Ended(
                f"A part of the program can't be loaded ({error}). Nothing was read or bought. Install it again (make "
                "setup), or give the process more memory (ulimit -v).",
                STOPPED,
            ) from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        gc.set_threshold(LOOK_FOR_CYCLES_AFTER)
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


def _refuse_too_little_memory() -> None:
    """Stop where a limit on the process is too tight for the libraries: they would end it themselves, somewhere."""
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most != resource.RLIM_INFINITY and most < LEAST_ADDRESS_SPACE:
        raise _Ended(
            f"This process may use {most >> 20:,} MiB of address space (ulimit -v), and needs at least "
            f"{LEAST_ADDRESS_SPACE >> 20:,}. Nothing was read or bought. Raise the limit.",
            STOPPED,
        )


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.pass_context
def main(ctx: click.Context) -> None:
    """Files of companies in, contacts an analyst can query out.

    Settings are environment variables; the file .env of the project is read too, and the shell's own variables win
    over it. Neither depends on the folder you stand in. See the README for all of them.
    """
    ctx.obj = read_environment()
