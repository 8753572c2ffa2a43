"""Parquet through pyarrow: columns of any plain type as text, a batch of rows at a time.

Neither the meaning of columns nor any other format lives here.
Imports `refusals` and `tables`; `companies` imports it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from openmart_pipeline.enrichment.intake.tables import BATCH_CELLS, Batch, ReadOptions, too_long
from openmart_pipeline.enrichment.refusals import FileRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class ParquetTable:
    """An opened Parquet file; satisfies `tables.Table`."""

    path: Path
    options: ReadOptions
    header: tuple[str, ...]
    notes: tuple[str, ...] = ()
    format: str = "parquet"
    encoding: None = None
    delimiter: None = None
    sheet: None = None

    def batches(self, domain_column: int) -> Iterator[Batch]:  # noqa: ARG002 - only text needs it
        """Yield the rows; the first is row 2, as it would be below a header."""
        number = 2
        size = max(1, min(self.options.chunk_rows, BATCH_CELLS // max(1, len(self.header))))
        with pq.ParquetFile(self.path) as file:
            for part in file.iter_batches(batch_size=size):
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


def open_parquet(path: Path, options: ReadOptions) -> ParquetTable:
    """Return the table with its columns known.

    Raises:
        FileRefused: no Parquet file, empty, damaged, or with more columns than the limit.

    """
    if path.stat().st_size == 0:
        raise FileRefused("The file is empty (0 bytes), so there is nothing to buy: was it saved or copied fully?")
    try:
        with pq.ParquetFile(path) as file:
            names = tuple(file.schema_arrow.names)
    except pa.ArrowInvalid:
        raise FileRefused("The file is no Parquet file, whatever its name says, or it was cut off.") from None
    if len(names) > options.max_columns:
        raise FileRefused(f"The file has {len(names):,} columns, more than {options.max_columns:,} (max_columns).")
    return ParquetTable(path=path, options=options, header=names)


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
