"""`unmatched`: a person decides whose the results are that no tracking id leads to a question.

Not here: which evidence is enough without a person (`matching`), and what an assignment does (`ledger.unmatched`).
"""

from collections.abc import Mapping

import click

from openmart_pipeline.cli.exits import plain_sentences
from openmart_pipeline.cli.screen import count, harmless, results, table
from openmart_pipeline.cli.workplace import new_run_id, person, workplace
from openmart_pipeline.collection import candidates
from openmart_pipeline.pipeline import settling

MOST_CANDIDATES = 10  # shown of one result; a batch has up to 100 tasks


@click.group()
def unmatched() -> None:
    """Give results that were paid for, and that no tracking id leads to a question, to their questions."""


@unmatched.command("list")
@click.pass_obj
def list_(environment: Mapping[str, str]) -> None:
    """List them, with the reason, the domains of their addresses, and the questions that they may answer."""
    with plain_sentences(), workplace(environment) as (_settings, work):
        found = candidates.of_all(work.ledger)
        screen = results()
        if not found:
            screen.print("No result is unmatched: each leads to its question.")
            return
        made = table("Results without a question", ("batch", "result", "people", "read", "why", "addresses at"))
        for one in found:
            made.add_row(
                str(one.result.batch_no),
                harmless(one.result.vendor_task_id),
                count(one.result.people),
                f"{one.result.read_at:%Y-%m-%d %H:%M:%S}Z",
                harmless(one.why),
                harmless(", ".join(one.domains) or "-"),
            )
        screen.print(made)
        for one in found:
            shown = [candidates.named(task) for task in one.tasks[:MOST_CANDIDATES]]
            more = len(one.tasks) - len(shown)
            shown += [f"and {more:,} more"] if more else []
            may_be = "; ".join(shown) or "no question of its batch is without an answer"
            screen.print(harmless(f"{one.result.vendor_task_id} may answer: {may_be}."))
        screen.print("Whose it is, you know:   openmart-pipeline unmatched assign BATCH RESULT TRACKING_ID --why ...")


@unmatched.command(short_help="Say which question a result answers.")
@click.argument("batch_no", type=int)
@click.argument("result")
@click.argument("tracking_id")
@click.option("--why", required=True, metavar="TEXT", help="How you know, without a name; kept with the answer.")
@click.pass_obj
def assign(environment: Mapping[str, str], batch_no: int, *, result: str, tracking_id: str, why: str) -> None:
    """Give RESULT of batch BATCH_NO to the question that was sent as TRACKING_ID, and publish its people. Free."""
    with plain_sentences(), workplace(environment) as (_settings, work):
        state = settling.assign(
            work, batch_no, result.strip(), tracking_id.strip(), who=person(), why=why, run_id=new_run_id()
        )
    results().print(harmless(f"{tracking_id.strip()} is {state}."))
