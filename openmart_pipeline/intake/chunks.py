"""A batch of text columns becomes two tables: companies to ask about, and rows set aside.

Columns are judged as a whole in `text_columns` and `domain_columns`; no files are opened here.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from openmart_pipeline.intake.columns import DOMAIN, ColumnChoice
from openmart_pipeline.intake.domain_columns import DomainColumns
from openmart_pipeline.intake.frames import frame_of
from openmart_pipeline.intake.places import country_code, state_code
from openmart_pipeline.intake.readable import MAX_HINT_CHARS, clean_text, read_titles
from openmart_pipeline.intake.refusals import Rejected
from openmart_pipeline.intake.row_values import read_info_access, read_max_k, read_version
from openmart_pipeline.intake.rows_read import BadRow, Batch
from openmart_pipeline.intake.text_columns import (
    clean_texts,
    joined,
    json_text,
    json_texts,
    judged,
    judged_pairs,
)

if TYPE_CHECKING:
    import pandas as pd

_RejectedRow = tuple[int, int | None, str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Consecutive rows of a file: every row that is not blank is in exactly one of the two tables."""

    kept: pa.Table
    rejected: pa.Table
    blank_rows: int = 0
    repaired_rows: int = 0

    def __len__(self) -> int:
        """How many rows there are, kept or set aside."""
        return len(self.kept) + len(self.rejected)

    @property
    def companies(self) -> "pd.DataFrame":
        """The kept rows as a frame, made anew at every call."""
        return frame_of(self.kept)

    @property
    def set_aside(self) -> "pd.DataFrame":
        """The other rows as a frame, made anew at every call."""
        return frame_of(self.rejected)


def to_chunk(batch: Batch, choice: ColumnChoice, domain_columns: DomainColumns) -> Chunk:
    """Return the batch with every cell cleaned and every row judged.

    The first complaint about a row is the one it is set aside with: website, then title, max_k, info_access, version.
    """
    cells = _Cells(batch, choice)
    websites = cells.of(DOMAIN)
    assert websites is not None  # `columns` refuses a file without
    domains, no_domain = domain_columns.normalise(websites)
    max_ks, wrong_max_k = cells.numbers("max_k", read_max_k)
    accesses, wrong_access = cells.texts("info_access", read_info_access)
    versions, wrong_version = cells.numbers("version", read_version)
    titles, wrong_titles = cells.titles()
    verdicts = {**wrong_version, **wrong_access, **wrong_max_k, **wrong_titles, **no_domain}
    names, cities = cells.hint("company_name"), cells.hint("city")
    countries, _ = cells.texts("country", country_code)
    states = _states(cells)
    table = pa.table(
        {
            "source_row": batch.source_rows,
            "line": cells.nothing(pa.int64()) if batch.lines is None else pa.array(batch.lines),
            "company_name": names,
            "website": pc.replace_with_mask(websites, pc.equal(websites, ""), pa.scalar(None, pa.string())),
            "domain": domains,
            "titles": titles,
            "max_k": max_ks,
            "info_access": accesses,
            "city": cities,
            "state": states,
            "country": countries,
            "version": versions,
            "tracking_id": cells.cleaned("tracking_id"),
            "other": _other(cells, {"company_name": names, "city": cities, "country": countries, "state": states}),
        }
    )
    if verdicts:
        is_kept = np.ones(len(batch), dtype=bool)
        is_kept[list(verdicts)] = False
        table = table.filter(pa.array(is_kept))
    return Chunk(
        kept=table,
        rejected=_rejected(batch, choice, verdicts),
        blank_rows=batch.blank_rows,
        repaired_rows=len(batch.repaired),
    )


