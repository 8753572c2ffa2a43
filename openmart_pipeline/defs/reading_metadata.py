"""How a file was read, as a person reads it: which column is what, and what became of its rows, with examples.

Lives here: the metadata of `companies`, made alike for a run and for what the command line did. No rule.
"""

import re
from collections.abc import Iterable

import dagster as dg

from openmart_pipeline.defs.metadata import Metadata, listed, numbers, of_file, texts
from openmart_pipeline.defs.quote_metadata import plain
from openmart_pipeline.intake.columns import shown_names
from openmart_pipeline.pipeline.steps import CompaniesIngested
from openmart_pipeline.services import Services
from openmart_pipeline.warehouse import RowOutcome
from openmart_pipeline.warehouse.row_outcomes import ASKED_AS

NAMED_COLUMNS = 100  # a table can have thousands
_QUOTED = re.compile(r"""(?<!\w)(['"])(?:\\.|(?!\1).)*\1(?!\w)""", re.DOTALL)


def of_intake(work: Services, key: str, taken: CompaniesIngested) -> Metadata:
    """Return what was read of a file: counts, its format, the columns matched, its rows by outcome with examples."""
    report = taken.report
    named, unnamed = shown_names((*report.columns.values(), *report.unknown_columns), most=NAMED_COLUMNS)
    others = [plain(name) for name in named if name in report.unknown_columns]
    if unnamed:
        others.append(f"{unnamed:,} more")
    how = [report.format, report.encoding, report.delimiter and f"separated by {report.delimiter!r}", report.sheet]
    return {
        "dagster/uri": of_file(work.data.source(key)),
        "openmart/columns": dg.MetadataValue.md(_columns(taken)),
        "openmart/rows_by_outcome": dg.MetadataValue.md(rows_markdown(work.warehouse.row_outcomes(key))),
        **numbers(
            {
                "rows": taken.counts.rows,
                "companies": taken.counts.companies,
                "set_aside": taken.counts.set_aside,
                "blank_rows": taken.blank_rows,
                "repaired_rows": taken.repaired_rows,
                "file_bytes": taken.version.size_bytes,
            }
        ),
        **texts(
            {
                "file_sha256": taken.version.sha256,
                "format": ", ".join(part for part in how if part),
                "read_as_told": str(taken.reading),
                "other_columns": ", ".join(others),
                "set_aside_by_reason": listed(taken.counts.set_aside_by_reason),
                "notes": " ".join(report.notes),
            }
        ),
    }


def _columns(taken: CompaniesIngested) -> str:
    lines = ["| field | is read from the column |", "|---|---|"]
    matched, told = taken.report.columns, taken.reading.columns
    for field in dict.fromkeys((*matched, *told)):
        said = ", as a person said" if field in told else ""
        lines.append(f"| {field} | {plain(matched[field]) if field in matched else 'no column'}{said} |")
    return "\n".join(lines)


def _without_cells(detail: str) -> str:
    """Return a sentence about a row without what stands in the row: Dagster's history never forgets.

    Whoever wants to see it finds it in `rejected_rows`, and in the quote on the command line.
    """
    return re.sub(r"[^\s'\"<>]+@[^\s'\"<>]*", "…", _QUOTED.sub("'…'", detail))


def rows_markdown(outcomes: Iterable[RowOutcome]) -> str:
    """Return a table of what became of a file's rows; `rejected_rows` has every one that was set aside."""
    lines = ["| its rows | | for example |", "|---|---:|---|"]
    for outcome in outcomes:
        if outcome.reason is None:
            what, shown = "asked about", [detail.rpartition(ASKED_AS)[2] for _, detail in outcome.examples]
        else:
            what = f"set aside: {plain(outcome.reason)}"
            shown = [_without_cells(detail) for _, detail in outcome.examples]
        examples = "<br>".join(
            f"row {row}: {plain(said)}" for (row, _), said in zip(outcome.examples, shown, strict=True)
        )
        lines.append(f"| {what} | {outcome.rows:,} | {examples} |")
    return "\n".join(lines)
