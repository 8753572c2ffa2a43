"""`run`: files of companies to contacts, with a quote and a question in between.

Lives here: the order of the steps as a person sees it. Every rule is in the domain.
"""

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from rich.console import Console

from openmart_pipeline.cli.exits import Exit, Refusal, plain_sentences
from openmart_pipeline.cli.inputs import take_files
from openmart_pipeline.cli.interrupts import interruptible
from openmart_pipeline.cli.options import Choices, as_option, paths_argument, question_options
from openmart_pipeline.cli.progress_display import Watcher
from openmart_pipeline.cli.quotes import (
    offer,
    plan_files,
    show_file,
    show_quotes,
    to_buy,
    worst_case,
)
from openmart_pipeline.cli.screen import harmless, remarks, results
from openmart_pipeline.cli.summary import ending, show_contacts, show_query, show_summary
from openmart_pipeline.cli.to_dagster import report_to_dagster
from openmart_pipeline.cli.workplace import new_run_id, person, workplace
from openmart_pipeline.ledger import collecting, outstanding
from openmart_pipeline.ledger.orphans import reap_orphans
from openmart_pipeline.model.approval import Approval
from openmart_pipeline.pipeline import steps
from openmart_pipeline.pipeline.buying_run import RunReport, buy_and_collect
from openmart_pipeline.pipeline.steps import Planned
from openmart_pipeline.services import ApiSession, Services
from openmart_pipeline.wiring import open_session

PATIENCE_MINUTES = 30.0  # a server that brought nothing for so long is better asked again later


@click.command()
@paths_argument
@question_options
@as_option
@click.option("--credit-limit", type=float, metavar="N", help="Most estimated credits to approve, over all files.")
@click.option("--yes", is_flag=True, help="Approve the quote's worst case (or --credit-limit) without asking.")
@click.option(
    "--patience",
    "patience_minutes",
    type=click.FloatRange(min=0),
    default=PATIENCE_MINUTES,
    show_default=True,
    metavar="MINUTES",
    help="Stop waiting when nothing came in for so long; what waits is collected next time.",
)
@click.pass_obj
def run(
    environment: Mapping[str, str],
    paths: tuple[Path, ...],
    choices: Choices,
    as_name: str | None,
    *,
    credit_limit: float | None,
    yes: bool,
    patience_minutes: float,
) -> None:
    """Find contacts for the companies in FILE_OR_FOLDER...

    Shows what it would cost and asks before it buys. May be stopped at any moment and started again: it goes on
    where it was and buys nothing that is owned.

    \b
    Exit codes:
      0  every question ended
      2  something is wrong with the call or a file; nothing was bought
      3  something still waits; the same command goes on
      4  something is unknown or stalled; a person decides
      5  a credit limit was reached
      6  stopped by the server or this machine
    130  interrupted
    """  # noqa: D301  a backspace, which tells click to keep the lines
    if credit_limit is not None and not 0 <= credit_limit < math.inf:
        raise Refusal(f"--credit-limit is {credit_limit}: write a number of credits, 0 or more. Nothing was bought.")
    with plain_sentences(), workplace(environment, makes=True) as (settings, work):
        api = open_session(settings, work)  # first of all: without a key there is no point in reading a million rows
        code = run_files(
            environment,
            work,
            api,
            paths,
            choices,
            as_name,
            credit_limit=credit_limit,
            is_approved=yes,
            patience_s=patience_minutes * 60,
        )
    raise SystemExit(code)


def run_files(
    environment: Mapping[str, str],
    work: Services,
    api: ApiSession,
    paths: Sequence[Path],
    choices: Choices,
    as_name: str | None,
    *,
    credit_limit: float | None,
    is_approved: bool,
    patience_s: float,
) -> Exit:
    """Take the files from their rows to their contacts, shown as it goes; return the exit code.

    Raises:
        Refusal: nothing was approved, or a choice is wrong; nothing was bought.

    """
    screen, aside = results(), remarks()
    reap_orphans(work.ledger, work.journal)
    taken = take_files(work, paths, as_name, choices)
    for sentence in taken.left_out:
        aside.print(harmless(f"Left out: {sentence}"))
    planned = plan_files(work, taken.files, choices)
    for key, companies in taken.files.items():
        show_file(screen, work, key, companies)
    show_quotes(screen, work, planned)
    report = RunReport(run_id=new_run_id())
    approvals = _approved(planned, credit_limit, report.run_id, is_approved=is_approved)
    is_interrupted = _buy(work, api, planned, approvals, report, aside, patience_s)
    for key in planned:
        steps.load_contacts(work, key, run_id=report.run_id)
    steps.publish(work)
    warning = report_to_dagster(work, environment, taken.files, planned, report)
    if warning:
        aside.print(harmless(warning))
    show_summary(screen, work, planned, report)
    show_contacts(screen, work, list(planned))
    show_query(screen, work)
    code, sentence = ending(work, planned, report, is_interrupted=is_interrupted)
    screen.print(harmless(sentence), style="bold")
    return code


def _approved(
    planned: Mapping[str, Planned], credit_limit: float | None, run_id: str, *, is_approved: bool
) -> dict[str, Approval]:
    """Return what is approved for each file: the plan that was shown; asks the person when there is something to buy.

    The credit limit is one for all files. A file that had nothing to buy when it was shown buys nothing.

    Raises:
        Refusal: nobody can be asked, or the answer is no.

    """
    most = worst_case(planned)
    if credit_limit is None and most is None:
        raise Refusal(
            "A price is unknown, so what this may cost is not known. Set OPENMART_PRICE_PER_EMAIL and "
            "OPENMART_PRICE_PER_PHONE, or approve a number with --credit-limit. Nothing was bought."
        )
    if to_buy(planned) and not is_approved:
        if not sys.stdin.isatty():
            raise Refusal(
                "There is nobody to ask here: say --yes to approve the quote above (or --credit-limit N --yes). "
                "Nothing was bought."
            )
        if not click.confirm(offer(planned, credit_limit)):
            raise Refusal("Nothing was bought. The plan is kept: start again when you are ready.")
    limit = min(one for one in (credit_limit, most) if one is not None)
    return {
        key: Approval(
            plan_ids=(shown.plan.plan_id,),
            credit_limit=limit if shown.quote.to_buy else 0.0,
            approval_id=run_id,
            by=person(),
        )
        for key, shown in planned.items()
    }


def _buy(
    work: Services,
    api: ApiSession,
    planned: Mapping[str, Planned],
    approvals: Mapping[str, Approval],
    report: RunReport,
    aside: Console,
    patience_s: float,
) -> bool:
    """Buy and collect, shown as it goes; return whether a person stopped it."""
    open_tasks = sum(batch.tasks for batch in collecting.open_batches(work.ledger, list(planned)))
    once = outstanding.questions_to_buy(work.ledger, [plan.plan.plan_id for plan in planned.values()])
    watcher = Watcher(aside, report, to_buy=once, to_collect=open_tasks)

    interrupts = 0

    def on_interrupt(times: int) -> None:  # prints nothing: the signal may have come in the middle of a print
        nonlocal interrupts
        interrupts = times
        watcher.is_interrupted = True

    try:
        with interruptible(on_interrupt), watcher.shown():
            buy_and_collect(work, api, approvals, report, patience_s=patience_s, on_event=watcher)
    except KeyboardInterrupt:
        if interrupts > 1:
            batches = ", ".join(map(str, watcher.in_flight_batches))
            aside.print(
                f"Abandoned. Batches {batches or 'none'} may be paid for: they become unknown, and nothing sends them "
                "again but your word (openmart-pipeline unknown list)."
            )
        return True
    return False
