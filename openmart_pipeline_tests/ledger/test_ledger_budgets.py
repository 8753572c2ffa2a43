"""The limits on spending: the tightest binds, over all threads, runs and processes. Promise 3."""

import threading
from pathlib import Path

import pytest

from openmart_pipeline.ledger import collecting, plans, sending
from openmart_pipeline.ledger.collecting import Ended
from openmart_pipeline.ledger.plans import Plan
from openmart_pipeline.ledger.selection import select_now
from openmart_pipeline.ledger.sending import BudgetReached, Claim
from openmart_pipeline.ledger.states import BatchState, TaskState
from openmart_pipeline.model.prices import Budget, PriceTable
from openmart_pipeline.model.questions import BOTH, Access
from openmart_pipeline_tests.ledger.desk import (
    KEY_HASH,
    PRICES,
    Desk,
    ask,
    asks,
    desk_at,
    price_table,
)

A_TASK = 33.0


def claims(desk: Desk, key: str, count: int, budget: Budget, run_id: str = "run") -> list[int]:
    """Claim a file's plan until a limit says stop or nothing is owed; return the sizes."""
    plan = desk.plan(key, asks(key, count))
    sizes = []
    try:
        while (claim := desk.claim(plan, budget=budget, run_id=run_id)) is not None:
            sizes.append(len(claim.tasks))
    except BudgetReached:
        sizes.append(0)
    return sizes


@pytest.mark.parametrize("limit", ["approved", "per_run", "per_day", "in_total"])
def test_each_limit_trims_the_last_batch_to_what_fits(tmp_path: Path, limit: str) -> None:
    with desk_at(tmp_path) as desk:
        budget = Budget(**{"approved": 1e9, limit: 105 * A_TASK + 32})
        assert claims(desk, "a.csv", 230, budget) == [100, 5, 0]
        assert sending.spent(desk.ledger).in_total == 105 * A_TASK


