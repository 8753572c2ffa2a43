"""XLSX through calamine: one sheet, its cells as the text a person sees, row numbers as the sheet shows them.

Neither the meaning of columns nor any other format lives here.
"""

import datetime as dt
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from openmart_pipeline.intake.columns import ROWS_WITH_HEADER, header_among
from openmart_pipeline.intake.refusals import FileRefused
from openmart_pipeline.intake.rows_read import (
    BATCH_BYTES,
    BATCH_CELLS,
    BadRow,
    Batch,
    ReadOptions,
    too_long,
)
from openmart_pipeline.intake.sheet_extent import refuse_what_unpacks_too_far

Cell = int | float | str | bool | dt.time | dt.date | dt.datetime | dt.timedelta
SHOWN_SHEETS = 5  # in a sentence
SHEET_NAME_CHARS = 31  # Excel's own limit for the name of a sheet
_OLE = b"\xd0\xcf\x11\xe0"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkbookTable:
    """One sheet of a workbook; satisfies `tables.Table`."""

    options: ReadOptions
    cells: CalamineSheet
    """The whole sheet, which calamine holds in memory: parsing it again for every look takes longest."""
    sheet: str
    header: tuple[str, ...]
    header_row: int
    first_column: int
    notes: tuple[str, ...]
    format: str = "xlsx"
    encoding: None = None
    delimiter: None = None

    def batches(self, domain_column: int) -> Iterator[Batch]:  # noqa: ARG002 - only text needs it
        """Yield the rows below the header; one with an overlong cell is set aside."""
        rows: list[list[str]] = []
        source_rows: list[int] = []
        bad: list[BadRow] = []
        blank_rows, chars, width = 0, 0, len(self.header)
        most_rows = max(1, min(self.options.chunk_rows, BATCH_CELLS // width))
        for number, cells in _rows(self.cells):
            if number <= self.header_row:
                continue
            row = cells[self.first_column : self.first_column + width]
            row += [""] * (width - len(row))
            if not any(row):
                blank_rows += 1
                continue
            if max(map(len, row)) > self.options.max_cell_chars:
                bad.append(too_long(number, row, self.options))
            else:
                rows.append(row)
                source_rows.append(number)
            chars += sum(map(len, row))
            if len(rows) + len(bad) >= most_rows or chars > BATCH_BYTES:
                yield Batch.of_rows(rows, source_rows, width=width, bad=bad, blank_rows=blank_rows)
                rows, source_rows, bad, blank_rows, chars = [], [], [], 0, 0
        if rows or bad or blank_rows:
            yield Batch.of_rows(rows, source_rows, width=width, bad=bad, blank_rows=blank_rows)


def open_workbook(path: Path, options: ReadOptions) -> WorkbookTable:
    """Return the named sheet, or the first visible one that holds anything.

    Raises:
        FileRefused: no workbook, protected, too large when unpacked, no such sheet, or nothing in it.

    """
    _check_container(path, options)
    with _workbook(path) as book:
        visible = [
            sheet.name
            for sheet in book.sheets_metadata
            if sheet.visible is SheetVisibleEnum.Visible and sheet.typ is SheetTypeEnum.WorkSheet
        ]
        if options.sheet is not None and options.sheet not in book.sheet_names:
            raise FileRefused(f"The workbook has no sheet {options.sheet!r}: it has {_listed(book.sheet_names)}.")
        wanted = [options.sheet] if options.sheet is not None else visible or book.sheet_names
        for name in wanted:
            sheet = book.get_sheet_by_name(name)
            first = list(islice(((number, cells) for number, cells in _rows(sheet) if any(cells)), ROWS_WITH_HEADER))
            if first:
                return _table(sheet, options, first, [other for other in visible if other != name])
    raise FileRefused("The workbook's sheet is empty, so there is nothing to buy: is the table on another sheet?")


def _table(
    sheet: CalamineSheet, options: ReadOptions, first: list[tuple[int, list[str]]], others: list[str]
) -> WorkbookTable:
    place = header_among([cells for _, cells in first], options.columns)
    number, cells = first[place]
    start = next(position for position, cell in enumerate(cells) if cell)
    header = cells[start:]
    while not header[-1]:
        header.pop()
    if len(header) > options.max_columns:
        raise FileRefused(
            f"The sheet has {len(header):,} columns, more than {options.max_columns:,} (max_columns): "
            "keep the ones about the companies."
        )
    notes = [f"Sheet {_listed([sheet.name])} is read, {_listed(others)} not."] if others else []
    if place:
        notes.append(f"The header is row {number}; what stands above it is not read.")
    return WorkbookTable(
        options=options,
        cells=sheet,
        sheet=sheet.name,
        header=tuple(header),
        header_row=number,
        first_column=start,
        notes=tuple(notes),
    )


def _check_container(path: Path, options: ReadOptions) -> None:
    with path.open("rb") as stream:
        head = stream.read(4)
    if not head:
        raise FileRefused("The file is empty (0 bytes), so there is nothing to buy: was it saved or copied fully?")
    if head == _OLE:
        raise FileRefused(
            "The workbook is protected by a password or in the old .xls format, so it can't be read: save it as "
            ".xlsx without a password."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            refuse_what_unpacks_too_far(archive, path.stat().st_size, options)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError):
        raise FileRefused(
            "The file is no workbook, whatever its name says, or it was cut off: save it again as .xlsx or CSV."
        ) from None


def _workbook(path: Path) -> CalamineWorkbook:
    try:
        return CalamineWorkbook.from_object(path)
    except PasswordError:
        raise FileRefused("The workbook is protected by a password: save it without one.") from None
    except (CalamineError, OSError):  # its words may quote what stands in the file
        raise FileRefused("The workbook is damaged and can't be read: save it again as .xlsx or CSV.") from None


def _listed(sheets: Sequence[str]) -> str:
    """Return names of sheets for a sentence: a file can hold any number of them, of any length."""
    shown = ", ".join(repr(name[:SHEET_NAME_CHARS]) for name in sheets[:SHOWN_SHEETS])
    return shown + (f" and {len(sheets) - SHOWN_SHEETS:,} more" if len(sheets) > SHOWN_SHEETS else "")


def _rows(sheet: CalamineSheet) -> Iterator[tuple[int, list[str]]]:
    """Yield row numbers as the sheet shows them, and cells from column A on.

    calamine's iterator begins with row 1 and with the first column that holds anything.
    """
    first_column = sheet.start[1] if sheet.start else 0
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        yield number, [""] * first_column + [_text(cell) for cell in cells]


def _text(cell: Cell) -> str:
    """Return a cell as a person would type it: no `.0` behind whole numbers, dates in ISO order."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else repr(cell)
    if isinstance(cell, dt.datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, (dt.date, dt.time)):
        return cell.isoformat()
    return str(cell)
