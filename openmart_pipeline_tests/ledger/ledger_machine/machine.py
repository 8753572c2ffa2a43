"""Random histories of a ledger: what can happen, and after each event what must be true.

Every method marked as an event says beside it what must become of the ledger. What the tables alone must never show is
in `tables`, the vendor's account in `vendor`, what the ledger was told in `told`.
"""

import datetime as dt
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule, run_state_machine_as_test

from openmart_pipeline.ledger import (
    adoption,
    collecting,
    moves,
    outstanding,
    plans,
    polling_leases,
    recovery,
    retirement,
    selection,
    sending,
)
from openmart_pipeline.ledger.moves import Batch, MoveRefused
from openmart_pipeline.ledger.plans import Lifetimes, Reask
from openmart_pipeline.ledger.sending import BudgetReached, Claim, PlanStale
from openmart_pipeline.ledger.states import TaskState
from openmart_pipeline.ledger.unmatched_results import FOREIGN, UnmatchedResult
from openmart_pipeline.model.questions import BOTH, Access
from openmart_pipeline_tests.ledger.desk import KEY_HASH, PRICES, UNLIMITED, Desk, ask
from openmart_pipeline_tests.ledger.ledger_machine import tables
from openmart_pipeline_tests.ledger.ledger_machine.events import (
    PROCESSES,
    Ground,
    Happening,
    event,
    possible,
)
from openmart_pipeline_tests.ledger.ledger_machine.history import (
    ASKABLE,
    SEEN,
    Flight,
    History,
    Planned,
)
from openmart_pipeline_tests.ledger.ledger_machine.told import Bill, Wanted, Width, Word, limits_of

MEMORY = Path("/dev/shm")  # where there is one: nothing here rests on the disk
FILES = ("a.csv", "b.csv", "c.csv")
DOMAINS = tuple(f"company-{letter}.com" for letter in "abcdefgh")
WORDS = {  # for a task's states, where they are not the same words
    **dict.fromkeys(("in_flight", "unknown", "stalled", "duplicate_in_flight"), Word.OPEN),
    **dict.fromkeys(("errored", "cancelled", "unmatched"), Word.FAILED),
    "rejected": Word.REFUSED,
}
ENDS = (
    "accepted",
    "accepted",
    "lost, created",
    "lost, created",
    "lost, not created",
    "not_sent",
    "refused",
    "another's id",
)
SLIPS = ("none", "none", "none", "somebody else's", "another of ours")
AFTER = ("at once", "its sender ended", "its sender ended, and minutes", "its sender ended, and minutes")
HEARS = ("ready", "ready", "not yet", "too old", "too old", "gone", "gone three times", "gone three times")
BUDGETS = ({}, {}, {"in_total": 120}, {"per_day": 60}, {"per_run": 80})  # a question costs 3 to 33 at most

process = st.integers(0, PROCESSES - 1)
widths = st.builds(Width, st.sampled_from((3, 1)), st.sampled_from((BOTH, Access.EMAIL, Access.PHONE)))
asks = st.lists(st.tuples(st.sampled_from(DOMAINS), widths), min_size=1, max_size=5, unique_by=lambda pair: pair[0])
ANSWERS = st.sampled_from((TaskState.FOUND, TaskState.EMPTY, TaskState.ERRORED, TaskState.CANCELLED))
JUMPS = ({"minutes": 3}, {"hours": 30}, {"days": 40}, {"days": 200}, {"days": -1}, {"days": -300})


