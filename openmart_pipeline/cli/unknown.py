"""`unknown`: a person decides about batches that may have been paid for.

Lives here: list, adopt, release, history. What is legal is decided in the ledger, which keeps who, when and why.
"""

from collections.abc import Mapping

import click

from openmart_pipeline.cli.exits import Refusal, plain_sentences
from openmart_pipeline.cli.screen import harmless, results
from openmart_pipeline.cli.status import show_unknown
from openmart_pipeline.cli.workplace import new_run_id, person, workplace
from openmart_pipeline.ledger import batch_history as happened
from openmart_pipeline.ledger import moves
from openmart_pipeline.ledger.orphans import reap_orphans
from openmart_pipeline.model.words import plural
from openmart_pipeline.pipeline import settling
from openmart_pipeline.wiring import open_session

why_option = click.option("--why", required=True, metavar="TEXT", help="How you know; kept in the history.")


@click.group()
def unknown() -> None:
    """Decide about batches that may have been paid for and whose id nobody heard."""


@unknown.command("list")
@click.pass_obj
def list_(environment: Mapping[str, str]) -> None:
    """List them, with the credits at stake and the two ways out."""
    with plain_sentences(), workplace(environment) as (_settings, work):
        reap_orphans(work.ledger, work.journal)
        if moves.unknown_batches(work.ledger):
            show_unknown(results(), work)
        else:
            results().print("No batch is unknown: everything that was sent was heard.")


@unknown.command(short_help="Say which id the vendor knows a batch by.")
@click.argument("batch_no", type=int)
@click.option("--batch-id", required=True, metavar="ID", help="The id that the vendor's support or dashboard names.")
@why_option
@click.pass_obj
def adopt(environment: Mapping[str, str], batch_no: int, *, batch_id: str, why: str) -> None:
    """Give batch BATCH_NO the id that the vendor knows it by; its answers are collected from then on.

    The server is asked first: the id must exist under this key and count as many tasks. Should its answers name
    somebody else's tasks, the batch is unknown again.
    """
    with plain_sentences(), workplace(environment) as (settings, work):
        reap_orphans(work.ledger, work.journal)
        client = open_session(settings, work).client
        settling.adopt_known(work.ledger, client, batch_no, batch_id.strip(), who=person(), why=why)
    results().print(f"Batch {batch_no} is submitted. Collect it: openmart-pipeline collect.")


@unknown.command(short_help="Take back an id that was adopted by mistake.")
@click.argument("batch_no", type=int)
@why_option
@click.pass_obj
def revoke(environment: Mapping[str, str], batch_no: int, *, why: str) -> None:
    """Take back the id that batch BATCH_NO was adopted under: the batch is unknown again. Free.

    What came under that id leaves the batch's questions and the analysts' tables, and stays in the ledger for the
    record. Refused where the answers carry the batch's own tracking ids, since the id is right then.
    """
    with plain_sentences(), workplace(environment) as (_settings, work):
        answers, files = settling.revoke(work, batch_no, who=person(), why=why, run_id=new_run_id())
    loaded = f" Loaded again without them: {', '.join(files)}." if files else ""
    results().print(
        harmless(
            f"Batch {batch_no} is unknown again; {plural(answers, 'answer')} left its questions.{loaded} Adopt it "
            "under its own id, or release it: openmart-pipeline unknown list."
        )
    )


@unknown.command(short_help="Owe their questions again: they may be paid twice.")
@click.argument("batch_nos", type=int, nargs=-1, metavar="BATCH_NO...")
@click.option("--file", "key", metavar="FILE", help="All unknown batches of this file.")
@click.option(
    "--vouch-unpaid", is_flag=True, help="You know that nothing was charged: its credits count as free again."
)
@why_option
@click.pass_obj
def release(
    environment: Mapping[str, str], batch_nos: tuple[int, ...], *, key: str | None, vouch_unpaid: bool, why: str
) -> None:
    """Owe the questions of these batches again: the next run buys them anew, even if they were paid for.

    Refused while the process that sent a batch may still hear its answer.
    """
    with plain_sentences(), workplace(environment) as (_settings, work):
        reap_orphans(work.ledger, work.journal)
        of_file = [] if key is None else [batch.batch_no for batch in moves.unknown_batches(work.ledger, key)]
        chosen = sorted({*batch_nos, *of_file})
        if not chosen:
            raise Refusal("No batch was named: give numbers (openmart-pipeline unknown list) or --file FILE.")
        released, refused = settling.release_each(work.ledger, chosen, who=person(), why=why, vouch_unpaid=vouch_unpaid)
    results().print(f"{plural(len(released), 'batch', 'batches')} released; the next run buys their questions again.")
    if refused:
        raise Refusal(" ".join(refused))


@unknown.command(short_help="Show who decided what, when and why.")
@click.argument("batch_nos", type=int, nargs=-1, metavar="[BATCH_NO...]")
@click.pass_obj
def history(environment: Mapping[str, str], batch_nos: tuple[int, ...]) -> None:
    """Show who adopted or released which batch, when and why, oldest first; of BATCH_NO all that ever happened to it.

    Nothing in it is ever changed or removed.
    """
    with plain_sentences(), workplace(environment) as (_settings, work):
        events = happened.of_batches(work.ledger, batch_nos) if batch_nos else happened.decisions(work.ledger)
        if not events:
            results().print("Nothing was decided so far." if not batch_nos else "No such batch in this ledger.")
            return
        for one in events:
            why = f": {one.reason}" if one.reason else ""
            said = f"batch {one.batch_no} of {one.partition_key} {one.what}, by {one.actor}{why}"
            results().print(harmless(f"{one.at:%Y-%m-%d %H:%M:%S}Z  {said}"))
