"""The quote of a plan: what buying it would mean, reckoned from counts. Pure: no input or output.

Lives here: the words for what becomes of a question, and the quote. Rows become questions in `draft`.
"""

import json
import math
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from openmart_pipeline.ledger.ledger_errors import built
from openmart_pipeline.ledger.observed_rates import HitRates
from openmart_pipeline.ledger.other_places import OtherPlaces
from openmart_pipeline.ledger.outstanding import AskStatus
from openmart_pipeline.model.prices import PriceTable
from openmart_pipeline.model.questions import BATCH_LIMIT, Access
from openmart_pipeline.model.words import plural
from openmart_pipeline.planning.question_settings import PLACE_PARTS, location_of

DUPLICATE = "duplicate"  # an earlier row of the file asks the same
BEYOND_LIMIT = "beyond_limit"  # behind the first `limit` companies
SUPPRESSED = "suppressed"  # the company asked to be left alone


DETAILS = {
    AskStatus.OWNED.value: "answered already, at least so wide: nothing is spent",
    AskStatus.IN_FLIGHT.value: "bought and not answered yet",
    AskStatus.UNKNOWN.value: "may have been bought: a person must adopt or release its batch",
    AskStatus.STALLED.value: "bought, and unanswered for longer than the age limit; still asked about daily",
    AskStatus.ENDED_BADLY.value: "ended without an answer; a plan with reask buys it again",
    DUPLICATE: "an earlier row of this file asks the same",
    BEYOND_LIMIT: "behind the limit of this plan",
    SUPPRESSED: "the company is on the suppression list",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What buying a plan would mean, before anything is bought. Credits and dollars are our estimates."""

    rows: int
    set_aside: dict[str, int] = field(default_factory=dict)
    companies: int
    outcomes: dict[str, int] = field(default_factory=dict)
    to_buy: int
    wider: int  # of those to buy: owned already, but not so wide
    batches: int
    worst_case_credits: float | None
    expected_credits: float | None
    credits_not_spent: float | None  # worst case of what is owned already
    worst_case_usd: float | None
    expected_usd: float | None
    seconds: float | None
    prices: str
    # Companies to buy that are asked about elsewhere with another place: owned, on their way, or planned for a file.
    other_places: int = 0
    other_places_credits: float | None = 0.0
    other_places_setting: str | None = None  # of `location`, which asks most of them as they are asked elsewhere
    other_places_reused: int = 0  # so many of them

    def to_json(self) -> str:
        """Return the quote as the ledger stores it with its plan."""
        return json.dumps(asdict(self), sort_keys=True)

    @property
    def in_short(self) -> str:
        """How many questions are to buy, and for how much."""
        if not self.to_buy:
            return "nothing to buy, 0 credits"
        worst = "an unknown number of" if self.worst_case_credits is None else f"at most {self.worst_case_credits:,.0f}"
        usd = "" if self.worst_case_usd is None else f", {self.worst_case_usd:,.2f} dollars"
        return f"{plural(self.to_buy, 'question')} to buy, for {worst} credits (estimated{usd})"

    @property
    def about_other_places(self) -> str | None:
        """What is bought a second time for another place, and how to reuse it instead; None where nothing is."""
        if not self.other_places:
            return None
        credits_ = "an unknown number of" if self.other_places_credits is None else f"{self.other_places_credits:,.0f}"
        said = (
            f"{plural(self.other_places, 'company', 'companies')} to buy: already owned, on the way or planned with "
            f"another place, for another file or an earlier version. Asked with the place of this file they cost up to "
            f"{credits_} credits (estimated)."
        )
        if self.other_places_setting is None:
            return f"{said} No setting reuses them: the places in the files differ."
        return (
            f"{said} To reuse {self.other_places_reused:,} of them, plan this file with location: "
            f"{self.other_places_setting} (--location {shlex.quote(self.other_places_setting)})."
        )

    @classmethod
    def from_json(cls, text: str) -> "Quote":
        """Read what `to_json` wrote."""
        return built(cls, text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """What the time of a quote is reckoned with."""

    seconds_per_submit: float | None  # None: nobody knows yet
    concurrency: int
    requests_per_s: float | None  # None: unlimited


def quoted(
    *,
    rows: int,
    companies: int,
    outcomes: Mapping[str, int],
    set_aside: Mapping[str, int],
    wider: int,
    widths: Mapping[AskStatus, Mapping[tuple[int, int], int]],
    prices: PriceTable,
    rates: HitRates | None,
    speed: Speed,
    elsewhere: OtherPlaces | None = None,
) -> Quote:
    """Return the quote of a plan.

    Args:
        rows: rows of the file, set aside or kept.
        companies: rows kept.
        outcomes: questions of the rows, by outcome.
        set_aside: rows by reason.
        wider: asks to buy whose question is owned, but not so wide.
        widths: for each standing, how many asks there are of each (max_k, info_access bits).
        prices: the price table.
        rates: what was found so far per contact asked for.
        speed: for the estimated time.
        elsewhere: what of it is asked elsewhere with another place.

    """
    to_buy = widths.get(AskStatus.TO_BUY, {})
    tasks = sum(to_buy.values())
    batches = math.ceil(tasks / BATCH_LIMIT)
    worst = worst_case(to_buy, prices)
    expected = None
    if rates is not None:
        contacts = {
            flag: sum(max_k * count for (max_k, bits), count in to_buy.items() if flag & bits) for flag in Access
        }
        expected = prices.cost(
            emails=contacts[Access.EMAIL] * rates.emails_per_contact,
            phones=contacts[Access.PHONE] * rates.phones_per_contact,
        )
    owned = widths.get(AskStatus.OWNED, {})
    requests = tasks + 3 * batches  # each batch: one submit, one poll, one list of ids
    seconds = None if batches else 0.0
    if speed.seconds_per_submit is not None:
        rounds = math.ceil(batches / speed.concurrency)  # one batch alone takes as long as eight at a time
        seconds = max(
            rounds * speed.seconds_per_submit, requests / speed.requests_per_s if speed.requests_per_s else 0.0
        )
    elsewhere = elsewhere or OtherPlaces()
    setting, reused = _reusing(elsewhere)
    return Quote(
        rows=rows,
        set_aside=dict(set_aside),
        companies=companies,
        outcomes=dict(outcomes),
        to_buy=tasks,
        wider=wider,
        batches=batches,
        worst_case_credits=worst,
        expected_credits=expected,
        credits_not_spent=worst_case(owned, prices),
        worst_case_usd=prices.usd(worst),
        expected_usd=prices.usd(expected),
        seconds=seconds,
        prices=prices.source,
        other_places=elsewhere.companies,
        other_places_credits=worst_case(elsewhere.widths, prices),
        other_places_setting=setting,
        other_places_reused=reused,
    )


def _reusing(elsewhere: OtherPlaces) -> tuple[str | None, int]:
    """Return the `location` that reuses the most companies, and how many; None where no setting can say it."""
    for place, companies in elsewhere.reused_at.most_common():
        setting = location_of(dict(zip(PLACE_PARTS, place, strict=True)))
        if setting is not None:
            return setting, companies
    return None, 0


def worst_case(widths: Mapping[tuple[int, int], int], prices: PriceTable) -> float | None:
    """Return what so many questions of each (max_k, info_access bits) cost at most; None where a price is unknown."""
    total = 0.0
    for (max_k, bits), count in widths.items():
        each = prices.worst_case(max_k, Access(bits))
        if each is None:
            return None
        total += each * count
    return total
