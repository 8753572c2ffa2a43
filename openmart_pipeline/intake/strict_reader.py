"""Records of a text table read one by one, so that a broken line never costs a sound one beside it.

Slow and careful: for the lines that `sound_lines` leaves. What a column means is not known here.
"""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from openmart_pipeline.intake.dialects import Layout
from openmart_pipeline.intake.refusals import RejectReason
from openmart_pipeline.intake.rows_read import BadRow

SHOWN_CHARS = 10_000  # of a bad row's text; what is wrong shows long before
UNCLOSED = "a quote opens on this line and is not closed before other rows begin"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRules:
    """What must be known of a table to judge its records."""

    layout: Layout
    encoding: str
    has_broken_bytes: bool
    max_cell_chars: int
    domain_column: int
    is_domain: Callable[[str], bool]


@dataclass(slots=True)
class Records:
    """What careful reading made of a block: rows as wide as the header, bad ones, and blank ones counted."""

    rows: list[list[str]] = field(default_factory=list)
    source_rows: list[int] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    repaired: dict[int, str] = field(default_factory=dict)  # source row -> the line as read
    blank_rows: int = 0


class CarefulReader:
    """Reads records from the lines of one block; a record that fails costs its first line only."""

    def __init__(self, rules: RecordRules, lines: Sequence[str], *, lines_before: int, is_last: bool) -> None:
        """Read `lines`, of which the first is the file's line `lines_before` + 1; in the last block nothing follows."""
        self.found = Records()
        self._rules = rules
        self._width = len(rules.layout.header)
        self._lines = lines
        self._lines_before = lines_before
        self._is_last = is_last
        self._row = 0

    def take(self, start: int, are_sound: Sequence[bool], *, rows_before: int) -> "Reached":
        """Read records from the line `start` on, until one ends before a sound line or the block does."""
        self._row = rows_before
        done, count = start, len(self._lines)
        while done < count:
            begun = done
            reader = self._rules.layout.reader(self._lines[number] for number in range(begun, count))
            try:
                for row in reader:
                    is_record = self._take_record(row, done, begun + reader.line_num)
                    done = begun + reader.line_num if is_record else done + 1
                    if done < count and are_sound[done]:
                        return Reached(done, self._row, is_whole=True)
                    if not is_record:
                        break  # go on with the line after its first
            except csv.Error as problem:
                reached = begun + reader.line_num
                if reached >= count and not self._is_last:
                    return Reached(done, self._row, is_whole=False)
                self._set_aside(done, _explain(problem, reached - done))
                done += 1
                if done < count and are_sound[done]:
                    break
        return Reached(done, self._row, is_whole=True)

    def _take_record(self, row: list[str], first: int, end: int) -> bool:
        """Take the record, or set aside its first line and return False when the lines after it must be read anew."""
        rules, lines = self._rules, self._lines
        if end - first > 1 and (len(row) != self._width or self._swallowed(lines[first + 1 : end])):
            self._set_aside(first, UNCLOSED)
            return False
        if rules.has_broken_bytes and _is_broken("".join(lines[first:end])):
            why = f"there are bytes that are no text in {rules.encoding}"
            self._set_aside(first, why, end=end, reason=RejectReason.BAD_ENCODING)
            return True
        if max(map(len, row), default=0) > rules.max_cell_chars:
            why = f"a cell is longer than {rules.max_cell_chars:,} characters (max_cell_chars)"
            self._set_aside(first, why, end=end)
            return True
        repaired = None
        if len(row) != self._width and any(row):
            row, repaired = self._fitted(row, lines[first])
            if len(row) != self._width:
                why = f"{len(row)} cells where the header has {self._width}: columns would shift"
                self._set_aside(first, why)
                return True
        self._row += 1
        if not any(row):
            self.found.blank_rows += 1
            return True
        if repaired is not None:
            self.found.repaired[self._row] = repaired
        self.found.rows.append(row)
        self.found.source_rows.append(self._row)
        self.found.lines.append(self._lines_before + first + 1)
        return True

    def _fitted(self, row: list[str], line: str) -> tuple[list[str], str | None]:
        """Return the row as wide as the header where that takes no guess, else as it is.

        Empty cells beyond the header and cells missing under blank headers carry nothing. A row that is too wide
        because of unquoted "comma, space" inside a cell is put together again when that gives exactly the
        header's width and a domain in its place: in such files a comma between cells has no space after it.
        """
        delimiter = self._rules.layout.delimiter
        if len(row) > self._width and not any(row[self._width :]):
            return row[: self._width], None
        if self._rules.layout.named_width <= len(row) < self._width:
            return row + [""] * (self._width - len(row)), None
        if len(row) > self._width:
            joined: list[str] = []
            for cell in line.rstrip("\r\n").split(delimiter) if '"' not in line else self._loose(line):
                if joined and cell.startswith(" ") and cell.strip():
                    joined[-1] += delimiter + cell
                else:
                    joined.append(cell)
            if len(joined) == self._width and self._rules.is_domain(joined[self._rules.domain_column]):
                return joined, line.rstrip("\r\n")
        return row, None

    def _loose(self, line: str) -> list[str]:
        """Return the line's cells with the spaces after delimiters kept."""
        try:
            return next(csv.reader([line], delimiter=self._rules.layout.delimiter, strict=True))
        except (csv.Error, StopIteration):
            return []

    def _swallowed(self, later: Sequence[str]) -> bool:
        """Whether a line inside a quoted cell is a row of its own: as wide as the header, with a domain in place.

        `later` are the record's lines after its first. Of the last one only what stands before the closing quote
        was inside the cell; behind it the record itself goes on.
        """
        if self._width < 2:  # noqa: PLR2004 - in a table of one column every line is as wide as the header
            return False
        layout, domain_column = self._rules.layout, self._rules.domain_column
        for line in later:
            try:
                row = next(layout.reader([line]), [])
            except csv.Error:
                continue
            if len(row) != self._width or not self._rules.is_domain(row[domain_column]):
                continue
            inside = line.split('"', 1)[0].split(layout.delimiter)
            if line is not later[-1] or len(inside) > domain_column + 1:
                return True
        return False

    def _set_aside(
        self, first: int, why: str, *, end: int | None = None, reason: RejectReason = RejectReason.BAD_LINE
    ) -> None:
        """Record one line, or the lines up to `end`, as a bad row, under the number of its first line."""
        text = "".join(self._lines[first : end or first + 1]).rstrip("\r\n")
        shown = text[:SHOWN_CHARS].encode("utf-8", "backslashreplace").decode("utf-8")
        if len(text) > SHOWN_CHARS:
            shown += f"… ({len(text):,} characters)"
        self._row += 1
        line = self._lines_before + first + 1
        self.found.bad.append(
            BadRow(source_row=self._row, line=line, reason=reason, detail=f"line {line}: {why}", text=shown)
        )


class Reached(NamedTuple):
    """How far careful reading came: the next line to read, the last row's number."""

    line: int
    row: int
    is_whole: bool
    """False when the record at `line` goes on in the next block, and is to be read again with that."""


def _explain(problem: csv.Error, lines_read: int) -> str:
    if "field limit" in str(problem):
        return f"a quote opens on this line and is not closed, or a cell is over the limit ({problem})"
    if lines_read > 1 or "unexpected end" in str(problem):
        return UNCLOSED
    return "text follows a closing quote, so where the cell ends can't be told"


def _is_broken(text: str) -> bool:
    """Whether bytes had to be smuggled through decoding."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
