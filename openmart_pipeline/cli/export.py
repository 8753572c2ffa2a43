"""`export`: rows of the published database as a CSV, XLSX or Parquet file.

Lives here: the options. Formats and safety are the business of `warehouse.export`.
Opens no ledger.
"""

from collections.abc import Mapping
from pathlib import Path

import click

from openmart_pipeline.cli.exits import Refusal, plain_sentences
from openmart_pipeline.cli.interrupts import interruptible
from openmart_pipeline.cli.screen import harmless, results
from openmart_pipeline.cli.workplace import published as published_path
from openmart_pipeline.cli.workplace import record_reading
from openmart_pipeline.model.words import plural
from openmart_pipeline.warehouse.exporting import ExportRefused, Selection, known_files
from openmart_pipeline.warehouse.exporting import export as write_export
from openmart_pipeline.warehouse.published import QueryRefused


@click.command()
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--view", "name", metavar="NAME", help="A table or view.  [default: contacts]")
@click.option(
    "--file", "input_file", metavar="NAME", help="Only the rows of this company file, by its name in data/input."
)
@click.option(
    "--with-columns",
    is_flag=True,
    help="Also the file's own columns, as it had them: a row for each row of the file. With contacts, companies, "
    "rejected_rows, company_coverage and companies_without_contacts.",
)
@click.option("--sql", metavar="SELECT", help="A SELECT of your own instead.")
@click.option("--replace", is_flag=True, help="Write over TARGET if it is there.")
@click.pass_obj
def export(
    environment: Mapping[str, str],
    target: Path,
    name: str | None,
    input_file: str | None,
    with_columns: bool,
    sql: str | None,
    replace: bool,
) -> None:
    """Write rows of the published database to TARGET, which ends in .csv, .xlsx or .parquet.

    Texts that a spreadsheet would run as a formula are marked as text; phone numbers stay as they are.
    """
    if sql is not None and name is not None:
        raise Refusal("Say either --view or --sql.")
    with plain_sentences(), interruptible(lambda _times: None):
        published = published_path(environment)
        try:
            if input_file is not None and input_file not in (known := known_files(published)):
                raise Refusal(
                    f"There is no file {input_file!r} in the database: it knows {', '.join(known) or 'none'}."
                )
            selection = Selection(name=name or "contacts", input_file=input_file, sql=sql, with_columns=with_columns)
            written = write_export(
                published,
                target,
                selection,
                replace=replace,
                on_rows=lambda rows: _record(environment, selection, rows),
            )
        except (QueryRefused, ExportRefused) as error:
            raise Refusal(str(error)) from error
    console = results()
    console.print(harmless(f"{plural(written.rows, 'row')} written to {written.path}."))
    if written.guarded_cells:
        console.print(
            f"{plural(written.guarded_cells, 'text')} that a spreadsheet might run as a formula "
            f"{'is' if written.guarded_cells == 1 else 'are'} marked as text."
        )
    if written.shortened_cells:
        console.print(
            f"{plural(written.shortened_cells, 'text')} too long for a cell of a workbook: export CSV instead."
        )


def _record(environment: Mapping[str, str], selection: Selection, rows: int) -> None:
    record_reading(
        environment, "export", rows=rows, partition_key=selection.input_file, is_own_sql=selection.sql is not None
    )
