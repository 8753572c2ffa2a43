"""Planning what files ask, and showing what that would cost before anything is bought.

Lives here: the words and tables of a quote. The numbers are the domain's.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from rich.console import Console

from openmart_pipeline.cli.options import Choices
from openmart_pipeline.cli.progress_display import intake_shown
from openmart_pipeline.cli.screen import count, credits_text, duration, harmless, remarks, table
from openmart_pipeline.ledger import outstanding
from openmart_pipeline.ledger.outstanding import AskStatus
from openmart_pipeline.model.approval import launchpad_line
from openmart_pipeline.model.words import plural
from openmart_pipeline.pipeline import steps
from openmart_pipeline.pipeline.steps import CompaniesIngested, Planned
from openmart_pipeline.planning.quoting import BEYOND_LIMIT, DUPLICATE, Quote
from openmart_pipeline.services import Services

FEW_FILES = 3  # so many have a column of their own beside their sum
NAMED_COLUMNS = 12  # of those that are kept as they are; a table can have thousands


def plan_files(work: Services, files: Mapping[str, CompaniesIngested], choices: Choices) -> dict[str, Planned]:
    """Plan what each file asks, the choices laid over what it asked last. Free."""
    settings = {key: choices.over(steps.last_settings(work, key)) for key in files}
    planned = {}
    for key in files:
        with intake_shown(remarks(), key) as on_event:
            planned[key] = steps.plan_questions(work, key, settings[key], on_event)
    return planned


def show_file(console: Console, work: Services, key: str, taken: CompaniesIngested) -> None:
    """Show how a file was understood: its format, which column is taken for what, what becomes of its rows."""
    report = taken.report
    how = [report.format, report.encoding, report.delimiter and f"separated by {report.delimiter!r}", report.sheet]
    console.print(harmless(f"{key}: {', '.join(str(part) for part in how if part)}"), style="bold")
    told = taken.reading.columns
    for field in dict.fromkeys((*report.columns, *told)):
        said = " (as you said)" if field in told else ""
        console.print(harmless(f"  {field:<13} <- {report.columns.get(field, 'no column')}{said}"))
    if report.unknown_columns:
        shown = ", ".join(report.unknown_columns[:NAMED_COLUMNS])
        more = len(report.unknown_columns) - NAMED_COLUMNS
        console.print(harmless(f"  kept as they are: {shown}" + (f" and {more:,} more" if more > 0 else "")))
    others_told = str(replace(taken.reading, columns={}))
    for note in ((f"read with {others_told}, as you said",) if others_told else ()) + report.notes:
        console.print(harmless(f"  note: {note}"))
    if taken.repaired_rows:
        console.print(
            f"  note: {plural(taken.repaired_rows, 'row')} had a comma inside a cell without quotes around it."
        )
    _show_rows(console, work, key)


def _show_rows(console: Console, work: Services, key: str) -> None:
    """Show what became of the rows: how many are asked about, how many set aside for which reason, and which."""
    made = table("What becomes of its rows (a reason: set aside, nothing is bought)", ("", "rows", "for example"))
    made.columns[-1].justify = "left"
    for outcome in work.warehouse.row_outcomes(key):
        (row, detail), *others = outcome.examples
        also = f" (also {', '.join(f'{other:,}' for other, _ in others)})" if others else ""
        shown = harmless(f"row {row:,}{also}: {detail}")
        made.add_row(harmless(outcome.reason or "asked about"), count(outcome.rows), shown)
    console.print(made)


def show_quotes(console: Console, work: Services, planned: Mapping[str, Planned]) -> None:
    """Show what each file asks, what of it is owned, and what buying the rest would cost."""
    quotes = {key: plan.quote for key, plan in planned.items()}
    shown = quotes if len(quotes) <= FEW_FILES else {}
    with_sum = len(quotes) > 1
    columns = [harmless(key).plain for key in shown] + ([f"all {len(quotes)} files"] if with_sum else [])
    made = table("Quote (credits are our estimate; the bill is the vendor's)", ("", *columns), has_labels=True)
    for label, value in _LINES:
        values = [value(quote) for quote in quotes.values()]
        if not any(values) and label not in _ALWAYS:
            continue
        total = None if None in values else sum(number or 0 for number in values)
        cells = [value(quote) for quote in shown.values()] + ([total] if with_sum else [])
        made.add_row(label, *(_cell(label, cell) for cell in cells))
    console.print(made)
    shared = to_buy(planned) - outstanding.questions_to_buy(
        work.ledger, [plan.plan.plan_id for plan in planned.values()]
    )
    if shared:
        console.print(
            f"{plural(shared, 'question')} of these more than one file asks: bought once, so it will be less."
        )
    for key, quote in quotes.items():
        if quote.about_other_places:
            console.print(harmless(f"{key}: {quote.about_other_places}"))
    first = next(iter(quotes.values()))
    console.print(harmless(f"Prices: {first.prices}."))


def show_launchpad_line(console: Console, planned: Mapping[str, Planned]) -> None:
    """Show how to approve exactly this in Dagster; nothing where a price is unknown, so that no limit could bind."""
    most = worst_case(planned)
    if most is None:
        return
    plan_ids = [shown.plan.plan_id for shown in planned.values() if shown.quote.to_buy]
    where = (
        "a backfill of submitted_batches over these files" if len(plan_ids) > 1 else "submitted_batches of that file"
    )
    console.print(f"Or in Dagster, in the Launchpad of {where}:")
    console.print(harmless(f"  {launchpad_line(plan_ids, math.ceil(most))}"), soft_wrap=True)


def _cell(label: str, value: float | None) -> str:
    if label == _TIME:
        return duration(value) if value else count(0)
    if label in _USD:
        return "-" if value is None else f"${value:,.2f}"
    return "unknown" if value is None else count(value)


_TIME = "time, at least"
_USD = ("dollars at most", "dollars expected")
_LINES: tuple[tuple[str, Callable[[Quote], float | None]], ...] = (
    ("rows in the file", lambda quote: quote.rows),
    ("  set aside", lambda quote: sum(quote.set_aside.values())),
    ("  companies to ask about", lambda quote: quote.companies),
    ("questions of an earlier row", lambda quote: quote.outcomes.get(DUPLICATE)),
    ("questions behind --limit (0: all)", lambda quote: quote.outcomes.get(BEYOND_LIMIT)),
    ("questions reused", lambda quote: quote.outcomes.get(AskStatus.OWNED)),
    ("questions under way", lambda quote: quote.outcomes.get(AskStatus.IN_FLIGHT)),
    ("questions unknown", lambda quote: quote.outcomes.get(AskStatus.UNKNOWN)),
    ("questions stalled", lambda quote: quote.outcomes.get(AskStatus.STALLED)),
    ("questions that ended badly", lambda quote: quote.outcomes.get(AskStatus.ENDED_BADLY)),
    ("questions to buy", lambda quote: quote.to_buy),
    ("  answered, but narrower", lambda quote: quote.wider),
    ("requests to send", lambda quote: quote.batches),
    ("credits at most", lambda quote: quote.worst_case_credits),
    ("credits expected", lambda quote: quote.expected_credits or 0),
    ("credits not spent again", lambda quote: quote.credits_not_spent),
    ("dollars at most", lambda quote: quote.worst_case_usd or 0),
    ("dollars expected", lambda quote: quote.expected_usd or 0),
    (_TIME, lambda quote: quote.seconds),
)
_ALWAYS = ("rows in the file", "questions to buy", "credits at most")


def to_buy(planned: Mapping[str, Planned]) -> int:
    """Return how many questions of all these plans are still to be bought."""
    return sum(plan.quote.to_buy for plan in planned.values())


def worst_case(planned: Mapping[str, Planned]) -> float | None:
    """Return the most credits that buying them all may take; None when a price is unknown."""
    cases = [plan.quote.worst_case_credits for plan in planned.values()]
    return None if None in cases else sum(case or 0.0 for case in cases)


def offer(planned: Mapping[str, Planned], credit_limit: float | None) -> str:
    """Return the question that a person answers with yes or no."""
    most = worst_case(planned)
    if credit_limit is not None and (most is None or credit_limit < most):
        return f"Buy up to {plural(to_buy(planned), 'task')} for at most {credit_limit:,.0f} credits (estimated)?"
    return f"Buy {plural(to_buy(planned), 'task')} for up to {credits_text(most)} credits (estimated)?"
