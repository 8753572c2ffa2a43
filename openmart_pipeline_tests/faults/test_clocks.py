"""F18, F38: our clock is wrong, or another than the server's: nothing is sent again, given up early or waited for in vain."""

import datetime as dt
from pathlib import Path

import pytest

from openmart_pipeline.collection.poll import StallPolicy
from openmart_pipeline.ledger.coordination import SharedRateLimiter
from openmart_pipeline.ledger.outstanding import AskStatus
from openmart_pipeline.ledger.plans import Reask
from openmart_pipeline.model.approval import Scope
from openmart_pipeline.purchase.rules import Stop
from openmart_pipeline_tests.faults.shop import Shop, in_batches, quick_buyer
from openmart_pipeline_tests.ledger.desk import Clock, Desk, desk_at
from openmart_pipeline_tests.money import (
    assert_accounts_agree,
    at_work,
    bought,
    company_file,
    planned,
)

DAY_BACK, YEAR_AHEAD = {"days": -1}, {"days": 365}


@pytest.mark.parametrize("moved", [DAY_BACK, YEAR_AHEAD], ids=["a day back", "a year ahead"])
def test_a_clock_that_jumps_between_buying_and_collecting_changes_nothing(
    desk: Desk, shop: Shop, moved: dict[str, float]
) -> None:
    """Paid once, polled at once, not stalled and not expired, and due again with the clock set right."""
    shop.behave(processing_s=3600)
    plan = in_batches(desk, [2, 2])
    desk.buy(plan)
    desk.clock.move(**moved)
    desk.buy(plan)
    for _ in range(3):
        desk.poll(stall_policy=StallPolicy())
    assert desk.states() == ["submitted", "submitted"]
    desk.clock.move(**{unit: -by for unit, by in moved.items()})
    shop.simulator.make_ready()
    desk.clock.move(minutes=2)
    desk.collect()
    assert desk.states() == ["collected", "collected"]
    assert_accounts_agree(desk, shop.simulator, since=shop.since)
    assert shop.submits == 2


@pytest.mark.parametrize("moved", [DAY_BACK, YEAR_AHEAD], ids=["a day back", "a year ahead"])
def test_a_clock_that_jumps_while_buying_makes_no_wait_negative_or_endless(
    desk: Desk, shop: Shop, moved: dict[str, float]
) -> None:
    """With the shared pace and its turns in memory, a pause asked for, and batches due for their first poll."""
    desk.rate_limiter = SharedRateLimiter(desk.ledger, 50)
    plan = in_batches(desk, [1] * 6)
    shop.fails(**{"429_before_creating": shop.nth(2)})
    shop.behave(retry_after="absent")

    def jumps(step: str, *_: object) -> None:
        if step == "accepted" and not jumped:
            jumped.append(step)
            desk.clock.move(**moved)

    jumped: list[str] = []
    assert desk.buy(plan, concurrency=1, on_event=jumps).stop is Stop.DONE
    desk.collect()
    assert set(desk.states()) == {"not_sent", "collected"}
    assert_accounts_agree(desk, shop.simulator, since=shop.since)


@pytest.mark.parametrize(("offset_s", "stop"), [(-700, Stop.CLOCK), (700, Stop.CLOCK), (500, Stop.DONE)])
def test_nothing_is_bought_while_the_clocks_differ_by_more_than_ten_minutes(
    desk: Desk, shop: Shop, offset_s: float, stop: Stop
) -> None:
    """By the server's own Date header; the sentence says by how much, and what to do."""
    plan = in_batches(desk, [2])
    shop.behave(date_offset_s=offset_s)
    report = desk.buy(plan)
    assert (report.stop, shop.submits) == (stop, int(stop is Stop.DONE))
    if stop is Stop.CLOCK:
        assert "differ by 12 minutes" in report.sentence
        assert "Set the clock" in report.sentence
        shop.behave(date_offset_s=0)
        assert desk.buy(plan).stop is Stop.DONE
    assert_accounts_agree(desk, shop.simulator, since=shop.since)


