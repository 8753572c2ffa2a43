"""What each error of a submit means: for the money of its batch, and for the batches after it.

Lives here: one table, and the words for why buying ended. Nothing is done here: `submit` obeys.
"""

from dataclasses import dataclass
from enum import StrEnum

from openmart_pipeline.api.errors import (
    KeyRefused,
    NotSent,
    OpenmartError,
    OutcomeUnknown,
    OutOfCredits,
    PlanLacksEndpoint,
    Rejected,
    StopAll,
    Throttled,
    WrongAddress,
)
from openmart_pipeline.ledger.states import MARK_NOT_SENT, MARK_REJECTED, MARK_UNKNOWN, Move


class Stop(StrEnum):
    """Why buying ended."""

    DONE = "done"  # nothing is owed any more
    BUDGET = "budget"
    KEY = "key"
    CREDITS = "credits"
    ADDRESS = "address"
    BREAKER = "breaker"
    UNREACHABLE = "unreachable"
    THROTTLED = "throttled"
    STALE = "stale"
    DISK = "disk"
    CLOCK = "clock"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Rule:
    """What an error of the submit means for the batch, and for the batches after it."""

    move: Move  # what is recorded of the batch
    stop: Stop | None = None  # nothing more is sent
    waits: Stop | None = None  # sent again after a pause; this is the reason once the pauses are used up


RULES: dict[type[OpenmartError], Rule] = {
    NotSent: Rule(MARK_NOT_SENT, waits=Stop.UNREACHABLE),
    Throttled: Rule(MARK_NOT_SENT, waits=Stop.THROTTLED),
    KeyRefused: Rule(MARK_NOT_SENT, stop=Stop.KEY),
    PlanLacksEndpoint: Rule(MARK_NOT_SENT, stop=Stop.KEY),
    OutOfCredits: Rule(MARK_NOT_SENT, stop=Stop.CREDITS),
    WrongAddress: Rule(MARK_NOT_SENT, stop=Stop.ADDRESS),
    StopAll: Rule(MARK_NOT_SENT, stop=Stop.ADDRESS),
    Rejected: Rule(MARK_REJECTED),
    OutcomeUnknown: Rule(MARK_UNKNOWN),
}
UNEXPECTED = Rule(MARK_UNKNOWN, stop=Stop.FAILED)  # an error nobody foresaw may have happened after the bytes left


def rule_for(error: BaseException) -> Rule:
    """Return the rule of the error's nearest class."""
    return next((RULES[kind] for kind in type(error).__mro__ if kind in RULES), UNEXPECTED)
