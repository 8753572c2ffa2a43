"""F17: whatever is started twice, at once or again, is paid once and stored once."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openmart_pipeline.ledger import plans
from openmart_pipeline.purchase.rules import Stop
from openmart_pipeline_tests.faults.shop import Shop, in_batches
from openmart_pipeline_tests.ledger.desk import Desk, desk_at
from openmart_pipeline_tests.money import (
    assert_accounts_agree,
    assert_each_task_is_in_one_place,
    at_work,
    company_file,
    planned,
)


@pytest.fixture
def desks(tmp_path: Path, shop: Shop) -> Iterator[list[Desk]]:
    """Two daemons on one data folder: each with its own lock, connections and client."""
    with desk_at(tmp_path, shop.url) as one, desk_at(tmp_path, shop.url) as other:
        yield [one, other]


def at_once(*works: Callable[[], object]) -> None:
    failures: list[BaseException] = []

    def carried(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  carried to the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=carried, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_plan_bought_twice_at_once_and_once_more_is_paid_once(desks: list[Desk], shop: Shop) -> None:
    """A double click, a retried run, and a file whose copy asks the same."""
    one, other = desks
    plan = in_batches(one, [3] * 8)
    copy = other.plan("copy.csv", one.asks_of(plan))
    shop.behave(submit_s=0.05)
    at_once(lambda: one.buy(plan), lambda: other.buy(plan), lambda: other.buy(copy))
    for desk, again in ((one, plan), (other, copy)):
        assert desk.buy(again).stop is Stop.DONE
    assert sum(batch["total"] for batch in shop.charged) == 24
    assert_accounts_agree(one, shop.simulator, since=shop.since)
    assert_each_task_is_in_one_place(one)


def test_two_daemons_that_tick_at_once_ask_about_each_batch_once(desks: list[Desk], shop: Shop) -> None:
    one, other = desks
    one.buy(in_batches(one, [1] * 15))
    shop.behave(processing_s=3600, read_s=0.02)
    for desk in desks:
        desk.clock.move(minutes=2)
    at_once(one.poll, other.poll)
    asked = Counter(seen["path"] for seen in shop.requests("poll"))
    assert (len(asked), set(asked.values())) == (15, {1})


def test_two_collecting_runs_at_once_read_and_store_each_answer_once(desks: list[Desk], shop: Shop) -> None:
    one, other = desks
    one.buy(in_batches(one, [3] * 8))
    for desk in desks:
        desk.clock.move(minutes=2)
    at_once(one.collect, other.collect)
    assert set(one.states()) == {"collected"}
    read = Counter(seen["path"] for seen in shop.requests("task"))
    assert (len(read), set(read.values())) == (24, {1})
    assert_accounts_agree(one, shop.simulator, since=shop.since)
    assert_each_task_is_in_one_place(one)


def test_whoever_buys_while_a_file_is_planned_again_finds_a_plan_with_its_quote(tmp_path: Path, shop: Shop) -> None:
    """Two runs of one file: the second's plan takes the first's place before the first has bought."""
    key = company_file(tmp_path, "a.csv", [f"quoted-{number}.com" for number in range(40)])
    is_planned = threading.Event()
    unquoted = []
    with at_work(tmp_path, shop.url) as (work, _), at_work(tmp_path, shop.url) as (other, _):
        planned(work, key)

        def plan_again() -> None:
            try:
                for max_k in (1, 2, 3, 4):
                    planned(other, key, max_k=max_k)
            finally:
                is_planned.set()

        def look() -> None:
            while not is_planned.is_set():
                plan = plans.current_plan(work.ledger, key)
                if plan is None or plan.quote is None:
                    unquoted.append(plan)

        at_once(plan_again, look)
    assert unquoted == []
