"""The warehouse: a DuckDB file of the pipeline's own, and the published copy that analysts read.

Lives here: the object the rest of the project talks to. Only this package imports duckdb.
Imports its own modules, `answers` and `contacts`; nothing of the ledger.
"""

from openmart_pipeline.enrichment.warehouse.answer_loads import LoadCounts
from openmart_pipeline.enrichment.warehouse.errors import (
    RowsOutdated,
    WarehouseBusy,
    WarehouseError,
    WarehouseOutdated,
    WarehouseUnwritable,
)
from openmart_pipeline.enrichment.warehouse.file_loads import CompanyCounts
from openmart_pipeline.enrichment.warehouse.publish import PublishedInfo
from openmart_pipeline.enrichment.warehouse.row_outcomes import RowOutcome
from openmart_pipeline.enrichment.warehouse.schema import DictionaryEntry, data_dictionary
from openmart_pipeline.enrichment.warehouse.warehouse import Warehouse

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
