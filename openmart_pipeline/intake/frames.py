"""Rows of a file as pandas frames, for whoever works with them by hand; the pipeline itself hands on Arrow tables.

Lives here: the types. pandas is imported with the first frame: commands that read no file start without it.
"""

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    import pandas as pd


def frame_of(table: pa.Table) -> "pd.DataFrame":
    """Return text as text, nullable integers, and lists of titles as lists."""
    import pandas as pd  # noqa: PLC0415  see above

    types = {pa.int64(): pd.Int64Dtype(), pa.string(): pd.StringDtype(na_value=float("nan"))}
    frame: pd.DataFrame = table.to_pandas(types_mapper=types.get)
    frame["source_row"] = frame["source_row"].astype("int64")
    if "titles" in frame:
        has_titles = pc.any(pc.greater(pc.list_value_length(table["titles"]), 0), min_count=0).as_py()
        titles = table["titles"].to_pylist() if has_titles else [[]] * len(frame)
        frame["titles"] = pd.Series(titles, index=frame.index, dtype=object)
    return frame
