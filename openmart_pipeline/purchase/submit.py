"""The one place that spends: every gate before a POST, the POST, and what each answer to it means.

Lives here: the only call of `client.submit` in the project. `rules` says what an error means, `backoff` and
`circuit_breaker` slow a run down or end it, `outcomes` records what each POST came to.
"""

import asyncio
import datetime as dt
import functools
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from openmart_pipeline.api.client import SUBMIT_TIMEOUT_S, OpenmartClient
from openmart_pipeline.api.errors import (
    KeyRefused,
    NotSent,
    OpenmartError,
    OutcomeUnknown,
    OutOfCredits,
    Throttled,
)
from openmart_pipeline.api.models import CreditBalance, Submission, TaskRequest
from openmart_pipeline.api.rate_limiter import LATE_S, RateLimiter
from openmart_pipeline.ledger import sending
from openmart_pipeline.ledger.freezes import Surroundings, refuse_doubtful
from openmart_pipeline.ledger.journal import SubmissionJournal
from openmart_pipeline.ledger.journal_check import check_journal
from openmart_pipeline.ledger.orphans import reap_orphans
from openmart_pipeline.ledger.plans import Lifetimes, Plan
from openmart_pipeline.ledger.recovery import refuse_when_frozen
from openmart_pipeline.ledger.selection import first_outstanding, select_now
from openmart_pipeline.ledger.sending import BudgetReached, Claim, PlanStale
from openmart_pipeline.ledger.states import MARK_NOT_SENT
from openmart_pipeline.ledger.store import Ledger, LedgerRefused, LedgerUnwritable
from openmart_pipeline.model.approval import Scope
from openmart_pipeline.model.events import OnEvent, ignore_events
from openmart_pipeline.model.prices import Budget, PriceTable
from openmart_pipeline.purchase.backoff import PAUSES_S, Backoff
from openmart_pipeline.purchase.circuit_breaker import CircuitBreaker
from openmart_pipeline.purchase.outcomes import OUTCOME_RETRY_S, Outcomes, SubmitReport
from openmart_pipeline.purchase.rules import UNEXPECTED, Stop, rule_for
from openmart_pipeline.purchase.workers import Worker

INTENT_VALID_S = 5  # an intent older than that when it is sent may look abandoned to others: given back instead
CLOCK_SKEW_LIMIT_S = 600  # ours against the server's: budgets count by day, deadlines by our clock
FREE_DISK_BYTES = 64 << 20  # room for the outcome of every POST in flight, in ledger and journal
_ALL_BOUGHT = {
    Scope.OWED: "Everything the plan owes is bought.",
    Scope.NEW: "Everything the plan owes is bought, without what it asks again.",
    Scope.STALE: "No stale answer that was approved before is left to ask again.",
}
IDLE_S = 0.05  # between looks of a worker that waits for what others may give back


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseOptions:
    """What a person or a schedule allowed, and with whose key."""

    budget: Budget
    prices: PriceTable
    run_id: str
    approval_id: str  # whose credit limit `budget.approved` is: a run, or a backfill of many
    key_hash: str
    approved_by: str
    scope: Scope = Scope.OWED
    lifetimes: Lifetimes = field(default_factory=Lifetimes)  # which answers are stale, for `Scope.STALE`
    file_sha256: str | None = None  # of the user's file as it is now; None: it is gone, which stops nothing
    notify_url: str | None = None
    concurrency: int = 8
    balance_floor: float | None = None
    submit_timeout_s: float = SUBMIT_TIMEOUT_S
    pauses_s: Sequence[float] = PAUSES_S
    backoff: Backoff | None = None  # of the run, where it buys several plans; None: of this plan alone
    breaker: CircuitBreaker | None = None  # the same
    outcome_retry_s: float = OUTCOME_RETRY_S
    surroundings: Surroundings = field(default_factory=Surroundings)


