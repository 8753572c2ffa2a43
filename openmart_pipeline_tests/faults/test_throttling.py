"""F7: the server says 429: few requests, long enough pauses, nothing lost, and the waiting can be seen."""

import collections
import logging
import threading
from pathlib import Path

import pytest

from openmart_pipeline.ledger.coordination import SharedRateLimiter
from openmart_pipeline.ledger.outstanding import AskStatus
from openmart_pipeline.purchase.rules import Stop
from openmart_pipeline_tests.faults.shop import Heard, Shop, in_batches
from openmart_pipeline_tests.ledger.desk import QUICK_PAUSES_S, Desk, desk_at
from openmart_pipeline_tests.money import assert_accounts_agree

NAMES_NO_TIME = ["past", "garbage", "absent"]
READ_ATTEMPTS = 3


@pytest.mark.parametrize("retry_after", NAMES_NO_TIME)
def test_a_storm_on_submits_ends_the_run_after_the_pauses_it_may_make(desk: Desk, shop: Shop, retry_after: str) -> None:
    heard = Heard()
    plan = in_batches(desk, [2, 2])
    shop.behave(retry_after=retry_after, faults={"429_before_creating": "always"})
    report = desk.buy(plan, concurrency=1, on_event=heard)
    assert (report.stop, shop.submits) == (Stop.THROTTLED, len(QUICK_PAUSES_S) + 1)
    assert len(heard.said("waiting")) == len(QUICK_PAUSES_S)
    assert "sent after a pause" in heard.said("waiting")[0]
    assert desk.ask_status(plan) == {AskStatus.TO_BUY: 4}
    shop.fails(**{"429_before_creating": None})
    assert desk.buy(plan).stop is Stop.DONE
    assert_accounts_agree(desk, shop.simulator, since=shop.since)


def test_threads_that_are_throttled_together_pause_together(desk: Desk, shop: Shop) -> None:
    """Otherwise eight threads would use up all pauses in one round."""
    plan = in_batches(desk, [1] * 8)
    shop.fails(**{"429_before_creating": "next:8"})
    shop.behave(submit_s=0.1, retry_after="absent")
    assert desk.buy(plan, concurrency=8, pauses_s=(1, 1)).stop is Stop.DONE
    assert shop.submits == 16
    assert_accounts_agree(desk, shop.simulator, since=shop.since)


@pytest.mark.parametrize("retry_after", ["seconds", "http_date"])
def test_nothing_is_sent_before_the_time_the_server_names(desk: Desk, shop: Shop, retry_after: str) -> None:
    """A date is whole seconds: two seconds ahead is more than one."""
    shop.behave(retry_after=retry_after, faults={"429_before_creating": "next:1"})
    assert desk.buy(in_batches(desk, [1]), concurrency=8).stop is Stop.DONE  # seven wait for what may come back
    refused, *others = shop.requests("submit")
    assert (refused["outcome"], {seen["outcome"] for seen in others}) == ("429", {"200"})
    assert others[0]["at"] - refused["at"] >= 1


def test_a_day_is_not_slept_through(desk: Desk, shop: Shop) -> None:
    plan = in_batches(desk, [1, 1])
    shop.behave(retry_after="day", faults={"429_before_creating": "always"})
    report = desk.buy(plan, concurrency=1)
    assert (report.stop, shop.submits) == (Stop.THROTTLED, 1)
    assert desk.ask_status(plan) == {AskStatus.TO_BUY: 2}


@pytest.mark.parametrize("retry_after", ["seconds", "http_date", "day", *NAMES_NO_TIME])
def test_reads_outlast_a_storm_whatever_it_says_of_time(
    tmp_path: Path, shop: Shop, caplog: pytest.LogCaptureFixture, retry_after: str
) -> None:
    """Balance, polls, ids and results, each throttled twice; a wait longer than the cap is cut to it."""
    storm = {f"{route}_429": "next:2" for route in ("balance", "poll", "ids", "task")}
    shop.behave(retry_after=retry_after, faults=storm)
    with desk_at(tmp_path, shop.url, retry_after_cap_s=0.05) as desk, caplog.at_level(logging.WARNING):
        desk.buy(in_batches(desk, [2, 2]))
        desk.collect()
        assert desk.states() == ["collected", "collected"]
        assert_accounts_agree(desk, shop.simulator, since=shop.since)
    asked = [len(shop.requests(route)) for route in ("balance", "poll", "ids", "task")]
    assert asked == [3, 4, 4, 6]  # what is needed, and two more of each
    assert len([record for record in caplog.records if "next attempt in" in record.getMessage()]) == 8


def test_a_storm_on_reads_that_does_not_end_is_no_busy_loop_and_loses_nothing(
    desk: Desk, shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    """The polls of one batch, the ids of the next, the results of a third; a fourth has no trouble."""
    heard = Heard()
    plan = in_batches(desk, [1, 1, 1, 1])
    desk.buy(plan)
    polls, ids, results, _ = (desk.asked_in(batch_no)[0] for batch_no in range(1, 5))
    shop.behave(retry_after="absent")
    shop.fails(poll_429=f"domain:{polls}", ids_429=f"domain:{ids}", task_429=f"domain:{results}")
    stop = threading.Event()
    put_off = collections.Counter[int]()

    def listens(step: str, batch_no: int, tasks: int, detail: str) -> None:
        heard(step, batch_no, tasks, detail)
        put_off[batch_no] += step == "waiting" or (step, detail) == ("polled", "waiting")
        if put_off[1] >= 2 and put_off[2] >= 2 and put_off[3] >= 4:  # a result is put off, and then its batch
            stop.set()

    desk.collector(on_event=listens).run(stop=stop)
    assert sorted(desk.states()) == ["collected", "ready", "ready", "submitted"]
    refused = collections.defaultdict(list)
    for route in ("poll", "ids", "task"):
        for seen in shop.requests(route):
            if seen["outcome"] == "429":
                refused[seen["path"]].append(seen["at"])
    assert len(refused) == 3
    for times in refused.values():
        assert len(times) > READ_ATTEMPTS  # asked again by itself, but after a second at the earliest
        assert all(later - time > 0.9 for time, later in zip(times, times[READ_ATTEMPTS:], strict=False))
    assert len(heard.said("waiting")) >= 2
    shop.behave(faults=None)
    desk.clock.move(minutes=2)
    desk.collect()
    assert set(desk.states()) == {"collected"}
    assert_accounts_agree(desk, shop.simulator, since=shop.since)


def test_a_server_that_lets_few_requests_in_is_asked_more_slowly_and_everything_arrives(desk: Desk, shop: Shop) -> None:
    """A real limit, not a fault: whoever comes too often is told so, and nobody else is."""
    desk.rate_limiter = SharedRateLimiter(desk.ledger, 60)
    shop.behave(rate_limit_per_s=30)
    desk.buy(in_batches(desk, [2] * 5))
    desk.collect()
    assert set(desk.states()) == {"collected"}
    assert_accounts_agree(desk, shop.simulator, since=shop.since)
