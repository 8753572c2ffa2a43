"""What became of each POST, written down: first in the journal, then in the ledger, for as long as it takes.

Lives here: recording, and what one buying run reports. Nothing is sent or decided here: `submit` does both.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from openmart_pipeline.api.models import Submission
from openmart_pipeline.ledger import journal_mark, moves, sending
from openmart_pipeline.ledger.journal import SubmissionJournal
from openmart_pipeline.ledger.journal_mark import JournalMark
from openmart_pipeline.ledger.moves import Batch
from openmart_pipeline.ledger.observed_rates import first_poll_s
from openmart_pipeline.ledger.sending import Claim
from openmart_pipeline.ledger.states import MARK_NOT_SENT, MARK_REJECTED, MARK_UNKNOWN, Move
from openmart_pipeline.ledger.store import Ledger, LedgerDamaged, LedgerRefused, LedgerUnwritable
from openmart_pipeline.model.events import OnEvent
from openmart_pipeline.purchase.rules import Stop

OUTCOME_RETRY_S = 2  # between attempts to record an outcome on a full disk
_RECORD: Mapping[Move, Callable[[Ledger, Batch, str], None]] = {
    MARK_NOT_SENT: sending.mark_not_sent,
    MARK_REJECTED: sending.mark_rejected,
    MARK_UNKNOWN: sending.mark_unknown,
}


@dataclass(slots=True)
class SubmitReport:
    """What one buying run did; filled while it runs."""

    accepted_batches: int = 0
    accepted_tasks: int = 0
    unknown_batches: list[int] = field(default_factory=list)
    rejected_batches: list[int] = field(default_factory=list)
    not_sent_batches: int = 0
    stop: Stop = Stop.DONE
    sentence: str = "Everything the plan owes is bought."
    warnings: list[str] = field(default_factory=list)


class Outcomes:
    """Shared by the threads of one buying run; each records the batch it sent."""

    def __init__(
        self,
        ledger: Ledger,
        journal: SubmissionJournal,
        report: SubmitReport,
        *,
        on_event: OnEvent,
        on_full_disk: Callable[[str], None],
        retry_s: float = OUTCOME_RETRY_S,
    ) -> None:
        """Record into ledger and journal, count in `report`; say to `on_full_disk` that the ledger can't be written."""
        self._ledger = ledger
        self._journal = journal
        self._report = report
        self._on_event = on_event
        self._on_full_disk = on_full_disk
        self._retry_s = retry_s
        self._lock = threading.Lock()  # of the report
        self._first_poll_s = first_poll_s(ledger)

    def accept(self, claim: Claim, submission: Submission) -> bool:
        """Record the server's id for the batch; return False where it is another batch's: then it is unknown."""
        evidence = submission.evidence
        if submission.total is not None and submission.total != len(claim.tasks):
            counts = f"the server counts {submission.total} tasks, we sent {len(claim.tasks)}"
            self._report.warnings.append(f"Batch {claim.batch.batch_no}: {counts}. What it answers is collected.")
            evidence = f"{counts}: {evidence}"
        # First of all where nothing can refuse it: a ledger that breaks now must not take the id with it.
        is_journaled, journaled = self._journal_outcome(claim, "accepted", vendor_batch_id=submission.batch_id)
        is_recorded = self._persist(
            claim,
            submission.batch_id,
            lambda: sending.accept(
                self._ledger,
                claim.batch,
                vendor_batch_id=submission.batch_id,
                evidence=evidence,
                first_poll_s=self._first_poll_s,
                journaled=journaled,
            ),
        )
        if not is_recorded:
            self.record(claim, MARK_UNKNOWN, reason=f"{submission.batch_id} is another batch's id: {evidence}")
            return False
        if not is_journaled:
            self._journal_outcome(claim, "accepted", vendor_batch_id=submission.batch_id)
        with self._lock:
            self._report.accepted_batches += 1
            self._report.accepted_tasks += len(claim.tasks)
        self._on_event("accepted", claim.batch.batch_no, len(claim.tasks), submission.batch_id)
        return True

    def record(self, claim: Claim, move: Move, *, reason: str) -> None:
        """Record that no id came back, by the move that `rules` names; the journal says the state it leads to."""
        self._persist(claim, None, lambda: _RECORD[move](self._ledger, claim.batch, reason))
        _, journaled = self._journal_outcome(claim, move.target, detail=reason)
        self._note(journaled)
        with self._lock:
            if move is MARK_UNKNOWN:
                self._report.unknown_batches.append(claim.batch.batch_no)
            elif move is MARK_REJECTED:
                self._report.rejected_batches.append(claim.batch.batch_no)
            else:
                self._report.not_sent_batches += 1
        self._on_event(move.target, claim.batch.batch_no, len(claim.tasks), reason)

    def _persist(self, claim: Claim, vendor_batch_id: str | None, move: Callable[[], None]) -> bool:
        """Record an outcome, for as long as this process lives: a full disk must not lose a batch id.

        Returns False only where the id is another batch's already: nothing was recorded then.
        """
        while True:
            try:
                move()
            except moves.MoveRefused as error:
                # Somebody took us for dead and a person decided since: the journal keeps what we know.
                self._report.warnings.append(f"{error} (answer: {vendor_batch_id or 'no batch id'})")
                return True
            except sa.exc.IntegrityError:
                return False
            except LedgerUnwritable as error:
                self._on_event(
                    "waiting",
                    claim.batch.batch_no,
                    len(claim.tasks),
                    f"batch {claim.batch.batch_no} is {vendor_batch_id or 'without an id'}, and the ledger can't "
                    f"record it yet ({error.cause}): free some space and leave this running",
                )
                self._on_full_disk(f"The ledger could not be written ({error.cause}). Nothing more is sent.")
                time.sleep(self._retry_s)
            except LedgerDamaged as error:  # no waiting helps; the journal has the id, and so has whoever reads this
                known_as = f"known to the server as {vendor_batch_id}" if vendor_batch_id else "without an id"
                raise LedgerRefused(f"{error} Batch {claim.batch.batch_no} was sent and is {known_as}.") from error
            else:
                return True

    def _journal_outcome(self, claim: Claim, outcome: str, **fields: str) -> tuple[bool, JournalMark | None]:
        """Write it into the journal; return whether that went well, and up to where the ledger has seen it then."""
        try:
            return True, self._journal.outcome(claim, outcome, **fields)
        except OSError as error:
            self._report.warnings.append(f"The submission journal could not be written: {error}")
            return False, None

    def _note(self, journaled: JournalMark | None) -> None:
        """Let the ledger know how long the journal is: one that is removed later is then missed."""
        if journaled is not None:
            with contextlib.suppress(LedgerUnwritable), self._ledger.write() as connection:
                journal_mark.advance(connection, journaled)