def submit_plan(
    ledger: Ledger,
    journal: SubmissionJournal,
    client: OpenmartClient,
    plan: Plan,
    options: PurchaseOptions,
    *,
    rate_limiter: RateLimiter,
    on_event: OnEvent = ignore_events,
    stop: threading.Event | None = None,
) -> SubmitReport:
    """Buy what the plan still owes, within the terms; return when nothing more can or may be sent.

    POSTs go out from threads. An interrupt (Ctrl-C, SIGTERM, Dagster's Terminate) stops claiming and waits for
    the POSTs in flight, then goes on its way; a second one abandons them: their batches become `unknown`.

    Raises:
        LedgerRefused: the ledger is damaged, on hold, a copy, on a disk that may vanish, or does not agree with the
            submission journal; or another ledger buys with this key.

    """
    ledger.check_integrity_once()
    check_journal(ledger, journal)
    refuse_when_frozen(ledger)
    reap_orphans(ledger, journal)
    run = _Run(ledger, journal, client, plan, options, rate_limiter, on_event, stop or threading.Event())
    if not run.has_outstanding():
        return run.report
    if options.budget.approved <= 0:
        run.end(Stop.BUDGET, "A credit limit of 0 is a dry run: nothing was bought, what is owed stays owed.")
        return run.report
    refuse_doubtful(ledger, journal.path, options.key_hash, options.surroundings)
    if not run.may_begin():
        return run.report
    try:
        sending.approve(
            ledger, plan.plan_id, credits_=options.budget.approved, by=options.approved_by, scope=options.scope
        )
    except PlanStale as stale:
        run.end(Stop.STALE, str(stale))
        return run.report
    _work_together(run, options.concurrency)
    if run.report.stop is Stop.DONE and run.has_outstanding():
        run.end(Stop.INTERRUPTED, "Stopped before everything was bought; the rest stays owed.")
    return run.report


def _work_together(run: "_Run", concurrency: int) -> None:
    """Buy with so many threads; an interrupt of this thread stops claiming and waits for what is in flight."""
    workers = [Worker(run.work, name=f"submit-{number}") for number in range(concurrency)]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.wait()
    except BaseException:
        run.end(Stop.INTERRUPTED, "Stopped by a person; the POSTs in flight are waited for, the rest stays owed.")
        for worker in workers:
            if worker.ident is not None:
                worker.wait()
        raise
    if run.failure is not None:
        raise run.failure


