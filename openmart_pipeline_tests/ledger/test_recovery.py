"""F16: a ledger that is lost, old or doubted is recognised, and brought back without paying again."""

import shutil
from pathlib import Path

import pytest

from openmart_pipeline.ledger import collecting, moves, recovery
from openmart_pipeline.ledger.store import LedgerRefused
from openmart_pipeline_tests.ledger.desk import ask, desk_at
from openmart_pipeline_tests.money import (
    assert_accounts_agree,
    assert_each_task_is_in_one_place,
    at_work,
    batch_states,
    company_file,
    settle_unknown,
    whole_run,
)
from openmart_pipeline_tests.simulator_process import SimulatorProcess


def remove_ledger(data_dir: Path) -> None:
    for path in data_dir.glob("ledger.sqlite*"):
        path.unlink()


def test_a_lost_ledger_refuses_to_buy_and_is_rebuilt_from_the_journal(tmp_path: Path) -> None:
    key = company_file(tmp_path, "a.csv", [f"lost-{number}.com" for number in range(250)])
    with SimulatorProcess(tmp_path / "server", faults={"created_then_reset": "nth:2"}) as simulator:
        with at_work(tmp_path, simulator.url) as (work, session):
            whole_run(work, session, key)
            contacts = work.warehouse.query("SELECT count(*) FROM contacts")
        remove_ledger(tmp_path)
        with at_work(tmp_path, simulator.url) as (work, session):
            with pytest.raises(LedgerRefused, match="ledger reconcile"):
                whole_run(work, session, key)
            done = recovery.reconcile(work.ledger, work.journal, who="a person")
            assert done.brought_back == {"submitted": 2, "unknown": 1}
            whole_run(work, session, key)
            assert_accounts_agree(work, simulator)
            assert work.warehouse.query("SELECT count(*) FROM contacts") == contacts
            settle_unknown(work, simulator)
            whole_run(work, session, key)
            assert_accounts_agree(work, simulator)
            assert_each_task_is_in_one_place(work)
            assert list(recovery.verify(work.ledger, work.journal)) == []
        assert simulator.account()["tasks"] == 250


def test_a_ledger_restored_from_an_old_copy_learns_what_it_missed(tmp_path: Path) -> None:
    first = company_file(tmp_path, "first.csv", [f"first-{number}.com" for number in range(120)])
    second = company_file(tmp_path, "second.csv", [f"second-{number}.com" for number in range(120)])
    copy = tmp_path / "copy.sqlite"
    with SimulatorProcess(tmp_path / "server") as simulator:
        with at_work(tmp_path, simulator.url) as (work, session):
            whole_run(work, session, first)
            recovery.back_up(work.ledger, copy)
            with pytest.raises(LedgerRefused, match="never replaces"):
                recovery.back_up(work.ledger, copy)
            whole_run(work, session, second)
        remove_ledger(tmp_path)
        shutil.copyfile(copy, tmp_path / "ledger.sqlite")
        with at_work(tmp_path, simulator.url) as (work, session):
            with pytest.raises(LedgerRefused, match="older than its journal"):
                whole_run(work, session, second)
            assert list(recovery.verify(work.ledger, work.journal))
            done = recovery.reconcile(work.ledger, work.journal, who="a person")
            assert (done.known, done.brought_back) == (2, {"submitted": 2})
            whole_run(work, session, first, second)
            assert_accounts_agree(work, simulator)
            assert batch_states(work) == ["collected"] * 4
        assert simulator.account()["tasks"] == 240


def test_a_copy_made_while_a_batch_was_sent_gets_its_id_from_the_journal(tmp_path: Path) -> None:
    key = company_file(tmp_path, "a.csv", ["sent.com"])
    copy = tmp_path / "copy.sqlite"

    with SimulatorProcess(tmp_path / "server") as simulator:
        with at_work(tmp_path, simulator.url) as (work, session):

            def copied_in_the_middle(step: str, *_: object) -> None:
                if step == "answered":
                    recovery.back_up(work.ledger, copy)

            whole_run(work, session, key, on_event=copied_in_the_middle)
        remove_ledger(tmp_path)
        shutil.copyfile(copy, tmp_path / "ledger.sqlite")
        with at_work(tmp_path, simulator.url) as (work, session):
            done = recovery.reconcile(work.ledger, work.journal, who="a person")
            assert done.brought_back == {"submitted": 1}
            whole_run(work, session, key)
            assert_accounts_agree(work, simulator)
            assert moves.unknown_batches(work.ledger) == []


def test_a_ledger_on_hold_buys_nothing_until_a_person_lifts_it(tmp_path: Path) -> None:
    key = company_file(tmp_path, "a.csv", ["held.com"])
    with SimulatorProcess(tmp_path / "server") as simulator, at_work(tmp_path, simulator.url) as (work, session):
        recovery.hold(work.ledger, "restored with its journal from last week's snapshot", who="a person")
        with pytest.raises(LedgerRefused, match="last week's snapshot"):
            whole_run(work, session, key)
        assert simulator.account()["tasks"] == 0
        recovery.hold(work.ledger, None, who="a person")
        whole_run(work, session, key)
        assert simulator.account()["tasks"] == 1


def test_a_batch_that_a_person_gave_up_with_its_id_known_stays_released(tmp_path: Path) -> None:
    """F16: bringing back what is missing takes back nobody's decision."""
    with SimulatorProcess(tmp_path / "server") as simulator, desk_at(tmp_path, simulator.url) as desk:
        desk.buy(desk.plan("a.csv", [ask("given-up.com")]))
        collecting.age(desk.ledger, desk.batch(1), next_poll_s=86400, reason="not ready")
        moves.release(desk.ledger, 1, who="ann", why="given up")

        done = recovery.reconcile(desk.ledger, desk.journal, who="ann")

        assert (done.brought_back, desk.states()) == ({}, ["released"])
