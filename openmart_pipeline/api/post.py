"""The POST that costs money: sent at most once per call, and its outcome told exactly.

Not here: whether to send, trying again, pacing, recording; `purchase` does that around this call.
"""

import json
from collections.abc import Sequence

from openmart_pipeline.api.errors import NotSent, OutcomeUnknown
from openmart_pipeline.api.models import BatchStatus, Submission, TaskRequest
from openmart_pipeline.api.transport import Answer, OutgoingBody, Transport, how_it_ended
from openmart_pipeline.api.verdicts import MAY_BE_PAID, submit_verdict
from openmart_pipeline.api.wire import JsonValue, object_of, parsed_if_damaged, text_of

SUBMIT_PATH = "/api/v1/task/batch/find_people"
MAX_TASKS = 100  # per batch (API section 1)
_MAX_ID_LENGTH = 200  # characters; an id is part of a URL later, and a page of text is none
_ID_HOLDERS = ("status", "data", "batch", "result")  # objects an id might be nested in one day


def encoded(tasks: Sequence[TaskRequest]) -> OutgoingBody:
    """Return the body of a submit.

    Raises:
        ValueError: not 1 to 100 tasks; the server would refuse it after half a minute.

    """
    if not 1 <= len(tasks) <= MAX_TASKS:
        raise ValueError(f"A batch holds 1 to {MAX_TASKS} tasks, not {len(tasks)}.")
    return OutgoingBody(json.dumps([task.to_wire() for task in tasks]).encode("ascii"))


async def post_once(transport: Transport, body: OutgoingBody, *, deadline_s: float) -> Submission:
    """Send a batch over a connection of its own, once, and return its id.

    A fresh connection each time, because a kept one that the server just closed looks like a lost answer.
    The route takes half a minute even for an invalid body (API section 1).

    The verdict rests on two facts: the status, where the head of an answer arrived, else whether the
    connection ever asked for the body. It never rests on the kind of exception.

    Raises:
        NotSent, OutcomeUnknown, Throttled, StopAll, Rejected: see `errors`.

    """
    answer = Answer()
    problem: Exception | None = None
    ended = "the answer ended"
    try:
        await transport.exchange_alone("POST", SUBMIT_PATH, answer, body, deadline_s=deadline_s)
    except NotSent:
        raise
    except Exception as error:  # noqa: BLE001  # whatever broke, also what nobody foresaw: the money decides
        problem, ended = error, how_it_ended(error)
    if answer.is_success and (submission := _submission(transport, answer)):
        return submission
    if answer.is_success:
        raise OutcomeUnknown(
            f"Openmart accepted the submit (HTTP {answer.status}), but {ended} without a "
            f"batch id that can be read. {MAY_BE_PAID} The evidence may name the id.",
            evidence=transport.evidence(answer),
        ) from problem
    if answer.status:
        raise submit_verdict(
            answer.status,
            words=transport.words(answer),
            evidence=transport.evidence(answer),
            retry_after_s=transport.retry_after_s(answer),
        ) from problem
    if body.is_withdrawn:
        raise OutcomeUnknown(
            f"The batch was sent to Openmart, then {ended} before any answer. {MAY_BE_PAID}",
            evidence=transport.evidence(answer),
        ) from problem
    raise NotSent(
        f"The batch was not sent: {ended} before it could be. Nothing was bought, its rows "
        "are still owed and can safely be sent again. If this goes on, check the network and "
        "OPENMART_BASE_URL.",
    ) from problem


def _submission(transport: Transport, answer: Answer) -> Submission | None:
    try:
        document = parsed_if_damaged(bytes(answer.body))
    except ValueError:
        return None
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
    batch_id = _batch_id(object_of(document))
    if batch_id is None:
        return None
    total = BatchStatus.from_wire(object_of(document)).total
    return Submission(batch_id=batch_id, total=total, evidence=transport.evidence(answer))


def _batch_id(document: dict[str, JsonValue]) -> str | None:
    """Find the id where it is documented, or one object deeper: a paid batch must not be lost over form."""
    holders = (document, *(object_of(document.get(name)) for name in _ID_HOLDERS))
    for holder in holders:
        batch_id = text_of(holder.get("batch_id"))
        if batch_id and batch_id.isprintable() and len(batch_id) <= _MAX_ID_LENGTH:
            return batch_id.strip()
    return None
