"""The warehouse: a DuckDB file of the pipeline's own, and the published copy that analysts read.

Lives here: the object the rest of the project talks to. Only this package imports duckdb.
"""

from openmart_pipeline.warehouse.answer_loads import LoadCounts
from openmart_pipeline.warehouse.definitions_sql import DictionaryEntry, data_dictionary
from openmart_pipeline.warehouse.file_loads import CompanyCounts
from openmart_pipeline.warehouse.publish import PublishedInfo
from openmart_pipeline.warehouse.row_outcomes import RowOutcome
from openmart_pipeline.warehouse.warehouse import Warehouse
from openmart_pipeline.warehouse.warehouse_errors import (
    RowsOutdated,
    WarehouseBusy,
    WarehouseError,
    WarehouseOutdated,
    WarehouseUnwritable,
)

__all__ = [
    "CompanyCounts",
    "DictionaryEntry",
    "LoadCounts",
    "PublishedInfo",
    "RowOutcome",
    "RowsOutdated",
    "Warehouse",
    "WarehouseBusy",
    "WarehouseError",
    "WarehouseOutdated",
    "WarehouseUnwritable",
    "data_dictionary",
]
