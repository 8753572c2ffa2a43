"""The moves of a batch: which are legal from where, and what each does to its tasks and its credits. F2."""

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from openmart_pipeline.ledger import adoption, collecting, moves, sending, states
from openmart_pipeline.ledger.moves import MoveRefused
from openmart_pipeline.ledger.outstanding import AskStatus
from openmart_pipeline.ledger.sending import Claim
from openmart_pipeline.ledger.states import BatchState, TaskState
from openmart_pipeline.model.prices import Budget
from openmart_pipeline_tests.ledger.desk import PRICES, Desk, ask, asks, desk_at

A_TASK = 33.0  # the worst case of one ask: three contacts with e-mail and phone


def claimed(desk: Desk, count: int = 2, key: str = "a.csv") -> Claim:
    claim = desk.claim(desk.plan(key, asks(key, count)))
    assert claim is not None
    return claim


def lost_by_a_dead_process(desk: Desk, count: int = 2, key: str = "a.csv") -> Claim:
    """A batch whose sender died before it heard an answer, past its deadline."""
    with desk_at(desk.folder, clock=desk.clock) as dying:
        claim = claimed(dying, count, key)
    assert moves.mark_orphans_unknown(desk.ledger) == [claim.batch.batch_no]
    desk.clock.move(minutes=5)
    return claim


def committed(desk: Desk) -> float:
    return sending.spent(desk.ledger).in_total


def released(desk: Desk, claim: Claim, *, vouch_unpaid: bool = False) -> None:
    moves.release(desk.ledger, claim.batch.batch_no, who="ann", why="support says no", vouch_unpaid=vouch_unpaid)


def adopted(desk: Desk, claim: Claim, batch_id: str = "theirs", *, total: int | None = 2) -> None:
    moves.adopt(desk.ledger, claim.batch.batch_no, batch_id, total=total, who="ann", why="support named it")


def accepted_late(desk: Desk, claim: Claim, batch_id: str = "late") -> None:
    sending.accept(desk.ledger, claim.batch, vendor_batch_id=batch_id, evidence="", first_poll_s=0)


OUTCOMES: dict[str, tuple[Callable[[Desk, Claim], None], BatchState, TaskState, float]] = {
    "not_sent": (
        lambda desk, claim: sending.mark_not_sent(desk.ledger, claim.batch, reason="429"),
        BatchState.NOT_SENT, TaskState.NOT_SENT, 0,
    ),
    "rejected": (
        lambda desk, claim: sending.mark_rejected(desk.ledger, claim.batch, reason="422"),
        BatchState.REJECTED, TaskState.REJECTED, 0,
    ),
    "unknown": (
        lambda desk, claim: sending.mark_unknown(desk.ledger, claim.batch, reason="reset"),
        BatchState.UNKNOWN, TaskState.UNKNOWN, 2 * A_TASK,
    ),
    "accept": (
        accepted_late,
        BatchState.SUBMITTED, TaskState.IN_FLIGHT, 2 * A_TASK,
    ),
}  # fmt: skip


@pytest.mark.parametrize("move", OUTCOMES)
def test_each_outcome_of_a_post_moves_batch_tasks_and_credits_together(tmp_path: Path, move: str) -> None:
    record, batch_state, task_state, credits_ = OUTCOMES[move]
    with desk_at(tmp_path) as desk:
        claim = claimed(desk)
        assert committed(desk) == 2 * A_TASK
        record(desk, claim)
        assert desk.states() == [batch_state]
        assert desk.tasks() == {task_state: 2}
        assert committed(desk) == credits_
        assert [move for move, _, _ in desk.history(claim.batch.batch_no)] == ["claim", move]


