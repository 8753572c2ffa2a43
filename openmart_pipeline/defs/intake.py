"""How a file was read, as a person reads it: which column is what, and what became of its rows, with examples.

Lives here: the metadata of `companies`, made alike for a run and for what the command line did. No rule.
Imports the modules of `defs` for metadata, and what a person is recognised by.
"""

import re
from collections.abc import Iterable

import dagster as dg

from openmart_pipeline.defs.metadata import Metadata, listed, numbers, of_file, texts
from openmart_pipeline.defs.quote import plain
from openmart_pipeline.enrichment.people.identifiers import identifiers_in_text
from openmart_pipeline.enrichment.steps import CompaniesTaken, Workplace
from openmart_pipeline.enrichment.warehouse import RowOutcome

NAMED_COLUMNS = 100  # of those that are kept as they are; a table can have thousands


def of_intake(work: Workplace, key: str, taken: CompaniesTaken) -> Metadata:
    """Return what was read of a file: counts, its format, the columns matched, its rows by outcome with examples."""
    report = taken.report
    others = [plain(name) for name in report.unknown_columns[:NAMED_COLUMNS]]
    if len(report.unknown_columns) > NAMED_COLUMNS:
        others.append(f"and {len(report.unknown_columns) - NAMED_COLUMNS:,} more")
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


def _columns(taken: CompaniesTaken) -> str:
    lines = ["| field | is read from the column |", "|---|---|"]
    matched, told = taken.report.columns, taken.reading.columns
    for field in dict.fromkeys((*matched, *told)):
        said = ", as a person said" if field in told else ""
        lines.append(f"| {field} | {plain(matched[field]) if field in matched else 'no column'}{said} |")
    return "\n".join(lines)


def _nameless(text: str) -> str:
    """Return the text without e-mail addresses, phone numbers and LinkedIn pages: Dagster's history never forgets."""
    for _, written in list(identifiers_in_text(text)):
        text = text.replace(written, "…")
    return re.sub(r"[^\s'\"<>]+@[^\s'\"<>]*", "…", text)


def rows_markdown(outcomes: Iterable[RowOutcome]) -> str:
    """Return a table of what became of a file's rows; `rejected_rows` has every one that was set aside."""
    lines = ["| its rows | | for example |", "|---|---:|---|"]
    for outcome in outcomes:
        what = "asked about" if outcome.reason is None else f"set aside: {plain(outcome.reason)}"
        examples = "<br>".join(f"row {row}: {plain(_nameless(detail))}" for row, detail in outcome.examples)
        lines.append(f"| {what} | {outcome.rows:,} | {examples} |")
    return "\n".join(lines)
