"""F2, F3, F5, F6: the server may have created the batch, and nobody heard its id."""

from pathlib import Path

import pytest

from openmart_pipeline.ledger import moves
from openmart_pipeline.ledger.moves import MoveRefused
from openmart_pipeline.ledger.outstanding import AskStatus
from openmart_pipeline.pipeline import settling
from openmart_pipeline.purchase.rules import Stop
from openmart_pipeline_tests.api.scripted_server import (
    ScriptedServer,
    Step,
    by_method,
    in_turn,
    says,
    says_raw,
)
from openmart_pipeline_tests.faults.shop import Shop, in_batches
from openmart_pipeline_tests.ledger.desk import Desk, desk_at
from openmart_pipeline_tests.money import (
    assert_accounts_agree,
    assert_each_task_is_in_one_place,
    settle_unknown,
)

PERSON = {"who": "Ada", "why": "ticket 7"}


def lost_batch(desk: Desk, shop: Shop) -> str:
    """Buy two batches, of which the first is created and its answer lost; return the id nobody heard."""
    plan = in_batches(desk, [2, 2])
    shop.fails(created_then_reset="next:1")
    assert desk.buy(plan, concurrency=1).unknown_batches == [1]
    [lost] = [batch for batch in shop.charged if not batch["is_heard"]]
    return lost["batch_id"]


def after_the_deadline(desk: Desk) -> None:
    """The sender has gone, and the time is up in which it might have heard an answer."""
    desk.clock.move(minutes=10)


def test_an_answer_that_comes_before_the_deadline_is_accepted_and_one_after_it_is_unknown(
    tmp_path: Path, shop: Shop
) -> None:
    """F3, in seconds for minutes: one batch is late but heard, one is created and one is not, and neither answers."""
    shop.behave(submit_s=0.5)
    shop.fails(created_then_slow=shop.nth(1), created_then_timeout=shop.nth(2), timeout_before_creating=shop.nth(3))
    with desk_at(tmp_path, shop.url, submit_timeout_s=3) as desk:
        plan = in_batches(desk, [2, 2, 2, 2])
        report = desk.buy(plan, concurrency=4)
        assert (report.stop, sorted(desk.states())) == (Stop.DONE, ["submitted", "unknown", "unknown", "unknown"])
        assert "the time was up" in (desk.batch(report.unknown_batches[0]).evidence or "")
        assert_accounts_agree(desk, shop.simulator, since=shop.since)
        desk.buy(plan)
    assert (shop.submits, len(shop.charged)) == (4, 3)


def test_a_batch_that_was_lost_is_adopted_under_the_id_a_person_names(desk: Desk, shop: Shop) -> None:
    vendor_batch_id = lost_batch(desk, shop)
    settling.adopt_known(desk.ledger, desk.client, 1, vendor_batch_id, **PERSON)
    assert desk.history(1)[-1] == ("adopt", "Ada", "ticket 7")
    desk.collect()
    assert desk.states() == ["collected", "collected"]
    assert set(desk.tasks()) <= {"found", "empty"}
    assert_accounts_agree(desk, shop.simulator, since=shop.since)
    assert shop.submits == 2


def test_a_batch_that_was_lost_is_released_once_nobody_can_hear_of_it_and_bought_again(
    tmp_path: Path, shop: Shop
) -> None:
    with desk_at(tmp_path, shop.url) as sender:
        lost_batch(sender, shop)
        released, refused = settling.release_each(sender.ledger, [1], **PERSON, vouch_unpaid=False)
        assert (released, ["may still hear the answer" in why for why in refused]) == ([], [True])
    with desk_at(tmp_path, shop.url) as desk:
        after_the_deadline(desk)
        assert settling.release_each(desk.ledger, [1], **PERSON, vouch_unpaid=False) == ([1], [])
        assert desk.history(1)[-1] == ("release", "Ada", "ticket 7")
        plan = desk.current_plan()
        assert desk.ask_status(plan)[AskStatus.TO_BUY] == 2
        desk.buy(plan)
        desk.collect()
        # A person's word, and the only way to pay twice: the batch did exist.
        assert_accounts_agree(desk, shop.simulator, since=shop.since, bought_twice=2)


def test_a_foreign_id_is_found_out_and_the_batch_is_unknown_again(tmp_path: Path, shop: Shop) -> None:
    """As many tasks, the same key, but another purchase: its answers carry other tracking ids."""
    with desk_at(tmp_path / "colleague", shop.url) as colleague:
        colleague.buy(in_batches(colleague, [2]))
        theirs = colleague.batch(1).vendor_batch_id
    assert theirs is not None
    with desk_at(tmp_path / "ours", shop.url) as desk:
        ours = lost_batch(desk, shop)
        with pytest.raises(MoveRefused, match="does not know the batch nonsense"):
            settling.adopt_known(desk.ledger, desk.client, 1, "nonsense", **PERSON)
        settling.adopt_known(desk.ledger, desk.client, 1, theirs, **PERSON)
        assert desk.collect().disowned_batches == [1]
        assert desk.states() == ["unknown", "collected"]
        settling.adopt_known(desk.ledger, desk.client, 1, ours, **PERSON)
        desk.collect()
        assert desk.states() == ["collected", "collected"]
        assert_each_task_is_in_one_place(desk)