@pytest.mark.parametrize("first", OUTCOMES)
@pytest.mark.parametrize("second", OUTCOMES)
def test_a_second_outcome_is_refused_and_changes_nothing(tmp_path: Path, first: str, second: str) -> None:
    """But for a batch id that arrives late: that is never refused to a batch nobody has an answer of."""
    with desk_at(tmp_path) as desk:
        claim = claimed(desk)
        OUTCOMES[first][0](desk, claim)
        if (first, second) == ("unknown", "accept"):
            OUTCOMES[second][0](desk, claim)
            assert desk.states() == [BatchState.SUBMITTED]
            return
        with pytest.raises(MoveRefused, match="Nothing was changed"):
            OUTCOMES[second][0](desk, claim)
        assert desk.states() == [OUTCOMES[first][1]]
        assert desk.tasks() == {OUTCOMES[first][2]: 2}


def test_every_move_leads_from_named_states_to_a_named_state() -> None:
    table = [move for move in vars(states).values() if isinstance(move, states.Move)]
    assert len(table) == 12
    # Whatever is sending can end; nothing leads back to sending; what was paid for is left only by its answers,
    # by the server forgetting it, or by a person.
    assert not [move for move in table if move.target is BatchState.SENDING]
    assert {move.name for move in table if BatchState.SENDING in move.sources} == {
        "not_sent", "rejected", "unknown", "accept",
    }  # fmt: skip
    assert {move.name for move in table if BatchState.UNKNOWN in move.sources} == {"accept", "adopt", "release"}
    assert {move.name for move in table if move.gives_back} == {"not_sent", "rejected"}
    ends = {BatchState.NOT_SENT, BatchState.REJECTED, BatchState.EXPIRED, BatchState.COLLECTED}
    # Out of an end leads a person's word alone: that the id it was adopted under is somebody else's.
    assert [move.name for move in table if ends & set(move.sources)] == ["revoke"]


def test_a_dead_senders_batch_becomes_unknown_and_a_living_ones_does_not(tmp_path: Path) -> None:
    """F1: nothing resends it, and its owner's lock decides, not a clock."""
    with desk_at(tmp_path) as desk:
        with desk_at(tmp_path) as other:
            claim = claimed(other)
            desk.clock.move(days=2)
            assert moves.mark_orphans_unknown(desk.ledger) == []
        assert moves.mark_orphans_unknown(desk.ledger) == [claim.batch.batch_no]
        assert moves.mark_orphans_unknown(desk.ledger) == []
        [batch] = moves.unknown_batches(desk.ledger)
        assert batch.batch_no == claim.batch.batch_no
        assert "ended before it heard an answer" in (batch.evidence or "")
        assert [batch.batch_no for batch in moves.unknown_batches(desk.ledger, "a.csv")] == [1]
        assert moves.unknown_batches(desk.ledger, "b.csv") == []


