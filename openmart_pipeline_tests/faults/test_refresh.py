"""F37: a refresh asks again only stale answers that somebody approved, and a limit of a file holds in all its plans."""

import uuid
from pathlib import Path

import pytest

from openmart_pipeline.ledger.plans import Lifetimes, Reask
from openmart_pipeline.ledger.selection import plans_to_refresh
from openmart_pipeline.ledger.states import TaskState
from openmart_pipeline.model.approval import Scope
from openmart_pipeline.purchase.rules import Stop
from openmart_pipeline_tests.faults.shop import Shop, limit_batches, quick_buyer
from openmart_pipeline_tests.ledger.desk import Desk, ask, asks
from openmart_pipeline_tests.money import at_work, bought, company_file, planned

KEY = "a.csv"
STALE = Scope.STALE


@pytest.fixture
def of() -> str:
    """What this test's companies are called."""
    return uuid.uuid4().hex[:8]


def refreshed(desk: Desk, key: str = KEY) -> int:
    """How many questions a refresh of the file buys."""
    return desk.buy(desk.current_plan(key), scope=STALE).accepted_tasks


def buy_and_age(desk: Desk, of: str, count: int, *, key: str = KEY, **more: int) -> None:
    """Buy so many questions under an approved plan, have them answered, and let the answers become stale."""
    assert desk.buy(desk.plan(key, asks(of, count, **more))).accepted_tasks == count
    desk.collect()
    desk.clock.move(days=200)


def test_a_refresh_buys_stale_answers_and_none_of_the_questions_that_were_never_approved(
    desk: Desk, shop: Shop, of: str
) -> None:
    """Five were bought under a limit; the file is planned whole since, by a sensor that asks nobody."""
    buy_and_age(desk, of, 5)
    desk.plan(KEY, asks(of, 95))
    assert plans_to_refresh(desk.ledger, Lifetimes()) == {KEY: desk.current_plan(KEY).plan_id}
    assert refreshed(desk) == 5
    assert desk.current_plan(KEY).approved_credits is None  # it approves nothing that the plan still owes
    desk.collect()
    assert refreshed(desk) == 0
    assert sum(batch["total"] for batch in shop.charged) == 10


def test_a_refresh_stays_within_its_own_credits(desk: Desk, of: str) -> None:
    buy_and_age(desk, of, 5)
    report = desk.buy(desk.current_plan(KEY), scope=STALE, approved=70)
    assert (report.accepted_tasks, report.stop) == (2, Stop.BUDGET)


@pytest.mark.parametrize("reuses", [True, False])
def test_a_file_that_nobody_approved_is_not_refreshed_on_the_strength_of_another(
    desk: Desk, of: str, reuses: bool
) -> None:
    buy_and_age(desk, of, 3)
    desk.plan("b.csv", asks(of if reuses else f"{of}-other", 3))
    assert list(plans_to_refresh(desk.ledger, Lifetimes())) == [KEY]
    assert refreshed(desk, "b.csv") == 0


def test_a_wider_question_than_the_one_that_was_bought_is_not_part_of_a_refresh(desk: Desk, of: str) -> None:
    buy_and_age(desk, of, 2, max_k=1)
    desk.plan(KEY, [*asks(of, 1, max_k=8), ask(f"{of}-1.com", max_k=1)])
    assert refreshed(desk) == 1


@pytest.mark.parametrize("moved", [{}, {"days": 400}, {"days": -400}], ids=["right", "jumps ahead", "jumps back"])
def test_an_answer_that_comes_during_a_refresh_is_not_asked_again_by_it(
    desk: Desk, of: str, moved: dict[str, float]
) -> None:
    """Nor is a fresh one: whatever the clock says meanwhile."""
    buy_and_age(desk, of, 4)
    plan = desk.plan(KEY, [*asks(of, 4), *asks(f"{of}-fresh", 1)])
    desk.buy(plan)
    desk.collect()
    limit_batches(desk.ledger, plan, [2, 2, 1])

    def collected(step: str, *_: object) -> None:
        if step == "accepted":
            desk.collect()
            desk.clock.move(**(moved if not jumped else {}))
            jumped.append(step)

    jumped: list[str] = []
    report = desk.buy(plan, scope=STALE, concurrency=1, on_event=collected, approved=1000)
    assert (report.accepted_tasks, report.stop) == (4, Stop.DONE)


def test_the_daily_purchase_takes_nothing_that_a_plan_asks_again(desk: Desk, of: str) -> None:
    """Somebody asked for the quote of a refresh, and did not say yes."""
    desk.bought(desk.plan(KEY, asks(of, 3)), TaskState.EMPTY)
    desk.clock.move(days=200)
    plan = desk.plan(KEY, asks(of, 5), reask=Reask.STALE)
    claim = desk.claim(plan, scope=Scope.NEW)
    assert claim is not None
    assert desk.asked_in(claim.batch.batch_no) == [f"{of}-3.com", f"{of}-4.com"]
    assert desk.claim(plan, scope=Scope.NEW) is None
    assert desk.claim(plan) is not None  # who says yes to the quote gets all of it


def test_the_limit_of_a_file_holds_in_every_plan_until_somebody_takes_it_away(
    tmp_path: Path, shop: Shop, of: str
) -> None:
    """Also where the file is planned again by nobody's word: a changed file, other prices, a refresh."""
    key = company_file(tmp_path, KEY, [f"{of}-{number}.com" for number in range(9)])
    with at_work(tmp_path, shop.url) as (work, _):
        assert planned(work, key, limit=2).quote.to_buy == 2
        bought(work, quick_buyer(shop), key)
        company_file(tmp_path, KEY, [f"{of}-{number}.com" for number in range(12)])
        assert [planned(work, key, **choices).quote.to_buy for choices in ({}, {"reask": "stale"}, {})] == [0, 0, 0]
        assert planned(work, key, limit=3).quote.to_buy == 1
        assert planned(work, key, limit=0).quote.to_buy == 10
