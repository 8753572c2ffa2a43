"""The audit trail as a table for analysts and officers: replaced whole, where it changed.

Lives here: one transaction. What is in it is decided by whoever hands it over.
"""

from collections.abc import Sequence

import pyarrow as pa

from openmart_pipeline.contacts.contact_fields import storable_text
from openmart_pipeline.model.answers import AuditRow
from openmart_pipeline.warehouse.connection import WarehouseFile
from openmart_pipeline.warehouse.definitions_sql import arrow_schema
from openmart_pipeline.warehouse.tables import AUDIT_TRAIL
from openmart_pipeline.warehouse.times import utc


def extent(file: WarehouseFile) -> tuple[int, int]:
    """Return how many rows are held, and the number of the newest event among them."""
    with file.reading() as connection:
        row = connection.execute("SELECT count(*), coalesce(max(event_no), 0) FROM audit_trail").fetchone()
    assert row is not None
    return row[0], row[1]


def replace_audit_trail(file: WarehouseFile, rows: Sequence[AuditRow]) -> None:
    """Hold these rows and no others."""
    values = [
        {
            **row._asdict(),
            "happened_at": utc(row.happened_at),
            "who": storable_text(row.who),
            "why": storable_text(row.why),
            "about_file": storable_text(row.about_file),
        }
        for row in rows
    ]
    with file.writing() as connection:
        connection.execute("DELETE FROM audit_trail")
        connection.register("incoming", pa.Table.from_pylist(values, schema=arrow_schema(AUDIT_TRAIL.columns)))
        connection.execute("INSERT INTO audit_trail BY NAME SELECT * FROM incoming")
        connection.unregister("incoming")
        connection.execute("DELETE FROM published_info")
