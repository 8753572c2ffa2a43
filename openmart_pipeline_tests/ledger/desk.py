"""A desk to buy at without files, rows or a warehouse: a ledger, a journal, a client, and a clock that can be set.

What is bought here goes through the product's own claim, submit and collect. No fixtures and no claims here.
"""

import datetime as dt
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from openmart_pipeline.api.client import OpenmartClient
from openmart_pipeline.api.rate_limiter import NO_RATE_LIMIT, RateLimiter
from openmart_pipeline.collection.collector import Collector, CollectReport
from openmart_pipeline.collection.poll import PollReport, StallPolicy, poll_due
from openmart_pipeline.ledger import collecting, outstanding, plans, schema, sending
from openmart_pipeline.ledger.collecting import Ended
from openmart_pipeline.ledger.journal import SubmissionJournal
from openmart_pipeline.ledger.journal_mark import JournalMark
from openmart_pipeline.ledger.moves import Batch
from openmart_pipeline.ledger.outstanding import AskStatus
from openmart_pipeline.ledger.owners import Owner
from openmart_pipeline.ledger.plans import Lifetimes, Plan, Reask
from openmart_pipeline.ledger.selection import select_now
from openmart_pipeline.ledger.sending import Claim
from openmart_pipeline.ledger.states import TaskState
from openmart_pipeline.ledger.store import Ledger
from openmart_pipeline.model.approval import Scope
from openmart_pipeline.model.events import OnEvent, ignore_events
from openmart_pipeline.model.prices import CREDITS, Budget, Price, PriceTable
from openmart_pipeline.model.questions import BOTH, Access, Ask, Question
from openmart_pipeline.purchase.outcomes import SubmitReport
from openmart_pipeline.purchase.submit import PurchaseOptions, submit_plan
from openmart_pipeline_tests.simulator_process import API_KEY

KEY_HASH = "the tests' key"
UNLIMITED = 1e9
QUICK_PAUSES_S = (0.05, 0.05, 0.05)


def price_table(email: float | None = 3.0, phone: float | None = 8.0) -> PriceTable:
    """Credits for an e-mail and a phone, as the tests' own source says."""

    def price(amount: float | None) -> Price | None:
        return None if amount is None else Price(amount=amount, unit=CREDITS, source="tests", as_of="2026-11")

    return PriceTable(email=price(email), phone=price(phone))


PRICES = price_table()


