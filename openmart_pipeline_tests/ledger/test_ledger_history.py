"""Who decided what about which batch, when and why: kept whatever becomes of the batch."""

from pathlib import Path

from openmart_pipeline.ledger import adoption, moves, sending
from openmart_pipeline.ledger import batch_history as history
from openmart_pipeline_tests.ledger.desk import Desk, asks, desk_at


def lost(desk: Desk, key: str) -> int:
    """A batch whose sender died before it heard an answer, past its deadline."""
    with desk_at(desk.folder, clock=desk.clock) as dying:
        claim = dying.claim(dying.plan(key, asks(key, 2)))
        assert claim is not None
        sending.mark_unknown(dying.ledger, claim.batch, reason="reset")
    desk.clock.move(minutes=5)
    return claim.batch.batch_no


def test_a_decision_is_told_with_who_when_why_and_what(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        first, second = lost(desk, "a.csv"), lost(desk, "b.csv")
        assert history.decisions(desk.ledger) == []
        begun = desk.clock()
        moves.adopt(desk.ledger, first, "theirs", total=2, who="ann", why="support, ticket 7")
        adoption.revoke_foreign(desk.ledger, desk.batch(first), reason="tracking ids of others")
        moves.release(desk.ledger, first, who="bo", why="never created", vouch_unpaid=True)
        moves.release(desk.ledger, second, who="bo", why="given up")
        told = history.decisions(desk.ledger)
        assert [(one.batch_no, one.partition_key, one.actor, one.what, one.reason) for one in told] == [
            (first, "a.csv", "ann", "adopted as theirs", "support, ticket 7"),
            (first, "a.csv", "tests", "unknown again, its id taken back", "tracking ids of others"),
            (first, "a.csv", "bo", "released, credits given back", "never created"),
            (second, "b.csv", "bo", "released", "given up"),
        ]
        assert told[1].detail == {"vendor_batch_id": "theirs", "answers": 0}
        assert all(begun <= one.at <= desk.clock() for one in told)
        assert history.decisions(desk.ledger, newest=1) == told[-1:]


def test_the_history_of_a_batch_is_whole(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        number = lost(desk, "a.csv")
        moves.adopt(desk.ledger, number, "theirs", total=2, who="ann", why="support")
        told = history.of_batches(desk.ledger, [number])
        assert [one.what for one in told] == ["sending", "sending -> unknown", "adopted as theirs"]
        assert history.of_batches(desk.ledger, [77]) == []