def test_a_clock_that_jumps_in_the_middle_of_a_run_stops_it_at_the_next_answer(desk: Desk, shop: Shop) -> None:
    """Else what it buys from then on counts for another day, and is dated wrongly for good."""
    plan = in_batches(desk, [1, 1, 1, 1])

    def jumps(step: str, *_: object) -> None:
        if step == "accepted":
            shop.behave(date_offset_s=7200)

    report = desk.buy(plan, concurrency=1, on_event=jumps)
    assert (report.stop, report.accepted_tasks) == (Stop.CLOCK, 2)
    assert "nothing more is sent" in report.sentence
    shop.behave(date_offset_s=0)
    assert desk.buy(plan).accepted_tasks == 2
    assert_accounts_agree(desk, shop.simulator, since=shop.since)


def test_fresh_answers_that_a_clock_ahead_took_for_stale_are_not_bought_when_it_is_right_again(
    desk: Desk, shop: Shop
) -> None:
    """The refresh is planned, and refused for the clock; the plan stays, and the clock is set right."""
    fresh = in_batches(desk, [10])
    desk.buy(fresh)
    desk.collect()
    desk.clock.move(**YEAR_AHEAD)
    again = desk.plan("a.csv", desk.asks_of(fresh), reask=Reask.STALE)
    assert desk.ask_status(again) == {AskStatus.TO_BUY: 10}
    shop.behave(date_offset_s=-365 * 86400)
    assert desk.buy(again).stop is Stop.CLOCK
    shop.behave(date_offset_s=0)
    desk.clock.move(days=-365)
    assert desk.ask_status(again) == {AskStatus.OWNED: 10}
    desk.buy(again)
    desk.buy(again, scope=Scope.STALE)
    assert shop.submits == 1
    assert_accounts_agree(desk, shop.simulator, since=shop.since)


def test_a_plan_made_by_a_clock_that_was_ahead_is_planned_again_before_it_is_bought(tmp_path: Path, shop: Shop) -> None:
    """Whatever it asks: what it took for stale, expired or priced was judged by that clock."""
    key = company_file(tmp_path, "a.csv", [f"{tmp_path.parent.name}-clock.com"])
    with at_work(tmp_path, shop.url) as (work, _):
        right = work.ledger.clock
        work.ledger.clock = lambda: right() + dt.timedelta(days=365)
        first = planned(work, key).plan.plan_id
        work.ledger.clock = right
        report = bought(work, quick_buyer(shop), key)
        assert report.stop is Stop.STALE
        assert "by a clock that was ahead" in report.sentence
        assert planned(work, key).plan.plan_id != first
        assert bought(work, quick_buyer(shop), key).accepted_tasks == 1
    assert shop.submits == 1


def test_an_answer_is_never_older_than_its_purchase(desk: Desk, shop: Shop) -> None:
    """Collected by a clock that was behind, it is dated before it was bought: that makes it no staler."""
    plan = in_batches(desk, [3])
    desk.buy(plan)
    desk.clock.move(days=-400)
    desk.collect()
    desk.clock.move(days=400)
    desk.buy(desk.plan("a.csv", desk.asks_of(plan), reask=Reask.STALE))
    assert shop.submits == 1


class Elsewhere(Clock):
    """The same instants, told in a zone far from UTC."""

    def __call__(self) -> dt.datetime:
        return super().__call__().astimezone(dt.timezone(dt.timedelta(hours=-11)))


def test_a_clock_that_tells_another_zone_changes_neither_day_nor_order(tmp_path: Path, shop: Shop) -> None:
    with desk_at(tmp_path, shop.url) as here:
        plan = in_batches(here, [2, 2])
        here.buy(plan, budget={"in_total": 66})
    with desk_at(tmp_path, shop.url, clock=Elsewhere()) as there:
        there.buy(plan)
        there.clock.move(seconds=5)
        there.collect()
        assert set(there.states()) == {"collected"}
        assert {batch.budget_day for batch in there.batches()} == {dt.datetime.now(dt.UTC).date().isoformat()}
        assert_accounts_agree(there, shop.simulator, since=shop.since)
