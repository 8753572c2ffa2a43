"""What the ledger was told, in the order it was told: from that alone follows what is owed and what is committed.

The ledger's rules a second time, over a list, without states, moves or SQL: the random tests hold the ledger against
it. No claims here. Imports the words of an ask only.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from openmart_pipeline.ledger.plans import Reask
from openmart_pipeline.model.prices import Budget
from openmart_pipeline.model.questions import Access

PER_EMAIL, PER_PHONE = 3, 8
FOUND_DAYS, EMPTY_DAYS, ERRORED_ASKS = 180, 30, 1
SIZES = (100, 10, 1)  # of a batch, by how often the question's batch was called wrong; then never again


class Word(StrEnum):
    """The last thing that was told of a purchase."""

    OPEN = "open"  # it may be paid for, and no end of it was heard
    NOT_SENT = "not_sent"
    REFUSED = "refused"
    RELEASED = "released"  # a person says: treat as not bought
    FOUND = "found"
    EMPTY = "empty"
    FAILED = "failed"
    EXPIRED = "expired"


ANSWERED = (Word.FOUND, Word.EMPTY)
BADLY = (Word.REFUSED, Word.FAILED, Word.EXPIRED)


@dataclass(frozen=True)
class Width:
    """How much an ask wants, or an answer was asked for."""

    max_k: int
    access: Access

    @property
    def worst_case(self) -> float:
        return self.credits(self.max_k, self.max_k)

    def credits(self, emails: int, phones: int) -> float:
        """What an answer with so much in it counts for: nothing that was not asked for."""
        asked_emails = self.max_k * (Access.EMAIL in self.access)
        asked_phones = self.max_k * (Access.PHONE in self.access)
        return PER_EMAIL * min(emails, asked_emails) + PER_PHONE * min(phones, asked_phones)

    def covers(self, other: "Width") -> bool:
        return self.max_k >= other.max_k and other.access in self.access


@dataclass
class Wanted:
    """A question that a plan asks."""

    domain: str
    width: Width
    place: int = 0  # in the plan: what comes first is bought first
    anew_after: int | None = None  # what was told up to then does not count for it
    stale_at: dt.datetime | None = None  # and before that instant it does, whatever the clock said while planning
    batch_size: int = SIZES[0]


@dataclass
class Purchase:
    """A question in a POST."""

    batch_no: int
    tracking_id: str
    domain: str
    width: Width
    sent_at: dt.datetime
    why: str  # it could be bought: the first time, or by whose word again
    word: Word = Word.OPEN
    order: int = 0
    at: dt.datetime | None = None
    credits_found: float = 0.0

    @property
    def stale_at(self) -> dt.datetime:
        """When the answer is past its lifetime: never counted from before it was bought."""
        assert self.at is not None
        days = FOUND_DAYS if self.word is Word.FOUND else EMPTY_DAYS
        return max(self.at, self.sent_at) + dt.timedelta(days=days)


@dataclass
class Bill:
    """What a batch counts for, by our estimate."""

    run_id: str
    plan_id: str
    approval_id: str
    day: str
    reserved: float = 0.0
    settled: float | None = None
    is_excused: bool = False  # given back by a person's word, and there after all: may stand above a limit

    @property
    def committed(self) -> float:
        return self.reserved if self.settled is None else self.settled


@dataclass
class Book:
    """Everything that was told."""

    plans: dict[str, list[Wanted]] = field(default_factory=dict)
    purchases: list[Purchase] = field(default_factory=list)
    bills: dict[int, Bill] = field(default_factory=dict)
    order: int = 0

    def of_batch(self, batch_no: int, *words: Word) -> list[Purchase]:
        """The purchases of a batch; only those with one of these words, where given."""
        return [one for one in self.purchases if one.batch_no == batch_no and (not words or one.word in words)]

    def of_question(self, domain: str, *words: Word) -> list[Purchase]:
        """The purchases of a question that ended with one of these words, in the order they did."""
        return sorted((o for o in self.purchases if o.domain == domain and o.word in words), key=lambda o: o.order)

    def plan(
        self, plan_id: str, asks: list[tuple[str, Width]], reask: Reask, now: dt.datetime, numbers: Mapping[str, int]
    ) -> None:
        """Write down a plan; what it asks anew is settled now, once. `numbers`: of the questions, where all else ties."""
        self.order += 1
        wanted = [Wanted(domain, width, place) for place, (domain, width) in enumerate(asks)]
        anew = [one for one in wanted if self.is_asked_anew(one.domain, reask, now)]
        for one in anew:
            one.anew_after = self.order
            if reask is Reask.STALE:
                one.stale_at = self.of_question(one.domain, *ANSWERED)[-1].stale_at
            refusals = len(self.of_question(one.domain, Word.REFUSED))
            one.batch_size = SIZES[min(refusals, len(SIZES) - 1)]
        if reask is Reask.STALE:  # behind what was never asked, the oldest first
            anew.sort(key=lambda one: (self.of_question(one.domain, *ANSWERED)[-1].order, numbers[one.domain]))
            for turn, one in enumerate(anew):
                one.place = len(wanted) + turn
        self.plans[plan_id] = sorted(wanted, key=lambda one: one.place)

    def is_asked_anew(self, domain: str, reask: Reask, now: dt.datetime) -> bool:
        """Whether a plan made now with that `reask` asks the question anew."""
        ends = self.of_question(domain, *ANSWERED, *BADLY)
        if not ends:
            return False
        newest, times = ends[-1], len(self.of_question(domain, ends[-1].word))
        is_stale = newest.word in ANSWERED and newest.stale_at < now
        return {
            (Reask.STALE, Word.FOUND): is_stale,
            (Reask.STALE, Word.EMPTY): is_stale,
            (Reask.ERRORED, Word.REFUSED): times < len(SIZES),
            (Reask.ERRORED, Word.FAILED): times <= ERRORED_ASKS,
            (Reask.EXPIRED, Word.EXPIRED): True,
        }.get((reask, newest.word), False)

    def why_owed(self, wanted: Wanted, now: dt.datetime) -> str | None:
        """Why the question may be bought now; None when it may not."""
        if self.of_question(wanted.domain, Word.OPEN):
            return None
        ends = self.of_question(wanted.domain, *ANSWERED, *BADLY)
        is_void = wanted.anew_after is None or (wanted.stale_at is not None and wanted.stale_at > now)
        counting = [end for end in ends if is_void or end.order > (wanted.anew_after or 0)]
        if any(end.word in BADLY or end.width.covers(wanted.width) for end in counting):
            return None
        if counting:
            return "wider than what was answered"
        if ends:
            return "a plan says ask again"
        return "a person released it" if self.of_question(wanted.domain, Word.RELEASED) else "first"

    def owed(self, plan_id: str, now: dt.datetime) -> list[Wanted]:
        """The questions of a plan that may be bought, in its order."""
        return [one for one in self.plans[plan_id] if self.why_owed(one, now)]

    def next_batch(self, bill: Bill, after: int, budget: Budget, now: dt.datetime) -> tuple[list[Wanted], bool]:
        """What the next claim must be: its questions, and whether a budget keeps more of them out."""
        owed = [one for one in self.owed(bill.plan_id, now) if one.place > after]
        if not owed:
            return [], False
        size = owed[0].batch_size
        owed = [one for one in owed[:size] if one.batch_size == size]
        room = min(limit - self.committed(**of) for limit, of in limits_of(budget, bill))
        fitting: list[Wanted] = []
        for one in owed:
            if sum(other.width.worst_case for other in fitting) + one.width.worst_case > room:
                return fitting, True
            fitting.append(one)
        return fitting, False

    def send(self, batch_no: int, bill: Bill, sent: list[tuple[str, Wanted]], now: dt.datetime) -> None:
        """Write down a claim: from here on each of its questions may be paid for."""
        self.bills[batch_no] = bill
        bill.reserved = sum(wanted.width.worst_case for _, wanted in sent)
        for tracking_id, wanted in sent:
            why = self.why_owed(wanted, now)
            assert why is not None, f"{wanted.domain} is not owed, and was claimed"
            self.purchases.append(Purchase(batch_no, tracking_id, wanted.domain, wanted.width, now, why))

    def tell(self, batch_no: int, word: Word, now: dt.datetime) -> None:
        """Write down one end of all that is open in a batch; that it may be paid for is none."""
        self.order += 1
        for purchase in self.of_batch(batch_no, Word.OPEN):
            purchase.word, purchase.order, purchase.at = word, self.order, now
        if word in (Word.NOT_SENT, Word.REFUSED):
            self.bills[batch_no].settled = 0

    def answer(self, batch_no: int, answers: dict[str, tuple[Word, int, int]], now: dt.datetime) -> None:
        """Write down answers by tracking id, each with the e-mails and phones it found; what ended before stays."""
        self.order += 1
        for purchase in self.of_batch(batch_no, Word.OPEN):
            if purchase.tracking_id in answers:
                purchase.word, emails, phones = answers[purchase.tracking_id]
                purchase.credits_found = purchase.width.credits(emails, phones)
                purchase.order, purchase.at = self.order, now

    def is_there_after_all(self, batch_no: int) -> None:
        """Write down that a batch has an id: what a person had released of it is open again, and counts again."""
        for purchase in self.of_batch(batch_no, Word.RELEASED):
            purchase.word = Word.OPEN
        bill = self.bills[batch_no]
        bill.is_excused |= bill.settled == 0
        bill.settled = None

    def settle(self, batch_no: int) -> None:
        """Write down that all of a batch has ended: it counts for what was found."""
        self.bills[batch_no].settled = sum(purchase.credits_found for purchase in self.of_batch(batch_no))

    def committed(
        self,
        *,
        run_id: str | None = None,
        approval_id: str | None = None,
        day: str | None = None,
        excused: bool = True,
    ) -> float:
        """The credits committed: by a run, under an approval, on a UTC day, or in all."""
        return sum(
            bill.committed
            for bill in self.bills.values()
            if run_id in (None, bill.run_id)
            and approval_id in (None, bill.approval_id)
            and day in (None, bill.day)
            and (excused or not bill.is_excused)
        )


def limits_of(budget: Budget, bill: Bill) -> Iterator[tuple[float, dict[str, str]]]:
    """The limits of a budget that are set, each with what of the account it holds for."""
    yield budget.approved, {"approval_id": bill.approval_id}
    others = (budget.per_run, {"run_id": bill.run_id}), (budget.per_day, {"day": bill.day}), (budget.in_total, {})
    for limit, of in others:
        if limit is not None:
            yield limit, of
