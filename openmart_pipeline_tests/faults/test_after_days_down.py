"""F31: the daemon was down for days and comes back to many batches: bounded ticks, oldest first, at the set rate."""

from openmart_pipeline.api.rate_limiter import NO_RATE_LIMIT
from openmart_pipeline.ledger.coordination import SharedRateLimiter
from openmart_pipeline_tests.faults.shop import Shop, densest_second, in_batches
from openmart_pipeline_tests.ledger.desk import Desk
from openmart_pipeline_tests.money import assert_accounts_agree

BATCHES = 100
RATE = 25  # a second: all of them would take four
BUDGET_S = 1
AT_ONCE = 10


def test_a_tick_ends_in_time_asks_the_oldest_first_and_keeps_the_rate(desk: Desk, shop: Shop) -> None:
    desk.buy(in_batches(desk, [1] * BATCHES), concurrency=8)
    shop.behave(processing_s=0)
    by_age = [batch.vendor_batch_id for batch in sorted(desk.batches(), key=lambda batch: batch.next_poll_at)]
    desk.clock.move(days=3)
    desk.rate_limiter = SharedRateLimiter(desk.ledger, RATE)

    first = desk.poll(budget_s=BUDGET_S, at_once=AT_ONCE)
    polls = shop.requests("poll")
    asked = [seen["path"].split("/")[-2] for seen in polls]
    # What it had begun when the time was up is asked again; beyond that it never looked at younger ones.
    assert 0 < len(asked) <= RATE * (BUDGET_S + 1) + AT_ONCE
    assert set(asked) <= set(by_age[: len(asked) + AT_ONCE])
    assert set(by_age[: len(asked) - AT_ONCE]) <= set(asked)
    assert first.left >= BATCHES - len(asked) - AT_ONCE
    assert densest_second([seen["at"] for seen in polls]) <= 1.5 * RATE  # as in test_request_rate
    assert set(desk.states()) == {"ready", "submitted"}  # three days are no reason to give any of them up

    desk.rate_limiter = NO_RATE_LIMIT
    desk.clock.move(minutes=2)
    while desk.poll(budget_s=60, at_once=AT_ONCE).left:
        pass
    assert set(desk.states()) == {"ready"}
    asked = [seen["path"].split("/")[-2] for seen in shop.requests("poll")]
    assert len(asked) <= BATCHES + AT_ONCE
    assert_accounts_agree(desk, shop.simulator, since=shop.since)
