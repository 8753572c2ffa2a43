"""F10: what ended without an answer is asked again only by a plan that says so, in its measure; what is late is free."""

import datetime as dt
import uuid

from openmart_pipeline.collection.poll import StallPolicy
from openmart_pipeline.ledger.plans import Reask
from openmart_pipeline.purchase.rules import Stop
from openmart_pipeline_tests.faults.shop import Shop
from openmart_pipeline_tests.ledger.desk import Desk, ask
from openmart_pipeline_tests.money import assert_accounts_agree

STALLED_AT_ONCE = StallPolicy(stalled_after=dt.timedelta(0), stalled_polls=0)


def domains(count: int) -> list[str]:
    of = uuid.uuid4().hex[:8]
    return [f"{of}-{number}.com" for number in range(count)]


def test_a_refused_batch_is_sent_again_in_tens_then_singly_until_the_culprit_is_alone(desk: Desk, shop: Shop) -> None:
    asked = domains(25)
    culprit = asked[13]
    shop.fails(**{"422_before_creating": f"domain:{culprit}"})

    def sent(reask: Reask) -> tuple[list[int], list[int]]:
        """The sizes of the batches sold, and of those refused."""
        known, sold = len(desk.batches()), len(shop.charged)
        desk.buy(desk.plan("a.csv", map(ask, asked), reask=reask))
        desk.collect()
        refused = [batch.tasks for batch in desk.batches()[known:] if batch.state == "rejected"]
        return sorted(batch["total"] for batch in shop.charged[sold:]), refused

    assert sent(Reask.NOTHING) == ([], [25])
    assert sent(Reask.NOTHING) == ([], [])
    assert sent(Reask.ERRORED) == ([5, 10], [10])
    assert sent(Reask.ERRORED) == ([1] * 9, [1])
    assert sent(Reask.ERRORED) == ([], [])
    assert desk.tasks()["rejected"] == 25 + 10 + 1
    assert sum(desk.tasks().get(state, 0) for state in ("found", "empty")) == 24
    assert_accounts_agree(desk, shop.simulator, since=shop.since)  # none of the innocent was paid for twice


def test_an_errored_question_is_bought_again_as_often_as_the_settings_say_and_within_the_budget(
    desk: Desk, shop: Shop
) -> None:
    asked = domains(3)
    shop.fails(task_errored=f"domain:{asked[0]}", task_cancelled=f"domain:{asked[1]}")

    def bought(reask: Reask, approved: float = 1_000) -> tuple[int, Stop]:
        sold = len(shop.charged)
        report = desk.buy(desk.plan("a.csv", map(ask, asked), reask=reask), approved=approved)
        desk.collect()
        return sum(batch["total"] for batch in shop.charged[sold:]), report.stop

    assert bought(Reask.NOTHING) == (3, Stop.DONE)
    assert bought(Reask.NOTHING) == (0, Stop.DONE)
    assert bought(Reask.ERRORED, approved=40) == (1, Stop.BUDGET)
    assert bought(Reask.ERRORED) == (1, Stop.DONE)  # the other one; the first has been asked again once
    assert bought(Reask.ERRORED) == (0, Stop.DONE)
    assert desk.tasks()["errored"] == desk.tasks()["cancelled"] == 2


def test_a_stuck_batch_that_ends_after_all_is_collected_at_no_cost(desk: Desk, shop: Shop) -> None:
    shop.fails(poll_never_ready="always")
    plan = desk.plan("a.csv", map(ask, domains(3)))
    desk.buy(plan)
    desk.clock.move(minutes=1)
    desk.poll(stall_policy=STALLED_AT_ONCE)
    assert desk.states() == ["stalled"]
    sold = shop.simulator.account()["credits_charged"]
    desk.buy(plan)
    shop.fails(poll_never_ready=None)
    desk.clock.move(hours=25)  # it is asked about daily
    desk.collect()
    assert desk.states() == ["collected"]
    assert set(desk.tasks()) <= {"found", "empty"}
    assert (shop.submits, shop.simulator.account()["credits_charged"]) == (1, sold)
