"""F1: a process killed with SIGKILL anywhere: paid once, collected once, the published database always opens."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from openmart_pipeline.ledger import moves
from openmart_pipeline_tests.killable import Template
from openmart_pipeline_tests.money import (
    asks_left,
    assert_accounts_agree,
    assert_each_task_is_in_one_place,
    at_work,
    company_file,
    task_states,
)
from openmart_pipeline_tests.simulator_process import SimulatorProcess
from openmart_pipeline_tests.soak import kills
from openmart_pipeline_tests.soak.kills import published_rows

COMPANIES = 130  # two batches
# Every step of the way of the data; the soak kills at many more moments.
BEFORE_BUYING = [("companies_half", 1), ("in_transaction", 2), ("plan_half", 1), ("planned", 1)]
AROUND_THE_POST = [("claimed", 1), ("claimed", 2), ("journaled", 1), ("answered", 1), ("answered", 2)]
WHILE_OTHERS_ARE_SENT = [
    ("accepted", 1), ("accepted", 2), ("polled", 1), ("ids_read", 1), ("answer_read", 1), ("answer_read", 130),
    ("stored", 60), ("settled", 1), ("settled", 2),
]  # fmt: skip
AFTER_COLLECTING = [
    ("answers_half", 1), ("answers_committed", 1), ("publish_copied", 1), ("publish_replaced", 1), ("published", 1),
]  # fmt: skip


@pytest.fixture(scope="module")
def template() -> Iterator[Template]:
    with Template() as template:
        yield template


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    with SimulatorProcess(tmp_path_factory.mktemp("server"), submit_s=0.02, jitter=1.0) as simulator:
        yield simulator


def domains(of: str, count: int = COMPANIES) -> list[str]:
    return [f"{of}-{number}.com" for number in range(count)]


def batches_being_sent(data_dir: Path) -> set[int]:
    """What the ledger of a dead process says, read from its file."""
    with closing(sqlite3.connect(data_dir / "ledger.sqlite")) as ledger:
        return {batch_no for (batch_no,) in ledger.execute("SELECT batch_no FROM batches WHERE state = 'sending'")}


def batches_heard_of(data_dir: Path) -> set[int]:
    """Those whose id the dead process wrote into its journal, if not into its ledger any more."""
    journal = data_dir / "submissions.jsonl"
    lines = map(json.loads, journal.read_bytes().splitlines() if journal.exists() else [])
    return {line["batch_no"] for line in lines if line["event"] == "accepted"}


@pytest.mark.parametrize(("step", "nth"), [*BEFORE_BUYING, *AROUND_THE_POST, *WHILE_OTHERS_ARE_SENT, *AFTER_COLLECTING])
def test_a_run_killed_at_a_step_finishes_when_started_again(
    tmp_path: Path, server: SimulatorProcess, template: Template, step: str, nth: int
) -> None:
    """The batches that were being sent and whose id was not heard are left to a person; all else finishes unaided."""
    key = company_file(tmp_path, "companies.csv", domains(f"{step.replace('_', '-')}-{nth}"))
    charged_before = len(server.batches())
    assert template.run(tmp_path, server.url, key, kill_at=(step, nth)).was_killed
    published_rows(tmp_path)
    being_sent = batches_being_sent(tmp_path)
    unheard = being_sent - batches_heard_of(tmp_path)
    if (step, nth) in AROUND_THE_POST:
        assert being_sent
    elif (step, nth) not in WHILE_OTHERS_ARE_SENT:
        assert being_sent == set()
    again = template.run(tmp_path, server.url, key)
    assert again.exit_code == 0
    with at_work(tmp_path, server.url) as (work, _buyer):
        assert {batch.batch_no for batch in moves.unknown_batches(work.ledger)} == unheard
        assert asks_left(work, key) == 0
        assert_accounts_agree(work, server, since=charged_before)
        assert_each_task_is_in_one_place(work)
        found = task_states(work).get("found", 0)
        assert work.warehouse.query("SELECT count(DISTINCT task_no) FROM contacts") == [(found,)]
    rows = published_rows(tmp_path)
    assert rows is not None
    assert len(set(rows)) == len(rows) >= found


def test_kills_at_random_moments_pay_once_and_lose_nothing(tmp_path: Path, template: Template) -> None:
    assert kills.soak(tmp_path, template, kills=24) > 1


def test_two_processes_on_one_file_at_once_pay_once(tmp_path: Path) -> None:
    with (
        SimulatorProcess(tmp_path / "server", submit_s=0.1, jitter=1.0) as simulator,
        Template() as one,
        Template() as other,
    ):
        key = company_file(tmp_path, "companies.csv", domains("both", 620))
        for template in (one, other):
            template.start(tmp_path, simulator.url, key)
        assert [one.ended().exit_code, other.ended().exit_code] == [0, 0]
        with at_work(tmp_path, simulator.url) as (work, _buyer):
            assert_accounts_agree(work, simulator)
            assert asks_left(work, key) == 0
            assert sum(work.warehouse.coverage(key).values()) == 620
        assert simulator.account()["tasks"] == 620