def test_an_answer_that_arrives_after_its_sender_was_taken_for_dead_is_accepted(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        claim = lost_by_a_dead_process(desk)
        accepted_late(desk, claim)
        assert desk.states() == [BatchState.SUBMITTED]
        assert desk.tasks() == {TaskState.IN_FLIGHT: 2}


def test_a_release_is_refused_while_the_sender_may_still_hear_an_answer(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        with desk_at(tmp_path, clock=desk.clock) as sender:
            claim = claimed(sender)
            sending.mark_unknown(sender.ledger, claim.batch, reason="")
            with pytest.raises(MoveRefused, match="may still hear the answer"):
                released(desk, claim)
            desk.clock.move(minutes=5)
            with pytest.raises(MoveRefused, match="while it lives"):
                released(desk, claim)
        desk.clock.move(minutes=-5)
        with pytest.raises(MoveRefused, match="may still hear the answer"):
            released(desk, claim)
        desk.clock.move(minutes=5)
        released(desk, claim)
        assert desk.history(claim.batch.batch_no)[-1] == ("release", "ann", "support says no")


def test_a_clock_that_was_ahead_when_sending_does_not_put_off_the_release(tmp_path: Path) -> None:
    """F18."""
    with desk_at(tmp_path) as desk:
        desk.clock.move(days=365)
        claim = lost_by_a_dead_process(desk)
        desk.clock.move(days=-366)
        released(desk, claim)
        assert desk.states() == [BatchState.RELEASED]


@pytest.mark.parametrize(("vouch_unpaid", "credits_"), [(True, 0.0), (False, 2 * A_TASK)])
def test_a_release_gives_credits_back_only_where_the_person_vouches(
    tmp_path: Path, vouch_unpaid: bool, credits_: float
) -> None:
    with desk_at(tmp_path) as desk:
        claim = lost_by_a_dead_process(desk)
        released(desk, claim, vouch_unpaid=vouch_unpaid)
        assert committed(desk) == credits_


def test_a_late_answer_to_a_vouched_release_counts_its_credits_again(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        claim = lost_by_a_dead_process(desk)
        released(desk, claim, vouch_unpaid=True)
        accepted_late(desk, claim)
        assert committed(desk) == 2 * A_TASK


def test_a_batch_is_adopted_only_under_an_id_with_as_many_tasks(tmp_path: Path) -> None:
    """F2."""
    with desk_at(tmp_path) as desk:
        claim = lost_by_a_dead_process(desk)
        for total in (1, 3, None):
            with pytest.raises(MoveRefused, match="not the same batch"):
                adopted(desk, claim, total=total)
        adopted(desk, claim)
        assert desk.batch(1).vendor_batch_id == "theirs"
        assert desk.tasks() == {TaskState.IN_FLIGHT: 2}
        assert desk.history(1)[-1] == ("adopt", "ann", "support named it")


def test_no_two_batches_are_adopted_under_one_id(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        one, other = lost_by_a_dead_process(desk), lost_by_a_dead_process(desk, key="b.csv")
        adopted(desk, one)
        with pytest.raises(MoveRefused, match="is batch 1 already"):
            adopted(desk, other)


def test_a_stuck_batch_that_was_released_can_be_taken_back_under_its_own_id(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        claim = desk.submitted(claimed(desk))
        collecting.age(desk.ledger, claim.batch, next_poll_s=60, reason="slow")
        released(desk, claim)
        assert desk.tasks() == {TaskState.RELEASED: 2}
        adopted(desk, claim, f"vendor-{claim.batch.batch_no}")
        assert desk.tasks() == {TaskState.IN_FLIGHT: 2}


def test_what_answers_late_and_was_bought_again_is_a_duplicate_in_flight_and_collected_too(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        first = lost_by_a_dead_process(desk)
        released(desk, first)
        second = desk.claim(desk.plan("a.csv", asks("a.csv", 2)))
        assert second is not None
        accepted_late(desk, first)
        assert desk.tasks(first.batch.batch_no) == {TaskState.DUPLICATE_IN_FLIGHT: 2}
        desk.answer(desk.submitted(second))
        desk.answer(first)
        assert desk.states() == [BatchState.COLLECTED] * 2
        assert desk.tasks() == {TaskState.FOUND: 4}


def test_nothing_is_bought_a_third_time_while_a_duplicate_is_on_its_way(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        first = lost_by_a_dead_process(desk)
        released(desk, first)
        plan = desk.plan("a.csv", asks("a.csv", 2))
        second = desk.claim(plan)
        assert second is not None
        accepted_late(desk, first)
        sending.mark_not_sent(desk.ledger, second.batch, reason="429")
        assert desk.ask_status(plan) == {AskStatus.IN_FLIGHT: 2}
        assert desk.claim(plan) is None
        desk.answer(first)
        assert desk.ask_status(plan) == {AskStatus.OWNED: 2}


def test_a_disowned_batch_is_unknown_again_and_keeps_its_credits(tmp_path: Path) -> None:
    """F2: the id that a person named turned out to be somebody else's."""
    with desk_at(tmp_path) as desk:
        claim = lost_by_a_dead_process(desk)
        adopted(desk, claim)
        adoption.revoke_foreign(desk.ledger, desk.batch(1), reason="foreign tracking ids")
        assert desk.states() == [BatchState.UNKNOWN]
        assert desk.batch(1).vendor_batch_id is None
        assert desk.tasks() == {TaskState.UNKNOWN: 2}
        assert committed(desk) == 2 * A_TASK
        adopted(desk, claim, "the right one")


def test_what_was_heard_under_an_id_that_was_taken_back_says_nothing_of_the_next(tmp_path: Path) -> None:
    """Two 404s over a day under the wrong id, and one under the right one: the batch is not given up."""
    with desk_at(tmp_path) as desk:
        claim = lost_by_a_dead_process(desk)
        adopted(desk, claim)
        for _ in range(2):
            assert not collecting.gone(desk.ledger, desk.batch(1), next_poll_s=0)
            desk.clock.move(hours=25)
        adoption.revoke_foreign(desk.ledger, desk.batch(1), reason="foreign tracking ids")
        assert (desk.batch(1).polls, desk.batch(1).submitted_at, desk.batch(1).ready_at) == (0, None, None)
        adopted(desk, claim, "the right one")
        assert not collecting.gone(desk.ledger, desk.batch(1), next_poll_s=0)


def test_a_batch_given_up_and_found_again_is_waited_for_anew(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        claim = desk.submitted(claimed(desk))
        for _ in range(2):
            collecting.gone(desk.ledger, desk.batch(1), next_poll_s=0)
            desk.clock.move(hours=25)
        collecting.age(desk.ledger, desk.batch(1), next_poll_s=60, reason="slow")
        released(desk, claim)
        adopted(desk, claim, "vendor-1")  # the server was asked, and knows it
        assert not collecting.gone(desk.ledger, desk.batch(1), next_poll_s=0)


def test_a_batch_that_has_answered_is_adopted_under_its_own_id_only(tmp_path: Path) -> None:
    """Under another, what is still open would end as unmatched, and the right id be forgotten."""
    with desk_at(tmp_path) as desk:
        claim = desk.submitted(claimed(desk))
        [first, _] = claim.tasks
        ended = collecting.Ended(first.tracking_id, TaskState.FOUND, "task-1", b"{}", None, 1, 0)
        collecting.store_answers(desk.ledger, [(1, ended)], keep_hold_s=60)
        collecting.age(desk.ledger, desk.batch(1), next_poll_s=60, reason="slow")
        released(desk, claim)
        with pytest.raises(MoveRefused, match="is vendor-1 at the server"):
            adopted(desk, claim, "another")
        adopted(desk, claim, "vendor-1")
        assert desk.tasks() == {TaskState.FOUND: 1, TaskState.IN_FLIGHT: 1}


def test_a_slow_collector_does_nothing_to_a_batch_that_was_taken_back_or_put_right_meanwhile(tmp_path: Path) -> None:
    """It has read another batch's answers to the end, while somebody else found that out."""
    with desk_at(tmp_path) as desk:
        claim = lost_by_a_dead_process(desk)
        adopted(desk, claim, "somebody else's")
        slow = desk.batch(1)
        adoption.revoke_foreign(desk.ledger, slow, reason="foreign tracking ids")
        assert collecting.unmatch(desk.ledger, slow) == 0
        assert desk.tasks() == {TaskState.UNKNOWN: 2}
        adopted(desk, claim, "the right one")
        assert collecting.unmatch(desk.ledger, slow) == 0
        for move in (
            lambda: adoption.revoke_foreign(desk.ledger, slow, reason="foreign tracking ids"),
            lambda: collecting.ready(desk.ledger, slow),
            lambda: collecting.age(desk.ledger, slow, next_poll_s=60, reason="slow"),
        ):
            with pytest.raises(MoveRefused, match="said of somebody else's"):
                move()
        assert desk.states() == [BatchState.SUBMITTED]
        assert desk.tasks() == {TaskState.IN_FLIGHT: 2}


def test_a_stuck_batch_that_becomes_ready_is_collected(tmp_path: Path) -> None:
    """F10."""
    with desk_at(tmp_path) as desk:
        claim = desk.submitted(claimed(desk))
        collecting.age(desk.ledger, claim.batch, next_poll_s=60, reason="slow")
        assert desk.tasks() == {TaskState.STALLED: 2}
        collecting.ready(desk.ledger, claim.batch)
        desk.answer(claim)
        assert desk.states() == [BatchState.COLLECTED]
        assert desk.tasks() == {TaskState.FOUND: 2}


def test_a_batch_is_gone_only_after_three_answers_over_a_day(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        claim = desk.submitted(claimed(desk))

        def is_gone() -> bool:
            return collecting.gone(desk.ledger, desk.batch(1), next_poll_s=0)

        assert [is_gone() for _ in range(5)] == [False] * 5
        desk.clock.move(hours=25)
        collecting.not_ready(desk.ledger, claim.batch, next_poll_s=0)  # it was there after all: counting begins anew
        assert [is_gone() for _ in range(3)] == [False] * 3
        desk.clock.move(hours=25)
        assert is_gone()
        assert desk.states() == [BatchState.EXPIRED]
        assert desk.tasks() == {TaskState.EXPIRED: 2}
        assert committed(desk) == 2 * A_TASK


def test_a_clock_that_was_ahead_does_not_put_off_the_verdict(tmp_path: Path) -> None:
    """F18."""
    with desk_at(tmp_path) as desk:
        claim = desk.submitted(claimed(desk))
        desk.clock.move(days=365)
        collecting.gone(desk.ledger, claim.batch, next_poll_s=0)
        desk.clock.move(days=-365)
        collecting.gone(desk.ledger, claim.batch, next_poll_s=0)
        desk.clock.move(hours=25)
        assert collecting.gone(desk.ledger, claim.batch, next_poll_s=0)


def test_an_answer_is_stored_once_and_later_ones_change_nothing(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        claim = desk.submitted(claimed(desk))
        desk.answer(claim, TaskState.FOUND, settle=False)
        desk.answer(claim, TaskState.ERRORED, settle=False)
        assert desk.tasks() == {TaskState.FOUND: 2}
        assert collecting.settle(desk.ledger, claim.batch, PRICES)
        assert not collecting.settle(desk.ledger, claim.batch, PRICES)


def test_a_batch_is_settled_at_what_was_found_once_every_task_ended(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        claim = desk.submitted(claimed(desk))
        assert not collecting.settle(desk.ledger, claim.batch, PRICES)
        assert committed(desk) == 2 * A_TASK
        desk.answer(claim)
        assert committed(desk) == 2 * 3  # an e-mail each


def test_a_batch_id_is_never_given_to_two_batches(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        desk.submitted(claimed(desk), "one id")
        second = claimed(desk, key="b.csv")
        with pytest.raises(sa.exc.IntegrityError):
            desk.submitted(second, "one id")
        assert desk.states() == [BatchState.SUBMITTED, BatchState.SENDING]


def test_a_move_on_a_batch_that_does_not_exist_says_so(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk, pytest.raises(MoveRefused, match="no batch 7"):
        moves.release(desk.ledger, 7, who="ann", why="a slip")


def test_a_late_answer_beyond_the_budget_is_kept_and_only_further_buying_stops(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        budget = Budget(approved=1000, in_total=2 * A_TASK)
        first = lost_by_a_dead_process(desk)
        released(desk, first, vouch_unpaid=True)
        assert desk.claim(desk.plan("b.csv", asks("b", 2)), budget=budget) is not None
        accepted_late(desk, first)
        assert committed(desk) == 4 * A_TASK
        with pytest.raises(sending.BudgetReached):
            desk.claim(desk.plan("c.csv", [ask("c.com")]), budget=budget)
