"""F8, F9: the account or the key ends a run in the middle: what is paid comes in, the rest stays owed, and it says so."""

import uuid
from pathlib import Path

import pytest

from openmart_pipeline.ledger.outstanding import AskStatus
from openmart_pipeline.purchase.rules import Stop
from openmart_pipeline_tests.faults.shop import Shop, in_batches, limit_batches, quick_buyer
from openmart_pipeline_tests.ledger.desk import Desk
from openmart_pipeline_tests.money import (
    asks_left,
    assert_accounts_agree,
    at_work,
    batch_states,
    company_file,
    planned,
    whole_run,
)
from openmart_pipeline_tests.simulator_process import API_KEY


def test_what_was_paid_for_is_loaded_and_the_rest_is_bought_after_a_top_up(tmp_path: Path, shop: Shop) -> None:
    """F8: the account runs dry with the second of three batches."""
    key = company_file(tmp_path, "a.csv", [f"{uuid.uuid4().hex[:12]}.com" for _ in range(12)])
    charged = shop.simulator.account()["credits_charged"]
    shop.behave(credits=charged + 1)  # enough to begin with, as the vendor charges what is found afterwards
    with at_work(tmp_path, shop.url, OPENMART_SUBMIT_CONCURRENCY="1") as (work, _):
        session = quick_buyer(shop)
        limit_batches(work.ledger, planned(work, key).plan, [5, 5, 2])
        first = whole_run(work, session, key).bought[key]
        assert (first.stop, shop.submits) == (Stop.CREDITS, 2)
        assert "Top up the account" in first.sentence
        assert batch_states(work) == ["collected", "not_sent"]
        assert asks_left(work, key) == 7
        covered = work.warehouse.coverage(key)
        assert sum(covered.get(status, 0) for status in ("found", "nothing_found")) == 5
        waits = "SELECT files_complete, files_waiting FROM published_info"
        assert work.warehouse.query(waits) == [(0, 1)]
        shop.behave(credits=None)
        assert whole_run(work, session, key).bought[key].stop is Stop.DONE
        assert work.warehouse.query(waits) == [(1, 0)]
        assert asks_left(work, key) == 0
        assert_accounts_agree(work, shop.simulator, since=shop.since)
    assert sum(batch["total"] for batch in shop.charged) == 12


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_stops_the_run_within_one_call(desk: Desk, shop: Shop, status: int) -> None:
    """F9: the second submit is the last one, and neither its sentence nor anything on disk names the key."""
    plan = in_batches(desk, [2] * 5)
    shop.fails(**{f"{status}_before_creating": shop.nth(2)})
    report = desk.buy(plan, concurrency=1)
    assert (report.stop, shop.submits) == (Stop.KEY, 2)
    assert "OPENMART_API_KEY" in report.sentence
    assert API_KEY not in report.sentence
    assert [path for path in desk.folder.rglob("*") if path.is_file() and API_KEY.encode() in path.read_bytes()] == []
    assert desk.ask_status(plan) == {AskStatus.IN_FLIGHT: 2, AskStatus.TO_BUY: 8}
    desk.collect()
    assert desk.buy(plan).stop is Stop.DONE
    assert_accounts_agree(desk, shop.simulator, since=shop.since)


def test_with_many_submits_under_way_no_further_one_is_begun(desk: Desk, shop: Shop) -> None:
    """F9: those in flight meet the same refusal; what they asked is owed."""
    plan = in_batches(desk, [1] * 12)
    shop.behave(submit_s=0.2)
    shop.fails(**{"401_before_creating": "always"})
    report = desk.buy(plan, concurrency=4)
    assert report.stop is Stop.KEY
    assert 1 <= shop.submits == report.not_sent_batches <= 4
    assert desk.ask_status(plan) == {AskStatus.TO_BUY: 12}


@pytest.mark.parametrize(
    ("route", "status"), [("balance", 401), ("balance", 403), ("poll", 401), ("ids", 403), ("task", 401)]
)
def test_a_key_that_is_refused_while_reading_ends_it_at_once_and_loses_nothing(
    desk: Desk, shop: Shop, route: str, status: int
) -> None:
    """F9: a read that was under way may be refused too; none is begun after it."""
    plan = in_batches(desk, [3, 3])
    if route != "balance":
        desk.buy(plan)
    shop.fails(**{f"{route}_{status}": "always"})
    if route == "balance":
        report = desk.buy(plan, balance_floor=1)
        # A plan without the balance route may have the others: only a key that nobody knows stops here.
        assert report.stop is (Stop.KEY if status == 401 else Stop.DONE)
        assert shop.submits == (0 if status == 401 else 2)
        assert ("lacks this call" in " ".join(report.warnings)) is (status == 403)
    else:
        stopped_by = desk.collect(connections=1).stopped_by or ""
        assert "OPENMART_API_KEY" in stopped_by
        assert API_KEY not in stopped_by
        assert len(shop.requests(route)) <= 2  # batches are opened two at a time, results read one by one
    shop.fails(**{f"{route}_{status}": None})
    desk.clock.move(minutes=2)
    desk.buy(plan)
    desk.collect()
    assert set(desk.states()) == {"collected"}
    assert_accounts_agree(desk, shop.simulator, since=shop.since)
