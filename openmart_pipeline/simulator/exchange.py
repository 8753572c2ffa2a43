"""One request as it arrived and one answer as it is to leave, with how it is to leave.

No socket and no rule of the API lives here: these are the words between the wire and the rules.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum, auto
from http import HTTPStatus
from typing import TypeAlias

JsonValue: TypeAlias = "dict[str, JsonValue] | list[JsonValue] | str | int | float | bool | None"
JsonObject: TypeAlias = dict[str, JsonValue]

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_encode_ascii = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


class Delivery(StrEnum):
    """How the bytes of an answer leave the machine."""

    WHOLE = auto()
    RESET = auto()  # no byte, a TCP reset
    CLOSED = auto()  # no byte, an orderly end of the connection
    CUT_OFF = auto()  # half of the promised bytes, then the end of the connection
    TRICKLED = auto()  # one byte at a time
    HELD = auto()  # never, as long as the client has the patience


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A whole request; `headers` have lower-case names."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    connection_no: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer; `on_heard` runs when its last byte is handed to a connection still open."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    delay_s: float = 0.0
    delivery: Delivery = Delivery.WHOLE
    trickle_s: float = 1.0
    on_heard: Callable[[], None] | None = None


class BadBodyError(ValueError):
    """The body is not what the route reads; the message is for the caller."""


def to_json(value: JsonValue) -> bytes:
    """Encode as real UTF-8, as the vendor does, or in escapes where a lone surrogate forbids it."""
    try:
        return _encode(value).encode()
    except UnicodeEncodeError:
        return _encode_ascii(value).encode()


def from_json(body: bytes | str) -> JsonValue:
    """Read a JSON body.

    Raises:
        BadBodyError: it is not JSON.

    """
    try:
        value: JsonValue = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadBodyError(f"not JSON: {error}") from error
    return value


def object_from_json(body: bytes) -> JsonObject:
    """Read a JSON body that must be an object.

    Raises:
        BadBodyError: it is not JSON, or something else than an object.

    """
    value = from_json(body)
    if not isinstance(value, dict):
        raise BadBodyError("a JSON object is expected")
    return value


def json_answer(value: JsonValue, *, status: int = HTTPStatus.OK) -> Answer:
    """Answer with `value` as JSON."""
    return Answer(status=int(status), body=to_json(value))


def refusal(status: int, detail: JsonValue) -> Answer:
    """Answer as the vendor refuses: an object whose `detail` says why (API section 7)."""
    return json_answer({"detail": detail}, status=status)