def test_the_sentence_names_the_limit_what_it_leaves_and_what_it_would_take(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        plan = desk.plan("a.csv", asks("a", 1))
        for limit, words in {
            "approved": "approved credit limit",
            "per_run": "run's budget",
            "per_day": "day's budget",
            "in_total": "total budget",
        }.items():
            with pytest.raises(BudgetReached, match=rf"may cost 33 credits .* {words} of 20.* leaves 20") as reached:
                desk.claim(plan, budget=Budget(**{"approved": 1e9, limit: 20}))
            assert "the rest stays owed" in str(reached.value)


def test_what_is_approved_holds_for_a_plan_and_the_runs_budget_for_all_of_them(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        budget = Budget(approved=3 * A_TASK, per_run=5 * A_TASK)
        assert claims(desk, "a.csv", 10, budget) == [3, 0]
        assert claims(desk, "b.csv", 10, budget) == [2, 0]
        assert claims(desk, "c.csv", 10, budget, run_id="another run") == [3, 0]


def test_the_days_budget_is_free_again_the_next_utc_day(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        budget = Budget(approved=1e9, per_day=2 * A_TASK)
        assert claims(desk, "a.csv", 3, budget) == [2, 0]
        desk.clock.move(days=1)
        assert claims(desk, "b.csv", 3, budget) == [2, 0]


def test_what_was_not_found_is_free_to_be_spent_again(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        budget = Budget(approved=1e9, in_total=2 * A_TASK)
        plan = desk.plan("a.csv", asks("a", 4))
        bought = []
        while (claim := _claim_or_none(desk, plan, budget)) is not None:
            desk.answer(desk.submitted(claim))  # settled at 3 credits a task
            bought.append(len(claim.tasks))
        assert bought == [2, 1, 1]


@pytest.mark.parametrize(
    ("access", "emails", "phones", "settled"),
    [(BOTH, 2, 1, 2 * 3 + 8), (BOTH, 7, 7, A_TASK), (Access.EMAIL, 2, 3, 2 * 3), (Access.PHONE, 3, 2, 2 * 8)],
)
def test_an_answer_with_more_than_was_asked_for_settles_within_its_reservation(
    tmp_path: Path, access: Access, emails: int, phones: int, settled: float
) -> None:
    with desk_at(tmp_path) as desk:
        claim = desk.claim(desk.plan("a.csv", asks("a", 1, access=access)))
        assert claim is not None
        batch = desk.submitted(claim).batch
        answer = Ended(claim.tasks[0].tracking_id, TaskState.FOUND, "task", b"{}", None, emails, phones)
        collecting.store_answers(desk.ledger, [(batch.batch_no, answer)], keep_hold_s=60)
        assert collecting.settle(desk.ledger, batch, PRICES)
        assert sending.spent(desk.ledger).in_total == settled


def _claim_or_none(desk: Desk, plan: Plan, budget: Budget) -> Claim | None:
    try:
        return desk.claim(plan, budget=budget)
    except BudgetReached:
        return None


def test_a_cheap_task_behind_an_expensive_one_does_not_jump_the_queue(tmp_path: Path) -> None:
    """In file order: what is trimmed is the end, so that a person knows what is left."""
    with desk_at(tmp_path) as desk:
        plan = desk.plan("a.csv", [ask("dear.com", max_k=8), ask("cheap.com", max_k=1, access=Access.EMAIL)])
        with pytest.raises(BudgetReached, match="may cost 88"):
            desk.claim(plan, budget=Budget(approved=50))


@pytest.mark.parametrize(
    ("prices", "access"),
    [
        (price_table(email=None), Access.EMAIL),
        (price_table(phone=None), Access.PHONE),
    ],
)
def test_without_a_price_nothing_is_bought(tmp_path: Path, prices: PriceTable, access: Access) -> None:
    with desk_at(tmp_path) as desk:
        plan = desk.plan("a.csv", [ask("priceless.com", access=access)])
        with pytest.raises(BudgetReached, match="OPENMART_PRICE_PER_EMAIL"):
            sending.claim(
                desk.ledger, plan.plan_id, budget=Budget(approved=1e9), prices=prices, run_id="run",
                approval_id="run", selection=select_now(desk.ledger), key_hash=KEY_HASH, deadline_s=1,
            )  # fmt: skip
        assert desk.states() == []


def test_a_price_that_is_not_needed_may_be_missing(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        plan = desk.plan("a.csv", [ask("email-only.com", access=Access.EMAIL)])
        prices = price_table(phone=None)
        claim = sending.claim(
            desk.ledger, plan.plan_id, budget=Budget(approved=1e9), prices=prices, run_id="run",
            approval_id="run", selection=select_now(desk.ledger), key_hash=KEY_HASH, deadline_s=1,
        )  # fmt: skip
        assert claim is not None
        assert claim.batch.reserved_credits == 9


def test_workers_of_several_processes_together_stay_within_the_limit(tmp_path: Path) -> None:
    """Each claim reads what all others committed, in the transaction that commits it."""
    desks = [Desk(tmp_path) for _ in range(4)]
    plan = desks[0].plan("a.csv", asks("many", 3000))
    other = desks[0].plan("b.csv", asks("many", 3000))  # the same questions: nobody may claim one twice
    budget = Budget(approved=1e9, in_total=1234 * A_TASK)

    def work(desk: Desk, number: int) -> None:
        mine = (plan, other)[number % 2]
        while _claim_or_none(desk, mine, budget) is not None:
            pass

    threads = [threading.Thread(target=work, args=(desks[number % 4], number)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        batches = desks[0].batches()
        assert sum(batch.tasks for batch in batches) == 1234
        assert sum(batch.reserved_credits or 0 for batch in batches) == 1234 * A_TASK
        assert {batch.state for batch in batches} == {BatchState.SENDING}
    finally:
        for desk in desks:
            desk.close()


def test_an_approval_is_kept_with_who_gave_it(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        plan = desk.plan("a.csv", asks("a", 1))
        sending.approve(desk.ledger, plan.plan_id, credits_=33, by="ann")
        approved = plans.current_plan(desk.ledger, "a.csv")
        assert approved is not None
        assert (approved.approved_credits, approved.approved_by) == (33, "ann")
