"""How far the sheets of a workbook reach, told from their text before anything is held in memory.

A sheet is held as a rectangle: one stray cell in its last corner would take half a terabyte, and end the process.
"""

import re
import zipfile
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from openmart_pipeline.intake.refusals import FileRefused
from openmart_pipeline.intake.rows_read import ReadOptions

_BLOCK_BYTES = 4 * 2**20
_OVERLAP_BYTES = 64  # longer than anything looked for
_ROW = re.compile(rb"""<(?:\w+:)?row[^>]*?\sr\s*=\s*["'](\d{1,7})["']""")
_COLUMN = re.compile(rb"""<(?:\w+:)?c\s[^>]*?\br\s*=\s*["']([A-Z]{2,3})\d""")  # beyond Z: nearer ones need no looking
_FAR_CELL = re.compile(rb"""<(?:\w+:)?c\s[^>]*?\br\s*=\s*["'][A-Z]{1,3}(\d{6,7})["']""")  # where its row is not as far
_SHARED = re.compile(rb"""\st\s*=\s*["']s["'][^>]*>\s*<(?:\w+:)?v[^>]*>\s*(\d{1,9})""")  # a text, by its number
_TEXT = re.compile(rb"<(?:\w+:)?si[\s>/]")
_NEAR = 26  # columns up to Z
_FAR = 100_000  # the least number of six digits


def refuse_what_unpacks_too_far(archive: zipfile.ZipFile, packed_bytes: int, options: ReadOptions) -> None:
    """Look through every part once, a few megabytes at a time: what a part says of its own size may be a lie.

    Raises:
        FileRefused: the parts, a sheet's rectangle or the text of its cells take more than the limits.
        BadZipFile: a part is not as long as the archive says.

    """
    most, limit = options.most_unpacked(packed_bytes, options.max_workbook_bytes, "max_workbook_bytes")
    unpacked = sum(part.file_size for part in archive.infolist())
    if unpacked > most:
        raise _too_much(unpacked, most, limit)
    lengths = np.zeros(1, dtype=np.int64)
    sheets = []
    for part in archive.infolist():
        if part.filename.startswith("xl/worksheets/") and part.filename.endswith(".xml"):
            sheets.append(part)
        elif part.filename == "xl/sharedStrings.xml":
            lengths = _lengths(_parts_of(archive, part, most))
        else:
            for _ in _parts_of(archive, part, most):
                pass
    for sheet in sheets:
        _refuse_sheet(_parts_of(archive, sheet, most), lengths, options)


def _refuse_sheet(blocks: Iterator[bytes], lengths: npt.NDArray[np.int64], options: ReadOptions) -> None:
    rows, columns, text_bytes = 0, _NEAR, 0
    for block in blocks:
        rows = max(rows, *(int(number) for number in _ROW.findall(block)), 0)
        if rows < _FAR and (far := _FAR_CELL.search(block)) is not None:
            rows = int(far[1])
        columns = max(columns, *(_column(letters) for letters in set(_COLUMN.findall(block))), 0)
        numbers = np.array(_SHARED.findall(block), dtype=np.int64)
        text_bytes += int(lengths[np.minimum(numbers, len(lengths) - 1)].sum())  # a text is held once for each cell
    if rows * columns > options.max_sheet_cells:
        raise FileRefused(
            f"A sheet of the workbook reaches to row {rows:,} and column {columns:,}, which is more than "
            f"{options.max_sheet_cells:,} cells (max_sheet_cells): look for a stray cell far from the table, or "
            "save the sheet as CSV."
        )
    if text_bytes > options.max_workbook_bytes:
        raise _too_much(text_bytes, options.max_workbook_bytes, "max_workbook_bytes")


def _too_much(unpacked: int, most: int, limit: str) -> FileRefused:
    return FileRefused(
        f"The workbook unpacks to {unpacked:,} bytes, more than {most:,} ({limit}): save the sheet as CSV."
    )


def _lengths(blocks: Iterator[bytes]) -> npt.NDArray[np.int64]:
    """Return how many bytes each of the shared texts takes, roughly: what stands between their beginnings."""
    found: list[int] = []
    since = 0
    for block in blocks:
        begins = [match.start() for match in _TEXT.finditer(block)]
        if begins:
            found += [since + begins[0], *np.diff(begins).tolist()]
            since = len(block) - begins[-1]
        else:
            since += len(block)
    return np.array([*found[1:], since], dtype=np.int64)


def _parts_of(archive: zipfile.ZipFile, part: zipfile.ZipInfo, most: int) -> Iterator[bytes]:
    """Yield a part in blocks that overlap a little; refuse one that is longer than it says."""
    said, part.file_size = part.file_size, most + 1  # read on where the archive says that the part ends
    length, tail = 0, b""
    with archive.open(part) as stream:
        while block := stream.read(_BLOCK_BYTES):
            length += len(block)
            if length > said:
                raise zipfile.BadZipFile
            yield tail + block
            tail = block[-_OVERLAP_BYTES:]


def _column(letters: bytes) -> int:
    """Return a column's number: 27 for `AA`."""
    number = 0
    for letter in letters:
        number = number * _NEAR + letter - ord("A") + 1
    return number
