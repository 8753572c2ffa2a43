"""A company file becomes rows to ask about and rows set aside, a bounded chunk at a time.

The only entrance to reading: formats, columns, domains and places are decided in the modules it imports.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from openmart_pipeline.intake.chunks import Chunk, to_chunk
from openmart_pipeline.intake.columns import DOMAIN, ColumnChoice, choose_columns
from openmart_pipeline.intake.delimited import open_delimited
from openmart_pipeline.intake.domain_columns import DomainColumns
from openmart_pipeline.intake.domains import NORMALISER_VERSION, normalise_domain
from openmart_pipeline.intake.parquet_tables import open_parquet
from openmart_pipeline.intake.places import STATE_COUNTRIES, country_code, state_code
from openmart_pipeline.intake.platforms import PlatformList
from openmart_pipeline.intake.refusals import FileRefused, Rejected, RejectReason
from openmart_pipeline.intake.rows_read import ReadOptions, Table
from openmart_pipeline.intake.workbooks import open_workbook

__all__ = [
    "NORMALISER_VERSION",
    "Chunk",
    "CompanyFile",
    "FileRefused",
    "FileReport",
    "PlatformList",
    "ReadOptions",
    "RejectReason",
    "Rejected",
    "normalise_domain",
]

SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".xlsx", ".xlsm", ".parquet")
STATE_SAMPLE_ROWS = 1_000  # enough to tell a column of states from one of cities
FEWEST_STATES_SHARE = 0.5  # of the sample's values that could be states of their row's country


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """How a file was understood, known before its first row is read."""

    format: str
    encoding: str | None
    delimiter: str | None
    sheet: str | None
    columns: dict[str, str]
    unknown_columns: tuple[str, ...]
    notes: tuple[str, ...]


class CompanyFile:
    """A file whose format, header and columns are known; its rows are read by `chunks`."""

    def __init__(self, path: Path, name: str, options: ReadOptions | None = None) -> None:
        """Read as far as the header; `name` decides the format, since copies are named by their hash.

        Raises:
            FileRefused: the file is no table of companies; the message says what to do.

        """
        self._options = options or ReadOptions()
        self._platforms = PlatformList.bundled(self._options.extra_platforms)
        self._table = self._open(path, name)
        self._choice = self._without_doubtful_states(choose_columns(self._table.header, self._options.columns))
        self.report = FileReport(
            format=self._table.format,
            encoding=self._table.encoding,
            delimiter=self._table.delimiter,
            sheet=self._table.sheet,
            columns=self._choice.columns,
            unknown_columns=self._choice.unknown,
            notes=(*self._table.notes, *self._choice.notes, *_unheeded(self._options, self._table)),
        )

    def chunks(self) -> Iterator[Chunk]:
        """Yield the rows in file order, at most `chunk_rows` at a time; may be called again.

        Raises:
            FileRefused: it has more rows or more text than the limit, or its data is damaged.

        """
        domain_columns = DomainColumns(self._platforms)
        rows = text_bytes = 0
        for batch in self._table.batches(self._choice.positions[DOMAIN]):
            rows += len(batch) + len(batch.bad) + batch.blank_rows
            text_bytes += sum(column.nbytes for column in batch.columns)
            if rows > self._options.max_rows:
                raise FileRefused(f"The file has more than {self._options.max_rows:,} rows (max_rows): split it.")
            if text_bytes > self._options.max_text_bytes:
                most = f"{self._options.max_text_bytes:,} bytes of text (max_text_bytes)"
                raise FileRefused(f"The file holds more than {most}: split it.")
            yield to_chunk(batch, self._choice, domain_columns)

    def _open(self, path: Path, name: str) -> Table:
        suffix = _suffix(name)
        try:
            if not path.is_file():
                what = "is a folder, not a file" if path.is_dir() else "is no longer there"
                raise FileRefused(f"{name[:120]!r} {what}: put the table itself in its place.")
            if suffix in {".xlsx", ".xlsm"}:
                return open_workbook(path, self._options)
            if suffix == ".parquet":
                return open_parquet(path, self._options)
            return open_delimited(path, suffix.removeprefix("."), self._options, self._is_domain)
        except OSError as problem:
            raise FileRefused(
                f"{name[:120]!r} can't be read ({problem.strerror or problem}): check its permissions and the disk."
            ) from None

    def _without_doubtful_states(self, choice: ColumnChoice) -> ColumnChoice:
        """Return the choice without its state column when most of that column's values are no states.

        Real tables have cities under State, or a column that slipped by a row: the few values that happen to be
        states ("New York") are then as wrong as the rest. A person's explicit choice stands.
        """
        if "state" not in choice.positions or "state" in self._options.columns:
            return choice
        state, country = choice.positions["state"], choice.positions.get("country")
        known = seen = 0
        first = next(self._table.batches(choice.positions[DOMAIN]), None)
        sample = [] if first is None else [column.slice(0, STATE_SAMPLE_ROWS) for column in first.columns]
        written = sample[state].to_pylist() if sample else []
        beside = sample[country].to_pylist() if sample and country is not None else [""] * len(written)
        for text, country_text in zip(written, beside, strict=True):
            code = country_code(country_text)
            if text.strip() and (code is None or code in STATE_COUNTRIES):
                seen += 1
                known += state_code(text, code) is not None
        if known >= seen * FEWEST_STATES_SHARE:
            return choice
        return choice.without(
            "state", f"Of {seen:,} values in {choice.names[state]!r} only {known:,} are states: it is not read as one."
        )

    def _is_domain(self, text: str) -> bool:
        return isinstance(normalise_domain(text, platforms=self._platforms), str)


def _unheeded(options: ReadOptions, table: Table) -> Iterator[str]:
    """Yield a sentence for each choice of a person that this format has no use for."""
    for name in ("sheet", "encoding", "delimiter"):
        if getattr(options, name) is not None and getattr(table, name) is None:
            yield f"The {name} {getattr(options, name)!r} that was named plays no part: the file is {table.format}."


def _suffix(name: str) -> str:
    lowered = name.lower()
    found = [suffix for suffix in SUFFIXES if lowered.endswith(suffix)]
    if not found:
        raise FileRefused(
            f"{name[:120]!r} is no kind of file that can be read: save the table as CSV or .xlsx "
            f"({', '.join(SUFFIXES)})."
        )
    return max(found, key=len)
