"""Columns of text judged as a whole: the plain nine tenths in one go, the others once per distinct value.

Every function here gives what the function for single values gives; a test holds them to it.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from openmart_pipeline.intake.domains import BLANK_WORDS
from openmart_pipeline.intake.readable import clean_text
from openmart_pipeline.intake.refusals import Rejected

V = TypeVar("V")

_CLEAN = r"^[!-~]+( [!-~]+)*$"  # words of plain signs, one space between them
_CONTROLS = r"[\x00-\x1f]"


@dataclass(frozen=True, slots=True)
class Answers(Generic[V]):
    """One answer per distinct value of a column, and which row has which."""

    distinct: Sequence[V | Rejected | None]
    codes: npt.NDArray[np.int64]

    def complaints(self) -> dict[int, Rejected]:
        """Return the rows whose value can't be used."""
        refused = {code: said for code, said in enumerate(self.distinct) if isinstance(said, Rejected)}
        if not refused:
            return {}
        rows = np.flatnonzero(np.isin(self.codes, list(refused)))
        return {int(row): refused[int(self.codes[row])] for row in rows}

    def texts(self) -> pa.Array:
        """Return the answers that are text, one per row, null elsewhere."""
        known = pa.array([said if isinstance(said, str) else None for said in self.distinct], pa.string())
        return known.take(pa.array(self.codes))

    def numbers(self) -> pa.Array:
        """Return the answers that are whole numbers, one per row, null elsewhere."""
        known = pa.array([said if isinstance(said, int) else None for said in self.distinct], pa.int64())
        return known.take(pa.array(self.codes))


def listed(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """Return the values as Python has them, None for null: what `to_pylist` gives, in a tenth of the time."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.null_count and pa.types.is_integer(column.type):  # numpy would make floats of them
        return [None] * len(column) if column.null_count == len(column) else list(column.to_pylist())
    values: list[Any] = column.to_numpy(zero_copy_only=False).tolist()
    return values


def judged(column: pa.Array, judge: Callable[[str], V | Rejected | None]) -> Answers[V]:
    """Return what `judge` says about each row, having asked once per distinct value."""
    encoded = column.dictionary_encode()
    return Answers([judge(value) for value in encoded.dictionary.to_pylist()], encoded.indices.to_numpy())


def judged_pairs(column: pa.Array, beside: pa.Array, judge: Callable[[str, str], V | Rejected | None]) -> Answers[V]:
    """Return what `judge` says about each row's pair of values, having asked once per distinct pair."""
    left, right = column.dictionary_encode(), beside.dictionary_encode()
    width = max(1, len(right.dictionary))
    keys = left.indices.to_numpy().astype(np.int64) * width + right.indices.to_numpy()
    distinct, codes = np.unique(keys, return_inverse=True)
    firsts, seconds = left.dictionary.to_pylist(), right.dictionary.to_pylist()
    return Answers([judge(firsts[key // width], seconds[key % width]) for key in distinct.tolist()], codes)


def clean_texts(column: pa.Array) -> pa.Array:
    """Return what `readable.clean_text` gives for every row."""
    is_clean = pc.and_(
        pc.match_substring_regex(column, _CLEAN),
        pc.invert(pc.is_in(pc.ascii_lower(column), value_set=pa.array(sorted(BLANK_WORDS)))),
    )
    if pc.all(is_clean, min_count=0).as_py():
        return column
    others = pc.invert(is_clean)
    return pc.replace_with_mask(column, others, judged(column.filter(others), clean_text).texts())


def json_texts(column: pa.Array) -> pa.Array:
    """Return every row as a JSON string, quotes included."""
    escaped, held = column, _bytes_of(column)
    if (held == ord('"')).any() or (held == ord("\\")).any():
        escaped = pc.replace_substring(pc.replace_substring(column, "\\", "\\\\"), '"', '\\"')
    if held.min(initial=ord(" ")) < ord(" "):
        has_controls = pc.match_substring_regex(column, _CONTROLS)
        some = column.filter(has_controls)
        inside = pa.array([json_text(value)[1:-1] for value in some.to_pylist()], pa.string())
        escaped = pc.replace_with_mask(escaped, has_controls, inside)
    return joined('"', escaped, '"')


def _bytes_of(column: pa.Array) -> npt.NDArray[np.uint8]:
    """Return the bytes of all texts behind each other: most columns have none that needs escaping."""
    _, ends, held = column.buffers()
    if not len(column) or held is None:
        return np.zeros(0, dtype=np.uint8)
    of_rows = np.frombuffer(ends, dtype=np.int32)[column.offset : column.offset + len(column) + 1]
    return np.frombuffer(held, dtype=np.uint8)[of_rows[0] : of_rows[-1]]


def joined(*parts: str | pa.Array) -> pa.Array:
    """Return the parts put together, row by row."""
    return pc.binary_join_element_wise(*(pa.scalar(part) if isinstance(part, str) else part for part in parts), "")


def json_text(text: str) -> str:
    """Return one text as a JSON string, quotes included."""
    return json.encoder.encode_basestring(text)
