"""Buying and collecting at the same time, for a person who waits: the command line's way through the steps.

Lives here: two threads and who stops whom. What is bought and what an answer means is decided in `submit` and
`collect`.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from openmart_pipeline.collection.collector import CollectReport
from openmart_pipeline.model.approval import Approval
from openmart_pipeline.model.events import OnEvent, ignore_events
from openmart_pipeline.pipeline import steps
from openmart_pipeline.purchase.backoff import Backoff
from openmart_pipeline.purchase.circuit_breaker import CircuitBreaker
from openmart_pipeline.purchase.outcomes import SubmitReport
from openmart_pipeline.purchase.rules import Stop
from openmart_pipeline.purchase.workers import Worker
from openmart_pipeline.services import ApiSession, Services

# What says nothing about the next file: it has a plan of its own, and its next task may be a cheaper one.
GO_ON = (Stop.DONE, Stop.STALE, Stop.BUDGET)


@dataclass(slots=True)
class RunReport:
    """What buying and collecting did, file by file; filled while they run."""

    run_id: str
    bought: dict[str, SubmitReport] = field(default_factory=dict)
    collected: CollectReport = field(default_factory=CollectReport)


def buy_and_collect(
    work: Services,
    session: ApiSession,
    approvals: Mapping[str, Approval],
    report: RunReport,
    *,
    patience_s: float,
    on_event: OnEvent = ignore_events,
) -> None:
    """Buy each file's approved plan, reading answers meanwhile; return when all of them ended.

    The main thread buys, so that an interrupt reaches it; the collector reads in a thread of its own and commits
    what it has before anything ends.

    Args:
        work: where.
        buyer: the API.
        approvals: partition key -> what was approved for it; a credit limit of 0 collects only.
        report: filled; its `run_id` goes into the batches' history.
        patience_s: collecting ends when nothing came in for so long.
        on_event: hears every step of both, from several threads.

    """
    stop = threading.Event()
    bought = threading.Event()
    backoff, breaker = (
        Backoff(),
        CircuitBreaker(),
    )  # one for all files: of many with a batch each, none would ever see five go wrong
    failures: list[BaseException] = []
    collector = steps.collector(work, session, list(approvals), on_event)

    def collect() -> None:
        try:
            collector.run(more_coming=lambda: not bought.is_set(), patience_s=patience_s, stop=stop)
        except BaseException as error:  # noqa: BLE001  a thread has nobody to raise to: the caller raises it
            failures.append(error)

    reading = Worker(collect, name="collect")
    reading.start()
    report.collected = collector.report
    try:
        for key, approval in approvals.items():
            if approval.credit_limit <= 0:
                continue
            report.bought[key] = steps.buy(
                work, session, key, approval, run_id=report.run_id, backoff=backoff, breaker=breaker, on_event=on_event
            )
            if report.bought[key].stop not in GO_ON:
                break
        bought.set()
        reading.wait()
    except BaseException:
        stop.set()
        reading.wait()
        raise
    if failures:
        raise failures[0]
