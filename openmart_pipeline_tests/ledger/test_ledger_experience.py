"""What the ledger learns of a server: patience of its own measure, not that of batches which waited for us. F31."""

from pathlib import Path

import pytest

from openmart_pipeline.ledger import collecting, moves
from openmart_pipeline.ledger.observed_rates import FIRST_POLL_S, first_poll_s, seconds_per_submit
from openmart_pipeline_tests.ledger.desk import Desk, asks, desk_at


def bought(desk: Desk, key: str, *, answered_after_s: float = 0.0, ready_after_s: float = 0.0) -> None:
    """A batch of one task, whose submit and whose work took so long."""
    claim = desk.claim(desk.plan(key, asks(key, 1)))
    assert claim is not None
    desk.clock.move(seconds=answered_after_s)
    desk.submitted(claim)
    desk.clock.move(seconds=ready_after_s)
    collecting.ready(desk.ledger, claim.batch)


def test_the_first_question_comes_when_most_of_what_the_last_batches_took_has_passed(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        assert first_poll_s(desk.ledger) == FIRST_POLL_S
        for number, took_s in enumerate((10, 20, 30)):
            bought(desk, f"{number}.csv", ready_after_s=took_s)
        assert first_poll_s(desk.ledger) == pytest.approx(16, abs=1)


def test_batches_that_waited_for_us_do_not_teach_the_next_to_wait(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        for number in range(3):
            bought(desk, f"{number}.csv", ready_after_s=86_400)  # the daemon was down
        assert first_poll_s(desk.ledger) == 60


def test_a_batch_that_was_adopted_days_later_does_not_make_the_server_slow(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        for number in range(3):
            bought(desk, f"{number}.csv", answered_after_s=26)
        with desk_at(tmp_path, clock=desk.clock) as dying:
            assert dying.claim(dying.plan("lost.csv", asks("lost", 1))) is not None
        (lost,) = moves.mark_orphans_unknown(desk.ledger)
        desk.clock.move(days=3)
        moves.adopt(desk.ledger, lost, "theirs", total=1, who="ann", why="support named it")
        assert seconds_per_submit(desk.ledger) == pytest.approx(26, abs=1)
