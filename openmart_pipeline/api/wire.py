"""Reading single values out of JSON that may hold anything, without ever raising.

Not here: what the values mean (`models.py`, `people.py`).
"""

import json
import math
import re
from typing import TypeAlias

JsonValue: TypeAlias = "dict[str, JsonValue] | list[JsonValue] | str | int | float | bool | None"

# NUL and lone surrogates are legal in JSON text and refused by SQLite, Arrow or UTF-8 further on.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_REPLACEMENT = "\ufffd"

MAX_DEPTH = 100  # of lists and objects in each other; documented answers have five
MAX_DIGITS = 400  # of a whole number: more than any float holds
_BRACKETS = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)

_WORDS_LIMIT = 4_000  # characters: a page of an error report, small enough to keep with every batch


def parsed_if_damaged(body: bytes) -> JsonValue:
    """Return the JSON of a body as far as it can be read: an id must not be lost over somebody's name.

    Raises:
        ValueError: it is not JSON.

    """
    return parsed_with_damage(body)[0]


def parsed_with_damage(body: bytes) -> tuple[JsonValue, tuple[str, ...]]:
    """Return the JSON of a body as far as it can be read, and what of it could not.

    Bytes that are no UTF-8 are replaced, what is nested too deeply becomes null, a number of thousands of digits its
    text: no store and no reader further on takes them. Whoever walks the value needs no limit of depth.

    Raises:
        ValueError: it is not JSON.

    """
    damage: list[str] = []
    flat = _flattened(body)
    if flat is not body:
        damage.append(f"nested more than {MAX_DEPTH} deep, what is deeper left out")
    try:
        value: JsonValue = json.loads(flat)
    except UnicodeDecodeError:
        damage.append("not valid UTF-8, damaged characters replaced")
        flat = flat.decode("utf-8", errors="replace").encode()
        value = _with_long_numbers(flat, damage)
    except json.JSONDecodeError:
        raise
    except ValueError:  # a number of more digits than Python turns into one
        value = _with_long_numbers(flat, damage)
    return value, tuple(damage)


def _with_long_numbers(body: bytes, damage: list[str]) -> JsonValue:
    has_long = False

    def whole(digits: str) -> int | str:
        nonlocal has_long
        if len(digits) <= MAX_DIGITS:
            return int(digits)
        has_long = True
        return digits

    value: JsonValue = json.loads(body, parse_int=whole)
    if has_long:
        damage.append(f"a number of more than {MAX_DIGITS} digits")
    return value


def _flattened(body: bytes) -> bytes:
    """Return the JSON with null in place of what lies deeper than `MAX_DEPTH`; the same object where nothing does."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return body  # nearly always: a count costs nothing
    kept: list[bytes] = []
    depth = kept_to = 0
    for token in _BRACKETS.finditer(body):
        match token[0][:1]:
            case b"[" | b"{":
                depth += 1
                if depth == MAX_DEPTH + 1:
                    kept += (body[kept_to : token.start()], b"null")
            case b"]" | b"}":
                if depth == MAX_DEPTH + 1:
                    kept_to = token.end()
                depth -= 1
    if not kept:
        return body
    return b"".join((*kept, body[kept_to:])) if depth <= MAX_DEPTH else b"".join(kept)


def storable(text: str) -> str:
    """Return the text with NUL and lone surrogates replaced by U+FFFD, so that every store takes it."""
    return _UNSTORABLE.sub(_REPLACEMENT, text)


def text_of(value: JsonValue) -> str | None:
    """Return a string as it is, a number as its digits, None for everything else and for blank strings."""
    if isinstance(value, str):
        return storable(value) if value.strip() else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return None


def whole_number_of(value: JsonValue) -> int | None:
    """Return an integer, or a finite float rounded down; None for everything else, booleans too."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return math.floor(value)
    return None


def object_of(value: JsonValue) -> dict[str, JsonValue]:
    """Return the object, or an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def one_line(body: bytes) -> str:
    """Return what a server said as one printable line of at most 4,000 characters and a note of what was cut.

    Line breaks, control and direction characters are escaped: the text ends up in logs and in a browser.
    """
    text = body[: 4 * _WORDS_LIMIT].decode("utf-8", errors="replace")
    line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    if len(line) <= _WORDS_LIMIT and len(body) <= 4 * _WORDS_LIMIT:
        return line
    return f"{line[:_WORDS_LIMIT]} [cut: {len(body)} bytes in all]"