class _Run:
    """One buying run: what its workers share. Every worker claims, sends and records one batch at a time."""

    def __init__(
        self,
        ledger: Ledger,
        journal: SubmissionJournal,
        client: OpenmartClient,
        plan: Plan,
        options: PurchaseOptions,
        rate_limiter: RateLimiter,
        on_event: OnEvent,
        stop: threading.Event,
    ) -> None:
        self._ledger = ledger
        self._journal = journal
        self._client = client
        self._plan = plan
        self._options = options
        self._rate_limiter = rate_limiter
        self._listener = on_event
        self._stopping = stop
        self._selection = select_now(ledger, options.scope, options.lifetimes)
        self._lock = threading.Lock()  # of the fields below; never held while anything is written
        self._claiming = threading.Lock()  # one claim after another: the next looks behind the last
        self._after_position = -1
        self._in_flight = 0
        self._all_claimed = False
        self._backoff = options.backoff or Backoff(options.pauses_s)
        self._breaker = options.breaker or CircuitBreaker()
        self.report = SubmitReport(sentence=_ALL_BOUGHT[options.scope])
        self._outcomes = Outcomes(
            ledger,
            journal,
            self.report,
            on_event=self._on_event,
            on_full_disk=functools.partial(self.end, Stop.DISK),
            retry_s=options.outcome_retry_s,
        )
        self.failure: BaseException | None = None

    def _on_event(self, step: str, batch_no: int, tasks: int, detail: str) -> None:
        """Tell the listener. One that fails ends the run, but never comes between an answer and its record."""
        try:
            self._listener(step, batch_no, tasks, detail)
        except Exception as error:  # noqa: BLE001  raised by `submit_plan`, once all that is in flight is recorded
            with self._lock:
                self.failure = self.failure or error
                self._stopping.set()

    def has_outstanding(self) -> bool:
        """Look for the first thing to buy; the next claim starts there."""
        first = first_outstanding(self._ledger, self._plan.plan_id, self._selection)
        if first is not None:
            with self._lock:
                self._after_position = first - 1
        return first is not None

    def end(self, why: Stop, sentence: str) -> None:
        """Claim nothing more; the first reason given is the one reported."""
        with self._lock:
            if not self._stopping.is_set() or self.report.stop is Stop.DONE:
                self.report.stop, self.report.sentence = why, sentence
            self._stopping.set()
        self._on_event("stopped", 0, 0, sentence)

    def may_begin(self) -> bool:
        """Pass the gates that need no batch; whatever closes one is said in the report."""
        return self._plan_holds() and self._account_is_in_order()

    def _plan_holds(self) -> bool:
        """Refuse a plan whose file or prices have changed: what was approved is not what would be bought."""
        if self._options.file_sha256 not in (None, self._plan.file_sha256):
            changed = "The file has changed since it was planned."
        elif self._plan.prices != self._options.prices.key:
            changed = "The prices in the settings, or the rules of a newer program, are not those of this plan's quote."
        elif self._plan.created_at - self._ledger.clock() > dt.timedelta(seconds=CLOCK_SKEW_LIMIT_S):
            changed = f"The plan was made at {self._plan.created_at:%Y-%m-%d %H:%M} UTC, by a clock that was ahead."
        else:
            return True
        self.end(
            Stop.STALE,
            f"{changed} Nothing was bought. Plan it again (materialize companies and enrichment_plan, or start the "
            "command again) and look at the new quote.",
        )
        return False

    def _account_is_in_order(self) -> bool:
        """Check key, address, clock and balance with one free read, before the first intent."""
        balance: CreditBalance | None = None
        try:
            balance = asyncio.run(_balance(self._client))
        except (KeyRefused, OutOfCredits) as error:
            self.end(rule_for(error).stop or Stop.KEY, f"{error} Nothing was bought.")
            return False
        except NotSent as error:
            self.end(Stop.UNREACHABLE, f"{error} Nothing was bought.")
            return False
        except OpenmartError as error:
            if self._options.balance_floor is not None:
                self.report.warnings.append(f"The account's balance could not be read, so no floor binds: {error}")
        if not self._clock_is_right("nothing was bought"):
            return False
        return balance is None or self._is_above_floor(balance)

    def _clock_is_right(self, so: str) -> bool:
        """Hold our clock against the server's newest answer: it may also jump in the middle of a run."""
        skew_s = self._client.clock_skew_s
        if skew_s is None or abs(skew_s) <= CLOCK_SKEW_LIMIT_S:
            return True
        self.end(
            Stop.CLOCK,
            f"This machine's clock and the server's differ by {abs(skew_s) / 60:.0f} minutes. Budgets count by "
            f"day and deadlines by the clock, so {so}. Set the clock, then start again.",
        )
        return False

    def _is_above_floor(self, account: CreditBalance) -> bool:
        floor, balance = self._options.balance_floor, account.balance
        if floor is None or account.is_unlimited:
            return True
        if balance is None:
            self.report.warnings.append("The server names no balance that can be read, so no floor binds.")
            return True
        if balance < floor:
            self.end(
                Stop.BUDGET,
                f"The account's balance is {balance:,} credits, below the floor of {floor:,.0f} "
                "(OPENMART_BALANCE_FLOOR). Nothing was bought. Top up, or lower the floor.",
            )
            return False
        return True

    def work(self) -> None:
        """Buy batch after batch until there is a reason not to."""
        try:
            while self._wait_for_turn():
                claim = self._claim()
                if claim is None:
                    return
                try:
                    self._send(claim)
                finally:
                    with self._lock:
                        self._in_flight -= 1
        except BaseException as error:  # noqa: BLE001  a thread has nobody to raise to: `submit_plan` raises it
            with self._lock:
                self.failure = self.failure or error
            self.end(Stop.FAILED, f"Buying stopped on an error nobody foresaw: {error}")

    def _wait_for_turn(self) -> bool:
        """Wait out pauses and take a slot of the request rate, before the intent is committed."""
        late_s = LATE_S
        while not self._stopping.is_set():
            self._backoff.wait(self._stopping)
            wait_s = self._rate_limiter.acquire()
            begun = time.monotonic()
            if not self._stopping.wait(wait_s) and time.monotonic() - begun <= wait_s + late_s:
                return True
            late_s *= 2
        return False

    def _claim(self) -> Claim | None:
        """Commit the intent for the next batch; None when there is nothing to do for this worker."""
        while not self._stopping.is_set():
            self._backoff.wait(self._stopping)
            if not self._has_room_to_record() or not self._clock_is_right("nothing more is sent"):
                return None
            with self._claiming:
                if self._stopping.is_set() or self._backoff.is_waiting():
                    continue  # what another thread gives back is not to be sent before its pause is over
                claim = None if self._all_claimed else self._claim_next()
                if claim is None and not self._in_flight and not self._stopping.is_set():
                    # Something may have been given back behind us; what is in flight may still be.
                    self._all_claimed = not self.has_outstanding()
            if claim is not None:
                self._on_event("claimed", claim.batch.batch_no, len(claim.tasks), "")
                return claim
            if self._all_claimed:
                return None
            self._stopping.wait(IDLE_S)
        return None

    def _claim_next(self) -> Claim | None:
        try:
            claim = sending.claim(
                self._ledger,
                self._plan.plan_id,
                budget=self._options.budget,
                prices=self._options.prices,
                run_id=self._options.run_id,
                approval_id=self._options.approval_id,
                selection=self._selection,
                key_hash=self._options.key_hash,
                deadline_s=self._options.submit_timeout_s + INTENT_VALID_S,
                after_position=self._after_position,
            )
        except BudgetReached as reached:
            self.end(Stop.BUDGET, str(reached))
        except PlanStale as stale:
            self.end(Stop.STALE, str(stale))
        except LedgerUnwritable as error:
            self.end(Stop.DISK, f"The ledger could not be written ({error.cause}): nothing was sent. Free some space.")
        else:
            if claim is not None:
                with self._lock:
                    self._after_position = claim.last_position
                    self._in_flight += 1
            return claim
        return None

    def _has_room_to_record(self) -> bool:
        free = shutil.disk_usage(self._ledger.path.parent).free
        if free < FREE_DISK_BYTES:
            self.end(
                Stop.DISK,
                f"Only {free >> 20} MB are free beside the ledger: an answer might not be recorded, so nothing "
                "more is sent. Free some space, then start again; nothing is lost.",
            )
        return free >= FREE_DISK_BYTES

    def _send(self, claim: Claim) -> None:
        """Send one batch once, and record what became of it."""
        if not self._is_ready_to_send(claim):
            return
        error: BaseException | None = None
        submission: Submission | None = None
        try:
            submission = self._client.submit([_on_the_wire(task, self._options) for task in claim.tasks])
        except BaseException as raised:  # noqa: BLE001  whatever it is, it is recorded before it goes anywhere
            error = raised
        self._on_event("answered", claim.batch.batch_no, len(claim.tasks), "" if error is None else str(error))
        if submission is not None:
            self._count(got_id=self._outcomes.accept(claim, submission))
            return
        assert error is not None
        rule = rule_for(error)
        evidence = error.evidence if isinstance(error, OutcomeUnknown) else ""
        with self._claiming:  # before it is owed again: another thread may be waiting to claim just that
            wait_s = 0.0 if rule.waits is None else self._hold(rule.waits, error)
            if rule.stop is not None:
                self.end(rule.stop, f"{error} What was sent stays ours; the rest stays owed.")
        self._outcomes.record(claim, rule.move, reason=f"{error} {evidence}".strip())
        if rule is UNEXPECTED:
            raise error
        if isinstance(error, Throttled):
            self._rate_limiter.pause(wait_s)  # polls and reads of every process too: the server counts them together
        if rule.stop is rule.waits is None:
            self._count(got_id=False)

    def _is_ready_to_send(self, claim: Claim) -> bool:
        """Write the intent down a second time, outside of the ledger; give the batch back where that can't be."""
        claimed = time.monotonic()
        try:
            self._options.surroundings.enter(self._ledger, self._options.key_hash, claim.batch.batch_no)
            self._journal.sending(claim)
        except OSError as full:
            self._outcomes.record(claim, MARK_NOT_SENT, reason=f"the submission journal could not be written: {full}")
            self.end(Stop.DISK, f"The submission journal could not be written ({full}). Nothing more is sent.")
            return False
        except LedgerRefused as refused:
            self._outcomes.record(claim, MARK_NOT_SENT, reason=str(refused))
            self.end(Stop.FAILED, str(refused))
            return False
        self._on_event("journaled", claim.batch.batch_no, len(claim.tasks), "")
        if time.monotonic() - claimed > INTENT_VALID_S:
            self._outcomes.record(claim, MARK_NOT_SENT, reason=f"not sent within {INTENT_VALID_S} s of the intent")
            return False
        return True

    def _hold(self, why: Stop, error: BaseException) -> float:
        """Let no thread send for a while, or any more at all; return for how long, 0 where it is over."""
        wait_s = self._backoff.after(error)
        if wait_s is None:
            self.end(why, f"{error} What was sent stays ours; the rest stays owed: start again later.")
            return 0.0
        self._on_event("waiting", 0, 0, f"{error} Trying again in {wait_s:.0f} s.")
        return wait_s

    def _count(self, *, got_id: bool) -> None:
        if got_id:
            self._backoff.reset()
        trouble = self._breaker.count(got_id=got_id)
        if trouble is not None:
            self.end(
                Stop.BREAKER,
                f"{trouble} Nothing more is sent. What may have been created is named as unknown "
                "(`openmart-pipeline unknown list`); collecting goes on.",
            )


async def _balance(client: OpenmartClient) -> CreditBalance:
    async with client.reader() as reader:
        return await reader.credit_balance()


def _on_the_wire(task: sending.ClaimedTask, options: PurchaseOptions) -> TaskRequest:
    return TaskRequest(
        domain=task.domain,
        title=task.title,
        max_k=task.max_k,
        tracking_id=task.tracking_id,
        info_access=task.access.on_the_wire,
        company_name=task.company_name,
        city=task.city,
        state=task.state,
        country=task.country,
        version=task.version,
        notify_url=options.notify_url,
    )
