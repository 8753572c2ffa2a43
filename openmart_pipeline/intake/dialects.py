"""How a text table is laid out: its delimiter, where its header is, what the header says.

Looks at a sample of decoded text; reads no files and keeps no rows.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from openmart_pipeline.intake.columns import ROWS_WITH_HEADER, header_among, names_a_website
from openmart_pipeline.intake.refusals import FileRefused
from openmart_pipeline.intake.rows_read import ReadOptions

if TYPE_CHECKING:
    from _csv import Reader  # the type of what `csv.reader` returns

DELIMITERS = (",", ";", "\t", "|")
SAMPLE_RECORDS = 200
MAX_LINES_BEFORE_HEADER = 100  # blank lines; a file that starts with more is not a table


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What must be known before the first row can be read."""

    delimiter: str
    header: tuple[str, ...]
    header_row: int
    """As a spreadsheet counts: blank rows above the header count, a `sep=` line doesn't."""
    lines_before_data: int
    notes: tuple[str, ...] = ()

    @property
    def named_width(self) -> int:
        """Columns up to the last that has a name; a row may end there."""
        return max((position for position, name in enumerate(self.header, start=1) if name.strip()), default=0)

    def reader(self, lines: Iterable[str]) -> "Reader":
        """Return a reader of records that fails on anything a quote leaves in doubt."""
        return _reader(lines, self.delimiter)


@dataclass(frozen=True, slots=True)
class _Trial:
    delimiter: str
    header: tuple[str, ...]
    header_lines: int
    header_row: int
    has_domain: bool
    fitting: float
    """Share of the sample's rows that are as wide as the header."""
    rows_above: int = 0
    """Rows above the header that are not blank."""

    @property
    def rank(self) -> tuple[bool, bool, float]:
        is_table = len(self.header) > 1
        return (self.has_domain, is_table, self.fitting)


def find_layout(sample: str, *, is_whole: bool, file_format: str, options: ReadOptions) -> Layout:
    """Return the layout that a person, the `sep=` line or the header itself speaks for.

    Raises:
        FileRefused: no header, more columns than the limit, or two delimiters that fit alike.

    """
    lines = sample.splitlines(keepends=True) if sample.isascii() else _lines(sample)
    if not is_whole and len(lines) > 1:
        lines.pop()  # cut in the middle
    named, skipped = _sep_line(lines)
    candidates = (options.delimiter or named,) if options.delimiter or named else DELIMITERS
    rest = lines[skipped:]
    trials = [t for d in candidates if d is not None and (t := _try(rest, d, options.columns)) is not None]
    if not trials:
        raise FileRefused("The file has no header row to name its columns: add one (Company, Website ...) on top.")
    if file_format.startswith("tsv") and len(trials) > 1:
        trials.sort(key=lambda trial: trial.delimiter != "\t")
    best = max(trials, key=lambda trial: trial.rank)
    rivals = [t for t in trials if t.rank == best.rank and t is not best and len(t.header) > 1]
    if rivals and len(best.header) > 1 and not (file_format.startswith("tsv") and best.delimiter == "\t"):
        raise FileRefused(
            f"The columns can be cut at {best.delimiter!r} or at {rivals[0].delimiter!r} with equal right: "
            "say which: --delimiter semicolon (in Dagster: delimiter, in the configuration of companies), or save the "
            "file as .xlsx."
        )
    if len(best.header) > options.max_columns:
        raise FileRefused(
            f"The file has {len(best.header):,} columns, more than {options.max_columns:,} (max_columns): "
            "keep the ones about the companies."
        )
    return Layout(
        delimiter=best.delimiter,
        header=best.header,
        header_row=best.header_row,
        lines_before_data=skipped + best.header_lines,
        notes=tuple(_notes(best, named=bool(named and not options.delimiter))),
    )


def _notes(best: _Trial, *, named: bool) -> Iterator[str]:
    if named:
        yield "The file names its delimiter in a sep= line."
    if best.rows_above:
        yield f"The header is row {best.header_row}; what stands above it is not read."


def _lines(text: str) -> list[str]:
    """Return lines cut at CR and LF only, unlike `str.splitlines`."""
    lines: list[str] = []
    for line in text.splitlines(keepends=True):
        if lines and not lines[-1].endswith(("\n", "\r")):
            lines[-1] += line
        else:
            lines.append(line)
    return lines


def _sep_line(lines: list[str]) -> tuple[str | None, int]:
    """Return the delimiter that a spreadsheet wrote into a line of its own, and how many lines that took."""
    if lines:
        first = lines[0].rstrip("\r\n").strip('"')
        if len(first) == len("sep=;") and first.lower().startswith("sep="):
            return first[-1], 1
    return None, 0


def _try(lines: list[str], delimiter: str, explicit: Mapping[str, str]) -> _Trial | None:
    blank = next((i for i, line in enumerate(lines) if line.strip(f" \r\n\t{delimiter}")), None)
    if blank is None or blank > MAX_LINES_BEFORE_HEADER:
        return None
    reader = _reader(iter(lines[blank:]), delimiter)
    first = [(row, reader.line_num) for row in islice(_rows(reader), ROWS_WITH_HEADER)]
    if not first:
        return None
    place = header_among([row for row, _ in first], explicit)
    header, header_lines = first[place]
    reader = _reader(iter(lines[blank + header_lines :]), delimiter)
    widths = [len(row) for row in islice(_rows(reader), SAMPLE_RECORDS) if any(row)]
    fitting = sum(width == len(header) for width in widths) / len(widths) if widths else 1.0
    return _Trial(
        delimiter=delimiter,
        header=tuple(header),
        header_lines=blank + header_lines,
        header_row=blank + place + 1,
        has_domain=names_a_website(header, explicit),
        fitting=round(fitting, 2),
        rows_above=sum(any(cell.strip() for cell in row) for row, _ in first[:place]),
    )


def _rows(reader: "Reader") -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error:
        return


def _reader(lines: Iterable[str], delimiter: str) -> "Reader":
    # Spaces after a delimiter are dropped so that `a, "b, c"` is read as the two cells it means.
    return csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)
