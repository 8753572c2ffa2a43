"""Company rows without the people on the suppression list: people's tables name people in all kinds of columns.

Lives here: which cells of a frame are looked at. What is replaced is decided in `suppression`.
Imports `suppression`.
"""

import pandas as pd

from openmart_pipeline.enrichment.suppression import Suppression

# Cells without any of these name nobody in a way that can be recognised: nine of ten are never looked at.
_MAY_NAME_SOMEBODY = r"@|\+\d|(?i:linkedin\.com)"


def without_traces(frame: pd.DataFrame, suppression: Suppression) -> pd.DataFrame:
    """Return the frame with `[removed]` where a text names somebody on the list; the same frame where none does."""
    if not suppression or frame.empty:
        return frame
    cleaned = frame
    for name in frame.columns:
        column = frame[name]
        if not pd.api.types.is_string_dtype(column):
            continue
        suspects = column[column.str.contains(_MAY_NAME_SOMEBODY, regex=True, na=False)]
        changed = suspects.map(suppression.without_traces)
        changed = changed[changed != suspects]
        if not changed.empty:
            cleaned = frame.copy() if cleaned is frame else cleaned
            cleaned.loc[changed.index, name] = changed
    return cleaned
