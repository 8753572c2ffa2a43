"""What became of a file's rows when it was read, with examples: what a person looks at before buying.

Lives here: two queries. Outcomes, reasons and details are written by the intake.
"""

from dataclasses import dataclass

from openmart_pipeline.warehouse.connection import WarehouseFile

EXAMPLES = 3  # of each; `companies` and `rejected_rows` have them all
ASKED_AS = " is asked about as "
_KEPT = """
SELECT count(*), arg_min({'source_row': source_row, 'detail': concat_ws($asked_as,
    nullif(trim(website), domain), domain)}, source_row, $examples)
FROM companies WHERE input_file = $input_file AND outcome = 'kept'
"""
_SET_ASIDE = """
SELECT reason, count(*), arg_min({'source_row': source_row, 'detail': detail}, source_row, $examples)
FROM rejected_rows WHERE input_file = $input_file GROUP BY reason ORDER BY 2 DESC, 1
"""


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """The rows of a file that are kept, or were set aside for one reason."""

    reason: str | None  # None: kept
    rows: int
    examples: tuple[tuple[int, str], ...]
    """The first of them: the row's number as a spreadsheet shows it, and a sentence or an address."""


def row_outcomes(file: WarehouseFile, input_file: str) -> list[RowOutcome]:
    """Return the kept rows first, then the reasons, the most frequent first; nothing that no row is."""
    bound = {"input_file": input_file, "examples": EXAMPLES}
    with file.reading() as connection:
        kept_rows = connection.execute(_KEPT, {**bound, "asked_as": ASKED_AS}).fetchall()
        kept = [(None, *row) for row in kept_rows if row[0]]
        set_aside = connection.execute(_SET_ASIDE, bound).fetchall()
    return [
        RowOutcome(reason, rows, tuple((example["source_row"], example["detail"]) for example in examples))
        for reason, rows, examples in (*kept, *set_aside)
    ]
