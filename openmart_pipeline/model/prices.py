"""Our estimate of what an answer costs, and the limits that bind our own spending.

Lives here: arithmetic on credits. The vendor's bill is the vendor's: everything here is an estimate.
"""

from dataclasses import dataclass

from openmart_pipeline.model.questions import Access

CREDITS, USD = "credits", "USD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one of something costs, by whose word, and as of when."""

    amount: float
    unit: str  # CREDITS or USD
    source: str
    as_of: str  # a month or a day, as written

    def __str__(self) -> str:
        """Say it as a person reads it: `3 credits (third-party notes, unconfirmed; 2026-11)`."""
        return f"{self.amount:,g} {self.unit} ({self.source}; {self.as_of})"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTable:
    """What an e-mail and a contact's phones cost if found, in credits, and a credit in dollars; None where unknown.

    The vendor publishes none of it (API section 5): each price says where it comes from.
    """

    email: Price | None
    phone: Price | None
    credit: Price | None = None

    @property
    def key(self) -> str:
        """What a plan remembers of the prices it was quoted with; a plan quoted with others is planned again."""
        return "/".join(str(price and price.amount) for price in (self.email, self.phone))

    @property
    def source(self) -> str:
        """The whole table in one line, with the source of every price."""
        named = {"an e-mail": self.email, "a phone": self.phone, "a credit": self.credit}
        return ", ".join(f"{name} {price or 'unknown'}" for name, price in named.items() if price or name != "a credit")

    def worst_case(self, max_k: int, access: Access) -> float | None:
        """Credits if every contact asked for is found with everything; None when a needed price is unknown."""
        return self.cost(
            emails=max_k if Access.EMAIL in access else 0,
            phones=max_k if Access.PHONE in access else 0,
        )

    def cost(self, *, emails: float, phones: float) -> float | None:
        """Credits for so many e-mails and phones; None when a needed price is unknown."""
        total = 0.0
        for count, price in ((emails, self.email), (phones, self.phone)):
            if not count:
                continue
            if price is None:
                return None
            total += count * price.amount
        return total

    def usd(self, credits_: float | None) -> float | None:
        """Dollars, where a price per credit is given and the credits are known."""
        return None if credits_ is None or self.credit is None else credits_ * self.credit.amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Most credits that may be committed, by our estimate; None is no limit of that kind."""

    approved: float  # by a person or a schedule, over all plans and runs of that approval
    per_run: float | None = None  # over all plans that a run buys
    per_day: float | None = None
    in_total: float | None = None
