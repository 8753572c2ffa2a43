"""What is owed: bought once, reused when wide enough, asked again only by a person's word. F19."""

import datetime as dt
from pathlib import Path

import pytest

from openmart_pipeline.ledger import collecting, moves, outstanding, plans, selection, sending
from openmart_pipeline.ledger.outstanding import AskStatus
from openmart_pipeline.ledger.plans import Lifetimes, Reask
from openmart_pipeline.ledger.sending import PlanStale
from openmart_pipeline.ledger.states import ENDED_BADLY, TaskState
from openmart_pipeline.model.questions import BOTH, Access
from openmart_pipeline_tests.ledger.desk import Desk, ask, asks, desk_at

BAD_ENDS = sorted(set(ENDED_BADLY) - {TaskState.REJECTED, TaskState.EXPIRED})


def test_what_one_file_bought_another_owns(tmp_path: Path) -> None:
    """F19: a renamed copy costs nothing."""
    with desk_at(tmp_path) as desk:
        desk.bought(desk.plan("a.csv", asks("same", 3)))
        copy = desk.plan("copy of a.csv", asks("same", 3))
        assert desk.ask_status(copy) == {AskStatus.OWNED: 3}
        assert desk.claim(copy) is None


def test_what_one_file_has_in_flight_another_waits_for(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        first = desk.plan("a.csv", asks("same", 3))
        claim = desk.claim(first)
        assert claim is not None
        copy = desk.plan("copy.csv", asks("same", 4))
        assert desk.ask_status(copy) == {AskStatus.IN_FLIGHT: 3, AskStatus.TO_BUY: 1}
        sending.mark_unknown(desk.ledger, claim.batch, reason="")
        assert desk.ask_status(copy) == {AskStatus.UNKNOWN: 3, AskStatus.TO_BUY: 1}
        [rest] = desk.bought(copy)
        assert [task.domain for task in rest.tasks] == ["same-3.com"]


@pytest.mark.parametrize(
    ("bought", "wanted", "is_owned"),
    [
        ((3, BOTH), (3, BOTH), True),
        ((8, BOTH), (1, Access.EMAIL), True),
        ((3, BOTH), (3, Access.PHONE), True),
        ((3, BOTH), (4, BOTH), False),
        ((8, Access.EMAIL), (1, Access.PHONE), False),
        ((8, Access.EMAIL), (8, BOTH), False),
    ],
)
def test_an_answer_is_reused_only_where_it_is_wide_enough(
    tmp_path: Path, bought: tuple[int, Access], wanted: tuple[int, Access], is_owned: bool
) -> None:
    with desk_at(tmp_path) as desk:
        desk.bought(desk.plan("a.csv", [ask("width.com", max_k=bought[0], access=bought[1])]))
        plan = desk.plan("b.csv", [ask("width.com", max_k=wanted[0], access=wanted[1])])
        assert desk.ask_status(plan) == {AskStatus.OWNED if is_owned else AskStatus.TO_BUY: 1}
        assert outstanding.wider_asks(desk.ledger, plan.plan_id) == (0 if is_owned else 1)


def test_two_narrow_answers_do_not_add_up_to_a_wide_one(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        desk.bought(desk.plan("a.csv", [ask("narrow.com", access=Access.EMAIL)]))
        desk.bought(desk.plan("b.csv", [ask("narrow.com", access=Access.PHONE)]))
        assert desk.ask_status(desk.plan("c.csv", [ask("narrow.com")])) == {AskStatus.TO_BUY: 1}


def test_a_wider_ask_waits_for_the_narrower_one_in_flight_and_is_bought_in_full_after_it(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        narrow = desk.claim(desk.plan("a.csv", [ask("grows.com", max_k=1)]))
        assert narrow is not None
        plan = desk.plan("b.csv", [ask("grows.com", max_k=5)])
        assert desk.claim(plan) is None
        desk.answer(desk.submitted(narrow))
        wide = desk.claim(plan)
        assert wide is not None
        assert (wide.tasks[0].max_k, wide.batch.reserved_credits) == (5, 55.0)


def test_a_batch_holds_a_hundred_questions_in_file_order(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        claims = desk.bought(desk.plan("a.csv", asks("order", 230)))
        assert [len(claim.tasks) for claim in claims] == [100, 100, 30]
        domains = [task.domain for claim in claims for task in claim.tasks]
        assert domains == [f"order-{number}.com" for number in range(230)]


def test_no_tracking_id_is_ever_used_twice(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        plan = desk.plan("a.csv", asks("tracked", 3))
        seen: set[str] = set()
        for _ in range(4):
            claim = desk.claim(plan)
            assert claim is not None
            seen |= {task.tracking_id for task in claim.tasks}
            sending.mark_not_sent(desk.ledger, claim.batch, reason="429")
        assert len(seen) == 12
        assert all(desk.ledger.is_own(tracking_id) for tracking_id in seen)


def test_a_replaced_plan_is_not_bought(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        old = desk.plan("a.csv", asks("old", 1))
        desk.plan("a.csv", asks("new", 1))
        with pytest.raises(PlanStale, match="took this one's place"):
            desk.claim(old)


def test_of_two_plans_written_at_once_the_one_begun_last_is_bought_and_asks_all_it_should(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        plans.register(desk.ledger, "a.csv")
        first, second = (
            plans.write_plan(
                desk.ledger, "a.csv", file_sha256=sha256, config="{}", digest=sha256, prices="", wanted=asks(sha256, 3)
            )
            for sha256 in ("one", "two")
        )
        for plan_id in (second, first):
            assert plans.make_current(desk.ledger, plan_id) is (plan_id == second)
            current = plans.current_plan(desk.ledger, "a.csv")
            assert current is not None
            assert current.plan_id == second
            assert desk.ask_status(current) == {AskStatus.TO_BUY: 3}
        third = desk.plan("a.csv", asks("three", 2))
        assert desk.ask_status(third) == {AskStatus.TO_BUY: 2}


@pytest.mark.parametrize("state", [TaskState.FOUND, TaskState.EMPTY, *BAD_ENDS])
def test_nothing_that_ended_is_owed_again_by_itself(tmp_path: Path, state: TaskState) -> None:
    """A backfill over everything, at any time, buys nothing that has ended."""
    with desk_at(tmp_path) as desk:
        desk.bought(desk.plan("a.csv", asks("ended", 2)), state)
        desk.clock.move(days=4000)
        again = desk.plan("a.csv", asks("ended", 2))
        assert AskStatus.TO_BUY not in desk.ask_status(again)
        assert desk.claim(again) is None


@pytest.mark.parametrize(("state", "days"), [(TaskState.FOUND, 180), (TaskState.EMPTY, 30)])
def test_a_stale_answer_is_owed_again_once_and_only_past_its_lifetime(
    tmp_path: Path, state: TaskState, days: int
) -> None:
    with desk_at(tmp_path) as desk:
        desk.bought(desk.plan("a.csv", asks("stale", 2)), state)
        desk.clock.move(days=days - 1)
        assert desk.claim(desk.plan("a.csv", asks("stale", 2), reask=Reask.STALE)) is None
        desk.clock.move(days=2)
        again = desk.plan("a.csv", asks("stale", 2), reask=Reask.STALE)
        assert desk.ask_status(again) == {AskStatus.TO_BUY: 2}
        assert len(desk.bought(again)) == 1
        assert desk.ask_status(again) == {AskStatus.OWNED: 2}
        assert desk.claim(desk.plan("a.csv", asks("stale", 2), reask=Reask.STALE)) is None


def test_stale_answers_are_asked_anew_oldest_first_behind_what_was_never_asked(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        companies = [ask(domain) for domain in ("new.com", "young.com", "old.com", "oldest.com")]
        for domain in ("oldest.com", "old.com", "young.com"):
            desk.bought(desk.plan(domain, [ask(domain)]))
            desk.clock.move(days=1)
        desk.approved()
        assert list(selection.plans_to_refresh(desk.ledger, Lifetimes())) == []
        desk.clock.move(days=177.5)
        assert list(selection.plans_to_refresh(desk.ledger, Lifetimes())) == ["oldest.com"]
        desk.clock.move(days=3)
        assert list(selection.plans_to_refresh(desk.ledger, Lifetimes())) == ["oldest.com", "old.com", "young.com"]
        again = desk.plan("a.csv", [*companies, ask("newest.com")], reask=Reask.STALE)
        claim = desk.claim(again)
        assert claim is not None
        assert [task.domain for task in claim.tasks] == [
            "new.com", "newest.com", "oldest.com", "old.com", "young.com",
        ]  # fmt: skip


@pytest.mark.parametrize("state", BAD_ENDS)
def test_what_ended_badly_is_owed_again_as_often_as_the_settings_say(tmp_path: Path, state: TaskState) -> None:
    with desk_at(tmp_path) as desk:
        twice = Lifetimes(errored_asks=2)
        desk.bought(desk.plan("a.csv", asks("bad", 2)), state)
        for _ in range(2):
            again = desk.plan("a.csv", asks("bad", 2), reask=Reask.ERRORED, lifetimes=twice)
            assert len(desk.bought(again, state)) == 1
            assert desk.ask_status(again) == {AskStatus.ENDED_BADLY: 2}
        assert desk.claim(desk.plan("a.csv", asks("bad", 2), reask=Reask.ERRORED, lifetimes=twice)) is None


def test_asking_errored_questions_again_leaves_the_answered_ones_alone(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        desk.bought(desk.plan("a.csv", asks("good", 2)))
        desk.bought(desk.plan("b.csv", asks("bad", 1)), TaskState.ERRORED)
        both = desk.plan("c.csv", [*asks("good", 2), *asks("bad", 1)], reask=Reask.ERRORED)
        assert desk.ask_status(both) == {AskStatus.OWNED: 2, AskStatus.TO_BUY: 1}


def test_an_expired_question_is_owed_again_by_its_own_word_only(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        claim = desk.claim(desk.plan("a.csv", asks("expired", 1)))
        assert claim is not None
        desk.submitted(claim)
        for _ in range(3):
            collecting.gone(desk.ledger, claim.batch, next_poll_s=0)
            desk.clock.move(hours=13)
        assert desk.tasks() == {TaskState.EXPIRED: 1}
        for reask in (Reask.NOTHING, Reask.ERRORED, Reask.STALE):
            assert desk.claim(desk.plan("a.csv", asks("expired", 1), reask=reask)) is None
        assert desk.claim(desk.plan("a.csv", asks("expired", 1), reask=Reask.EXPIRED)) is not None


def test_asking_again_with_a_clock_that_was_ahead_buys_once(tmp_path: Path) -> None:
    """F18: the mark is an event, not a time. By the clock every answer after it would look older than it."""
    with desk_at(tmp_path) as desk:
        desk.bought(desk.plan("a.csv", asks("ahead", 2)), TaskState.ERRORED)
        desk.clock.move(days=365)
        plan = desk.plan("a.csv", asks("ahead", 2), reask=Reask.ERRORED)
        desk.clock.move(days=-365)
        assert len(desk.bought(plan)) == 1
        assert desk.claim(plan) is None
        assert desk.ask_status(plan) == {AskStatus.OWNED: 2}


def refused(desk: Desk, reask: Reask) -> list[int]:
    """Let the server call every batch with `culprit.com` wrong, and answer the others; return their sizes."""
    plan = desk.plan("a.csv", [ask("culprit.com"), *asks("innocent", 119)], reask=reask)
    sizes = []
    while (claim := desk.claim(plan)) is not None:
        sizes.append(len(claim.tasks))
        if "culprit.com" in {task.domain for task in claim.tasks}:
            sending.mark_rejected(desk.ledger, claim.batch, reason="422")
        else:
            desk.answer(desk.submitted(claim))
    return sizes


def test_a_rejected_batch_is_sent_again_in_tens_then_singly_and_the_culprit_stays_alone(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        assert refused(desk, Reask.NOTHING) == [100, 20]
        assert refused(desk, Reask.NOTHING) == []
        assert refused(desk, Reask.ERRORED) == [10] * 10
        assert refused(desk, Reask.ERRORED) == [1] * 10
        assert refused(desk, Reask.ERRORED) == []
        assert desk.tasks()[TaskState.FOUND] == 119
        assert sending.spent(desk.ledger).in_total == 119 * 3  # one e-mail each, nothing for what was refused


def test_a_released_question_is_owed_again(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        with desk_at(tmp_path) as dying:
            claim = dying.claim(dying.plan("a.csv", asks("released", 2)))
            assert claim is not None
            sending.mark_unknown(dying.ledger, claim.batch, reason="")
        desk.clock.move(minutes=5)
        plan = desk.plan("a.csv", asks("released", 2))
        assert desk.ask_status(plan) == {AskStatus.UNKNOWN: 2}
        moves.release(desk.ledger, claim.batch.batch_no, who="a person", why="never arrived")
        assert desk.ask_status(plan) == {AskStatus.TO_BUY: 2}


def test_the_same_question_asked_by_two_plans_is_counted_once(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        one, other = desk.plan("a.csv", asks("shared", 5)), desk.plan("b.csv", asks("shared", 7))
        assert outstanding.questions_to_buy(desk.ledger, [one.plan_id, other.plan_id]) == 7
        assert selection.first_outstanding(desk.ledger, one.plan_id) == 0
        desk.bought(one)
        assert selection.first_outstanding(desk.ledger, one.plan_id) is None
        assert selection.first_outstanding(desk.ledger, other.plan_id) == 5


def test_lifetimes_are_half_a_year_and_a_month() -> None:
    assert Lifetimes() == Lifetimes(found=dt.timedelta(days=180), empty=dt.timedelta(days=30), errored_asks=1)
