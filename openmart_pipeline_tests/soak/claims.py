"""What a soak claims at its end, read from the ledger, the simulator's account and the published database.

Lives here: the claims in the order in which a reader would ask for them. Imports what compares.
"""

import functools
import time

import sqlalchemy as sa

from openmart_pipeline.ledger import recovery, schema
from openmart_pipeline.ledger.states import BatchState, TaskState
from openmart_pipeline.services import Services
from openmart_pipeline_tests.money import (
    assert_accounts_agree,
    assert_each_task_is_in_one_place,
    batch_states,
)
from openmart_pipeline_tests.soak.contacts import compare
from openmart_pipeline_tests.soak.figures import Figures
from openmart_pipeline_tests.soak.world import World

CLOSED = {BatchState.COLLECTED, BatchState.RELEASED, BatchState.NOT_SENT}


def judge(world: World, tasks: int) -> None:
    """Put every claim about money and contacts to the test, and note what was counted on the way."""
    figures = world.figures
    figures.working_s = time.monotonic() - figures.begun_s
    with world.at_work() as (work, _buyer):
        account = world.simulator.account()
        figures.faults.update(account["faults"])
        figures.requests = sum(sum(counts.values()) for counts in account["requests"].values())
        figures.claim(
            "our account and the simulator's agree, batch by batch",
            functools.partial(assert_accounts_agree, work, world.simulator),
        )
        figures.claim("no question was paid for twice", world.simulator.questions_charged_twice)
        figures.claim("every question was paid for", lambda: _differs(account["tasks"], tasks, "tasks"))
        figures.claim("each task is in one place", functools.partial(assert_each_task_is_in_one_place, work))
        figures.claim("everything is settled", lambda: _unsettled(work, figures, tasks))
        figures.claim(
            "our credits are the simulator's",
            lambda: _differs(_settled_credits(work), account["credits_charged"], "credits"),
        )
        figures.claim("every company has its answer", lambda: _unanswered(world, work, tasks))
        figures.claim("no contact is lost or doubled", lambda: _contacts(world))
        figures.claim("`ledger verify` finds nothing", lambda: " ".join(recovery.verify(work.ledger, work.journal)))
    figures.measure(
        ledger=world.ledger_path,
        warehouse=world.data_dir / "warehouse.duckdb",
        **{"published database": world.data_dir / "published" / "contacts.duckdb"},
    )
    figures.judging_s = time.monotonic() - figures.begun_s - figures.working_s


def _differs(ours: float, expected: float, what: str) -> str:
    return "" if ours == expected else f"{ours:,.0f} {what} instead of {expected:,.0f}"


def _unsettled(work: Services, figures: Figures, tasks: int) -> str:
    states = batch_states(work)
    figures.batches = states.count(BatchState.COLLECTED)
    left = sorted(set(states) - CLOSED)
    with work.ledger.read() as connection:
        answered = schema.tasks.c.state.in_((TaskState.FOUND, TaskState.EMPTY))
        figures.tasks = connection.execute(sa.select(sa.func.count()).where(answered)).scalar_one()
    return f"batches are {', '.join(left)}" if left else _differs(figures.tasks, tasks, "tasks answered")


def _settled_credits(work: Services) -> float:
    with work.ledger.read() as connection:
        return connection.execute(sa.select(sa.func.sum(schema.batches.c.settled_credits))).scalar() or 0.0


def _unanswered(world: World, work: Services, tasks: int) -> str:
    coverage = [work.warehouse.coverage(key) for key in world.keys]
    strange = {status for counts in coverage for status in counts} - {"found", "nothing_found"}
    rows = sum(sum(counts.values()) for counts in coverage)
    return f"rows are {', '.join(sorted(strange))}" if strange else _differs(rows, tasks, "rows")


def _contacts(world: World) -> str:
    compared = compare(world.data_dir / "published" / "contacts.duckdb", world.simulator.each_batch())
    world.figures.contacts = compared.contacts
    return str(compared) if compared.lost or compared.too_many else ""
