"""F14: the disk is full at each write: nothing is sent that can't be recorded, nothing that was bought is forgotten."""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

import duckdb
import pytest

from openmart_pipeline.intake.refusals import FileRefused
from openmart_pipeline.ledger import recovery
from openmart_pipeline.ledger.outstanding import AskStatus
from openmart_pipeline.ledger.store import LedgerUnwritable
from openmart_pipeline.pipeline import steps
from openmart_pipeline.purchase.rules import Stop
from openmart_pipeline.warehouse import WarehouseUnwritable
from openmart_pipeline_tests.faults.shop import Heard, Shop, in_batches, quick_buyer
from openmart_pipeline_tests.faults.small_disk import SmallDisk, small_disk
from openmart_pipeline_tests.ledger.desk import Clock, Desk, desk_at
from openmart_pipeline_tests.money import (
    assert_accounts_agree,
    at_work,
    bought,
    company_file,
    planned,
    whole_run,
)


class InterruptedClock(Clock):
    """A clock that lets something happen once, the next time it is read: in the middle of a transaction."""

    meanwhile: Callable[[], None] | None = None

    def __call__(self) -> datetime:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return super().__call__()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as disk:
        yield disk


@pytest.fixture
def desk(disk: SmallDisk, shop: Shop) -> Iterator[Desk]:
    """A desk with all it has on the small disk."""
    with desk_at(disk.folder, shop.url, clock=InterruptedClock()) as desk:
        yield desk


def goes_on_once_there_is_room(desk: Desk, shop: Shop, disk: SmallDisk) -> None:
    disk.free()
    assert list(recovery.verify(desk.ledger, desk.journal)) == []
    assert desk.buy(desk.current_plan()).stop is Stop.DONE
    desk.collect()
    assert set(desk.tasks()) <= {"found", "empty", "not_sent"}
    assert_accounts_agree(desk, shop.simulator, since=shop.since)
    assert list(recovery.verify(desk.ledger, desk.journal)) == []


def test_with_little_room_left_nothing_more_is_sent(desk: Desk, shop: Shop, disk: SmallDisk) -> None:
    plan = in_batches(desk, [2, 2, 2])

    def fills_up(step: str, *_: object) -> None:
        if step == "accepted":
            disk.fill()

    report = desk.buy(plan, concurrency=1, on_event=fills_up)
    assert (report.stop, shop.submits) == (Stop.DISK, 1)
    assert "Free some space" in report.sentence
    assert desk.states() == ["submitted"]
    assert desk.ask_status(plan) == {AskStatus.IN_FLIGHT: 2, AskStatus.TO_BUY: 4}
    goes_on_once_there_is_room(desk, shop, disk)


def test_without_a_committed_intent_no_post_goes_out(desk: Desk, shop: Shop, disk: SmallDisk) -> None:
    """The disk fills up after the look at it, in the middle of the transaction that claims the second batch."""
    plan = in_batches(desk, [2, 2, 2])

    def fills_up(step: str, *_: object) -> None:
        if step == "accepted":
            desk.clock.meanwhile = disk.fill

    report = desk.buy(plan, concurrency=1, on_event=fills_up)
    assert (report.stop, shop.submits) == (Stop.DISK, 1)
    assert "The ledger could not be written" in report.sentence
    assert desk.states() == ["submitted"]
    goes_on_once_there_is_room(desk, shop, disk)


def test_without_a_line_in_the_journal_no_post_goes_out(desk: Desk, shop: Shop, disk: SmallDisk) -> None:
    """The intent is in the ledger already: that it was given back is recorded as soon as there is room."""
    plan = in_batches(desk, [2, 2])
    heard = Heard()

    def fills_up(step: str, *event: object) -> None:
        heard(step, *event)
        if step == "claimed":
            disk.fill()
        elif step == "waiting" and len(heard.said("waiting")) == 2:
            disk.free()

    report = desk.buy(plan, concurrency=1, on_event=fills_up, outcome_retry_s=0.05)
    assert (report.stop, shop.submits) == (Stop.DISK, 0)
    assert desk.states() == ["not_sent"]
    goes_on_once_there_is_room(desk, shop, disk)


