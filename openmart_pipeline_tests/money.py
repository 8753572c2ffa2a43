"""What money tests share: a workplace on a simulator, and the comparison of our account with the simulator's.

The comparison is the claim: it knows nothing of how the ledger came to its rows. No fixtures here.
"""

import datetime as dt
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from openmart_pipeline.api.client import OpenmartClient
from openmart_pipeline.ledger import moves, outstanding, plans, schema
from openmart_pipeline.ledger.states import ENDED_BADLY, LIVE, BatchState, TaskState
from openmart_pipeline.model.approval import Approval
from openmart_pipeline.model.events import OnEvent, ignore_events
from openmart_pipeline.pipeline import buying_run as run
from openmart_pipeline.pipeline import steps
from openmart_pipeline.pipeline.buying_run import RunReport
from openmart_pipeline.pipeline.steps import Planned
from openmart_pipeline.planning.question_settings import merged_over
from openmart_pipeline.purchase.outcomes import SubmitReport
from openmart_pipeline.services import ApiSession, Services
from openmart_pipeline.settings import Settings, read_settings
from openmart_pipeline.wiring import open_session, open_workplace
from openmart_pipeline_tests.ledger.desk import Desk
from openmart_pipeline_tests.prepared import lay_warehouse
from openmart_pipeline_tests.simulator_process import API_KEY, SimulatorProcess


def settings_for(data_dir: Path, url: str, **more: str) -> Settings:
    """Settings as a person would write them, for a server on this machine."""
    return read_settings(
        {"OPENMART_BASE_URL": url, "OPENMART_API_KEY": API_KEY, "OPENMART_DATA_DIR": str(data_dir), **more}
    )


@contextmanager
def at_work(
    data_dir: Path, url: str, *, client: Mapping[str, float] | None = None, **more: str
) -> Iterator[tuple[Services, ApiSession]]:
    """A workplace and a buyer in this process; `client` are the client's own bounds, where a test has less patience."""
    lay_warehouse(data_dir)
    settings = settings_for(data_dir, url, **more)
    with open_workplace(settings, actor="tests") as work:
        session = open_session(settings, work)
        if client:
            bounds: dict[str, Any] = {"connections": settings.read_connections, **client}
            session = replace(session, client=OpenmartClient(url, API_KEY, rate_limiter=session.rate_limiter, **bounds))
        yield work, session


def company_file(data_dir: Path, name: str, domains: list[str], header: str = "Website") -> str:
    """Write a file of companies into the input folder; return its key."""
    folder = data_dir / "input"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join([header, *domains]) + "\n", encoding="utf-8")
    return name


def planned(work: Services, key: str, **choices: object) -> Planned:
    """Take the companies and plan what they ask."""
    steps.ingest_companies(work, key)
    settings = merged_over(steps.last_settings(work, key), **choices)  # type: ignore[arg-type]  # the tests' own words
    return steps.plan_questions(work, key, settings)


def approval_of(work: Services, *keys: str, credit_limit: float = 1e6, run_id: str = "run", **more: Any) -> Approval:
    """An approval of what these files would buy now, with a run of its own."""
    plan_ids = [plan.plan_id for key in keys if (plan := plans.current_plan(work.ledger, key)) is not None]
    given = {"plan_ids": plan_ids, "credit_limit": credit_limit, "approval_id": run_id, "by": "tests", **more}
    return Approval(**given)


def bought(work: Services, session: ApiSession, key: str, *, run_id: str = "run", **more: Any) -> SubmitReport:
    """Buy the file's plan as it is now."""
    passed = {name: more.pop(name) for name in ("on_event", "stop") if name in more}
    return steps.buy(work, session, key, approval_of(work, key, run_id=run_id, **more), run_id=run_id, **passed)


def quoted_credits(work: Services, key: str) -> float | None:
    """The most that a file's plan may cost, as it was quoted; None before it was."""
    plan = plans.current_plan(work.ledger, key)
    return None if plan is None or plan.quote is None else plan.quoted_credits


def whole_run(
    work: Services,
    session: ApiSession,
    *keys: str,
    credit_limit: float | None = None,
    patience_s: float = 20,
    on_event: OnEvent = ignore_events,
    replans: bool = True,
    loads: bool = True,
    **choices: object,
) -> RunReport:
    """Everything the command line does with files, without the terminal.

    Without `replans` a file that has a quote is bought as it was planned, and without `loads` nothing is published:
    as in Dagster, where these are steps of their own.
    """
    approvals = {}
    run_id = uuid.uuid4().hex
    for key in keys:
        worst_case = None if replans else quoted_credits(work, key)
        if worst_case is None:
            quote = planned(work, key, **choices).quote
            on_event("planned", 0, quote.to_buy, "")
            worst_case = quote.worst_case_credits
        limit = worst_case if credit_limit is None else credit_limit
        approvals[key] = approval_of(work, key, credit_limit=limit or 0.0, run_id=f"{run_id} {key}")
    report = RunReport(run_id=run_id)
    run.buy_and_collect(work, session, approvals, report, patience_s=patience_s, on_event=on_event)
    if not loads:
        return report
    for key in keys:
        steps.load_contacts(work, key, run_id="run")
        on_event("loaded", 0, 0, "")
    steps.publish(work)
    on_event("published", 0, 0, "")
    return report


