"""F7, F31: all processes on a ledger together ask as often as OPENMART_REQUESTS_PER_S allows, and no oftener."""

import os
import signal
import time
import uuid
from pathlib import Path

from openmart_pipeline_tests.faults.shop import Shop, densest_second
from openmart_pipeline_tests.killable import Template
from openmart_pipeline_tests.money import assert_accounts_agree, at_work, batch_states, company_file

RATE = 20
COMPANIES = 30
# Turns are spaced evenly; how long a request then is on its way varies by tenths of a second on a busy machine. Two
# processes that did not know of each other would come to twice the rate, turns that were overslept to more.
DENSEST = RATE * 1.5


def test_two_processes_buying_and_collecting_keep_the_rate_together(tmp_path: Path, shop: Shop) -> None:
    """By the server's own clock; also when one of them sleeps for a while, as a suspended machine does."""
    keys = [
        company_file(tmp_path, f"{name}.csv", [f"{uuid.uuid4().hex[:8]}-{number}.com" for number in range(COMPANIES)])
        for name in ("one", "other")
    ]
    with Template() as one, Template() as other:
        sleeper, _ = [
            template.start(tmp_path, shop.url, key, settings={"OPENMART_REQUESTS_PER_S": str(RATE)})
            for template, key in zip((one, other), keys, strict=True)
        ]
        deadline = time.monotonic() + 30
        while len(shop.requests("task")) < COMPANIES // 2:
            assert time.monotonic() < deadline, "nobody reads anything"
            time.sleep(0.05)
        os.kill(sleeper, signal.SIGSTOP)
        time.sleep(1)
        os.kill(sleeper, signal.SIGCONT)
        assert [one.ended().exit_code, other.ended().exit_code] == [0, 0]
    times = [seen["at"] for seen in shop.requests()]
    assert len(times) >= 2 * (1 + 1 + 1 + 1 + COMPANIES)  # balance, submit, poll, ids and results of both
    assert densest_second(times) <= DENSEST
    with at_work(tmp_path, shop.url) as (work, _):
        assert batch_states(work) == ["collected"] * 2
        assert_accounts_agree(work, shop.simulator, since=shop.since)
