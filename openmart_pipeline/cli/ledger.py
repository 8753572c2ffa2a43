"""`ledger`: verify, back up, reconcile, and hold the record of what was paid for.

Lives here: one group of commands. What each does is in `ledger.recovery`.
"""

from collections.abc import Mapping
from pathlib import Path

import click

from openmart_pipeline.cli.exits import Exit, Refusal, plain_sentences
from openmart_pipeline.cli.screen import harmless, results
from openmart_pipeline.cli.workplace import ledger_doubts, person, workplace
from openmart_pipeline.ledger import audit, freezes, journal_rewrite, recovery
from openmart_pipeline.model.words import plural

why_option = click.option("--why", required=True, metavar="TEXT", help="How you know; kept in the history.")


@click.group()
def ledger() -> None:
    """Verify, back up or bring back the ledger."""


@ledger.command(short_help="Hold it against the submission journal and itself.")
@click.pass_obj
def verify(environment: Mapping[str, str]) -> None:
    """Read the whole ledger, compare it with its journal and with itself, and say what holds purchases."""
    with plain_sentences(), workplace(environment) as (settings, work):
        wrong = ledger_doubts(settings, work)
    if wrong:
        raise Refusal(" ".join(wrong), Exit.STOPPED)
    results().print("The ledger is whole, agrees with itself, and knows every submission of the journal.")


@ledger.command(short_help="Copy it to TARGET, also while others buy.")
@click.argument("target", type=click.Path(path_type=Path))
@click.pass_obj
def backup(environment: Mapping[str, str], target: Path) -> None:
    """Copy the ledger to TARGET, also while others buy. Keep submissions.jsonl somewhere else than the copy."""
    with plain_sentences(), workplace(environment) as (_settings, work):
        recovery.back_up(work.ledger, target)
        audit.note(work.ledger, "backup", who=person())
    results().print(harmless(f"Copied to {target}."))


@ledger.command(short_help="Bring back what only the submission journal knows.")
@click.pass_obj
def reconcile(environment: Mapping[str, str]) -> None:
    """Bring back what the submission journal knows and the ledger does not: after a loss, or an old copy."""
    with plain_sentences(), workplace(environment, makes=True) as (_settings, work):
        done = recovery.reconcile(work.ledger, work.journal, who=person())
    brought = ", ".join(f"{count} {state}" for state, count in sorted(done.brought_back.items())) or "nothing"
    results().print(
        f"{plural(done.known, 'batch', 'batches')} known already; brought back: {brought}. Plan your files again, and "
        "collect (openmart-pipeline collect): answers are read again at no cost."
    )
    if done.foreign:
        results().print(f"{plural(done.foreign, 'submission')} of another ledger were left alone.")
    if done.doubts is not None:
        raise Refusal(f"A person must decide about the rest. {done.doubts}", Exit.STOPPED)


@ledger.command("new-journal", short_help="Write a new submission journal from the ledger.")
@why_option
@click.pass_obj
def new_journal(environment: Mapping[str, str], *, why: str) -> None:
    """Write a new submission journal from the ledger, and keep the old one under another name.

    For a journal that was lost, cut or mixed with another's, beside a ledger that is the newest. What the old journal
    knows and the ledger does not is brought back first. An old copy of a ledger must not get a new journal: what was
    bought since would then be in neither.
    """
    with plain_sentences(), workplace(environment) as (_settings, work):
        written = journal_rewrite.new_journal(work.ledger, work.journal, who=person(), why=why)
    kept = f" The old one is kept as {written.kept_as.name}." if written.kept_as else ""
    results().print(
        harmless(f"A new journal has the {plural(written.batches, 'batch', 'batches')} of the ledger.{kept}")
    )


@ledger.command(short_help="Say that this copy of a ledger is the one that buys.")
@why_option
@click.option("--beside", is_flag=True, help="Other ledgers of the same key go on buying too.")
@click.pass_obj
def lives(environment: Mapping[str, str], *, why: str, beside: bool) -> None:
    """Say that the ledger of this data folder is the one that buys: it was copied, moved, put back, or is a second one.

    It gets a new name, with which its tracking ids begin. Other ledgers of its key are held from now on. What another
    one bought is not known here, and may be paid twice: bring its newest ledger and journal here first if you can.
    """
    with plain_sentences(), workplace(environment) as (settings, work):
        key_hash = None if settings.api_key is None else settings.key_hash
        freezes.say_it_lives(work.ledger, key_hash, work.surroundings, who=person(), why=why, beside=beside)
    results().print(harmless(f"The ledger {settings.ledger_path} may buy. Its tracking ids have a new beginning."))


@ledger.command(short_help="Say that an old copy of both was put back.")
@click.option("--hold", "is_hold", flag_value=True, default=None, help="Buy nothing until the hold is lifted.")
@click.option("--lift", "is_hold", flag_value=False, help="You know that nothing is missing: lift the hold.")
@click.option(
    "--why",
    default="the ledger was restored together with its journal",
    show_default=True,
    metavar="TEXT",
    help="Kept in the history.",
)
@click.pass_obj
def restored(environment: Mapping[str, str], *, is_hold: bool | None, why: str) -> None:
    """Say that ledger and journal were restored together from one old copy: what was bought since is in neither."""
    if is_hold is None:
        raise Refusal("Say --hold (buy nothing until somebody knows what is missing) or --lift.")
    with plain_sentences(), workplace(environment) as (_settings, work):
        recovery.hold(work.ledger, why if is_hold else None, who=person())
    results().print("Buying is on hold; collecting goes on." if is_hold else "The hold is lifted.")
