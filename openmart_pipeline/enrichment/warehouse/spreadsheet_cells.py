"""One value of the database as one cell of a spreadsheet: readable, and never a formula.

Lives here: text for lists, structs and instants, and the sign that keeps a text a text. No files.
Imports nothing of the domain.
"""

import datetime as dt
import json
import math
import re
from decimal import Decimal
from typing import TypeAlias

Cell: TypeAlias = str | int | float | bool | None

# What spreadsheets, some after trimming, some in full width, take for the start of a formula or a macro call.
_FORMULA = re.compile("\\s*[=+\\-@\uff1d\uff0b\uff0d\uff20]|[\\t\\r\\n]")
# A number to call begins with + too. Digits alone compute nothing, and a sign in front would break every dialler.
_E164 = re.compile(r"\+[1-9][0-9]{5,14}")


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
    """Whether a spreadsheet might run the text; an E.164 number is only a number."""
    return _FORMULA.match(text) is not None and _E164.fullmatch(text) is None


def guarded(value: Cell) -> Cell:
    """Return the cell with an apostrophe in front where a spreadsheet might run it; for CSV, which has no types."""
    return f"'{value}" if isinstance(value, str) and looks_like_formula(value) else value