@pytest.mark.parametrize("is_created", [True, False])
def test_five_batches_in_a_row_without_an_id_end_the_run(desk: Desk, shop: Shop, is_created: bool) -> None:
    plan = in_batches(desk, [2] * 8)
    shop.fails(**{"created_then_502" if is_created else "502_before_creating": "always"})
    report = desk.buy(plan, concurrency=1)
    assert (report.stop, report.unknown_batches, shop.submits) == (Stop.BREAKER, [1, 2, 3, 4, 5], 5)
    assert "unknown list" in report.sentence
    assert desk.ask_status(plan) == {AskStatus.TO_BUY: 6, AskStatus.UNKNOWN: 10}
    assert_accounts_agree(desk, shop.simulator, since=shop.since)


def test_ten_of_twenty_without_an_id_end_the_run(desk: Desk, shop: Shop) -> None:
    """Every second one: never two in a row."""
    plan = in_batches(desk, [1] * 24)
    losses = ["500", "501", "502", "503", "504", "505", "506", "507", "508", "509"]
    shop.fails(**{f"created_then_{status}": shop.nth(2 * place + 1) for place, status in enumerate(losses)})
    report = desk.buy(plan, concurrency=1)
    assert (report.stop, report.accepted_batches, len(report.unknown_batches)) == (Stop.BREAKER, 9, 10)
    assert shop.submits == 19
    assert_accounts_agree(desk, shop.simulator, since=shop.since)


def test_what_was_bought_is_collected_after_the_breaker(desk: Desk, shop: Shop) -> None:
    plan = in_batches(desk, [2] * 8)
    shop.fails(**{f"created_then_{status}": shop.nth(place) for place, status in enumerate(range(500, 505), start=3)})
    assert desk.buy(plan, concurrency=1).stop is Stop.BREAKER
    desk.collect()
    assert desk.states() == ["collected"] * 2 + ["unknown"] * 5


WITHOUT_AN_ID: dict[str, Step] = {
    'HTTP 200: {"batch_id": "183219bc-0f"': says(200, b'{"batch_id": "183219bc-0f"'),
    "Welcome to nginx": says(200, b"<html><body>Welcome to nginx</body></html>"),
    "HTTP 200:": says(200, b""),
    '"queue": 7': says(200, {"submit_for": "find_people", "queue": 7}),
    "HTTP 200: xxx": says(200, b"x" * 2_000_000),
    'HTTP 200: {"batch_id":"18': says_raw(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"batch_id":"18'),
}


def test_the_answer_to_an_unknown_batch_is_kept_for_whoever_has_to_settle_it(tmp_path: Path) -> None:
    """F6: it may hold the id, to eyes if not to a program. Never more than a page of it."""
    answers = by_method(GET=says(200, {"balance": 10_000}), POST=in_turn(*WITHOUT_AN_ID.values()))
    with ScriptedServer(answers) as server, desk_at(tmp_path, server.url) as desk:
        for number, evidence in enumerate(WITHOUT_AN_ID, start=1):
            assert desk.buy(in_batches(desk, [1])).unknown_batches == [number]
            kept = desk.batch(number).evidence or ""
            assert evidence in kept
            assert len(kept) < 5_000


def test_a_storm_of_lost_answers_ends_in_equal_accounts(tmp_path: Path, shop: Shop) -> None:
    """One answer in five is lost, after a beginning that is worse; a person starts again when the breaker trips."""
    with desk_at(tmp_path, shop.url) as desk:
        plan = in_batches(desk, [2] * 25)
        shop.fails(reset_before_creating="next:2", created_then_reset="next:6")
        assert desk.buy(plan, concurrency=2).stop is Stop.BREAKER
    shop.fails(created_then_reset=0.15, reset_before_creating=0.05)
    stop = Stop.BREAKER
    while stop is Stop.BREAKER:
        with desk_at(tmp_path, shop.url) as desk:
            stop = desk.buy(plan, concurrency=2).stop
    assert stop is Stop.DONE
    assert shop.submits == 25  # none was sent again

    with desk_at(tmp_path, shop.url) as desk:
        named = {frozenset(desk.tracking_ids(batch.batch_no)) for batch in moves.unknown_batches(desk.ledger)}
        never_heard = {frozenset(batch["tracking_ids"]) for batch in shop.charged if not batch["is_heard"]}
        assert never_heard < named  # some of which were never created
        assert_accounts_agree(desk, shop.simulator, since=shop.since)

        shop.fails(created_then_reset=None, reset_before_creating=None)
        settle_unknown(desk, shop.simulator)
        desk.buy(plan)
        desk.collect()
        assert set(desk.states()) == {"collected", "released"}
        assert_accounts_agree(desk, shop.simulator, since=shop.since)
        assert_each_task_is_in_one_place(desk)
    assert sum(batch["total"] for batch in shop.charged) == 50
