"""What every reader of a file hands on: a header, then batches of rows as text, bad rows apart.

No formats and no meaning of columns live here, only the shapes, the options and the limits.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from openmart_pipeline.intake.refusals import RejectReason

CSV_CELL_CHARS = 131_072  # what Python's csv module takes per cell; four times what a spreadsheet cell can hold
BATCH_CELLS = 1_000_000  # keeps a batch of a very wide table as small as one of a narrow one
BATCH_BYTES = 64 * 2**20  # of text in a batch, where a small file can hold large cells
FREELY_UNPACKED_BYTES = 64 * 2**20  # however well it was packed: no machine is filled by that
SHOWN_CELL_CHARS = 200  # of each cell of a row that is too long to be shown whole


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How to read a file where its owner knows better than detection, and how much is too much."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Our field name -> the file's column; an empty string switches the field off."""
    sheet: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    chunk_rows: int = 50_000
    extra_platforms: frozenset[str] = frozenset()
    max_columns: int = 16_384  # a worksheet's own limit
    max_cell_chars: int = CSV_CELL_CHARS
    max_line_bytes: int = 16 * 2**20  # a longer line is no table's, and is read into memory whole
    max_rows: int = 10_000_000  # ten times what was ever asked for; each is a question that costs
    max_text_bytes: int = 8 * 2**30  # unpacked: keeps a small file from filling a machine
    max_unpack_ratio: int = 200  # bytes unpacked for each one packed; tables of real companies have 5 to 30
    max_workbook_bytes: int = 2**30  # unpacked: a workbook is held in memory whole, at two to three times that
    max_sheet_cells: int = 50_000_000  # of the rectangle from A1 to the last cell, which takes 32 bytes for each

    def __post_init__(self) -> None:
        """Refuse values that no file could be read with.

        Raises:
            ValueError: a number below 1, a cell limit above the reader's, a delimiter of several characters.

        """
        for name in (
            "chunk_rows",
            "max_columns",
            "max_cell_chars",
            "max_line_bytes",
            "max_rows",
            "max_text_bytes",
            "max_unpack_ratio",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.max_cell_chars > CSV_CELL_CHARS:
            raise ValueError(f"max_cell_chars must be at most {CSV_CELL_CHARS:,}, not {self.max_cell_chars:,}")
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise ValueError(f"the delimiter must be one character such as ; or a tab, not {self.delimiter!r}")

    def most_unpacked(self, packed_bytes: int, most: int, limit: str) -> tuple[int, str]:
        """Return how far a file may unpack, and the limit that says so: `limit` of `most` bytes, or the ratio's."""
        by_ratio = max(FREELY_UNPACKED_BYTES, packed_bytes * self.max_unpack_ratio)
        return (by_ratio, "max_unpack_ratio") if by_ratio < most else (most, limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row or line that could not be read as a row of the table."""

    source_row: int
    line: int | None
    reason: RejectReason
    detail: str
    text: str


def too_long(number: int, row: Sequence[str], options: ReadOptions) -> BadRow:
    """Return a row without lines of its own, one of whose cells is over the limit, as a bad one."""
    detail = f"row {number}: a cell is longer than {options.max_cell_chars:,} characters (max_cell_chars)"
    text = " | ".join(cell[:SHOWN_CELL_CHARS] for cell in row)
    return BadRow(source_row=number, line=None, reason=RejectReason.BAD_LINE, detail=detail, text=text)


@dataclass(slots=True, kw_only=True)
class Batch:
    """Rows in file order as columns of text, one per column of the header, and the bad rows met among them."""

    columns: list[pa.Array]
    source_rows: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64] | None = None
    bad: list[BadRow] = field(default_factory=list)
    repaired: dict[int, str] = field(default_factory=dict)
    """Position among the rows -> the line as read, where a comma inside a cell had lacked its quotes."""
    blank_rows: int = 0

    def __len__(self) -> int:
        """How many rows there are, bad ones not counted."""
        return len(self.source_rows)

    @classmethod
    def of_rows(
        cls,
        rows: Sequence[Sequence[str]],
        source_rows: Sequence[int],
        *,
        width: int,
        lines: Sequence[int] | None = None,
        bad: Sequence[BadRow] = (),
        blank_rows: int = 0,
    ) -> "Batch":
        """Return rows that were read one by one."""
        columns = zip(*rows, strict=True) if rows else ((),) * width
        return cls(
            columns=[pa.array(column, pa.string()) for column in columns],
            source_rows=np.array(source_rows, dtype=np.int64),
            lines=None if lines is None else np.array(lines, dtype=np.int64),
            bad=list(bad),
            blank_rows=blank_rows,
        )

    def sliced(self, most_rows: int) -> "Iterator[Batch]":
        """Yield the same rows in batches of at most so many, bad ones counted; itself where it is small enough."""
        total = len(self) + len(self.bad)
        if total <= most_rows:
            if total or self.blank_rows:
                yield self
            return
        bad_rows = np.array([row.source_row for row in self.bad], dtype=np.int64)
        numbers = np.sort(np.concatenate([self.source_rows, bad_rows]))
        blank_rows = self.blank_rows
        for start in range(0, total, most_rows):
            first, last = numbers[start], numbers[min(start + most_rows, total) - 1]
            low, high = np.searchsorted(self.source_rows, [first, last + 1])
            bad_low, bad_high = np.searchsorted(bad_rows, [first, last + 1])
            yield Batch(
                columns=[column.slice(low, high - low) for column in self.columns],
                source_rows=self.source_rows[low:high],
                lines=None if self.lines is None else self.lines[low:high],
                bad=self.bad[bad_low:bad_high],
                repaired={place - int(low): line for place, line in self.repaired.items() if low <= place < high},
                blank_rows=blank_rows,
            )
            blank_rows = 0


class Table(Protocol):
    """An opened file; `batches` may be called again and starts from the first row each time."""

    @property
    def format(self) -> str:
        """`csv`, `xlsx` or `parquet`, with `.gz` where packed."""

    @property
    def encoding(self) -> str | None:
        """The encoding of a text file, else None."""

    @property
    def delimiter(self) -> str | None:
        """The delimiter of a text file, else None."""

    @property
    def sheet(self) -> str | None:
        """The sheet of a workbook, else None."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided while opening, in sentences."""

    @property
    def header(self) -> tuple[str, ...]:
        """Column names as read; they may be blank or repeated."""

    def batches(self, domain_column: int) -> Iterator[Batch]:
        """Yield the rows; `domain_column` helps to tell a cell of several lines from swallowed rows."""
