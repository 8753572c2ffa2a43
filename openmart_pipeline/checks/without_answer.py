"""Questions without an answer, in words: what each state means for whoever paid, and what may be done about it.

Lives here: the words. What stands in which state is in `ledger.endings`.
"""

from collections.abc import Collection

from openmart_pipeline.ledger.endings import Ending, without_answer
from openmart_pipeline.ledger.plans import Reask
from openmart_pipeline.ledger.states import TaskState
from openmart_pipeline.model.words import plural
from openmart_pipeline.services import Services

MEANS = {
    TaskState.STALLED: "no answer within the age limit; asked about once a day, collected at no cost should it come",
    TaskState.ERRORED: "the server gave up",
    TaskState.CANCELLED: "the server cancelled",
    TaskState.UNMATCHED: "all of the batch was read, and no result leads to the question",
    TaskState.EXPIRED: "the server no longer knows the batch",
    TaskState.REJECTED: "the server called the request wrong; nothing was bought",
}
_REASK = {TaskState.EXPIRED: Reask.EXPIRED}  # any other is asked again as errored


def sentences(work: Services, plan_ids: Collection[str]) -> list[str]:
    """Return one sentence for each state in which questions of these plans have no answer."""
    return [_sentence(ending) for ending in without_answer(work.ledger, plan_ids, work.lifetimes)]


def _sentence(ending: Ending) -> str:
    said = f"{plural(ending.questions, 'question')} {ending.state}: {MEANS[ending.state]}."
    if ending.state is TaskState.STALLED:
        return f"{said} To buy again, which pays again: release the batch."
    reask = _REASK.get(ending.state, Reask.ERRORED)
    if ending.state is TaskState.UNMATCHED:
        said += " What was paid for may be among the results of `openmart-pipeline unmatched list`: assigning is free."
    if ending.askable == 0:
        return f"{said} Asked as often as it may be."
    how = ", in tens, then singly" if ending.state is TaskState.REJECTED else ""
    which = "" if ending.askable == ending.questions else f" {ending.askable:,} of them"
    return f"{said} Planned with reask {reask}{which}, bought again{how}."
