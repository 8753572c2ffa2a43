"""A history under way: who is there, what was sent, and the moves, each held against the table of legal ones.

Lives here: state, and what several events share. What can happen is in `machine`.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from hypothesis.stateful import RuleBasedStateMachine

from openmart_pipeline.ledger import sending
from openmart_pipeline.ledger.collecting import Ended
from openmart_pipeline.ledger.moves import Batch, MoveRefused
from openmart_pipeline.ledger.plans import Reask
from openmart_pipeline.ledger.sending import Claim
from openmart_pipeline.ledger.states import TaskState
from openmart_pipeline.model.prices import Budget
from openmart_pipeline_tests.ledger.desk import UNLIMITED, Desk
from openmart_pipeline_tests.ledger.ledger_machine.events import Ground, restart
from openmart_pipeline_tests.ledger.ledger_machine.tables import (
    LEGAL,
    Row,
    Tables,
    nothing_but_polls_changed,
)
from openmart_pipeline_tests.ledger.ledger_machine.told import Book, Word
from openmart_pipeline_tests.ledger.ledger_machine.vendor import Vendor

ASKABLE = ("submitted", "ready", "stalled")
SEEN: Counter[str] = Counter()  # what happened, over all histories: a run that visits little proves little


@dataclass(frozen=True)
class Planned:
    """A plan of a file."""

    plan_id: str
    key: str


@dataclass
class Flight:
    """A claim, the process that made it, and what that process has still to hear."""

    claim: Claim
    process: Desk
    is_decided: bool = False  # its sender recorded an outcome, or died
    late_id: str | None = None  # the answer to a sender that was only taken for dead

    @property
    def questions(self) -> list[tuple[str, str]]:
        return [(task.tracking_id, task.domain) for task in self.claim.tasks]


class History(RuleBasedStateMachine):
    """Three processes at one ledger, a vendor, and what the ledger was told."""

    def __init__(self, ground: Ground) -> None:
        super().__init__()
        ground.begin()
        self.ground = ground
        self.ledger_file, self.clock, self.desks = ground.ledger, ground.clock, ground.desks
        self.vendor, self.book = Vendor(), Book()
        self.limits = Budget(approved=UNLIMITED)
        self.plans: list[Planned] = []  # newest first
        self.file_states: dict[str, str] = {}
        self.approved: dict[tuple[str, str], float] = {}  # the most, by run and approval
        self.flights: dict[int, Flight] = {}
        self.remembered: list[Batch] = []  # as slow collectors saw them
        self.ends: dict[str, Ended] = {}  # the vendor's word on each task: always the same
        self.gone_polls: Counter[int] = Counter()  # 404s in a row, by batch
        self.now = Tables(self.ledger_file)

    # What events draw from

    @property
    def in_the_air(self) -> list[int]:
        return [number for number, flight in self.flights.items() if not flight.is_decided]

    @property
    def late(self) -> list[int]:
        return [number for number, flight in self.flights.items() if flight.late_id is not None]

    @property
    def mostly_in_doubt(self) -> list[int]:
        """The batches that a person can decide about, and now and then another."""
        states = {number: batch["state"] for number, batch in self.now.batches.items()}
        in_doubt = [number for number, state in states.items() if state in ("unknown", "released", "stalled")]
        return in_doubt + list(states)[-1:]

    @property
    def collectable(self) -> list[int]:
        """The batches that can be asked about, and those that a slow collector still takes for such."""
        askable = [number for number, batch in self.now.batches.items() if batch["state"] in ASKABLE]
        return askable + [batch.batch_no for batch in self.remembered[-2:]]

    @property
    def mostly_owing(self) -> list[int]:
        """Plans by their place in `plans`: the newest ones that owe something, and now and then another."""
        owing = [
            place
            for place, plan in enumerate(self.plans)
            if self.is_current(plan) and self.book.owed(plan.plan_id, self.clock())
        ]
        return owing * 4 + [0, len(self.plans) - 1]

    @property
    def due_again(self) -> list[tuple[int, Reask]]:
        """Plans by their place in `plans`, each with a `reask` that would ask some of its questions anew."""
        return [
            (place, reask)
            for place, plan in enumerate(self.plans[:3])
            for reask in Reask
            if any(self.book.is_asked_anew(one.domain, reask, self.clock()) for one in self.book.plans[plan.plan_id])
        ]

    @property
    def newest_plans(self) -> list[int]:
        return list(range(len(self.plans)))[:3]

    # Words

    @property
    def newest_of_files(self) -> list[Planned]:
        return list({plan.key: plan for plan in reversed(self.plans)}.values())

    def is_current(self, plan: Planned) -> bool:
        """Whether it may be bought: no other took its place, and its file is not retired."""
        return plan in self.newest_of_files and self.file_states[plan.key] != "retired"

    @property
    def alive(self) -> set[str]:
        return {desk.owner.owner_id for desk in self.desks}

    def look(self) -> Tables:
        """Read the tables anew."""
        self.now = Tables(self.ledger_file)
        return self.now

    def as_seen(self, number: int, *, is_slow: bool) -> tuple[Batch, Row]:
        """A batch as it is, or as a slow collector remembers it; and its row as it is."""
        held = [batch for batch in self.remembered if batch.batch_no == number]
        return held[0] if held and is_slow else self.desks[0].batch(number), self.now.batches[number]

    def holder(self, vendor_batch_id: str) -> int | None:
        holders = (n for n, batch in self.now.batches.items() if batch["vendor_batch_id"] == vendor_batch_id)
        return next(holders, None)

    def said(self, tracking_id: str, state: TaskState, emails: int, phones: int) -> Ended:
        """The vendor's answer to a task, in it more than was asked at times: what it says first, it says always."""
        if state is not TaskState.FOUND:
            emails = phones = 0
        raw = f"{state} {emails} {phones}".encode()
        said = Ended(tracking_id, state, f"task-{tracking_id}", raw, None, emails, phones)
        return self.ends.setdefault(tracking_id, said)

    # What several events do

    def moves(self, move: str, number: int, make: Callable[[], None], *, is_allowed: bool = True) -> bool:
        """Make a move: it succeeds exactly where it is legal, and changes nothing where it is not."""
        state = self.now.batches[number]["state"]
        is_legal = is_allowed and state in LEGAL[move][0]
        try:
            make()
        except MoveRefused:
            assert not is_legal, f"{move} was refused to a batch that is {state}"
            nothing_but_polls_changed(self.now, self.look())
            SEEN[f"{move} refused"] += 1
            return False
        assert is_legal, f"{move} was made, and the batch was {state}"
        self.look()
        SEEN[move] += 1
        return True

    def outcome(self, number: int, move: str, word: Word, by: Desk | None = None) -> None:
        """Record an outcome without an id as the submit does: ledger, journal."""
        flight = self.flights[number]
        desk, batch = by or flight.process, flight.claim.batch
        journaled, make = {
            "not_sent": ("not_sent", lambda: sending.mark_not_sent(desk.ledger, batch, reason="429")),
            "rejected": ("rejected", lambda: sending.mark_rejected(desk.ledger, batch, reason="422")),
            "unknown": ("unknown", lambda: sending.mark_unknown(desk.ledger, batch, reason="reset")),
        }[move]
        if self.moves(move, number, make):
            self.book.tell(number, word, self.clock())
        desk.journal.outcome(flight.claim, journaled)

    def accept(self, number: int, vendor_batch_id: str, by: Desk | None = None) -> None:
        """Record an id as the submit does: journal, ledger; and lost, where the ledger has it as another batch's."""
        flight = self.flights[number]
        desk = by or flight.process
        desk.journal.outcome(flight.claim, "accepted", vendor_batch_id=vendor_batch_id)

        def accept() -> None:
            batch = flight.claim.batch
            sending.accept(desk.ledger, batch, vendor_batch_id=vendor_batch_id, evidence="", first_poll_s=0)

        if self.holder(vendor_batch_id) in (None, number):
            if self.moves("accept", number, accept):
                self.has_an_id(number)
            return
        try:
            accept()
        except (sa.exc.IntegrityError, MoveRefused):
            nothing_but_polls_changed(self.now, self.look())
        else:
            raise AssertionError("two batches under one id")
        self.outcome(number, "unknown", Word.OPEN, by=desk)

    def has_an_id(self, number: int) -> None:
        """Write down that the batch exists; what was heard under an earlier id says nothing of this one."""
        self.gone_polls[number] = 0
        self.book.is_there_after_all(number)

    def dies(self, desk: Desk, *, is_created: bool, journaled: bool, is_mistaken: bool) -> None:
        """End a process, before or after the server created what it was sending; by mistake, it hears it later."""
        for number in self.in_the_air:
            flight = self.flights[number]
            if flight.process is not desk:
                continue
            flight.is_decided = True
            if is_created:
                vendor_batch_id = self.vendor.create(flight.questions)
                flight.late_id = vendor_batch_id if is_mistaken else None
                if journaled:
                    desk.journal.outcome(flight.claim, "accepted", vendor_batch_id=vendor_batch_id)
        restart(desk)