class _Cells:
    """The batch by field: each answer is a column as long as the batch, all null where no column is the field."""

    def __init__(self, batch: Batch, choice: ColumnChoice) -> None:
        self.batch = batch
        self.choice = choice

    def of(self, field: str) -> pa.Array | None:
        """Return the field's cells as read, or None when no column is the field."""
        position = self.choice.positions.get(field)
        return None if position is None else self.batch.columns[position]

    def nothing(self, kind: pa.DataType) -> pa.Array:
        """Return a column without a value."""
        return pa.nulls(len(self.batch), kind)

    def cleaned(self, field: str) -> pa.Array:
        column = self.of(field)
        return self.nothing(pa.string()) if column is None else clean_texts(column)

    def hint(self, field: str) -> pa.Array:
        """Return the field's cells cleaned; one that is too long for a hint is none, and stays in `other`."""
        column = self.cleaned(field)
        is_long = pc.fill_null(pc.greater(pc.utf8_length(column), MAX_HINT_CHARS), fill_value=False)
        return (
            column
            if not pc.any(is_long, min_count=0).as_py()
            else pc.if_else(is_long, pa.scalar(None, pa.string()), column)
        )

    def texts(self, field: str, judge: Callable[[str], str | Rejected | None]) -> tuple[pa.Array, dict[int, Rejected]]:
        column = self.of(field)
        if column is None:
            return self.nothing(pa.string()), {}
        answers = judged(column, judge)
        return answers.texts(), answers.complaints()

    def numbers(
        self, field: str, judge: Callable[[str], int | Rejected | None]
    ) -> tuple[pa.Array, dict[int, Rejected]]:
        column = self.of(field)
        if column is None:
            return self.nothing(pa.int64()), {}
        answers = judged(column, judge)
        return answers.numbers(), answers.complaints()

    def titles(self) -> tuple[pa.Array, dict[int, Rejected]]:
        """Return each row's own titles, an empty list where it has none, and the rows whose titles can't be used."""
        column, kind = self.of("title"), pa.list_(pa.string())
        if column is None:
            return pa.array([[]], kind).take(pa.array(np.zeros(len(self.batch), dtype=np.int64))), {}
        answers = judged(column, read_titles)
        known = pa.array([said if isinstance(said, tuple) else () for said in answers.distinct], kind)
        return known.take(pa.array(answers.codes)), answers.complaints()


def _states(cells: _Cells) -> pa.Array:
    states, countries = cells.of("state"), cells.of("country")
    if states is None:
        return cells.nothing(pa.string())
    if countries is None:
        return judged(states, partial(state_code, country=None)).texts()
    return judged_pairs(states, countries, _state_of_row).texts()


def _state_of_row(state: str, country_as_read: str) -> str | None:
    """Return the state's code; a country we can't name leaves its states uncertain too."""
    country = country_code(country_as_read)
    if country is None and clean_text(country_as_read) is not None:
        return None
    return state_code(state, country)


def _other(cells: _Cells, changed: Mapping[str, pa.Array]) -> pa.Array:
    """Return one JSON object per row: unknown columns, then `<field>_as_read` where more was done than copying."""
    names, used = cells.choice.names, set(cells.choice.positions.values())
    parts: list[str | pa.Array] = []
    for position, name in enumerate(names):
        if position not in used:
            parts += [f",{json_text(name)}:", json_texts(cells.batch.columns[position])]
    for field, values in changed.items():
        as_read = cells.of(field)
        if as_read is not None:
            parts += _as_read(field, as_read, pc.fill_null(values, ""))
    if cells.batch.repaired:
        lines = map(cells.batch.repaired.get, range(len(cells.batch)))
        parts.append(pa.array([f',"line_as_read":{json_text(line)}' if line else "" for line in lines], pa.string()))
    if not any(isinstance(part, pa.Array) for part in parts):
        return pa.repeat("{}", len(cells.batch))
    inside = joined(*parts)
    return joined("{", pc.utf8_slice_codeunits(inside, 1), "}")


def _as_read(field: str, as_read: pa.Array, values: pa.Array) -> list[pa.Array]:
    """Return what stands in `other` of a field whose value is not what the file says; nothing where none is."""
    is_changed = pc.not_equal(pc.utf8_trim_whitespace(as_read), values)
    if not pc.any(is_changed, min_count=0).as_py():
        return []
    noted = joined(f",{json_text(f'{field}_as_read')}:", json_texts(as_read))
    return [pc.if_else(is_changed, noted, "")]


def _rejected(batch: Batch, choice: ColumnChoice, verdicts: Mapping[int, Rejected]) -> pa.Table:
    """Return the rows set aside, in file order, each with the row as read."""
    rows: list[_RejectedRow] = [_bad_row(row) for row in batch.bad]
    places = sorted(verdicts)
    columns = [column.take(pa.array(places, pa.int64())).to_pylist() for column in batch.columns] if places else []
    for place, cells in zip(places, zip(*columns, strict=True), strict=True):
        as_read = json.dumps(dict(zip(choice.names, cells, strict=True)), ensure_ascii=False)
        line = int(batch.lines[place]) if batch.lines is not None else None
        verdict = verdicts[place]
        rows.append((int(batch.source_rows[place]), line, verdict.reason.value, verdict.detail, as_read))
    rows.sort(key=lambda row: row[0])
    kinds = {"source_row": pa.int64(), "line": pa.int64(), "reason": pa.string(), "detail": pa.string()}
    schema = pa.schema([*kinds.items(), ("row", pa.string())])
    by_column: Sequence[Sequence[object]] = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table([pa.array(values, kind.type) for values, kind in zip(by_column, schema, strict=True)], schema)


def _bad_row(row: BadRow) -> _RejectedRow:
    as_read = json.dumps({"line_as_read": row.text}, ensure_ascii=False)
    return row.source_row, row.line, row.reason.value, row.detail, as_read
