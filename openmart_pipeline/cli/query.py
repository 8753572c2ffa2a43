"""`query`: one SELECT on the published database, shown as a table, CSV or JSON lines.

Lives here: how a result is shown. What the connection may do is decided in `warehouse.published`.
The history keeps that rows were read, and how many; never the SQL.
"""

import csv
import json
import sys
from collections.abc import Iterator, Mapping
from itertools import islice

import click

from openmart_pipeline.cli.exits import Refusal, plain_sentences
from openmart_pipeline.cli.interrupts import interruptible
from openmart_pipeline.cli.screen import harmless, remarks, results, table
from openmart_pipeline.cli.workplace import published as published_path
from openmart_pipeline.cli.workplace import record_reading
from openmart_pipeline.warehouse.published import QueryRefused, Result, reading_published
from openmart_pipeline.warehouse.spreadsheet_cells import Cell, cell, guarded

ROWS_SHOWN = 100  # as a table; more is for a file


@click.command()
@click.argument("sql")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="json is one object per line.",
)
@click.option("--rows", type=click.IntRange(min=1), default=ROWS_SHOWN, show_default=True, help="Most rows of a table.")
@click.pass_obj
def query(environment: Mapping[str, str], sql: str, format_: str, rows: int) -> None:
    """Run one SELECT on the published database: nothing else can be done with it, whatever the SQL says.

    SQL is the statement, or - to read it from stdin. What there is: docs/data-dictionary.md, or "SHOW TABLES".
    """
    statement = sys.stdin.read() if sql == "-" else sql
    with plain_sentences(), interruptible(lambda _times: None):
        published = published_path(environment)
        try:
            with reading_published(published, statement) as result:
                shown = _SHOWN[format_](result, rows)
            record_reading(environment, "query", rows=shown)
        except QueryRefused as error:
            raise Refusal(str(error)) from error


def _cells(result: Result) -> Iterator[list[Cell]]:
    for chunk in result.chunks:
        for row in zip(*(column.to_pylist() for column in chunk.columns), strict=True):
            yield [cell(value) for value in row]


def _show_table(result: Result, most_rows: int) -> int:
    all_rows = _cells(result)
    rows = list(islice(all_rows, most_rows))
    shown = table("", result.columns, numbers_from=len(result.columns))
    for position, column in enumerate(shown.columns):
        if rows and all(isinstance(row[position], int | float | None) for row in rows):
            column.justify = "right"
    for row in rows:
        shown.add_row(*(harmless("NULL" if value is None else value) for value in row))
    results().print(shown)
    if more := sum(1 for _ in all_rows):
        remarks().print(f"{more:,} more rows: say --rows, or put them into a file with `openmart-pipeline export`.")
    return len(rows)


def _print_csv(result: Result, _rows: int) -> int:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([guarded(name) for name in result.columns])
    count = 0
    for row in _cells(result):
        writer.writerow([guarded(value) for value in row])
        count += 1
    return count


def _print_json(result: Result, _rows: int) -> int:
    count = 0
    for chunk in result.chunks:
        for row in chunk.to_pylist():
            click.echo(json.dumps(row, ensure_ascii=False, default=str))
            count += 1
    return count


_SHOWN = {"table": _show_table, "csv": _print_csv, "json": _print_json}
