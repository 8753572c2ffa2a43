"""Parquet through pyarrow: columns of any plain type as text, a batch of rows at a time.

Neither the meaning of columns nor any other format lives here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from openmart_pipeline.intake.refusals import FileRefused
from openmart_pipeline.intake.rows_read import (
    BATCH_BYTES,
    BATCH_CELLS,
    Batch,
    ReadOptions,
    too_long,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParquetTable:
    """An opened Parquet file; satisfies `tables.Table`."""

    path: Path
    options: ReadOptions
    header: tuple[str, ...]
    texts: tuple[str, ...]
    """The columns that are text."""
    batch_rows: int
    notes: tuple[str, ...] = ()
    format: str = "parquet"
    encoding: None = None
    delimiter: None = None
    sheet: None = None

    def batches(self, domain_column: int) -> Iterator[Batch]:  # noqa: ARG002 - only text needs it
        """Yield the rows; the first is row 2, as it would be below a header."""
        number = 2
        for part in self._parts():
            columns = [_texts(column) for column in part.columns]
            longest = np.zeros(part.num_rows, dtype=np.int64)
            for column in columns:
                np.maximum(longest, pc.utf8_length(column).to_numpy(zero_copy_only=False), out=longest)
            numbers = np.arange(number, number + part.num_rows)
            number += part.num_rows
            is_kept = (longest > 0) & (longest <= self.options.max_cell_chars)
            yield Batch(
                columns=[column.filter(pa.array(is_kept)) for column in columns],
                source_rows=numbers[is_kept],
                bad=[
                    too_long(int(numbers[row]), [column[int(row)].as_py() for column in columns], self.options)
                    for row in np.flatnonzero(longest > self.options.max_cell_chars)
                ],
                blank_rows=int((longest == 0).sum()),
            )

    def _parts(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows as stored, few enough at a time that their text fits into a batch.

        A value that stands in every row is stored once. So texts are kept as numbers of distinct values, until it is
        known how much text they would make.
        """
        try:
            with pq.ParquetFile(self.path, read_dictionary=list(self.texts)) as file:
                for part in file.iter_batches(batch_size=self.batch_rows):
                    text_bytes = max(1, sum(map(_text_bytes, part.columns)))
                    rows = max(1, int(part.num_rows * min(1.0, BATCH_BYTES / text_bytes)))
                    for start in range(0, part.num_rows, rows):
                        yield part.slice(start, rows)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError):
            raise FileRefused("The Parquet file is damaged, or was cut off: save it again.") from None


def _text_bytes(column: pa.Array) -> int:
    """Return how many bytes of text the column makes, values that are stored once counted in every row."""
    if not pa.types.is_dictionary(column.type) or not pa.types.is_string(column.type.value_type):
        return int(column.nbytes)
    lengths = pc.binary_length(column.dictionary).to_numpy(zero_copy_only=False)
    counts = np.bincount(column.indices.drop_null().to_numpy(), minlength=len(lengths))
    return int((lengths.astype(np.int64) * counts[: len(lengths)]).sum())


def open_parquet(path: Path, options: ReadOptions) -> ParquetTable:
    """Return the table with its columns known.

    Raises:
        FileRefused: no Parquet file, empty, damaged, or over a limit; no row is read to know that.

    """
    if path.stat().st_size == 0:
        raise FileRefused("The file is empty (0 bytes), so there is nothing to buy: was it saved or copied fully?")
    try:
        with pq.ParquetFile(path) as file:
            schema, metadata = file.schema_arrow, file.metadata
            groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
            largest_row = max((group.total_byte_size // max(1, group.num_rows) for group in groups), default=0)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError):
        raise FileRefused("The file is no Parquet file, whatever its name says, or it was cut off.") from None
    if metadata.num_rows > options.max_rows:
        raise FileRefused(
            f"The file has {metadata.num_rows:,} rows, more than {options.max_rows:,} (max_rows): split it."
        )
    unpacked = sum(group.total_byte_size for group in groups)
    most, limit = options.most_unpacked(path.stat().st_size, options.max_text_bytes, "max_text_bytes")
    if unpacked > most:
        raise FileRefused(
            f"The file unpacks to {unpacked:,} bytes, more than {most:,} ({limit}): split it, or save it as CSV."
        )
    if len(schema.names) > options.max_columns:
        raise FileRefused(
            f"The file has {len(schema.names):,} columns, more than {options.max_columns:,} (max_columns)."
        )
    return ParquetTable(
        path=path,
        options=options,
        header=tuple(schema.names),
        texts=tuple(field.name for field in schema if pa.types.is_string(field.type)),
        batch_rows=max(
            1,
            min(options.chunk_rows, BATCH_CELLS // max(1, len(schema.names)), BATCH_BYTES // max(1, largest_row)),
        ),
    )


def _texts(column: pa.Array) -> pa.Array:
    """Return the column as text; lists and structs as Python shows them, since they only go to `other`."""
    if pa.types.is_nested(column.type) or pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return pa.array(["" if value is None else str(value) for value in column.to_pylist()], pa.string())
    if pa.types.is_floating(column.type):
        return pa.array([_number(value) for value in column.to_pylist()], pa.string())
    return pc.fill_null(pc.cast(column, pa.string()), "")


def _number(value: float | None) -> str:
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return ""
    return str(int(value)) if value.is_integer() else repr(value)
