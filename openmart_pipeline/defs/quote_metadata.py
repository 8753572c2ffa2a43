"""The quote, as a person reads it: what buying the plan would mean, and what to click next.

Lives here: one Markdown text. Its numbers come from `planning.quoting`.
"""

import math
import re

from openmart_pipeline.ledger.outstanding import AskStatus
from openmart_pipeline.ledger.plans import Reask
from openmart_pipeline.model.approval import launchpad_line
from openmart_pipeline.pipeline.steps import Planned
from openmart_pipeline.planning.question_settings import NO_PLACE, PLACE_OF_ROW, QuestionSettings
from openmart_pipeline.planning.quoting import BEYOND_LIMIT, DUPLICATE, Quote

_OUTCOMES = {  # in the order a person asks
    AskStatus.OWNED.value: "Answered already, nothing is spent",
    AskStatus.IN_FLIGHT.value: "Bought, answer on its way",
    DUPLICATE: "Asked by an earlier row of the file",
    AskStatus.UNKNOWN.value: "Perhaps bought: a person must decide (see `no_submission_left_unknown`)",
    AskStatus.STALLED.value: "Bought, unanswered for too long",
    AskStatus.ENDED_BADLY.value: "Ended without an answer",
    BEYOND_LIMIT: "Behind the `limit` of this plan",
    "suppressed": "Asked not to be contacted",
}


def quote_markdown(planned: Planned) -> str:
    """Return the quote: rows, questions, cost, time, and at the end the next click and the line to paste."""
    quote = planned.quote
    lines = [f"**{_headline(quote)}**", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in _table(quote, planned.settings)]
    doubled = quote.about_other_places
    return "\n".join([*lines, "", *([plain(doubled), ""] if doubled else []), _next_step(planned)])


def _headline(quote: Quote) -> str:
    return quote.in_short if quote.to_buy else "Nothing to buy: 0 credits"


def _table(quote: Quote, settings: QuestionSettings) -> list[tuple[str, str]]:
    set_aside = sum(quote.set_aside.values())
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in quote.set_aside.items())
    rows = [
        ("Rows in the file", f"{quote.rows:,}"),
        ("Rows set aside", f"{set_aside:,}" + (f" ({reasons})" if reasons else "")),
        ("Asked for each company", _asked(settings)),
    ]
    rows += [(name, f"{quote.outcomes[word]:,}") for word, name in _OUTCOMES.items() if quote.outcomes.get(word)]
    batches = "one batch" if quote.batches == 1 else f"{quote.batches:,} batches"
    rows.append(("**To buy**", f"**{quote.to_buy:,}** in {batches} of up to 100"))
    if quote.wider:
        rows.append(("of these answered, but not so wide", f"{quote.wider:,}, paid again in full"))
    rows.append(("Credits, if everything is found", _credits(quote.worst_case_credits, quote.worst_case_usd)))
    if quote.expected_credits is not None:
        rows.append(("Credits, by what was found so far", _credits(quote.expected_credits, quote.expected_usd)))
    if quote.credits_not_spent:
        rows.append(("Credits not spent, being answered already", _credits(quote.credits_not_spent, None)))
    return [*rows, ("Time", _duration(quote.seconds)), ("Prices", plain(quote.prices))]


def _asked(settings: QuestionSettings) -> str:
    titles = ", ".join(plain(title) for title in settings.titles)
    looked_up = settings.info_access.lower().replace("_", " ").replace("email", "e-mail")
    place = {PLACE_OF_ROW: "the row's own", NO_PLACE: "none"}.get(settings.location, settings.location)
    asked = f"{titles}; up to {settings.max_k} contacts each; {looked_up}; place: {plain(place)}"
    if settings.reask != Reask.NOTHING:
        asked += f"; asked again: {settings.reask}"
    if settings.limit is not None:
        asked += f"; the first {settings.limit:,} companies only (until planned with limit: 0)"
    return f"{asked} (where a row does not say otherwise)"


def _credits(credits_: float | None, usd: float | None) -> str:
    if credits_ is None:
        return "not known yet"
    return f"{credits_:,.0f}" + ("" if usd is None else f" ({usd:,.2f} dollars)")


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "not known yet: no submit has been answered here"
    if not seconds:
        return "none"
    if seconds < 120:  # noqa: PLR2004  below two minutes, seconds say more
        return f"about {math.ceil(seconds)} s to submit and read; when answers are ready is up to Openmart"
    if seconds < 2 * 3600:
        return f"about {math.ceil(seconds / 60)} min to submit and read; when answers are ready is up to Openmart"
    return f"about {seconds / 3600:.1f} h to submit and read; when answers are ready is up to Openmart"


def _next_step(planned: Planned) -> str:
    quote, key = planned.quote, plain(planned.plan.partition_key)
    if not quote.rows:
        return "**Next:** the file has a header and no row, so there is nobody to ask about. Was it saved whole?"
    if not quote.companies:
        return "**Next:** every row was set aside: mend the file where the table `rejected_rows` says what is wrong."
    if not quote.to_buy:
        return "**Next:** nothing. Contacts of this file come from answers that are owned or on their way."
    if quote.worst_case_credits is None:
        return (
            "**Next:** a price is unknown, so nothing can be bought. Set OPENMART_PRICE_PER_EMAIL and "
            "OPENMART_PRICE_PER_PHONE, then materialize enrichment_plan again."
        )
    limit = math.ceil(quote.worst_case_credits)
    return (
        f"**Next:** open the asset `submitted_batches`, press **Materialize**, pick the partition `{key}` and put "
        f"the line below in the place of what the Launchpad shows: it approves the plan {planned.plan.plan_id} and a "
        f"credit_limit of {limit}. A smaller number buys the first questions of the file only; 0 is a dry run. If the "
        "file is planned otherwise in the meantime, nothing is bought. In a backfill the limit holds for all its files "
        'together, and `plan` names the plan of each: `plan: "p1234abcd, p5678abcd"`.\n\n'
        f"`{launchpad_line([planned.plan.plan_id], limit)}`"
    )


def plain(text: str) -> str:
    """Return text of a file or a person such that Markdown and tables show it as it is, on one line."""
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", " ".join(text.split()))