class LedgerMachine(History):
    """One history, from an empty ledger on."""

    @initialize(wanted=asks, limits=st.sampled_from(BUDGETS))
    def it_begins(self, wanted: list[tuple[str, Width]], limits: dict[str, float]) -> None:
        self.limits = replace(self.limits, **limits)
        self.a_file_is_planned(0, FILES[0], wanted, Reask.NOTHING)

    @rule(happens=st.runner().flatmap(possible))
    def something_happens(self, happens: Happening) -> None:
        name, arguments = happens
        before = self.now
        getattr(self, name)(**arguments)
        tables.history_only_grows(before, self.look())

    # Plans and purchases

    @event(2, by=process, due="due_again")
    def a_file_is_planned_again(self, by: int, due: tuple[int, Reask]) -> None:
        """What it asked already, to be asked anew where that is due."""
        plan, reask = due
        key = self.plans[plan].key
        asked = [(one.domain, one.width) for one in self.book.plans[self.plans[plan].plan_id]]
        self.a_file_is_planned(by, key, asked, reask)

    @event(4, by=process, key=st.sampled_from(FILES), wanted=asks, reask=st.sampled_from(Reask))
    def a_file_is_planned(self, by: int, key: str, wanted: list[tuple[str, Width]], reask: Reask) -> None:
        """It asks anew what is due for that, and only now: whatever ends from here on counts."""
        ledger = self.desks[by].ledger
        if key not in self.file_states:
            plans.register(ledger, key)
            self.file_states[key] = "active"
        plan_id = plans.write_plan(
            ledger, key, file_sha256=f"version {len(self.plans)}", config="{}", digest="", prices=PRICES.key,
            wanted=[ask(domain, max_k=width.max_k, access=width.access) for domain, width in wanted],
        )  # fmt: skip
        plans.apply_reask(ledger, plan_id, reask, Lifetimes())
        plans.make_current(ledger, plan_id)
        self.plans.insert(0, Planned(plan_id, key))
        self.book.plan(plan_id, wanted, reask, self.clock(), self.look().questions)

    @event(plan="newest_plans")
    def a_quote_is_looked_at(self, plan: int) -> None:
        """It counts what a claim would take."""
        plan_id = self.plans[plan].plan_id
        is_kept = any(one.plan_id == plan_id for one in self.newest_of_files)
        places = [one.place for one in self.book.owed(plan_id, self.clock())] if is_kept else []
        assert outstanding.ask_status_counts(self.desks[0].ledger, plan_id)[outstanding.AskStatus.TO_BUY] == len(places)
        assert selection.first_outstanding(self.desks[0].ledger, plan_id) == min(places, default=None)

    @event(key=st.sampled_from(FILES), state=st.sampled_from(("active", "missing", "retired")))
    def a_file_goes_or_comes_back(self, key: str, state: str) -> None:
        if key not in self.file_states:
            return
        ledger, said = self.desks[0].ledger, {"who": "a person", "why": "the list is old"}
        if state == "retired":
            retirement.retire(ledger, key, remove_data=False, **said)
        elif self.file_states[key] == "retired":
            retirement.bring_back(ledger, key, **said)
        plans.set_partition_states(ledger, {key: state} if state != "retired" else {})
        self.file_states[key] = state

    @event(
        5, by=process, plan="mostly_owing", run_id=st.sampled_from(("monday", "tuesday")),
        approval_id=st.sampled_from(("ann's", "the backfill")),
        approved=st.sampled_from((UNLIMITED, UNLIMITED, 30, 80)), after=st.sampled_from((-1, -1, -1, 0)),
        ends=st.sampled_from((None, None, None, *ENDS)),
    )  # fmt: skip
    def a_process_buys(
        self, by: int, plan: int, run_id: str, approval_id: str, approved: float, after: int, ends: str | None
    ) -> None:
        """It claims exactly what is owed and fits; a plan that was replaced and a reached limit are refused."""
        desk, chosen, budget = self.desks[by], self.plans[plan], replace(self.limits, approved=approved)
        bill = Bill(run_id, chosen.plan_id, approval_id, self.clock.day)
        is_current = self.is_current(chosen)
        try:
            sending.approve(desk.ledger, chosen.plan_id, credits_=approved, by="ann")
        except PlanStale:
            assert not is_current, "the approval of a current plan was refused"
        self.approved[run_id, approval_id] = max(approved, self.approved.get((run_id, approval_id), 0))
        assert sending.spent(desk.ledger, run_id, approval_id) == self._spent_by_the_book(bill)
        expected, is_short = self.book.next_batch(bill, after, budget, self.clock()) if is_current else ([], False)
        claim = None
        try:
            claim = sending.claim(
                desk.ledger, chosen.plan_id, budget=budget, prices=PRICES, run_id=run_id,
                approval_id=approval_id, selection=selection.select_now(desk.ledger), key_hash=KEY_HASH, deadline_s=125, after_position=after,
            )  # fmt: skip
        except PlanStale:
            assert not is_current, "a current plan was refused"
        except BudgetReached:
            assert is_short, "a budget kept out what fits in it"
            SEEN["budget reached"] += 1
        else:
            assert is_current, "a plan was bought whose place another took"
        claimed = [] if claim is None else [(task.domain, Width(task.max_k, task.access)) for task in claim.tasks]
        assert claimed == [(wanted.domain, wanted.width) for wanted in expected], "not what is owed and fits"
        if claim is not None:
            self._is_sent(desk, claim, expected, bill)
            if ends is not None:
                self.a_post_ends(claim.batch.batch_no, ends)

    def _spent_by_the_book(self, bill: Bill) -> sending.Spent:
        parts = {"approval_id": bill.approval_id}, {"run_id": bill.run_id}, {"day": bill.day}, {}
        return sending.Spent(*(self.book.committed(**part) for part in parts))

    def _is_sent(self, desk: Desk, claim: Claim, expected: list[Wanted], bill: Bill) -> None:
        sent = [(task.tracking_id, wanted) for task, wanted in zip(claim.tasks, expected, strict=True)]
        self.book.send(claim.batch.batch_no, bill, sent, self.clock())
        assert claim.last_position == expected[-1].place
        desk.journal.sending(claim)
        self.flights[claim.batch.batch_no] = Flight(claim, desk)
        self.look()
        SEEN["claim"] += 1

    @event(2, number="in_the_air", ends=st.sampled_from(ENDS))
    def a_post_ends(self, number: int, ends: str) -> None:
        """Heard, lost with or without a batch at the server, surely not sent, refused."""
        flight = self.flights[number]
        flight.is_decided = True
        taken = [batch["vendor_batch_id"] for batch in self.now.batches.values() if batch["vendor_batch_id"]]
        match ends:
            case "not_sent":
                self.outcome(number, "not_sent", Word.NOT_SENT)
            case "refused":
                self.outcome(number, "rejected", Word.REFUSED)
            case "lost, created":
                self.vendor.create(flight.questions)
                self.outcome(number, "unknown", Word.OPEN)
            case "another's id" if taken:
                self.accept(number, taken[0])
            case "accepted":
                self.accept(number, self.vendor.create(flight.questions))
            case _:
                self.outcome(number, "unknown", Word.OPEN)

    @event(by=process, is_created=st.booleans(), journaled=st.booleans(), is_mistaken=st.booleans())
    def a_process_dies(self, by: int, is_created: bool, journaled: bool, is_mistaken: bool) -> None:
        """Nothing happens to the ledger."""
        self.dies(self.desks[by], is_created=is_created, journaled=journaled, is_mistaken=is_mistaken)

    @event(2, by=process)
    def what_the_dead_were_sending_is_named(self, by: int) -> None:
        """That, and nothing that a living process sends."""
        orphans = [
            number for number, batch in self.now.batches.items()
            if batch["state"] == "sending" and batch["owner_id"] not in self.alive
        ]  # fmt: skip
        assert moves.mark_orphans_unknown(self.desks[by].ledger) == orphans

    @event(by=process, number="late")
    def an_answer_arrives_after_its_sender_was_taken_for_dead(self, by: int, number: int) -> None:
        """It is accepted, unless a person gave the batch an id meanwhile."""
        flight = self.flights[number]
        assert flight.late_id is not None
        vendor_batch_id, flight.late_id = flight.late_id, None
        self.accept(number, vendor_batch_id, by=self.desks[by])

    # A person

    @event(3, by=process, number="mostly_in_doubt", slip=st.sampled_from(SLIPS))
    def a_person_adopts(self, by: int, number: int, slip: str) -> None:
        """Under the id that support found, or by a slip under another that looks as good."""
        batch = self.now.batches[number]
        named = self.vendor.id_of(self.now.tracking_ids(number))
        if named is None or slip == "somebody else's":
            named = self.vendor.create_for_another(batch["tasks"])
        elif slip == "another of ours":
            named = next((one for one in self.vendor.batches if self.holder(one) is None), named)
        total = len(self.vendor.serves(named))
        has_answered = any(task["vendor_task_id"] for task in self.now.tasks_of[number])
        is_allowed = (
            total == batch["tasks"]
            and self.holder(named) in (None, number)
            and (named == batch["vendor_batch_id"] or not has_answered)
        )
        ledger = self.desks[by].ledger
        if self.moves(
            "adopt", number, lambda: moves.adopt(ledger, number, named, total=total, who="ann", why="support says so"),
            is_allowed=is_allowed,
        ):  # fmt: skip
            self.has_an_id(number)

    @event(3, by=process, number="mostly_in_doubt", vouches=st.booleans(), after=st.sampled_from(AFTER))
    def a_person_releases(self, by: int, number: int, vouches: bool, after: str) -> None:
        """Refused while an answer may still come; a stalled batch has had its answer."""
        flight, ledger = self.flights[number], self.desks[by].ledger
        batch = flight.claim.batch
        if after != "at once" and batch.owner_id in self.alive:
            self.dies(flight.process, is_created=False, journaled=False, is_mistaken=False)
        if after == "its sender ended, and minutes":
            self.clock.move(minutes=3)
        may_hear = batch.owner_id in self.alive or batch.intent_at <= self.clock() <= batch.deadline_at
        if self.moves(
            "release", number, lambda: moves.release(ledger, number, who="ann", why="given up", vouch_unpaid=vouches),
            is_allowed=self.now.batches[number]["state"] == "stalled" or not may_hear,
        ):  # fmt: skip
            self.book.tell(number, Word.RELEASED, self.clock())
            if vouches:
                self.book.bills[number].settled = 0

    @event(by=process)
    def a_person_reconciles(self, by: int) -> None:
        """On a ledger that is whole, that brings in only the ids that the journal heard and the ledger did not."""
        desk, before = self.desks[by], self.now
        heard = {line["token"]: line for line in desk.journal.entries() if line["event"] != "sending"}
        news = {
            number for number, batch in before.batches.items()
            if batch["state"] in ("sending", "unknown", "released") and batch["vendor_batch_id"] is None
            and (line := heard.get(batch["token"], {})).get("event") == "accepted"
            and self.holder(line["batch_id"]) in (None, number)
        }  # fmt: skip
        recovery.reconcile(desk.ledger, desk.journal, who="ann")
        for number, batch in self.look().batches.items():
            assert (batch["state"] != before.batches[number]["state"]) == (number in news)
        for number in news:
            self.has_an_id(number)
            SEEN["reconcile"] += 1

    @event()
    def the_ledger_would_be_lost(self) -> None:
        """Rebuilt from the journal, it has all that is charged: by the id that was heard, else as unknown."""
        rebuilt = self.ground.rebuilt()
        mine = {rebuilt.tracking_ids(number): batch for number, batch in rebuilt.batches.items()}
        for made in self.vendor.batches.values():
            batch = mine[made.tracking_ids]
            known = batch["state"], batch["vendor_batch_id"]
            assert known in (("unknown", None), ("submitted", made.vendor_batch_id))
        SEEN["rebuilt"] += 1

    # Collectors

    @event(by=process, limit=st.integers(1, 3), hold_s=st.sampled_from((60, 3 * 86400)), frees=st.booleans())
    def a_collector_holds_what_is_due(self, by: int, limit: int, hold_s: float, frees: bool) -> None:
        """Nothing before it is due, or while another asks; what the dead held is free at once."""
        ledger, now = self.desks[by].ledger, self.clock()
        held = polling_leases.lease_due(ledger, limit=limit, hold_s=hold_s)
        assert len(held) <= limit
        for batch in held:
            assert self.now.batches[batch.batch_no]["state"] in ASKABLE
            assert batch.next_poll_at is not None
            assert not now < batch.next_poll_at <= now + dt.timedelta(hours=10)
        self.remembered += held
        if frees:
            polling_leases.free_holds(ledger)
            assert {batch["leased_by"] for batch in self.look().batches.values()} <= {None, *self.alive}

    @event(4, by=process, number="collectable", is_slow=st.booleans(), hears=st.sampled_from(HEARS))
    def a_collector_hears(self, by: int, number: int, is_slow: bool, hears: str) -> None:
        """Of the id it saw: if the batch has another by now, nothing changes."""
        batch, known = self.as_seen(number, is_slow=is_slow)
        ledger, is_same = self.desks[by].ledger, known["vendor_batch_id"] == batch.vendor_batch_id
        match hears:
            case "ready":
                if self.moves("ready", number, lambda: collecting.ready(ledger, batch), is_allowed=is_same):
                    self.gone_polls[number] = 0
            case "too old":
                aged = lambda: collecting.age(ledger, batch, next_poll_s=86400, reason="not ready")  # noqa: E731
                self.moves("stalled", number, aged, is_allowed=is_same)
            case "not yet":
                collecting.not_ready(ledger, batch, next_poll_s=60)
                self.gone_polls[number] = 0
                tables.nothing_but_polls_changed(self.now, self.look())
            case _:
                for _ in range(1 if hears == "gone" else 3):
                    is_over = self._is_gone(by, batch)
                    self.clock.move(hours=25 if hears == "gone" else 13)
                assert is_over or hears == "gone", "not given up after three answers over a day"

    def _is_gone(self, by: int, batch: Batch) -> bool:
        """One 404: only the third and later can be the end of the batch. Return whether it has ended, however."""
        number, known = batch.batch_no, self.now.batches[batch.batch_no]
        can_be = known["state"] in ASKABLE and known["vendor_batch_id"] == batch.vendor_batch_id
        self.gone_polls[number] += can_be
        is_over = False
        try:
            is_over = collecting.gone(self.desks[by].ledger, batch, next_poll_s=9 * 3600)
        except MoveRefused:
            assert not can_be
        self.look()
        if is_over:
            assert can_be
            assert self.gone_polls[number] >= 3, "given up before the third answer"
            self.book.tell(number, Word.EXPIRED, self.clock())
            SEEN["expired"] += 1
        return is_over or not can_be

    @event(
        4, by=process, number="collectable", is_slow=st.booleans(), which=st.sampled_from((31, 31, 31, 0, 1, 2, 12)),
        state=ANSWERS, emails=st.integers(0, 3), phones=st.integers(0, 3), contradicts=st.booleans(),
        is_done=st.sampled_from((True, True, False)),
    )  # fmt: skip
    def a_collector_reads(
        self, by: int, number: int, is_slow: bool, which: int, state: TaskState, emails: int, phones: int,
        contradicts: bool, is_done: bool,
    ) -> None:  # fmt: skip
        """What has ended stays as it is, also where the server contradicts itself; strangers' answers revoke_foreign the id."""
        batch, known = self.as_seen(number, is_slow=is_slow)
        ledger = self.desks[by].ledger
        if batch.vendor_batch_id is None:
            return
        own: list[collecting.Ended] = []
        unmatched: list[UnmatchedResult] = []
        for place, tracking_id in enumerate(self.vendor.serves(batch.vendor_batch_id)):
            if not which >> place & 1:
                continue
            if tracking_id not in self.now.tracking_ids(number):
                unmatched.append(
                    UnmatchedResult(
                        vendor_task_id=f"task-{tracking_id}",
                        vendor_batch_id=batch.vendor_batch_id,
                        tracking_id=tracking_id,
                        reason=FOREIGN,
                        state=TaskState.EMPTY,
                        raw=b"[]",
                    )
                )
            else:
                has_said = tracking_id in self.ends
                said = self.said(tracking_id, state, emails, phones)
                other = replace(said, state=TaskState.EMPTY, raw=b"no!", emails=0, phones=0)
                own.append(other if contradicts and has_said else said)
        if unmatched and not own and adoption.is_unproven(ledger, number):
            revoke_foreign = lambda: adoption.revoke_foreign(ledger, batch, reason="strangers")  # noqa: E731
            self.moves(
                "revoke_foreign", number, revoke_foreign, is_allowed=batch.vendor_batch_id == known["vendor_batch_id"]
            )
            return
        collecting.store_answers(ledger, [(number, answer) for answer in (*own, *unmatched)], keep_hold_s=60)
        told = {answer.tracking_id: (_word(answer.state), answer.emails, answer.phones) for answer in own}
        self.book.answer(number, told, self.clock())
        self.look()
        if is_done:
            self.a_collector_is_done(by, number, is_slow, all_named=True)

    @event(by=process, number="collectable", is_slow=st.booleans(), all_named=st.booleans())
    def a_collector_is_done(self, by: int, number: int, is_slow: bool, all_named: bool) -> None:
        """A batch is closed once all of it has ended; what no id names, all having been read, has ended unmatched."""
        batch, known = self.as_seen(number, is_slow=is_slow)
        ledger = self.desks[by].ledger
        can_be = known["state"] in ASKABLE and known["vendor_batch_id"] == batch.vendor_batch_id
        if not all_named:
            missing = self.book.of_batch(number, Word.OPEN) if can_be else []
            assert collecting.unmatch(ledger, batch) == len(missing)
            if missing:
                self.book.tell(number, Word.FAILED, self.clock())
                SEEN["unmatched"] += 1
        is_over = can_be and not self.book.of_batch(number, Word.OPEN)
        assert collecting.settle(ledger, batch, PRICES) == is_over
        if is_over:
            self.book.settle(number)
            SEEN["settle"] += 1

    @event(by=st.sampled_from(JUMPS))
    def the_clock_is_set(self, by: dict[str, float]) -> None:
        self.clock.move(**by)

    # What is always true

    @invariant()
    def the_tables_are_in_order(self) -> None:
        for claim in tables.ALWAYS:
            claim(self.now)

    @invariant()
    def what_stands_is_what_was_told(self) -> None:
        stands = {task["tracking_id"]: _word(task["state"]) for task in self.now.tasks.values()}
        assert stands == {purchase.tracking_id: purchase.word for purchase in self.book.purchases}

    @invariant()
    def spending_stays_within_every_limit(self) -> None:
        """By the ledger's own account; but for what a person vouched for wrongly, once it is heard of after all."""
        credits_ = {
            number: (one["reserved_credits"], one["settled_credits"]) for number, one in self.now.batches.items()
        }
        assert credits_ == {number: (bill.reserved, bill.settled) for number, bill in self.book.bills.items()}
        for run_id, approval_id in self.approved:
            approved = max(most for (_, under), most in self.approved.items() if under == approval_id)
            bill = Bill(run_id, "", approval_id, self.clock.day)
            for limit, of in limits_of(replace(self.limits, approved=approved), bill):
                assert self.book.committed(**of, excused=False) <= limit, f"over the limit of {of or 'all'}"

    @invariant()
    def nothing_is_paid_twice_without_a_persons_word(self) -> None:
        charged = self.vendor.charged()
        unasked = [one.domain for one in self.book.purchases if one.why == "first" and one.tracking_id in charged]
        assert len(unasked) == len(set(unasked)), "paid twice, and neither released, wider nor asked anew"

    @invariant()
    def all_that_is_charged_is_known_by_id_or_named(self) -> None:
        mine = {self.now.tracking_ids(number): batch for number, batch in self.now.batches.items()}
        for made in self.vendor.batches.values():
            batch = mine[made.tracking_ids]
            is_named = batch["state"] in ("sending", "unknown", "released")
            # Under an id that a person named by a slip it is asked about, until an answer says whose that is.
            is_known = batch["state"] in (*ASKABLE, "expired", "collected") and batch["vendor_batch_id"] is not None
            assert is_named or is_known, f"charged, and {batch['state']} as {batch['vendor_batch_id']}"


def _word(state: str) -> Word:
    return WORDS.get(state) or Word(state)


def explored(*, histories: int, steps: int, derandomize: bool) -> Counter[str]:
    """Live through so many random histories of so many events; return what happened in them, and how often."""
    SEEN.clear()
    chosen: dict[str, Any] = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
    with tempfile.TemporaryDirectory(prefix="ledger-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        ground = Ground(Path(folder))
        try:
            run_state_machine_as_test(
                lambda: LedgerMachine(ground),
                settings=settings(
                    max_examples=histories, stateful_step_count=steps, derandomize=derandomize,
                    phases=(Phase.generate, Phase.shrink), **chosen,
                ),
            )  # fmt: skip
        finally:
            ground.close()
    return SEEN
