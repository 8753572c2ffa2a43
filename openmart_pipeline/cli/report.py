"""`report`: the published database as one HTML page.

Lives here: where the page goes. What is on it is the business of `report`.
Opens no ledger.
"""

import contextlib
import uuid
from collections.abc import Mapping
from pathlib import Path

import click

from openmart_pipeline.cli.exits import plain_sentences
from openmart_pipeline.cli.screen import harmless, results
from openmart_pipeline.cli.workplace import published
from openmart_pipeline.report import read_numbers, report_page


@click.command()
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False), default="report.html")
@click.pass_obj
def report(environment: Mapping[str, str], target: Path) -> None:
    """Write a page about the published database to TARGET: coverage, hit rates, cost, in pictures.

    One file that needs nothing else, to open in any browser or to send to a colleague. It names files and job
    titles, and no person. TARGET is report.html unless said otherwise, and is written over.
    """
    with plain_sentences():
        page = report_page(read_numbers(published(environment)))
        aside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
        try:
            aside.write_text(page, encoding="utf-8")
            aside.replace(target)
        finally:
            with contextlib.suppress(OSError):
                aside.unlink(missing_ok=True)
    results().print(harmless(f"Written to {target}: open it in a browser."))
