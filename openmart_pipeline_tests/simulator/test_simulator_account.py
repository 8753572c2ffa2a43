"""The account: what was charged, what was charged twice, what nobody heard of, and who asked how often."""

import itertools
import threading
import time
from collections.abc import Iterator

import pytest

from openmart_pipeline_tests.simulator.caller import Caller, some_tasks, task
from openmart_pipeline_tests.simulator_process import SimulatorProcess


@pytest.fixture
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    """One with an empty account for each test."""
    with SimulatorProcess(tmp_path_factory.mktemp("account")) as simulator:
        yield simulator


def test_the_balance_is_the_start_less_what_was_found(simulator: SimulatorProcess, caller: Caller):
    simulator.behave(credits=10_000)
    results = caller.results(caller.bought(some_tasks(50)))
    people = [person for result in results.values() for person in result["data"]]
    emails = sum(bool(person["email"]) for person in people)
    phones = sum(bool(person["phones"]) for person in people)
    account = simulator.account()
    assert (account["emails"], account["phones"]) == (emails, phones)
    assert account["credits_charged"] == 3 * emails + 8 * phones > 0
    assert account["balance"] == 10_000 - account["credits_charged"]


def test_prices_are_settings(simulator: SimulatorProcess, caller: Caller):
    simulator.behave(credits_per_email=1, credits_per_phone=0)
    caller.bought(some_tasks(20))
    assert simulator.account()["credits_charged"] == simulator.account()["emails"] > 0


def test_an_exhausted_account_is_402_until_it_is_topped_up(simulator: SimulatorProcess, caller: Caller):
    simulator.behave(credits=300)
    answers = [caller.submit(some_tasks(10, f"run{n}")).status_code for n in range(6)]
    bought = answers.count(200)
    assert answers == [200] * bought + [402] * (6 - bought)
    assert 0 < bought < 6
    assert simulator.account()["batches"] == bought
    simulator.behave(credits=10_000)
    assert caller.submit(some_tasks(10, "after")).status_code == 200


def test_the_same_question_bought_again_is_charged_twice_however_it_is_spelled(
    simulator: SimulatorProcess, caller: Caller
):
    first = caller.bought([task("acme.com", tracking_id="a", max_k=1), task("other.com", tracking_id="o")])
    second = caller.bought([task("@ACME.com", " head  of MARKETING", tracking_id="b", info_access=["EMAIL"])])
    (twice,) = simulator.questions_charged_twice()
    assert (twice["question"]["domain"], twice["question"]["title"]) == ("acme.com", "head of marketing")
    assert twice["times"] == 2
    assert twice["tasks"] == [
        {"batch_id": first, "tracking_id": "a"},
        {"batch_id": second, "tracking_id": "b"},
    ]
    assert simulator.account()["questions_charged_twice"] == 1


@pytest.mark.parametrize("change", [{"city": "Oakland"}, {"state": "CA"}, {"country": "US"}, {"version": 1}], ids=str)
def test_another_place_or_version_is_another_question(simulator: SimulatorProcess, caller: Caller, change: dict):
    caller.bought([task(), task() | change])
    assert simulator.questions_charged_twice() == []


def test_a_question_twice_in_one_batch_is_charged_twice(simulator: SimulatorProcess, caller: Caller):
    caller.bought([task(tracking_id="a"), task(tracking_id="b")])
    assert [question["times"] for question in simulator.questions_charged_twice()] == [2]


def test_batches_are_listed_with_what_was_asked(simulator: SimulatorProcess, caller: Caller):
    ids = [caller.bought(some_tasks(3, f"list{n}")) for n in range(2)]
    batches = simulator.batches()
    assert [batch["batch_id"] for batch in batches] == ids
    assert batches[1]["tracking_ids"] == ["list1-0", "list1-1", "list1-2"]
    assert [question["domain"] for question in batches[1]["questions"]] == ["list10.com", "list11.com", "list12.com"]
    assert [batch["total"] for batch in batches] == [3, 3]
    assert "key-of" not in str(batches)


def test_a_batch_nobody_asks_about_is_told_from_one_that_is_collected(simulator: SimulatorProcess, caller: Caller):
    collected, forgotten = caller.bought(some_tasks(1)), caller.bought(some_tasks(1))
    caller.status(collected)
    asked_about = {batch["batch_id"]: batch["is_asked_about"] for batch in simulator.batches()}
    assert asked_about == {collected: True, forgotten: False}
    assert simulator.account()["batches_never_asked_about"] == 1


def test_requests_are_counted_by_route_and_outcome(simulator: SimulatorProcess, caller: Caller):
    batch_id = caller.bought(some_tasks(2))
    caller.results(batch_id)
    caller.status(batch_id)
    caller.status("unknown")
    caller.submit([])
    simulator.behave(faults={"balance_timeout": "next:1"})
    with pytest.raises(Exception, match="timed out"):
        caller.get("/api/v2/credit-balance", timeout=0.1)
    account = simulator.account()
    assert account["requests"] == {
        "balance": {"held": 1},
        "ids": {"200": 1},
        "poll": {"200": 1, "404": 1},
        "submit": {"200": 1, "400": 1},
        "task": {"200": 2},
    }
    assert account["submits"] == 2


def test_the_faults_that_fell_are_counted_by_name(simulator: SimulatorProcess, caller: Caller):
    simulator.behave(
        faults={"created_then_no_batch_id": "nth:1", "poll_truncated_json": "next:2", "task_503": "next:1"}
    )
    caller.submit(some_tasks(1))
    for _ in range(3):
        caller.status(simulator.batches()[0]["batch_id"])
    assert simulator.account()["faults"] == {"created_then_no_batch_id": 1, "poll_truncated_json": 2}


def test_requests_are_remembered_with_time_path_and_connection(simulator: SimulatorProcess, caller: Caller):
    started = time.time()
    batch_id = caller.bought(some_tasks(1))
    caller.status(batch_id)
    with Caller(simulator) as fresh:
        fresh.status(batch_id)
    submit, *polls = simulator.requests()
    assert [seen["path"] for seen in polls] == [f"/api/v1/task/batch/{batch_id}/status"] * 2
    assert started <= submit["at"] <= polls[0]["at"] <= polls[1]["at"] <= time.time()
    assert submit["connection_no"] == polls[0]["connection_no"] != polls[1]["connection_no"]
    assert simulator.requests("submit") == [submit]
    assert simulator.requests(since=polls[1]["at"]) == [polls[1]]


def test_the_busiest_second_and_ten_are_kept(simulator: SimulatorProcess, caller: Caller):
    for _ in range(6):
        caller.status("x")
    time.sleep(1.1)
    caller.submit([])
    for _ in range(2):
        caller.status("x")
    account = simulator.account()
    assert (account["busiest_second"], account["busiest_ten_seconds"]) == (6, 9)
    assert account["busiest_second_of_submits"] == 1


def test_many_clients_at_once_buy_each_batch_once(simulator: SimulatorProcess):
    numbers = itertools.count()

    def buy() -> None:
        with Caller(simulator) as caller:
            for _ in range(5):
                caller.bought(some_tasks(5, f"many{next(numbers)}x"))

    clients = [threading.Thread(target=buy) for _ in range(6)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    account = simulator.account()
    assert (account["batches"], account["tasks"], account["questions"]) == (30, 150, 150)
    assert account["batches_never_heard"] == 0
