"""F42: what the submission journal must keep of a purchase, whatever is done to it and whoever holds it."""

import fcntl
import os
import shutil
from pathlib import Path

from openmart_pipeline.api.models import Submission
from openmart_pipeline.ledger import adoption, journal_rewrite, moves, recovery, sending
from openmart_pipeline.ledger.orphans import reap_orphans
from openmart_pipeline.model.events import ignore_events
from openmart_pipeline.purchase.outcomes import Outcomes, SubmitReport
from openmart_pipeline_tests.faults.shop import Shop, in_batches
from openmart_pipeline_tests.ledger.desk import Desk, asks, desk_at


def test_a_new_journal_keeps_an_id_whose_submission_the_old_one_no_longer_names(tmp_path: Path) -> None:
    """Killed between journal and ledger, and then somebody kept only the end of the file."""
    with desk_at(tmp_path) as desk:
        claim = desk.claim(desk.plan("a.csv", asks("heard", 2)))
        assert claim is not None
        desk.journal.sending(claim)
        desk.journal.outcome(claim, "accepted", vendor_batch_id="a-batch-of-ours")
        path = desk.journal.path
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[-1])
    with desk_at(tmp_path) as desk:
        journal_rewrite.new_journal(desk.ledger, desk.journal, who="ann", why="it was cut")
        assert reap_orphans(desk.ledger, desk.journal) == []
        assert [batch.vendor_batch_id for batch in desk.batches()] == ["a-batch-of-ours"]


def test_a_new_journal_keeps_whose_credit_limit_a_batch_counts_against(tmp_path: Path) -> None:
    """A ledger brought back from it lets no other run of the same approval spend the limit again."""
    with desk_at(tmp_path) as desk:
        claim = desk.claim(desk.plan("a.csv", asks("approved", 2)), run_id="one of many", approval_id="a backfill")
        assert claim is not None
        desk.journal.sending(claim)
        committed = sending.spent(desk.ledger, approval_id="a backfill").by_approval
        journal_rewrite.new_journal(desk.ledger, desk.journal, who="ann", why="it was lost")
    (tmp_path / "new").mkdir()
    shutil.copyfile(tmp_path / "submissions.jsonl", tmp_path / "new" / "submissions.jsonl")
    with desk_at(tmp_path / "new") as desk:
        recovery.reconcile(desk.ledger, desk.journal, who="ann")
        assert sending.spent(desk.ledger, approval_id="a backfill").by_approval == committed > 0


def test_an_id_is_in_the_ledger_although_a_stopped_process_holds_the_journal(desk: Desk, shop: Shop) -> None:
    """Who waits for the journal for ever takes the id with it when a person ends it."""
    desk.journal.patience_s = 0.1
    plan = in_batches(desk, [2, 1])
    locks: list[int] = []

    def hold(step: str, *_: object) -> None:
        if step == "journaled" and not locks:
            locks.append(os.open(desk.journal.path, os.O_RDWR))
            fcntl.flock(locks[0], fcntl.LOCK_EX)

    report = desk.buy(plan, concurrency=1, on_event=hold)
    os.close(locks[0])
    assert (shop.submits, report.accepted_batches) == (1, 1)
    assert desk.states() == ["submitted", "not_sent"]
    assert "held" in report.sentence
    assert any("held" in warning for warning in report.warnings)
    assert desk.batch(1).vendor_batch_id is not None
    desk.buy(plan)
    assert shop.submits == 2


def test_an_id_that_another_batch_was_adopted_under_by_mistake_is_its_own_again(tmp_path: Path) -> None:
    """The sender heard it when the ledger said that it is another's: no person is asked, and nothing paid again."""
    with desk_at(tmp_path) as desk:
        adopted, heard = (desk.claim(desk.plan(f"{name}.csv", asks(name, 2))) for name in "ab")
        assert adopted is not None
        assert heard is not None
        for claim in (adopted, heard):
            desk.journal.sending(claim)
        sending.mark_unknown(desk.ledger, adopted.batch, reason="a timeout")
        moves.adopt(desk.ledger, 1, "of-the-second", total=2, who="ann", why="the dashboard")
        report = SubmitReport()
        outcomes = Outcomes(
            desk.ledger, desk.journal, report, on_event=ignore_events, on_full_disk=lambda _sentence: None
        )
        answer = Submission(batch_id="of-the-second", total=2, evidence="200")
        assert not outcomes.accept(heard, answer)
        assert report.unknown_batches == [2]
        adoption.revoke(desk.ledger, 1, who="ann", why="it was the other one")
    with desk_at(tmp_path) as desk:
        reap_orphans(desk.ledger, desk.journal)
        assert [(batch.state, batch.vendor_batch_id) for batch in desk.batches()] == [
            ("unknown", None),
            ("submitted", "of-the-second"),
        ]
    (tmp_path / "new").mkdir()
    shutil.copyfile(tmp_path / "submissions.jsonl", tmp_path / "new" / "submissions.jsonl")
    with desk_at(tmp_path / "new") as desk:
        recovery.reconcile(desk.ledger, desk.journal, who="ann")
        assert [batch.vendor_batch_id for batch in desk.batches()] == [None, "of-the-second"]
