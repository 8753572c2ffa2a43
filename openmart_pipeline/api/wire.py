"""Reading single values out of JSON that may hold anything, without ever raising.

Not here: what the values mean (`models.py`, `people.py`).
Imports nothing from the project.
"""

import json
import math
import re
from typing import TypeAlias

JsonValue: TypeAlias = "dict[str, JsonValue] | list[JsonValue] | str | int | float | bool | None"

# NUL and lone surrogates are legal in JSON text and refused by SQLite, Arrow or UTF-8 further on.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_REPLACEMENT = "\ufffd"

_WORDS_LIMIT = 4_000  # characters: a page of an error report, small enough to keep with every batch


def parsed(body: bytes) -> JsonValue:
    """Return the JSON of a body.

    Raises:
        ValueError: it is not JSON, not UTF-8, or nested deeper than Python can follow.

    """
    try:
        value: JsonValue = json.loads(body)
    except RecursionError as error:
        raise ValueError("JSON nested too deeply") from error
    return value


def parsed_if_damaged(body: bytes) -> JsonValue:
    """Return the JSON of a body, bytes that are no UTF-8 replaced: an id must not be lost over somebody's name.

    Raises:
        ValueError: as `parsed`, but for those bytes.

    """
    try:
        return parsed(body)
    except UnicodeDecodeError:
        return parsed(body.decode("utf-8", errors="replace").encode())


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
