"""An approval: whose yes to which plans, up to how many credits. Values only; the gates are in the submit."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

_BETWEEN_PLANS = re.compile(r"[\s,;]+")


class Scope(StrEnum):
    """What an approval is for."""

    OWED = "owed"  # everything that the plan owes, as its quote says
    NEW = "new"  # without what a `reask` of the plan asks again: the daily purchase
    STALE = "stale"  # nothing but stale answers that were bought under an approved plan: the refresh


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What a person or a schedule agreed to, after looking at the quotes of these plans."""

    plan_ids: Collection[str]
    credit_limit: float  # most estimated credits over all these plans, and over all runs of this approval
    approval_id: str  # what is bought under it is counted under this name
    by: str
    scope: Scope = Scope.OWED


def launchpad_line(plan_ids: Collection[str], credit_limit: int) -> str:
    """Return the approval as a person pastes it into Dagster's Launchpad, for one file or a backfill over several."""
    plan = ", ".join(plan_ids)
    plan = f'"{plan}"' if len(plan_ids) > 1 else plan  # a comma would end the value
    return f"ops: {{submitted_batches: {{config: {{credit_limit: {credit_limit}, plan: {plan}}}}}}}"


def plans_named(text: str) -> frozenset[str]:
    """Return the plan ids in what a person typed: one, or several with spaces or commas between them."""
    return frozenset(filter(None, _BETWEEN_PLANS.split(text.strip())))


def scope_named(word: str) -> Scope:
    """Return the scope of that name.

    Raises:
        ValueError: one sentence that names the words.

    """
    try:
        return Scope(word.strip().lower())
    except ValueError:
        words = ", ".join(scope.value for scope in Scope)
        raise ValueError(f"scope is {word!r}: write one of {words}.") from None
