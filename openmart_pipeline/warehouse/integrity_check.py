"""What is never published: tables that contradict themselves, whatever brought them there.

Lives here: sentences with a query each. What is merely late or missing is a matter of checks, not of this.
"""

import duckdb

from openmart_pipeline.warehouse.warehouse_errors import WarehouseError

# Each counts what would be nonsense; together they take half a second for a million contacts.
_CONTRADICTIONS = {
    "contacts share their id with another": "SELECT count(*) - count(DISTINCT contact_id) FROM contacts",
    "contacts have no id, file, question or task": """
        SELECT count(*) FROM contacts
        WHERE contact_id IS NULL OR input_file IS NULL OR fingerprint IS NULL OR task_no IS NULL""",
    "contacts come from an answer that is not there": """
        SELECT count(*) FROM contacts ANTI JOIN task_results USING (input_file, task_no)""",
    "rows of company files are there twice": """
        SELECT count(*) FROM (SELECT 1 FROM companies GROUP BY input_file, source_row HAVING count(*) > 1)""",
    "tables hold a file that input_files doesn't": """
        SELECT count(*) FROM (
            SELECT input_file FROM companies UNION SELECT input_file FROM contacts
        ) ANTI JOIN input_files USING (input_file)""",
}


class Nonsense(WarehouseError):
    """The tables contradict themselves: they are not put in front of analysts."""


def refuse_nonsense(connection: duckdb.DuckDBPyConnection) -> None:
    """Do nothing while the tables agree with themselves.

    Raises:
        Nonsense: they don't; the sentence counts what is wrong.

    """
    wrong = []
    for what, sql in _CONTRADICTIONS.items():
        row = connection.execute(sql).fetchone()
        if row and row[0]:
            wrong.append(f"{row[0]:,} {what}")
    if wrong:
        raise Nonsense(
            f"Not published, since the tables contradict themselves: {'; '.join(wrong)}. Analysts still read the one "
            "before. Make the database anew from the ledger, at no cost: `openmart-pipeline rebuild`."
        )
