"""How far the sheets of a workbook reach, told from their text before anything is held in memory.

A sheet is held as a rectangle: one stray cell in its last corner would take half a terabyte, and end the process.
Imports `refusals` and `tables`; `workbooks` imports it.
"""

import re
import zipfile
from collections.abc import Iterator
from typing import IO

from openmart_pipeline.enrichment.intake.tables import ReadOptions
from openmart_pipeline.enrichment.refusals import FileRefused

_BLOCK_BYTES = 4 * 2**20
_OVERLAP_BYTES = 64  # longer than anything looked for
_ROW = re.compile(rb'<row[^>]*? r="(\d{1,7})"')
_COLUMN = re.compile(rb'<c[^>]*? r="([A-Z]{2,3})\d')  # beyond Z: nearer ones need no looking
_FAR_CELL = re.compile(rb'<c[^>]*? r="[A-Z]{1,3}(\d{6,7})"')  # where its row's own number is not as far
_NEAR = 26  # columns up to Z
_FAR = 100_000  # the least number of six digits


def refuse_far_cells(archive: zipfile.ZipFile, options: ReadOptions) -> None:
    """Look through every worksheet once, a few megabytes at a time.

    Raises:
        FileRefused: a sheet's rectangle has more cells than the limit.

    """
    for part in archive.namelist():
        if not part.startswith("xl/worksheets/") or not part.endswith(".xml"):
            continue
        rows, columns = 0, _NEAR
        with archive.open(part) as sheet:
            for block in _blocks(sheet):
                rows = max(rows, *(int(number) for number in _ROW.findall(block)), 0)
                if rows < _FAR and (far := _FAR_CELL.search(block)) is not None:
                    rows = int(far[1])
                columns = max(columns, *(_column(letters) for letters in set(_COLUMN.findall(block))), 0)
        if rows * columns > options.max_sheet_cells:
            raise FileRefused(
                f"A sheet of the workbook reaches to row {rows:,} and column {columns:,}, which is more than "
                f"{options.max_sheet_cells:,} cells (max_sheet_cells): look for a stray cell far from the table, or "
                "save the sheet as CSV."
            )


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    tail = b""
    while block := stream.read(_BLOCK_BYTES):
        yield tail + block
        tail = block[-_OVERLAP_BYTES:]


def _column(letters: bytes) -> int:
    """Return a column's number: 27 for `AA`."""
    number = 0
    for letter in letters:
        number = number * _NEAR + letter - ord("A") + 1
    return number
