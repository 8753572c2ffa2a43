"""The simulator as one test meets it: what it sold and was asked since that test began.

One process serves all tests of a session, so every count here starts where the test does, and every question asked
is new to it. No fixtures and no claims here.
"""

import collections
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from openmart_pipeline.api.client import OpenmartClient
from openmart_pipeline.api.rate_limiter import NO_RATE_LIMIT
from openmart_pipeline.ledger import schema
from openmart_pipeline.ledger.plans import Plan
from openmart_pipeline.ledger.store import Ledger
from openmart_pipeline.services import ApiSession
from openmart_pipeline_tests.ledger.desk import Desk, asks
from openmart_pipeline_tests.simulator_process import API_KEY, SimulatorProcess


class Shop:
    """A server to buy at, counted from now on."""

    def __init__(self, simulator: SimulatorProcess) -> None:
        self.simulator = simulator
        self.url = simulator.url
        batches = simulator.batches()
        self.since = batches[-1]["batch_no"] if batches else 0
        self._submits = simulator.account()["submits"]
        self._begun_at = time.time()  # the simulator's clock too

    def behave(self, **changes: Any) -> None:
        """Change how the server behaves from now on."""
        self.simulator.behave(**changes)

    def fails(self, **faults: object) -> None:
        """Let faults fall: `fails(created_then_reset="next:1")`; None takes one away."""
        self.simulator.behave(faults=faults)

    def nth(self, number: int) -> str:
        """The rule that falls on this test's n-th submit, from 1."""
        return f"nth:{self._submits + number}"

    @property
    def submits(self) -> int:
        """How many submits came."""
        return self.simulator.account()["submits"] - self._submits

    @property
    def charged(self) -> list[dict[str, Any]]:
        """The batches sold."""
        return [batch for batch in self.simulator.batches() if batch["batch_no"] > self.since]

    def requests(self, route: str | None = None) -> list[dict[str, Any]]:
        """The requests that came, of one route or of all, with the instants at which they did."""
        return self.simulator.requests(route, since=self._begun_at)


@dataclass
class Heard:
    """A listener of the money path that remembers."""

    events: list[tuple[str, int, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, step: str, batch_no: int, tasks: int, detail: str, /) -> None:
        with self.lock:
            self.events.append((step, batch_no, detail))

    def said(self, step: str) -> list[str]:
        """What was said at such steps."""
        return [detail for heard, _, detail in self.events if heard == step]


def densest_second(times: list[float]) -> int:
    """The most of these instants, in order, that lie within one second."""
    window = collections.deque[float]()
    most = 0
    for at in times:
        window.append(at)
        while window[0] <= at - 1:
            window.popleft()
        most = max(most, len(window))
    return most


def quick_buyer(shop: Shop) -> ApiSession:
    """A buyer whose retries are as quick as the desk's: for tests that need files and a warehouse too."""
    return ApiSession(
        client=OpenmartClient(shop.url, API_KEY, first_retry_wait_s=0.02, read_attempts=3, retry_after_cap_s=0.2),
        rate_limiter=NO_RATE_LIMIT,
    )


def in_batches(desk: Desk, sizes: list[int], key: str = "a.csv") -> Plan:
    """Plan questions that nobody asked before, to be sent in batches of these sizes, in this order."""
    plan = desk.plan(key, asks(uuid.uuid4().hex[:8], sum(sizes)))
    limit_batches(desk.ledger, plan, sizes)
    return plan


def limit_batches(ledger: Ledger, plan: Plan, sizes: list[int]) -> None:
    """Let the plan's questions be sent in batches of these sizes, as they would be after rejections."""
    first = 0
    with ledger.write() as connection:
        for size in sizes:
            connection.execute(
                sa.update(schema.asks)
                .where(schema.asks.c.plan_id == plan.plan_id, schema.asks.c.position.between(first, first + size - 1))
                .values(batch_limit=size)
            )
            first += size
