"""CSV and its relatives: a file with a known dialect becomes batches of rows, a block of text at a time.

Text and positions only: which lines are sound is told by `sound_lines`, what the others hold by `careful_records`.
"""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from openmart_pipeline.intake.dialects import Layout, find_layout
from openmart_pipeline.intake.encodings import TextSurvey, survey_text
from openmart_pipeline.intake.fast_reader import Lines, read_sound_lines, survey_lines
from openmart_pipeline.intake.refusals import FileRefused
from openmart_pipeline.intake.rows_read import BATCH_CELLS, Batch, ReadOptions
from openmart_pipeline.intake.strict_reader import CarefulReader, RecordRules, Records

BLOCK_CHARS = 4 * 2**20  # read at a time: enough lines to be quick, few enough to hold several times
SAMPLE_CHARS = 2**18
_DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class DelimitedTable:
    """An opened text table; satisfies `tables.Table`."""

    path: Path
    format: str
    encoding: str
    delimiter: str
    header: tuple[str, ...]
    notes: tuple[str, ...]
    options: ReadOptions
    survey: TextSurvey
    layout: Layout
    is_domain: Callable[[str], bool]
    sheet: None = None

    def batches(self, domain_column: int) -> Iterator[Batch]:
        """Yield the rows in batches of at most `chunk_rows`, reading a few megabytes at a time."""
        most_rows = max(1, min(self.options.chunk_rows, BATCH_CELLS // max(1, len(self.header))))
        blocks = _Blocks(self, domain_column)
        with _opened(self.path, self.format) as raw, _decoded(raw, self.survey) as text:
            for _ in range(self.layout.lines_before_data):
                text.readline()
            while block := text.read(BLOCK_CHARS):
                yield from blocks.take(block + text.readline(), is_last=False).sliced(most_rows)
            yield from blocks.take("", is_last=True).sliced(most_rows)


def open_delimited(
    path: Path, file_format: str, options: ReadOptions, is_domain: Callable[[str], bool]
) -> DelimitedTable:
    """Return the table with its encoding, delimiter and header known; the file is closed again.

    Raises:
        FileRefused: not a table of text, or a dialect that can't be told with certainty.

    """
    try:
        with _opened(path, file_format) as raw:
            packed_bytes = path.stat().st_size if file_format.endswith(".gz") else None
            survey = survey_text(raw, options, packed_bytes)
        with _opened(path, file_format) as raw, _decoded(raw, survey) as text:
            sample = text.read(SAMPLE_CHARS)
            is_whole = not text.read(1)
            layout = find_layout(sample, is_whole=is_whole, file_format=file_format, options=options)
    except _DAMAGED:
        raise FileRefused("The packed file is damaged or was cut off: pack or copy it again.") from None
    return DelimitedTable(
        path=path,
        format=file_format,
        encoding=survey.encoding,
        delimiter=layout.delimiter,
        header=layout.header,
        notes=tuple(note for note in (survey.note, *layout.notes) if note),
        options=options,
        survey=survey,
        layout=layout,
        is_domain=is_domain,
    )


class _Blocks:
    """Turns blocks of text into batches, and carries over what a block's last record still lacks."""

    def __init__(self, table: DelimitedTable, domain_column: int) -> None:
        self._delimiter, self._width = table.delimiter, len(table.header)
        self._rules = RecordRules(
            layout=table.layout,
            encoding=table.encoding,
            has_broken_bytes=table.survey.has_broken_bytes,
            max_cell_chars=table.options.max_cell_chars,
            domain_column=domain_column,
            is_domain=table.is_domain,
        )
        self._lines_before = table.layout.lines_before_data
        self._row = table.layout.header_row
        self._carry = ""

    def take(self, block: str, *, is_last: bool) -> Batch:
        """Return the rows of all records that end in this block: sound lines at once, the others one by one."""
        text = self._carry + block
        self._carry = ""
        lines, columns = self._sound_part(text)
        written = _split_lines(text) if lines is None or not lines.are_sound.all() else None
        are_sound = np.zeros(len(written or ()), dtype=bool) if lines is None else lines.are_sound
        numbers = np.zeros(len(are_sound), dtype=np.int64)  # of the sound lines' rows; 0 where a cell swallowed one
        careful = CarefulReader(self._rules, written or (), lines_before=self._lines_before, is_last=is_last)
        troubles = np.flatnonzero(~are_sound)
        sound: list[bool] = are_sound.tolist() if troubles.size else []
        done, count = 0, len(are_sound)
        while done < count:
            behind = np.searchsorted(troubles, done)
            trouble = int(troubles[behind]) if behind < len(troubles) else count
            numbers[done:trouble] = np.arange(self._row + 1, self._row + 1 + trouble - done)
            self._row += trouble - done
            done = trouble
            if done < count:
                done, self._row, is_whole = careful.take(done, sound, rows_before=self._row)
                if not is_whole:
                    self._carry = "".join((written or ())[done:])
                    break
        batch = self._batch(columns, numbers, are_sound, careful.found)
        self._lines_before += done
        return batch

    def _sound_part(self, text: str) -> tuple[Lines | None, list[pa.Array]]:
        """Return the block's lines and the cells of the sound ones; None where every line needs a careful look."""
        nothing: list[pa.Array] = [pa.array([], pa.string())] * self._width
        if not text:
            return None, nothing
        data = text.encode("utf-8", "surrogatepass")
        longest = self._rules.max_cell_chars
        lines = survey_lines(data, delimiter=self._delimiter, width=self._width, longest=longest)
        columns = None if lines is None else read_sound_lines(lines, delimiter=self._delimiter, width=self._width)
        return (None, nothing) if columns is None else (lines, columns)

    def _batch(
        self,
        columns: list[pa.Array],
        numbers: npt.NDArray[np.int64],
        are_sound: npt.NDArray[np.bool_],
        careful: Records,
    ) -> Batch:
        """Return both kinds of rows in file order, without the blank ones."""
        of_sound = numbers[are_sound]
        is_row = of_sound > 0
        is_blank = is_row & ~_has_text(columns, len(of_sound))
        lines = self._lines_before + 1 + np.flatnonzero(are_sound)
        blank_rows = int(is_blank.sum()) + careful.blank_rows
        is_kept = is_row & ~is_blank
        if not is_kept.all():
            columns = [column.filter(pa.array(is_kept)) for column in columns]
            of_sound, lines = of_sound[is_kept], lines[is_kept]
        if not careful.rows:
            return Batch(columns=columns, source_rows=of_sound, lines=lines, bad=careful.bad, blank_rows=blank_rows)
        others = Batch.of_rows(careful.rows, careful.source_rows, width=self._width)
        source_rows = np.concatenate([of_sound, others.source_rows])
        order = np.argsort(source_rows, kind="stable")
        place = {int(source_rows[position]): new for new, position in enumerate(order)} if careful.repaired else {}
        return Batch(
            columns=[
                pa.concat_arrays([sound, other]).take(pa.array(order))
                for sound, other in zip(columns, others.columns, strict=True)
            ],
            source_rows=source_rows[order],
            lines=np.concatenate([lines, np.array(careful.lines, dtype=np.int64)])[order],
            bad=careful.bad,
            repaired={place[row]: line for row, line in careful.repaired.items()},
            blank_rows=blank_rows,
        )


def _has_text(columns: list[pa.Array], count: int) -> npt.NDArray[np.bool_]:
    """Return for each row whether any of its cells holds anything."""
    found = np.zeros(count, dtype=bool)
    for column in columns:
        found |= pc.binary_length(column).to_numpy(zero_copy_only=False) > 0
        if found.all():
            break
    return found


def _split_lines(text: str) -> list[str]:
    """Return lines with their ends, cut at LF, CR and CRLF only."""
    return io.StringIO(text, newline="").readlines()


@contextmanager
def _opened(path: Path, file_format: str) -> Iterator[BinaryIO]:
    with path.open("rb") as plain:
        if file_format.endswith(".gz"):
            with gzip.open(plain, "rb") as unpacked:
                yield cast("BinaryIO", unpacked)
        else:
            yield plain


@contextmanager
def _decoded(raw: BinaryIO, survey: TextSurvey) -> Iterator[IO[str]]:
    """Yield text with its line ends untouched, so that the csv module sees those inside quotes."""
    errors = "surrogateescape" if survey.has_broken_bytes else "strict"
    wrapper = io.TextIOWrapper(raw, encoding=survey.encoding, errors=errors, newline="")
    try:
        yield wrapper
    finally:
        wrapper.detach()
