"""One value of the database as one cell of a spreadsheet: readable, and never a formula.

Lives here: text for lists, structs and instants, and the sign that keeps a text a text. No files.
"""

import datetime as dt
import json
import math
import re
from decimal import Decimal
from typing import TypeAlias

Cell: TypeAlias = str | int | float | bool | None

# What spreadsheets, some after trimming, some in full width, take for the start of a formula or a macro call.
_SIGN = "[=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b]"
_FORMULA = re.compile(f"\\s*{_SIGN}|[\\t\\r\\n]|(?i:sep=)")  # a file that begins with `sep=x` is cut at every x
# Where `;` or a tab separates, quotes in the middle of a line mean nothing: there, a cell begins behind each of these.
_INNER_CELL = re.compile(f'[;\\t\\r\\n\\v\\f\x85\u2028\u2029][\\s"]*(?={_SIGN})')
# A number to call begins with + too. Digits alone compute nothing, and a sign in front would break every dialler.
_E164 = re.compile(r"\+[1-9][0-9]{5,14}(?:; \+[1-9][0-9]{5,14})*")
_E164_AMONG_OTHERS = re.compile(r"\+[1-9][0-9]{5,14}(?=\s*(?:;|$))")


def cell(value: object) -> Cell:
    """Return the value as a cell: lists joined by `; `, structs as JSON, instants as ISO 8601 in UTC."""
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case None | bool() | int() | float() | str():
            return value
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat(" ", "seconds") if isinstance(value, dt.datetime) else value.isoformat()
        case list() if all(isinstance(item, str | int) for item in value):
            return "; ".join(str(item) for item in value)
        case _:
            return json.dumps(value, ensure_ascii=False, default=str)


def looks_like_formula(text: str) -> bool:
    """Whether a spreadsheet might run the text; E.164 numbers are only numbers."""
    return _FORMULA.match(text) is not None and _E164.fullmatch(text) is None


def guarded(value: Cell) -> Cell:
    """Return the cell with an apostrophe wherever a spreadsheet might begin to run it; for CSV, which has no types.

    Which sign separates the cells of a CSV file depends on the country of whoever opens it.
    """
    if not isinstance(value, str):
        return value
    safe = _INNER_CELL.sub(_with_apostrophe, value) if _INNER_CELL.search(value) else value
    return f"'{safe}" if looks_like_formula(value) else safe


def _with_apostrophe(found: re.Match[str]) -> str:
    is_number_to_call = _E164_AMONG_OTHERS.match(found.string, found.end()) is not None
    return found[0] if is_number_to_call else f"{found[0]}'"
