"""What a run ends with: what became of everything, a few contacts, the query to go on with, and the exit code.

Lives here: the last tables of `run` and `demo`. The numbers are the ledger's and the warehouse's.
"""

import json
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from openmart_pipeline.checks import without_answer as endings
from openmart_pipeline.cli.exits import Exit, most_urgent
from openmart_pipeline.cli.screen import count, harmless, table
from openmart_pipeline.ledger import moves, outstanding, queries
from openmart_pipeline.ledger.outstanding import AskStatus
from openmart_pipeline.model.words import plural
from openmart_pipeline.pipeline.buying_run import RunReport
from openmart_pipeline.pipeline.steps import Planned
from openmart_pipeline.planning.quoting import DUPLICATE
from openmart_pipeline.purchase.rules import Stop
from openmart_pipeline.services import Services

FEW_CONTACTS = 5
FEW_FILES = 3
_ALWAYS = ("rows in the file", "questions bought now", "questions reused", "contacts", "credits settled so far")
_CONTACTS_SQL = """
    SELECT concat_ws(', ', full_name, title) || ' (' || company_domain || ')', email, phone FROM contacts
    WHERE input_file = ? AND email IS NOT NULL ORDER BY source_rows[1], full_name LIMIT ?
"""
_FOUND_SQL = "SELECT count(*), count(email), count(phone) FROM contacts WHERE input_file = ?"


def show_summary(console: Console, work: Services, planned: Mapping[str, Planned], report: RunReport) -> None:
    """Show, file by file, what was bought, reused, set aside and found, and what it is reckoned to have cost."""
    rows = {key: _of_file(work, key, plan, report) for key, plan in planned.items()}
    shown = rows if len(rows) <= FEW_FILES else {}
    total = Counter[str]()
    for numbers in rows.values():
        total.update(numbers)
    columns = [harmless(key).plain for key in shown] + (["all files"] if len(rows) > 1 else [])
    made = table("What became of it (credits are our estimate)", ("", *columns), has_labels=True)
    for label in next(iter(rows.values())):
        cells = [numbers[label] for numbers in shown.values()] + ([total[label]] if len(rows) > 1 else [])
        if any(cells) or label in _ALWAYS:
            made.add_row(label, *(count(cell) for cell in cells))
    console.print(made)


def _of_file(work: Services, key: str, plan: Planned, report: RunReport) -> dict[str, float]:
    coverage = work.warehouse.coverage(key)
    contacts, emails, phones = work.warehouse.query(_FOUND_SQL, [key])[0]
    bought = report.bought.get(key)
    money = queries.progress(work.ledger, key)
    return {
        "rows in the file": plan.quote.rows,
        "  set aside": coverage.get("set_aside", 0),
        "  with contacts": coverage.get("found", 0),
        "  nothing found": coverage.get("nothing_found", 0),
        "  purged": coverage.get("purged", 0),
        "  ended in an error": coverage.get("errored", 0),
        "  waiting": coverage.get("waiting", 0),
        "  unknown: may be paid for": coverage.get("unknown", 0),
        "  not planned": coverage.get("not_planned", 0),
        "questions bought now": bought.accepted_tasks if bought else 0,
        "questions reused": outstanding.reused(work.ledger, plan.plan.plan_id, report.run_id),
        "questions of an earlier row": plan.quote.outcomes.get(DUPLICATE, 0),
        "contacts": contacts,
        "  with e-mail": emails,
        "  with phone": phones,
        "credits settled so far": money.settled_credits,
        "credits reserved so far": money.open_credits,
    }


def show_contacts(console: Console, work: Services, keys: Sequence[str]) -> None:
    """Show a few of the contacts that were found."""
    rows = [row for key in keys for row in work.warehouse.query(_CONTACTS_SQL, [key, FEW_CONTACTS])][:FEW_CONTACTS]
    if not rows:
        return
    made = table("Some of the contacts", ("who", "e-mail", "phone"), numbers_from=3)
    for column in made.columns[1:]:
        column.no_wrap = True  # an address in two lines can't be copied
    for row in rows:
        made.add_row(*(harmless(cell or "-") for cell in row))
    console.print(made)


def show_query(console: Console, work: Services) -> None:
    """Show how to go on, ready to be pasted into a shell; nothing while no contact is there to be queried."""
    if not work.warehouse.query("SELECT 1 FROM contacts LIMIT 1"):
        return
    python, database = _short(Path(sys.executable)), _short(work.warehouse.published_path)
    connect = f"duckdb.connect({json.dumps(str(database))}, read_only=True)"
    code = f'import duckdb; {connect}.sql("FROM contact_directory").show()'
    console.print("Query them, with Python or with DuckDB's own command line:")
    for command in (
        f"{shlex.quote(str(python))} -c {shlex.quote(code)}",
        f"duckdb -readonly {shlex.quote(str(database))} 'FROM contact_directory'",
    ):
        console.print(harmless(f"  {command}"), soft_wrap=True)  # a command in two lines can't be pasted


