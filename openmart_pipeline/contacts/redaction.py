"""Company rows without people: those on the suppression list nowhere, and nobody in what is sent along.

Lives here: which cells are looked at; people's tables name people in all kinds of columns. What is replaced is decided
in `suppression`.
"""

import re

import pyarrow as pa
import pyarrow.compute as pc

from openmart_pipeline.contacts.identifiers import identifiers_in_text
from openmart_pipeline.contacts.suppression import REMOVED, Suppression

# Cells without any of these name nobody in a way that can be recognised: nine of ten are never looked at.
_MAY_NAME_SOMEBODY = r"@|\+\d|(?i:linkedin\.com)"


def without_traces(table: pa.Table, suppression: Suppression) -> pa.Table:
    """Return the table with `[removed]` where a text names somebody on the list."""
    if not suppression:
        return table
    for place, name in enumerate(table.column_names):
        if not pa.types.is_string(table.schema.field(name).type):
            continue
        column = table[name].combine_chunks()
        suspects = pc.fill_null(pc.match_substring_regex(column, _MAY_NAME_SOMEBODY), False)
        if pc.any(suspects, min_count=0).as_py():
            cleaned = map(suppression.without_traces, column.filter(suspects).to_pylist())
            column = pc.replace_with_mask(column, suspects, pa.array(cleaned, column.type))
            table = table.set_column(place, name, column)
    return table


def as_hints(names: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return names or places of companies with none where one names a person by address, number or page, or named one.

    A hint goes to Openmart and into the ledger, where it would outlive the person's wish to be forgotten.
    """
    suspects = pc.match_substring_regex(names, f"{_MAY_NAME_SOMEBODY}|{re.escape(REMOVED)}")
    if not pc.any(suspects, min_count=0).as_py():
        return names
    return pa.chunked_array(
        [[None if name and _names_somebody(name) else name for name in names.to_pylist()]], names.type
    )


def _names_somebody(name: str) -> bool:
    return REMOVED in name or any(True for _ in identifiers_in_text(name))
