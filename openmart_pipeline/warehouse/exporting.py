"""Getting rows out of the published database: CSV, XLSX and Parquet files.

Lives here: which rows, which format, and that a file is whole or not there. Cells are the business of
`spreadsheet_cells`.
"""

import contextlib
import csv
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

from openmart_pipeline.warehouse.definitions_sql import data_dictionary
from openmart_pipeline.warehouse.file_columns import WITH_FILE_COLUMNS, run_with_file_columns
from openmart_pipeline.warehouse.published import (
    QueryRefused,
    Result,
    open_published,
    reading_published,
)
from openmart_pipeline.warehouse.spreadsheet_cells import Cell, cell, guarded, looks_like_formula
from openmart_pipeline.warehouse.warehouse_errors import WarehouseError

XLSX_ROWS = 1_048_576  # of a sheet, the header included; Excel's limit
XLSX_COLUMNS = 16_384  # of a sheet; Excel's limit
XLSX_TEXT = 32_767  # characters of a cell; Excel's limit
_TYPES = {(entry.table, entry.column): entry.type for entry in data_dictionary()}
NAMES = tuple(dict.fromkeys(table for table, _ in _TYPES))


class ExportRefused(WarehouseError):
    """The file can't be written as asked; nothing is left of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which rows: those of a table or view, of one company file or of all; or those of a SELECT of one's own."""

    name: str = "contacts"
    input_file: str | None = None
    sql: str | None = None
    with_columns: bool = False  # also the file's own columns, each row of the file beside what it became

    @property
    def file_columns(self) -> str | None:
        """The JSON column that holds the file's own columns, where they are asked for."""
        return WITH_FILE_COLUMNS[self.name][1] if self.with_columns else None

    def to_sql(self) -> tuple[str, list[object]]:
        """Return the statement and its parameters.

        Raises:
            ExportRefused: no such table or view, or it knows no files.

        """
        if self.sql is not None:
            if self.input_file is not None or self.with_columns:
                raise ExportRefused(
                    "A SELECT of your own chooses its rows and columns itself: leave --file and --with-columns away."
                )
            return self.sql, []
        if self.name not in NAMES:
            raise ExportRefused(f"There is no table or view {self.name!r}: take one of {', '.join(NAMES)}.")
        if self.with_columns and self.name not in WITH_FILE_COLUMNS:
            raise ExportRefused(
                f"A row of {self.name} is no row of a file: --with-columns is for {', '.join(WITH_FILE_COLUMNS)}."
            )
        everything = f"SELECT * FROM {self.name}"  # noqa: S608  one of our names
        if self.with_columns:
            everything = f"FROM ({WITH_FILE_COLUMNS[self.name][0]})"
        if self.input_file is None:
            return everything, []
        if (self.name, "input_file") in _TYPES:
            return f"{everything} WHERE input_file = ?", [self.input_file]
        if (self.name, "input_files") in _TYPES:
            return f"{everything} WHERE list_contains(input_files, ?)", [self.input_file]
        raise ExportRefused(f"The rows of {self.name} belong to no single file: leave --file away.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written."""

    path: Path
    rows: int
    guarded_cells: int  # texts that a spreadsheet might have run
    shortened_cells: int  # texts longer than a cell of a workbook can be


def export(
    published_path: Path,
    target: Path,
    selection: Selection,
    *,
    replace: bool = False,
    on_rows: Callable[[int], None] = lambda _rows: None,
) -> Exported:
    """Write the selected rows to `target`, whose suffix names the format; whole, or not at all.

    `on_rows` hears how many, before the file is there under its name.

    Raises:
        ExportRefused: unknown format, a file in the way, too many rows, or the disk refuses.
        QueryRefused: the SQL is wrong.

    """
    write = _FORMATS.get(target.suffix.lower())
    if write is None:
        raise ExportRefused(f"{target.name!r} names no format: end it in {', '.join(_FORMATS)}.")
    if target.exists() and not replace:
        raise ExportRefused(f"{target} is there already: name another file, or say --replace.")
    sql, params = selection.to_sql()
    aside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        with open_published(published_path) as reader:
            if write is _write_xlsx and selection.sql is None:  # known at once: nobody waits a minute for a refusal
                _refuse_more_than_a_sheet(reader.rows(f"SELECT count(*) FROM ({sql})", params)[0][0])  # noqa: S608  ours
            column = selection.file_columns
            result = run_with_file_columns(reader, sql, params, column) if column else reader.run(sql, params)
            _refuse_doubled_columns(result)
            written = write(aside, result)
        on_rows(written.rows)
        _put_in_place(aside, target)
    except OSError as error:
        raise ExportRefused(
            f"{target} could not be written ({error.strerror or error}): nothing is left of it."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
    return Exported(path=target, rows=written.rows, guarded_cells=written.guarded, shortened_cells=written.shortened)


def _put_in_place(aside: Path, target: Path) -> None:
    descriptor = os.open(aside, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    aside.replace(target)


def known_files(published_path: Path) -> list[str]:
    """Return the company files that the published database has rows of."""
    with reading_published(published_path, "SELECT input_file FROM input_files ORDER BY input_file") as result:
        return [name for chunk in result.chunks for name in chunk.column(0).to_pylist()]


def _refuse_doubled_columns(result: Result) -> None:
    doubled = {name for name in result.columns if result.columns.count(name) > 1}
    if doubled:
        raise QueryRefused(f"Two columns are called {min(doubled)!r}: name them apart with AS.")


def _refuse_more_than_a_sheet(rows: int) -> None:
    if rows >= XLSX_ROWS:
        raise ExportRefused(
            f"A sheet holds {XLSX_ROWS - 1:,} rows and there are more: export CSV or Parquet, or one --file."
        )


@dataclass(slots=True)
class _Written:
    rows: int = 0
    guarded: int = 0
    shortened: int = 0


def _rows(result: Result) -> Iterator[tuple[Cell, ...]]:
    for chunk in result.chunks:
        columns = [[cell(value) for value in column.to_pylist()] for column in chunk.columns]
        yield from zip(*columns, strict=True)


def _write_csv(path: Path, result: Result) -> _Written:
    """Write UTF-8 with the mark that makes Excel read it as such."""
    written = _Written()
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([guarded(name) for name in result.columns])
        for row in _rows(result):
            safe = [guarded(value) for value in row]
            written.rows += 1
            written.guarded += sum(one is not other for one, other in zip(safe, row, strict=True))
            writer.writerow(safe)
    return written


def _write_xlsx(path: Path, result: Result) -> _Written:
    """Write one sheet; texts are texts by their type, and stay so when somebody edits the cell."""
    if len(result.columns) > XLSX_COLUMNS:
        raise ExportRefused(f"A sheet holds {XLSX_COLUMNS:,} columns and there are more: export CSV or Parquet.")
    written = _Written()
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "tmpdir": str(path.parent),  # rows on their way are people's data: not for the system's shared folder
    }
    with xlsxwriter.Workbook(path, options) as book:
        sheet = book.add_worksheet("export")
        sheet.freeze_panes(1, 0)
        bold, quoted = book.add_format({"bold": True}), book.add_format({"quote_prefix": True})
        for column, name in enumerate(result.columns):
            sheet.write_string(0, column, name, bold)
        for row in _rows(result):
            written.rows += 1
            _refuse_more_than_a_sheet(written.rows)
            for column, value in enumerate(row):
                if isinstance(value, str):
                    is_risky = looks_like_formula(value)
                    written.guarded += is_risky
                    written.shortened += len(value) > XLSX_TEXT
                    sheet.write_string(written.rows, column, value[:XLSX_TEXT], quoted if is_risky else None)
                elif isinstance(value, bool):
                    sheet.write_boolean(written.rows, column, value)
                elif value is not None:
                    sheet.write_number(written.rows, column, value)
        sheet.autofilter(0, 0, max(written.rows, 1), len(result.columns) - 1)
    return written


def _write_parquet(path: Path, result: Result) -> _Written:
    """Write the values as they are, with their types: nothing that reads Parquet runs texts."""
    written = _Written()
    with pq.ParquetWriter(path, result.schema, compression="zstd") as writer:
        for chunk in result.chunks:
            writer.write_table(pa.Table.from_batches([chunk]))
            written.rows += chunk.num_rows
    return written


_FORMATS: dict[str, Callable[[Path, Result], _Written]] = {
    ".csv": _write_csv,
    ".xlsx": _write_xlsx,
    ".parquet": _write_parquet,
}
