"""Unmatched results beside the questions that they may answer: what a person decides with.

Decides nothing, and shows domains of addresses, never a person.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from openmart_pipeline.collection.matching import domains_of
from openmart_pipeline.ledger import unmatched_results as unmatched
from openmart_pipeline.ledger.store import Ledger
from openmart_pipeline.ledger.unmatched_results import FOREIGN, REVOKED, HeldResult, SentTask
from openmart_pipeline.model.answers import UnmatchedRow
from openmart_pipeline.model.prices import PriceTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Undecided:
    """A result without a question."""

    result: HeldResult
    domains: Sequence[str]  # of its people's addresses, without free mail
    tasks: Sequence[SentTask]  # of its batch, without an answer

    @property
    def why(self) -> str:
        """Why it has none."""
        told = "" if self.result.tracking_id is None else f" ({self.result.tracking_id})"
        return f"{self.result.reason}{told}; {self.result.doubt or 'it is read again'}"


def of_all(ledger: Ledger, partition_key: str | None = None) -> list[Undecided]:
    """Return the results that a person may assign, oldest batch first; only those bought for a file where named.

    Not those that belong to another batch by their tracking id, nor those of an id that was taken back.
    """
    found = []
    tasks: dict[int, list[SentTask]] = {}
    for result in unmatched.held(ledger, partition_key=partition_key):
        if result.reason in (FOREIGN, REVOKED) or not result.is_of_this_id:
            continue
        if result.batch_no not in tasks:
            sent = unmatched.sent_tasks(ledger, result.batch_no)
            tasks[result.batch_no] = [task for task in sent if task.is_without_answer]
        found.append(Undecided(result=result, domains=domains_of(result), tasks=tasks[result.batch_no]))
    return found


def rows_of(ledger: Ledger, partition_key: str, prices: PriceTable) -> list[UnmatchedRow]:
    """Return the same results, of the batches bought for a file, as the warehouse loads them."""
    return [_row(one, prices) for one in of_all(ledger, partition_key)]


def _row(one: Undecided, prices: PriceTable) -> UnmatchedRow:
    result = one.result
    return UnmatchedRow(
        batch_no=result.batch_no,
        batch_id=result.vendor_batch_id,
        task_id=result.vendor_task_id,
        tracking_id=result.tracking_id,
        state=result.state,
        reason=one.why,
        people=result.people,
        emails=result.emails,
        phones=result.phones,
        address_domains=tuple(one.domains),
        candidates=tuple(map(named, one.tasks)),
        read_at=result.read_at,
        estimated_credits=prices.cost(emails=result.emails, phones=result.phones),
    )


def named(task: SentTask) -> str:
    """Return a question as a person knows it, with the tracking id that an assignment takes."""
    return f"{task.domain}, {task.title} ({task.tracking_id})"