def test_an_id_that_can_not_be_recorded_is_said_and_recorded_as_soon_as_there_is_room(
    desk: Desk, shop: Shop, disk: SmallDisk
) -> None:
    plan = in_batches(desk, [2, 2])
    heard = Heard()

    def fills_up(step: str, *event: object) -> None:
        heard(step, *event)
        if step == "answered":
            disk.fill()
        elif step == "waiting" and len(heard.said("waiting")) == 3:
            disk.free()

    report = desk.buy(plan, concurrency=1, on_event=fills_up, outcome_retry_s=0.05)
    [batch] = shop.charged
    assert all(f"batch 1 is {batch['batch_id']}" in said for said in heard.said("waiting"))
    assert "free some space and leave this running" in heard.said("waiting")[0]
    assert (report.stop, shop.submits) == (Stop.DISK, 1)
    assert (desk.states(), desk.batch(1).vendor_batch_id) == (["submitted"], batch["batch_id"])
    assert [line["batch_id"] for line in desk.journal.entries() if line["event"] == "accepted"] == [batch["batch_id"]]
    goes_on_once_there_is_room(desk, shop, disk)


def test_answers_that_can_not_be_stored_are_read_again_at_no_cost(desk: Desk, shop: Shop, disk: SmallDisk) -> None:
    desk.buy(in_batches(desk, [3, 3]))

    def fills_up(step: str, *_: object) -> None:
        if step == "ids_read":
            disk.fill()

    with pytest.raises(LedgerUnwritable, match="disk"):
        desk.collect(on_event=fills_up)
    goes_on_once_there_is_room(desk, shop, disk)


def test_a_file_goes_all_the_way_over_a_disk_that_is_full_at_every_step(
    disk: SmallDisk, shop: Shop, tmp_path: Path
) -> None:
    """Copy, plan, load and publication: each fails in a sentence, and does what it should once there is room."""
    data_dir = disk.folder / "data"
    key = company_file(data_dir, "a.csv", [f"{tmp_path.name.replace('_', '-')}-{n}.com" for n in range(40)])
    with at_work(data_dir, shop.url) as (work, _):
        session = quick_buyer(shop)

        def refused(error: type[Exception], match: str, step: Callable[[], object]) -> None:
            disk.fill()
            with pytest.raises(error, match=match):
                step()
            disk.free()
            assert list(recovery.verify(work.ledger, work.journal)) == []
            step()

        refused(FileRefused, "can't be copied", lambda: steps.ingest_companies(work, key))
        plan = partial(steps.plan_questions, work, key, steps.last_settings(work, key))
        refused(WarehouseUnwritable, "Free some space", plan)
        whole_run(work, session, key)
        published = work.warehouse.query("SELECT count(*) FROM contacts")
        other = company_file(data_dir, "b.csv", [f"{tmp_path.name.replace('_', '-')}-b{n}.com" for n in range(40)])
        planned(work, other)
        bought(work, session, other)
        steps.collector(work, session, [other]).run(patience_s=30)
        refused(WarehouseUnwritable, "Free some space", lambda: steps.load_contacts(work, other, run_id="run"))
        contacts = work.warehouse.query("SELECT count(*) FROM contacts")
        disk.fill()
        with pytest.raises(WarehouseUnwritable, match="Free some space"):
            steps.publish(work)
        with duckdb.connect(work.warehouse.published_path, read_only=True) as analyst:
            assert analyst.execute("SELECT count(*) FROM contacts").fetchall() == published
        disk.free()
        assert steps.publish(work)
        with duckdb.connect(work.warehouse.published_path, read_only=True) as analyst:
            assert analyst.execute("SELECT count(*) FROM contacts").fetchall() == contacts > published
        assert_accounts_agree(work, shop.simulator, since=shop.since)
