"""What the faults do to an answer: to the way it leaves, and to what it says.

Whether a fault falls is decided in `faults`.
"""

import gzip
import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from email.utils import formatdate
from http import HTTPStatus

from openmart_pipeline.simulator.behaviour import Behaviour
from openmart_pipeline.simulator.exchange import Answer, Delivery, JsonObject, JsonValue, to_json
from openmart_pipeline.simulator.vendor_batches import Batch

REDIRECTED_TO = "/api/v1/redirected"  # who is seen there followed a redirect, with the key in its hand
INFLATED_BYTES = 80 * 2**20
FLOOD_IDS = 20_000
LONG_DIGITS = 5_000
NESTED_LISTS = 100_000
HUGE_BYTES = 10 * 2**20
_NOT_UTF8 = "@not-utf-8@"  # stands for bytes that no string can hold
_NESTED = "@nested@"  # for what the encoder itself could not follow
_NOT_WRITABLE = {
    _NOT_UTF8.encode(): b"\xff\xfe",
    f'"{_NESTED}"'.encode(): b"[" * NESTED_LISTS + b"]" * NESTED_LISTS,
    b'"@long@"': b"7" * LONG_DIGITS,
}
HOUR_S = 3600
DAY_S = 86_400

_DELIVERIES = {
    "reset": Delivery.RESET,
    "closed": Delivery.CLOSED,
    "timeout": Delivery.HELD,
    "cut_off": Delivery.CUT_OFF,
}
_DETAILS: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: "Invalid API Key",
    HTTPStatus.PAYMENT_REQUIRED: "Insufficient credits",
    HTTPStatus.FORBIDDEN: "Your plan does not include this endpoint",
    HTTPStatus.NOT_FOUND: "Not found",
    HTTPStatus.TOO_MANY_REQUESTS: "Rate limit exceeded",
}
_HTML = b"<!DOCTYPE html><html><head><title>502</title></head><body><h1>Bad gateway</h1></body></html>"


