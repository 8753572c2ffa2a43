"""Lines of a text table that leave nothing to judge, told apart from the others and read all at once.

A line is sound when any reader of CSV would cut it into the same cells, as many as the header has. Everything else
is for `careful_records`.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pacsv

Flags: TypeAlias = npt.NDArray[np.bool_]
Offsets: TypeAlias = npt.NDArray[np.int64]

LINE_FEED, CARRIAGE_RETURN, QUOTE, SPACE, NUL = b'\n\r" \0'
DELIMITERS = frozenset(",;\t|")  # those that stand for themselves, in one byte, whatever is around them


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a block of text: where each ends (behind its line feed), and which are sound."""

    data: bytes
    ends: Offsets
    are_sound: Flags

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def starts(self) -> Offsets:
        """Where each line begins."""
        return np.concatenate([np.zeros(1, dtype=np.int64), self.ends[:-1]])


def survey_lines(data: bytes, *, delimiter: str, width: int, longest: int) -> Lines | None:
    """Return which lines of the block are sound: text in UTF-8 whose last line may lack its line feed.

    None where lines themselves are in doubt (a carriage return ends some), or the delimiter is an unusual one. No
    line over `longest` bytes is sound, nor one with a byte no text has, spaces behind a delimiter, or quotes
    anywhere but around a whole cell.
    """
    if delimiter not in DELIMITERS or (b"\r" in data and data.count(b"\r") != data.count(b"\r\n")):
        return None
    if not data.endswith(b"\n"):
        data += b"\n"
    signs = np.frombuffer(data, dtype=np.uint8)
    ends = np.flatnonzero(signs == LINE_FEED) + 1
    cuts = np.flatnonzero(signs == ord(delimiter))
    quotes = np.flatnonzero(signs == QUOTE) if b'"' in data else np.empty(0, dtype=np.int64)
    lines = Lines(data, ends, np.diff(ends, prepend=0) <= longest)
    if b"\0" in data:
        lines.are_sound[_line_of(np.flatnonzero(signs == NUL), ends)] = False
    if b"\xed" in data:  # what undecodable bytes and halves of UTF-16 pairs were turned into
        halves = np.flatnonzero((signs[:-1] == 0xED) & (signs[1:] >= 0xA0))  # noqa: PLR2004 - of UTF-8's own layout
        lines.are_sound[_line_of(halves, ends)] = False
    cells = np.diff(np.searchsorted(cuts, ends), prepend=0) + 1
    if quotes.size:
        cells -= _cuts_inside_quotes(lines, signs, quotes, cuts, ord(delimiter))
    lines.are_sound[cells != width] = False
    _refuse_leading_spaces(lines, signs, quotes, cuts)
    return lines


def read_sound_lines(lines: Lines, *, delimiter: str, width: int) -> list[pa.Array] | None:
    """Return the sound lines' cells as columns of text; None should the reader not agree on them after all."""
    count = int(lines.are_sound.sum())
    if not count:
        return [pa.array([], pa.string())] * width
    data = lines.data
    if count < len(lines):
        kept = np.repeat(lines.are_sound, np.diff(lines.ends, prepend=0))
        data = np.frombuffer(data, dtype=np.uint8)[kept].tobytes()
    names = [str(position) for position in range(width)]
    try:
        table = pacsv.read_csv(
            pa.BufferReader(data),
            pacsv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=names),
            pacsv.ParseOptions(delimiter=delimiter, ignore_empty_lines=False),
            pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows != count:
        return None
    return [_one_array(column) for column in table.columns]


def _line_of(positions: Offsets, ends: Offsets) -> Offsets:
    return np.searchsorted(ends, positions, side="right")


def _cuts_inside_quotes(
    lines: Lines, signs: npt.NDArray[np.uint8], quotes: Offsets, cuts: Offsets, cut: int
) -> Offsets:
    """Return how many delimiters of each line are inside quotes, and mark the lines whose quotes are in doubt.

    Within a sound line quotes come in pairs: the first of a pair begins a cell or follows a quote, the second ends
    a cell or is followed by one.
    """
    of_line = _line_of(quotes, lines.ends)
    per_line = np.bincount(of_line, minlength=len(lines))
    lines.are_sound[per_line % 2 == 1] = False
    is_paired = per_line[of_line] % 2 == 0
    quotes, of_line = quotes[is_paired], of_line[is_paired]
    first, second = quotes[0::2], quotes[1::2]
    before = np.where(first > 0, signs[first - 1], LINE_FEED)
    behind = signs[second + 1]
    opens = (before == cut) | (before == LINE_FEED) | (before == QUOTE)
    closes = (behind == cut) | (behind == LINE_FEED) | (behind == CARRIAGE_RETURN) | (behind == QUOTE)
    lines.are_sound[of_line[0::2][~(opens & closes)]] = False
    inside = np.searchsorted(cuts, second) - np.searchsorted(cuts, first)
    counted = np.bincount(of_line[0::2], weights=inside, minlength=len(lines))
    return counted.astype(np.int64)


def _refuse_leading_spaces(lines: Lines, signs: npt.NDArray[np.uint8], quotes: Offsets, cuts: Offsets) -> None:
    """Mark lines with a cell that begins with a space: dropped outside quotes, kept inside, for others to tell."""
    spaced = cuts[signs[cuts + 1] == SPACE]
    if spaced.size and quotes.size:  # a delimiter behind an odd number of the line's quotes is text
        of_line = _line_of(spaced, lines.ends)
        behind = np.searchsorted(quotes, spaced) - np.searchsorted(quotes, lines.starts[of_line])
        spaced = spaced[behind % 2 == 0]
    lines.are_sound[_line_of(spaced, lines.ends)] = False
    lines.are_sound[signs[lines.starts] == SPACE] = False


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
