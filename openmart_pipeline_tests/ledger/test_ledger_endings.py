"""What has no answer is counted by how it ended, with what a plan may buy again: as many as one then does buy."""

from pathlib import Path

import pytest

from openmart_pipeline.checks.without_answer import MEANS
from openmart_pipeline.ledger import collecting, sending
from openmart_pipeline.ledger.endings import Ending, without_answer
from openmart_pipeline.ledger.plans import Lifetimes, Reask
from openmart_pipeline.ledger.states import ENDED_BADLY, TaskState
from openmart_pipeline_tests.ledger.desk import Desk, ask, asks, desk_at


def ends(desk: Desk, state: TaskState, *, reask: Reask = Reask.NOTHING) -> int:
    """Let two questions of a file come to this end; return how many its plan bought."""
    plan = desk.plan(f"{state}.csv", asks(state, 2), reask=reask)
    bought = 0
    while (claim := desk.claim(plan)) is not None:
        bought += len(claim.tasks)
        if state is TaskState.REJECTED:
            sending.mark_rejected(desk.ledger, claim.batch, reason="422")
        elif state is TaskState.EXPIRED:
            desk.submitted(claim)
            for _ in range(3):
                collecting.gone(desk.ledger, claim.batch, next_poll_s=0)
                desk.clock.move(hours=13)
        else:
            desk.answer(desk.submitted(claim), state)
    return bought


def said(desk: Desk, *plan_ids: str, lifetimes: Lifetimes | None = None) -> list[Ending]:
    return without_answer(desk.ledger, plan_ids, lifetimes or Lifetimes())


def test_every_state_without_an_answer_is_explained() -> None:
    assert set(MEANS) == {*ENDED_BADLY, TaskState.STALLED}


@pytest.mark.parametrize("state", ENDED_BADLY)
def test_what_is_said_to_be_bought_again_is_bought_again(tmp_path: Path, state: TaskState) -> None:
    reask = Reask.EXPIRED if state is TaskState.EXPIRED else Reask.ERRORED
    with desk_at(tmp_path) as desk:
        assert ends(desk, state) == 2
        for _ in range(4):
            [ending] = said(desk, desk.current_plan(f"{state}.csv").plan_id)
            assert (ending.state, ending.questions) == (state, 2)
            assert ends(desk, state, reask=reask) == ending.askable
        assert (ending.askable == 0) == (state is not TaskState.EXPIRED)


def test_only_what_is_open_now_counts_and_what_two_files_ask_counts_once(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        desk.bought(desk.plan("found.csv", asks("found", 2)))
        desk.bought(desk.plan("a.csv", asks("bad", 2)), TaskState.ERRORED)
        both = desk.plan("b.csv", [*asks("bad", 3), *asks("found", 2)])
        slow = desk.claim(both)
        assert slow is not None
        collecting.age(desk.ledger, desk.submitted(slow).batch, next_poll_s=60, reason="slow")
        plan_ids = [desk.current_plan(key).plan_id for key in ("found.csv", "a.csv", "b.csv")]
        assert said(desk, *plan_ids) == [
            Ending(state=TaskState.ERRORED, questions=2, askable=2),
            Ending(state=TaskState.STALLED, questions=1, askable=0),
        ]
        assert said(desk, *plan_ids, lifetimes=Lifetimes(errored_asks=0))[0].askable == 0
        mended = desk.plan("a.csv", asks("bad", 2), reask=Reask.ERRORED)
        desk.bought(mended)
        assert said(desk, mended.plan_id) == []


def test_a_wider_ask_that_ended_badly_counts_although_a_narrower_answer_is_there(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        desk.bought(desk.plan("a.csv", [ask("wide.com", max_k=1)]))
        wide = desk.plan("b.csv", [ask("wide.com", max_k=3)])
        desk.bought(wide, TaskState.CANCELLED)
        assert said(desk, wide.plan_id) == [Ending(state=TaskState.CANCELLED, questions=1, askable=1)]
        assert said(desk, desk.current_plan().plan_id) == []