def task_states(work: Services) -> dict[str, int]:
    """How many tasks are in which state, over the whole ledger."""
    with work.ledger.read() as connection:
        rows = connection.execute(sa.select(schema.tasks.c.state, sa.func.count()).group_by(schema.tasks.c.state))
        return {row.state: row[1] for row in rows}


def batch_states(work: Services) -> list[str]:
    """The states of all batches, by number."""
    with work.ledger.read() as connection:
        return list(connection.execute(sa.select(schema.batches.c.state).order_by(schema.batches.c.batch_no)).scalars())


KNOWN_TO_SERVER = {
    BatchState.SUBMITTED, BatchState.READY, BatchState.STALLED, BatchState.EXPIRED, BatchState.COLLECTED,
}  # fmt: skip


def assert_accounts_agree(
    work: Services | Desk, simulator: SimulatorProcess, *, bought_twice: int = 0, since: int = 0
) -> None:
    """Everything the simulator charged is ours by id, or named as unknown; nothing else is; nothing was paid twice.

    `since` is the number of the last batch that a simulator of many tests had sold before this one began.
    """
    with work.ledger.read() as connection:
        ours = list(connection.execute(sa.select(schema.batches)).mappings())
        tracking: dict[int, set[str]] = {}
        for batch_no, tracking_id in connection.execute(sa.select(schema.tasks.c.batch_no, schema.tasks.c.tracking_id)):
            tracking.setdefault(batch_no, set()).add(tracking_id)
    by_vendor_id = {batch["vendor_batch_id"]: batch for batch in ours if batch["state"] in KNOWN_TO_SERVER}
    unknown = {frozenset(tracking[batch["batch_no"]]) for batch in ours if batch["state"] == BatchState.UNKNOWN}
    released = {frozenset(tracking[batch["batch_no"]]) for batch in ours if batch["state"] == BatchState.RELEASED}
    sold: set[str] = set()
    sent: set[frozenset[str]] = set()
    for batch in simulator.each_batch(since):
        assert frozenset(batch["tracking_ids"]) not in sent, f"one batch was sent twice: {batch['batch_id']}"
        sent.add(frozenset(batch["tracking_ids"]))
        sold.add(batch["batch_id"])
        mine = by_vendor_id.pop(batch["batch_id"], None)
        if mine is None:
            named = frozenset(batch["tracking_ids"])
            assert named in unknown | released, f"charged, and not named by us: {batch['batch_id']}"
        else:
            assert set(batch["tracking_ids"]) == tracking[mine["batch_no"]]
    assert not by_vendor_id, "ours, and unknown to the simulator"
    twice = [
        one for one in simulator.questions_charged_twice() if any(task["batch_id"] in sold for task in one["tasks"])
    ]
    assert len(twice) == bought_twice
    assert not [batch for batch in ours if batch["state"] == BatchState.SENDING]


def assert_each_task_is_in_one_place(work: Services | Desk) -> None:
    """The state machine's invariants, read from the tables."""
    with work.ledger.read() as connection:
        live_twice = connection.execute(
            sa.select(schema.tasks.c.question_id)
            .where(schema.tasks.c.state.in_(LIVE))
            .group_by(schema.tasks.c.question_id)
            .having(sa.func.count() > 1)
        ).all()
        answered = connection.execute(
            sa.select(sa.func.count()).where(
                schema.tasks.c.state.in_((TaskState.FOUND, TaskState.EMPTY)), schema.tasks.c.raw.is_(None)
            )
        ).scalar()
        endless = connection.execute(
            sa.select(sa.func.count()).where(
                schema.tasks.c.state.in_((TaskState.FOUND, TaskState.EMPTY, *ENDED_BADLY)),
                schema.tasks.c.ended_seq.is_(None),
            )
        ).scalar()
    assert (live_twice, answered, endless) == ([], 0, 0)


def settle_unknown(work: Services | Desk, simulator: SimulatorProcess) -> None:
    """Do what a person would: adopt what the vendor's support knows, release what it never heard of."""
    charged = {frozenset(batch["tracking_ids"]): batch for batch in simulator.batches()}
    clock = work.ledger.clock
    for batch in moves.unknown_batches(work.ledger):
        with work.ledger.read() as connection:
            tracking = connection.execute(
                sa.select(schema.tasks.c.tracking_id).where(schema.tasks.c.batch_no == batch.batch_no)
            ).scalars()
            found = charged.get(frozenset(tracking))
        if found is not None:
            moves.adopt(
                work.ledger,
                batch.batch_no,
                found["batch_id"],
                total=len(found["tracking_ids"]),
                who="a person",
                why="the vendor's support named it",
            )
        else:
            work.ledger.clock = lambda: clock() + dt.timedelta(minutes=10)  # past the deadline of any answer
            moves.release(
                work.ledger, batch.batch_no, who="a person", why="the vendor never heard of it", vouch_unpaid=True
            )
            work.ledger.clock = clock


def asks_left(work: Services, key: str) -> int:
    """How many questions of a file are still to buy."""
    plan = plans.current_plan(work.ledger, key)
    assert plan is not None
    return outstanding.ask_status_counts(work.ledger, plan.plan_id)[outstanding.AskStatus.TO_BUY]