def _short(path: Path) -> Path:
    """Return the path as somebody in the current folder would write it."""
    try:
        return path.absolute().relative_to(Path.cwd())
    except ValueError:
        return path.absolute()


_STOPPED = {
    Stop.BUDGET: Exit.BUDGET,
    Stop.STALE: Exit.WAITS,
    Stop.INTERRUPTED: Exit.INTERRUPTED,
}
Said = tuple[Exit, str]  # a code that is true of the run, and the sentence that goes with it


def ending(work: Services, planned: Mapping[str, Planned], report: RunReport, *, is_interrupted: bool) -> Said:
    """Return the exit code, the most urgent where several are true, and what is open in a sentence or two."""
    said = [*_of_the_run(report, is_interrupted=is_interrupted), *_of_the_questions(work, planned)]
    if not said:
        said = [(Exit.ENDED, _all_ended(planned, report))]
    return most_urgent(code for code, _ in said), " ".join(dict.fromkeys(sentence for _, sentence in said))


def _all_ended(planned: Mapping[str, Planned], report: RunReport) -> str:
    """Return the sentence of a run that leaves nothing open; whoever ran it twice must hear that once was paid."""
    if not any(plan.quote.outcomes for plan in planned.values()):
        return "There was nothing to ask: every row was set aside, for the reasons above."
    if any(bought.accepted_tasks for bought in report.bought.values()):
        return "Every question has ended."
    return "Every question has ended. Nothing was bought: all of it was owned."


def taken_back(batch_nos: Sequence[int]) -> str:
    """Return what it means that answers under adopted ids were somebody else's."""
    numbers = ", ".join(map(str, batch_nos))
    return (
        f"Adopted under an id that is somebody else's, and unknown again: {numbers} (openmart-pipeline unknown list)."
    )


def _of_the_run(report: RunReport, *, is_interrupted: bool) -> Iterator[Said]:
    """Yield why buying or collecting ended before there was nothing left."""
    if is_interrupted:
        yield Exit.INTERRUPTED, "Interrupted; everything that was heard is recorded. Start again to go on."
    if report.collected.disowned_batches:
        yield Exit.UNDECIDED, taken_back(report.collected.disowned_batches)
    for bought in report.bought.values():
        if bought.stop is not Stop.DONE:
            yield _STOPPED.get(bought.stop, Exit.STOPPED), bought.sentence
        for warning in bought.warnings:
            yield Exit.ENDED, warning
    if report.collected.stopped_by:
        yield Exit.STOPPED, f"{report.collected.stopped_by} What was bought is collected when that is mended."


def _of_the_questions(work: Services, planned: Mapping[str, Planned]) -> Iterator[Said]:
    """Yield what has not ended, and what has ended badly."""
    now = Counter[AskStatus]()
    for plan in planned.values():
        now.update(outstanding.ask_status_counts(work.ledger, plan.plan.plan_id))
    unknown = [batch for key in planned for batch in moves.unknown_batches(work.ledger, key)]
    if unknown or now[AskStatus.UNKNOWN]:
        credits_ = sum(batch.reserved_credits or 0.0 for batch in unknown)
        in_doubt = f"{plural(now[AskStatus.UNKNOWN], 'question')} in {plural(len(unknown), 'batch', 'batches')}"
        most = f"at most {credits_:,.0f} credits"
        yield Exit.UNDECIDED, f"{in_doubt} may be paid for, {most}: see openmart-pipeline unknown list."
    sentences = {
        AskStatus.IN_FLIGHT: (
            Exit.WAITS,
            "bought and not answered yet: the same command, or openmart-pipeline collect, goes on at no cost.",
        ),
        AskStatus.TO_BUY: (Exit.WAITS, "still to buy: the same command goes on."),
    }
    for state, (code, sentence) in sentences.items():
        if now[state]:
            yield code, f"{plural(now[state], 'question')} {sentence}"
    if now[AskStatus.STALLED] or now[AskStatus.ENDED_BADLY]:
        code = Exit.UNDECIDED if now[AskStatus.STALLED] else Exit.ENDED
        for sentence in endings.sentences(work, [plan.plan.plan_id for plan in planned.values()]):
            yield code, sentence
