"""What a file still waits for, in numbers and in one sentence: shown wherever there is nothing to show yet.

Lives here: words.
"""

from collections import Counter
from dataclasses import dataclass

from openmart_pipeline.checks import without_answer as endings
from openmart_pipeline.ledger import collecting, moves, outstanding, plans
from openmart_pipeline.ledger.outstanding import AskStatus
from openmart_pipeline.model.words import plural
from openmart_pipeline.services import Services


@dataclass(frozen=True, slots=True)
class Waits:
    """What is open for one file."""

    batches: int
    tasks: int
    sentence: str


def what_waits(work: Services, key: str) -> Waits:
    """Return what the file waits for: a purchase, an answer, a person; and when it is looked at next."""
    plan = plans.current_plan(work.ledger, key)
    if plan is None:
        return Waits(0, 0, "The file has no plan yet: materialize companies and enrichment_plan.")
    now = Counter(outstanding.ask_status_counts(work.ledger, plan.plan_id))
    open_batches = collecting.open_batches(work.ledger, [key])
    parts = []
    if now[AskStatus.TO_BUY]:
        parts.append(
            f"Not bought: {plural(now[AskStatus.TO_BUY], 'question')}; the quote in enrichment_plan says at what cost."
        )
    if now[AskStatus.IN_FLIGHT]:
        looks = min((batch.next_poll_at for batch in open_batches if batch.next_poll_at is not None), default=None)
        when = "" if looks is None else f" Openmart is asked again at {looks:%H:%M:%S} UTC, by batch_readiness_sensor."
        parts.append(f"Bought and not answered yet: {plural(now[AskStatus.IN_FLIGHT], 'question')}.{when}")
    unknown = moves.unknown_batches(work.ledger, key)
    if now[AskStatus.UNKNOWN] or unknown:
        parts.append(f"Waiting for a person's decision: {now[AskStatus.UNKNOWN]:,} (no_submission_left_unknown).")
    if now[AskStatus.ENDED_BADLY] or now[AskStatus.STALLED]:
        parts += endings.sentences(work, [plan.plan_id])
    if not parts:
        parts.append("Nothing waits: every question of the file has ended.")
    return Waits(len(open_batches), now[AskStatus.IN_FLIGHT] + now[AskStatus.STALLED], " ".join(parts))
