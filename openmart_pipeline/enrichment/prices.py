"""Our estimate of what an answer costs, and the limits that bind our own spending.

Lives here: arithmetic on credits. The vendor's bill is the vendor's: everything here is an estimate.
Imports only `questions`.
"""

from dataclasses import dataclass

from openmart_pipeline.enrichment.questions import Access


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTable:
    """Credits per e-mail and per phone found; None where unknown (API section 5: third party, unconfirmed)."""

    credits_per_email: float | None
    credits_per_phone: float | None
    usd_per_credit: float | None = None
    source: str = ""

    @property
    def key(self) -> str:
        """What a plan remembers of the prices it was quoted with; a plan quoted with others is planned again."""
        return f"{self.credits_per_email}/{self.credits_per_phone}"

    def worst_case(self, max_k: int, access: Access) -> float | None:
        """Credits if every contact asked for is found with everything; None when a needed price is unknown."""
        return self.cost(
            emails=max_k if Access.EMAIL in access else 0,
            phones=max_k if Access.PHONE in access else 0,
        )

    def cost(self, *, emails: float, phones: float) -> float | None:
        """Credits for so many e-mails and phones; None when a needed price is unknown."""
        total = 0.0
        for count, price in ((emails, self.credits_per_email), (phones, self.credits_per_phone)):
            if not count:
                continue
            if price is None:
                return None
            total += count * price
        return total

    def usd(self, credits_: float | None) -> float | None:
        """Dollars, where a price per credit is given and the credits are known."""
        return None if credits_ is None or self.usd_per_credit is None else credits_ * self.usd_per_credit


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Most credits that may be committed, by our estimate; None is no limit of that kind."""

    approved: float  # for one plan in one run, by a person or a schedule
    per_run: float | None = None  # over all plans that a run buys
    per_day: float | None = None
    in_total: float | None = None