class Clock:
    """The real time, so much ahead or behind: it goes on by itself, and a test may set it."""

    def __init__(self) -> None:
        self._ahead = dt.timedelta()

    def __call__(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + self._ahead

    def move(self, **by: float) -> None:
        """Set it ahead, or back by negative numbers: `move(days=-1)`."""
        self._ahead += dt.timedelta(**by)


class UntilPutOff:
    """Hears a collecting run, and stops it when a batch is put off: one look at it, however slow the machine is."""

    def __init__(self) -> None:
        self.stop = threading.Event()

    def __call__(self, step: str, batch_no: int, tasks: int, detail: str, /) -> None:
        if step == "waiting" or (step, detail) == ("polled", "waiting"):
            self.stop.set()


def ask(domain: str, *, title: str = "Owner", max_k: int = 3, access: Access = BOTH, **more: Any) -> Ask:
    """One ask for one company."""
    return Ask(question=Question(domain=domain, title=title, **more), max_k=max_k, access=access)


def asks(of: str, count: int, **more: Any) -> list[Ask]:
    """So many asks for companies that nobody else asks about."""
    return [ask(f"{of}-{number}.com", **more) for number in range(count)]


class Desk:
    """One process at one ledger."""

    def __init__(self, folder: Path, url: str | None = None, *, clock: Clock | None = None, **client: Any) -> None:
        self.folder = folder
        self.clock = clock or Clock()
        self.owner = Owner(folder / "owners")
        self.ledger = Ledger(
            f"sqlite:///{folder / 'ledger.sqlite'}",
            self.owner,
            api_identity="simulated",
            actor="tests",
            clock=self.clock,
        )
        self.journal = SubmissionJournal(folder / "submissions.jsonl", self.ledger)
        self.rate_limiter: RateLimiter = NO_RATE_LIMIT
        self._url = url
        self._client = client

    @property
    def client(self) -> OpenmartClient:
        """A new client each time: what one learned of the server's clock, the next does not know."""
        assert self._url is not None
        settings: dict[str, Any] = {
            "first_retry_wait_s": 0.02,
            "read_attempts": 3,
            "rate_limiter": self.rate_limiter,
            **self._client,
        }
        return OpenmartClient(self._url, settings.pop("key", API_KEY), **settings)

    def close(self) -> None:
        """End as a process ends: nothing is said to the ledger, the lock is free."""
        self.ledger.close()
        self.owner.close()

    def plan(
        self,
        key: str,
        wanted: Iterable[Ask],
        *,
        reask: Reask = Reask.NOTHING,
        lifetimes: Lifetimes | None = None,
        file_sha256: str = "content",
        prices: PriceTable = PRICES,
    ) -> Plan:
        """Make these asks the file's current plan."""
        plans.register(self.ledger, key)
        plan_id = plans.write_plan(
            self.ledger,
            key,
            file_sha256=file_sha256,
            config="{}",
            digest=uuid.uuid4().hex,
            prices=prices.key,
            wanted=wanted,
        )
        plans.apply_reask(self.ledger, plan_id, reask, lifetimes or Lifetimes())
        plans.make_current(self.ledger, plan_id)
        plans.set_quote(self.ledger, plan_id, quote="{}", credits_=None)
        return self.current_plan(key)

    def current_plan(self, key: str = "a.csv") -> Plan:
        """The plan that would be bought for a file."""
        plan = plans.current_plan(self.ledger, key)
        assert plan is not None
        return plan

    def claim(
        self,
        plan: Plan,
        *,
        budget: Budget | None = None,
        run_id: str = "run",
        after: int = -1,
        approval_id: str | None = None,
        scope: Scope = Scope.OWED,
    ) -> Claim | None:
        """Commit the intent for the next batch of the plan."""
        return sending.claim(
            self.ledger,
            plan.plan_id,
            budget=budget or Budget(approved=UNLIMITED),
            prices=PRICES,
            run_id=run_id,
            approval_id=approval_id or f"{run_id} {plan.plan_id}",
            selection=select_now(self.ledger, scope),
            key_hash=KEY_HASH,
            deadline_s=125,
            after_position=after,
        )

    def buy(
        self,
        plan: Plan,
        *,
        approved: float = UNLIMITED,
        budget: Mapping[str, float] | None = None,
        on_event: OnEvent = ignore_events,
        stop: threading.Event | None = None,
        **options: Any,
    ) -> SubmitReport:
        """Buy the plan, with short pauses."""
        run_id = options.get("run_id", uuid.uuid4().hex)
        chosen: dict[str, Any] = {
            "budget": Budget(approved=approved, **(budget or {})),
            "prices": PRICES,
            "run_id": run_id,
            "approval_id": run_id,
            "key_hash": KEY_HASH,
            "approved_by": "tests",
            "concurrency": 3,
            "pauses_s": QUICK_PAUSES_S,
            **options,
        }
        return submit_plan(
            self.ledger,
            self.journal,
            self.client,
            plan,
            PurchaseOptions(**chosen),
            rate_limiter=self.rate_limiter,
            on_event=on_event,
            stop=stop,
        )

    def collector(self, *, stall_policy: StallPolicy | None = None, key_hash: str = KEY_HASH, **more: Any) -> Collector:
        """A collecting run over everything."""
        return Collector(self.ledger, self.client, PRICES, key_hash=key_hash, stall_policy=stall_policy, **more)

    def poll(self, *, stall_policy: StallPolicy | None = None, budget_s: float = 30.0, **more: Any) -> PollReport:
        """Ask about what is due, as the daemon's sensor does."""
        return poll_due(
            self.ledger,
            self.client,
            stall_policy=stall_policy or StallPolicy(),
            key_hash=KEY_HASH,
            budget_s=budget_s,
            **more,
        )

    def collect(self, *, patience_s: float = 30.0, **more: Any) -> CollectReport:
        """Collect until nothing is expected any more."""
        return self.collector(**more).run(patience_s=patience_s)

    def look(self, **more: Any) -> CollectReport:
        """Collect until a batch is put off, or nothing is expected any more."""
        until = UntilPutOff()
        return self.collector(on_event=until, **more).run(stop=until.stop)

    def submitted(
        self, claim: Claim, vendor_batch_id: str | None = None, *, journaled: JournalMark | None = None
    ) -> Claim:
        """Say that the server took the batch."""
        sending.accept(
            self.ledger,
            claim.batch,
            vendor_batch_id=vendor_batch_id or f"vendor-{claim.batch.batch_no}",
            evidence="",
            first_poll_s=0,
            journaled=journaled,
        )
        return claim

    def answer(self, claim: Claim, state: TaskState = TaskState.FOUND, *, settle: bool = True) -> None:
        """Say that every task of a submitted batch came to this end, with one e-mail where something was found."""
        found = state is TaskState.FOUND
        ended = [
            (
                claim.batch.batch_no,
                Ended(task.tracking_id, state, f"server-{task.tracking_id}", b"{}", None, int(found), 0),
            )
            for task in claim.tasks
        ]
        collecting.store_answers(self.ledger, ended, keep_hold_s=60)
        if settle:
            assert collecting.settle(self.ledger, claim.batch, PRICES)

    def approved(self) -> None:
        """Approve every file's current plan."""
        for file in plans.all_partitions(self.ledger):
            if file.current_plan_id is not None:
                sending.approve(self.ledger, file.current_plan_id, credits_=UNLIMITED, by="tests")

    def bought(self, plan: Plan, state: TaskState = TaskState.FOUND) -> list[Claim]:
        """Buy the whole plan without a server, and let every task come to this end."""
        claims = []
        while (claim := self.claim(plan)) is not None:
            self.answer(self.submitted(claim), state)
            claims.append(claim)
        return claims

    def batch(self, batch_no: int) -> Batch:
        """A batch as it stands."""
        with self.ledger.read() as connection:
            return Batch.of(
                connection.execute(sa.select(schema.batches).where(schema.batches.c.batch_no == batch_no))
                .mappings()
                .one()
            )

    def batches(self) -> list[Batch]:
        """All batches, by number."""
        with self.ledger.read() as connection:
            rows = connection.execute(sa.select(schema.batches).order_by(schema.batches.c.batch_no)).mappings()
            return [Batch.of(row) for row in rows]

    def states(self) -> list[str]:
        """The states of all batches, by number."""
        return [batch.state for batch in self.batches()]

    def tracking_ids(self, batch_no: int) -> list[str]:
        """What a batch's tasks are called on the wire."""
        query = sa.select(schema.tasks.c.tracking_id).where(schema.tasks.c.batch_no == batch_no)
        with self.ledger.read() as connection:
            return list(connection.execute(query).scalars())

    def asked_in(self, batch_no: int) -> list[str]:
        """The domains that a batch asks about, in order."""
        query = sa.select(schema.questions.c.domain).join(
            schema.tasks, schema.tasks.c.question_id == schema.questions.c.question_id
        )
        with self.ledger.read() as connection:
            in_order = query.where(schema.tasks.c.batch_no == batch_no).order_by(schema.tasks.c.position)
            return list(connection.execute(in_order).scalars())

    def asked_of(self, plan: Plan) -> list[str]:
        """The domains that a plan asks about, in order."""
        query = sa.select(schema.questions.c.domain).join(
            schema.asks, schema.asks.c.question_id == schema.questions.c.question_id
        )
        with self.ledger.read() as connection:
            in_order = query.where(schema.asks.c.plan_id == plan.plan_id).order_by(schema.asks.c.position)
            return list(connection.execute(in_order).scalars())

    def asks_of(self, plan: Plan) -> list[Ask]:
        """What a plan asks, as another file would ask it."""
        return [ask(domain) for domain in self.asked_of(plan)]

    def tasks(self, batch_no: int | None = None) -> dict[str, int]:
        """How many tasks are in which state."""
        query = sa.select(schema.tasks.c.state, sa.func.count()).group_by(schema.tasks.c.state)
        if batch_no is not None:
            query = query.where(schema.tasks.c.batch_no == batch_no)
        with self.ledger.read() as connection:
            return {row.state: row[1] for row in connection.execute(query)}

    def ask_status(self, plan: Plan) -> dict[AskStatus, int]:
        """How many of the plan's asks stand where; only what there is."""
        return {
            name: count for name, count in outstanding.ask_status_counts(self.ledger, plan.plan_id).items() if count
        }

    def history(self, batch_no: int) -> list[tuple[str, str | None, str | None]]:
        """The moves of a batch: which, by whom, why."""
        events = schema.events.c
        with self.ledger.read() as connection:
            rows = connection.execute(
                sa.select(events.move, events.actor, events.reason)
                .where(events.batch_no == batch_no)
                .order_by(events.seq)
            )
            return [(row.move, row.actor, row.reason) for row in rows]


@contextmanager
def desk_at(folder: Path, url: str | None = None, **more: Any) -> Iterator[Desk]:
    """A desk that is left in order."""
    desk = Desk(folder, url, **more)
    try:
        yield desk
    finally:
        desk.close()
