"""The columns that a file brought and we have no use for: beside its contacts, and back to whoever made the file.

Lives here: a view, and a JSON column of a result spread over columns of their own. No connection, no file.
"""

import json
from collections.abc import Iterator, Sequence

import pyarrow as pa

from openmart_pipeline.warehouse.published import PublishedReader, Result
from openmart_pipeline.warehouse.tables import COMPANIES, CONTACTS, TEXT, Column, View

MARK = "file: "  # before the name of a file's own column: `Email` of the file is not the e-mail that was found

CONTACTS_WITH_COLUMNS = View(
    "contacts_with_columns",
    "A row is a contact and one row of the file that asked for it, with all that the file itself said in that row",
    (
        *COMPANIES.only("input_file", "source_row"),
        Column("source_tracking_id", TEXT, "That row's own id from the file"),
        *COMPANIES.only("website"),
        *CONTACTS.only("company_domain", "company_name", "requested_title", "first_name", "last_name", "full_name"),
        *CONTACTS.only("title", "email", "email_verified", "phone", "phone_region", "phone_line_type", "linkedin_url"),
        *CONTACTS.only("is_withdrawn", "fetched_at", "contact_id"),
        Column(
            "file_columns",
            TEXT,
            "JSON object: the file's other columns, and originals of what was normalised: file_columns->>'$.Tier'",
        ),
    ),
    """
SELECT contacts.input_file, contact_rows.source_row, contact_rows.tracking_id AS source_tracking_id, companies.website,
       contacts.company_domain, contacts.company_name, requested_title, first_name, last_name, full_name, title, email,
       email_verified, phone, phone_region, phone_line_type, linkedin_url, is_withdrawn, fetched_at,
       contacts.contact_id,
       companies.other AS file_columns
FROM contacts
LEFT JOIN contact_rows USING (contact_id, input_file)
LEFT JOIN companies USING (input_file, source_row)
""",
)

_JOINED = "SELECT {0}.*, companies.other AS file_columns FROM {0} LEFT JOIN companies USING (input_file, source_row)"
# Table or view -> its rows, and their JSON column with what the file said.
WITH_FILE_COLUMNS = {
    "contacts": ("SELECT * FROM contacts_with_columns", "file_columns"),
    "contacts_with_columns": ("SELECT * FROM contacts_with_columns", "file_columns"),
    "companies": ("SELECT * FROM companies", "other"),
    "rejected_rows": ("SELECT * FROM rejected_rows", "row"),
    "company_coverage": (_JOINED.format("company_coverage"), "file_columns"),
    "companies_without_contacts": (_JOINED.format("companies_without_contacts"), "file_columns"),
}
_NAMES = """
SELECT name FROM (
    SELECT unnest(json_keys("{0}")) AS name, generate_subscripts(json_keys("{0}"), 1) AS place FROM ({1})
) GROUP BY name ORDER BY min(place), name
"""


def run_with_file_columns(reader: PublishedReader, sql: str, params: Sequence[object], column: str) -> Result:
    """Run the statement, its JSON column `column` replaced by one column of text for every name in it."""
    names = [name for (name,) in reader.rows(_NAMES.format(column, sql), params)]
    result = reader.run(sql, params)
    kept = [name for name in result.columns if name != column]
    schema = pa.schema(
        [*(result.schema.field(name) for name in kept), *(pa.field(MARK + name, pa.string()) for name in names)]
    )

    def chunks() -> Iterator[pa.RecordBatch]:
        for chunk in result.chunks:
            objects = [json.loads(text) if text else {} for text in chunk.column(column).to_pylist()]
            spread = [pa.array([said.get(name) for said in objects], pa.string()) for name in names]
            yield pa.RecordBatch.from_arrays([*(chunk.column(name) for name in kept), *spread], schema=schema)

    return Result(tuple(schema.names), schema, chunks())
