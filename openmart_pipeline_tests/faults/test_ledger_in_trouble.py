"""F16: the ledger is busy, damaged or gone while something is being bought."""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from openmart_pipeline.ledger import recovery
from openmart_pipeline.ledger.store import LedgerRefused
from openmart_pipeline.purchase.rules import Stop
from openmart_pipeline_tests.faults.shop import Shop, in_batches
from openmart_pipeline_tests.ledger.desk import Desk, desk_at
from openmart_pipeline_tests.money import assert_accounts_agree

HELD_S = 1.0


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Somebody else's transaction on the ledger."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@pytest.mark.parametrize("step", ["claimed", "answered", "ids_read"])
def test_a_ledger_that_another_process_holds_is_waited_for(desk: Desk, shop: Shop, step: str) -> None:
    """With an intent, an outcome or answers to be written: they are written a second later, and nothing is sent again."""
    plan = in_batches(desk, [2, 2])
    holding = contextlib.ExitStack()

    def holds(heard: str, *_: object) -> None:
        if heard == step and not timers:
            holding.enter_context(held(desk.ledger.path))
            timers.append(threading.Timer(HELD_S, holding.close))
            timers[0].start()

    timers: list[threading.Timer] = []
    assert desk.buy(plan, concurrency=1, on_event=holds).stop is Stop.DONE
    desk.collect(on_event=holds)
    timers[0].join()
    assert desk.states() == ["collected", "collected"]
    assert_accounts_agree(desk, shop.simulator, since=shop.since)
    assert shop.submits == 2


def test_a_damaged_ledger_sells_nothing_and_says_how_to_go_on(tmp_path: Path, shop: Shop) -> None:
    with desk_at(tmp_path, shop.url) as desk:
        plan = in_batches(desk, [2] * 400)
    path = tmp_path / "ledger.sqlite"
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4096] = b"\xab" * 4096
    path.write_bytes(content)
    with desk_at(tmp_path, shop.url) as desk, pytest.raises(LedgerRefused, match="nothing was bought") as refused:
        desk.buy(plan)
    assert "rebuild it from the submission journal" in str(refused.value)
    assert (shop.submits, path.read_bytes()) == (0, content)


def test_a_ledger_that_is_deleted_while_buying_comes_back_whole_from_the_journal(tmp_path: Path, shop: Shop) -> None:
    """The system keeps a deleted file for whoever has it open: the run ends well, and its ledger is gone."""
    with desk_at(tmp_path, shop.url) as desk:
        plan = in_batches(desk, [2] * 5)
        shop.fails(created_then_reset=shop.nth(4))

        def deletes(step: str, batch_no: int, *_: object) -> None:
            if (step, batch_no) == ("accepted", 2):
                for path in tmp_path.glob("ledger.sqlite*"):
                    path.unlink()

        desk.buy(plan, concurrency=1, on_event=deletes)
    with desk_at(tmp_path, shop.url) as desk:
        again = desk.plan("a.csv", [])
        with pytest.raises(LedgerRefused, match="openmart-pipeline ledger reconcile"):
            desk.buy(again)
        brought_back = recovery.reconcile(desk.ledger, desk.journal, who="a person").brought_back
        assert brought_back == {"submitted": 4, "unknown": 1}
        desk.clock.move(minutes=2)
        desk.collect()
        assert desk.states() == ["collected"] * 3 + ["unknown", "collected"]
        assert_accounts_agree(desk, shop.simulator, since=shop.since)
    assert shop.submits == 5