def on_the_wire(answer: Answer, effect: str, behaviour: Behaviour, now: float) -> Answer:
    """Give the answer the way out, or the status, that the fault gives it.

    An answer whose client can read it all the same is still heard; any other is not.
    """
    if effect.isdigit():
        return with_status(answer, int(effect), behaviour, now)
    match effect:
        case "slow":
            changed = replace(answer, delay_s=answer.delay_s + behaviour.slow_s)
        case "trickle":
            changed = replace(answer, delivery=Delivery.TRICKLED, trickle_s=behaviour.trickle_s)
        case "truncated_json":
            changed = replace(answer, body=answer.body[: len(answer.body) * 2 // 3], on_heard=None)
        case "html":
            changed = replace(answer, body=_HTML, content_type="text/html", on_heard=None)
        case "inflated" | "gzipped_twice":
            layers = 1 if effect == "inflated" else 2
            body = answer.body + b" " * INFLATED_BYTES
            for _ in range(layers):
                body = gzip.compress(body, 1, mtime=0)
            encoding = (("content-encoding", ", ".join(["gzip"] * layers)),)
            changed = replace(answer, body=body, headers=encoding, on_heard=None)
        case "empty_body":
            changed = replace(answer, body=b"", on_heard=None)
        case _:
            changed = replace(answer, delivery=_DELIVERIES[effect], on_heard=None)
    return changed


def with_status(answer: Answer, status: int, behaviour: Behaviour, now: float) -> Answer:
    """Give another status: a success keeps what it says, anything else says what went wrong instead."""
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return replace(answer, status=status)
    detail = _DETAILS.get(status, f"Simulated {status}")
    headers: tuple[tuple[str, str], ...] = ()
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        headers = retry_after(behaviour, now)
    elif status < HTTPStatus.BAD_REQUEST:
        headers = (("location", REDIRECTED_TO),)
    body = to_json({"detail": detail})
    return replace(answer, status=status, body=body, headers=headers, on_heard=None)


def retry_after(behaviour: Behaviour, now: float) -> tuple[tuple[str, str], ...]:
    """Give the Retry-After header of a 429, in one of the ways servers write it (API section 7)."""
    there = now + behaviour.date_offset_s
    values = {
        "seconds": "1",
        "http_date": formatdate(there + 2, usegmt=True),
        "past": formatdate(there - HOUR_S, usegmt=True),
        "day": str(DAY_S),
        "garbage": "in a while",
    }
    value = values.get(behaviour.retry_after)
    return (("retry-after", value),) if value else ()


def submission(said: JsonObject, effect: str) -> JsonObject:
    """Damage what a submit says."""
    if effect == "no_batch_id":
        return {name: value for name, value in said.items() if name != "batch_id"}
    status = said["status"]
    total = status["total"] if isinstance(status, dict) else 0
    return said | {"status": {**(status if isinstance(status, dict) else {}), "total": int(str(total)) + 1}}


def status(said: JsonObject, effect: str) -> JsonObject:
    """Damage what a poll says."""
    if effect == "never_ready":
        return said | {"processing": 1, "batch_ready": False}
    return said | {"completed": int(str(said["completed"])) + 3, "errored": -1}


def task_ids(ids: list[str], effect: str, elsewhere: str | None) -> list[str]:
    """Damage a list of task ids; `elsewhere` is a real one of another batch."""
    match effect:
        case "repeated":
            return ids + ids[: len(ids) // 2 + 1]
        case "missing":
            return ids[1:]
        case "in_order":
            return sorted(ids, key=lambda task_id: task_id[-2:])  # as asked: see `batches`
        case "flooded":
            return [*(str(uuid.UUID(int=number)) for number in range(FLOOD_IDS)), *ids]
        case "foreign":
            return [str(uuid.uuid4()), *ids, *([elsewhere] if elsewhere else [])]
        case _:
            return random.sample(ids, len(ids))


def task(said: JsonObject, effects: Sequence[str], batch: Batch) -> bytes:
    """Damage what a task says, and encode it."""
    for effect in effects:
        said = _TASK_DAMAGE[effect](said, batch)
    body = to_json(said)
    for stands_for, written in _NOT_WRITABLE.items():
        body = body.replace(stands_for, written)
    return body


def _other_tracking_id(said: JsonObject, batch: Batch) -> JsonValue:
    """Give the tracking id of another task of the batch, or of nobody's where there is no other."""
    others = (task.tracking_id for task in batch.tasks if task.tracking_id != said.get("tracking_id"))
    return next(others, "nobody's")


def _with_first_person(said: JsonObject, **changes: JsonValue) -> JsonObject:
    """Change the first person found; where none is found there is now one."""
    data = said["data"]
    first, *others = data if isinstance(data, list) and data else [{"first_name": "Jane", "last_name": "Doe"}]
    return said | {"data": [(first if isinstance(first, dict) else {}) | changes, *others]}


def _without(said: JsonObject, field: str) -> JsonObject:
    return {name: value for name, value in said.items() if name != field}


_TASK_DAMAGE: Mapping[str, Callable[[JsonObject, Batch], JsonObject]] = {
    "tracking_null": lambda said, _: said | {"tracking_id": None},
    "tracking_null_at_first": lambda said, _: said | {"tracking_id": None},
    "tracking_changed": lambda said, _: said | {"tracking_id": f"{said.get('tracking_id')}-changed"},
    "tracking_doubled": lambda said, batch: said | {"tracking_id": _other_tracking_id(said, batch)},
    "tracking_absent": lambda said, _: _without(said, "tracking_id"),
    "data_null": lambda said, _: said | {"data": None},
    "data_absent": lambda said, _: _without(said, "data"),
    "data_object": lambda said, _: said | {"data": {}},
    "data_scalars": lambda said, _: said | {"data": [1, "Jane", None, True, [], 0.5]},
    "data_error": lambda said, _: (
        said | {"data": {"title": "Internal error", "detail": "Upstream timed out", "error": 504}}
    ),
    "data_text": lambda said, _: said | {"data": "Internal error"},
    "long_number": lambda said, _: said | {"score": "@long@"},
    "nested": lambda said, _: said | {"debug": _NESTED},
    "new_fields": lambda said, _: (
        _with_first_person(said, pronouns="she", social={"x": ["@jane", None]}) | {"schema_version": 7}
    ),
    "changed_types": lambda said, _: _with_first_person(
        said,
        first_name=17,
        last_name=["van", "Doe"],
        title={"name": "Head of Marketing"},
        email="jane@acme.example",
        phones={"work": "+14155550100"},
        linkedin_url=False,
    ),
    "huge": lambda said, _: _with_first_person(said, title="Head of " + "x" * HUGE_BYTES),
    "nul": lambda said, _: _with_first_person(said, first_name="Ja\x00ne", title="\x00"),
    "invalid_utf8": lambda said, _: _with_first_person(said, first_name=_NOT_UTF8),
    "lone_surrogate": lambda said, _: _with_first_person(said, last_name="Doe \ud83d", title="\udc00"),
}
