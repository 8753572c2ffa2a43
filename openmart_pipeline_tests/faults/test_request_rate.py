"""F7, F31: all processes on a ledger together ask as often as OPENMART_REQUESTS_PER_S allows, and no oftener."""

import os
import signal
import threading
import time
import uuid
from pathlib import Path

from openmart_pipeline.pipeline.buying_run import RunReport, buy_and_collect
from openmart_pipeline_tests.faults.shop import Shop, densest_second
from openmart_pipeline_tests.killable import Template
from openmart_pipeline_tests.money import (
    approval_of,
    assert_accounts_agree,
    at_work,
    batch_states,
    company_file,
    planned,
)

RATE = 20
# Turns are spaced evenly; how long a request then is on its way varies by tenths of a second on a busy machine. Two
# processes that did not know of each other would come to twice the rate, turns that were overslept to more.
DENSEST = RATE * 1.5


def companies(tmp_path: Path, name: str, count: int) -> str:
    return company_file(tmp_path, name, [f"{uuid.uuid4().hex[:8]}-{number}.com" for number in range(count)])


def test_two_processes_buying_and_collecting_keep_the_rate_together(tmp_path: Path, shop: Shop) -> None:
    """By the server's own clock; also when one of them sleeps for a while, as a suspended machine does."""
    theirs, ours = companies(tmp_path, "theirs.csv", 80), companies(tmp_path, "ours.csv", 20)
    setting = {"OPENMART_REQUESTS_PER_S": str(RATE)}
    with Template() as template, at_work(tmp_path, shop.url, **setting) as (work, session):
        planned(work, ours)
        child = template.start(tmp_path, shop.url, theirs, settings=setting)
        deadline = time.monotonic() + 60
        while len(shop.requests("task")) < 5:
            assert time.monotonic() < deadline, "the other process reads nothing"
            time.sleep(0.05)

        def puts_the_other_to_sleep(step: str, *_: object) -> None:
            if step == "claimed":
                os.kill(child, signal.SIGSTOP)
                waking.start()

        waking = threading.Timer(1, os.kill, (child, signal.SIGCONT))
        buy_and_collect(
            work,
            session,
            {ours: approval_of(work, ours)},
            RunReport(run_id="run"),
            patience_s=20,
            on_event=puts_the_other_to_sleep,
        )
        waking.join()
        assert template.ended().exit_code == 0
        assert batch_states(work) == ["collected"] * 2
        assert_accounts_agree(work, shop.simulator, since=shop.since)
    times = [seen["at"] for seen in shop.requests()]
    assert len(times) >= 2 * 4 + 100  # balance, submit, poll and ids of both, and every result
    assert densest_second(times) <= DENSEST
