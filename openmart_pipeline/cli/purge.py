"""`purge`: answers removed for good, by age, file or company, after showing how many.

Lives here: asking once more, and saying what was done. The order of the steps is `people.purging`'s.
"""

import datetime as dt
import sys
from collections.abc import Mapping

import click

from openmart_pipeline.cli.exits import Refusal, plain_sentences
from openmart_pipeline.cli.history import copies_elsewhere
from openmart_pipeline.cli.retire import key_of
from openmart_pipeline.cli.screen import harmless, remarks, results
from openmart_pipeline.cli.workplace import person, workplace
from openmart_pipeline.contacts.identifiers import Kind, identifier_of
from openmart_pipeline.ledger.purging import Selection
from openmart_pipeline.pipeline import retention as purging
from openmart_pipeline.pipeline.retention import PurgeRefused


@click.command()
@click.option("--older-than", type=click.IntRange(min=1), metavar="DAYS", help="Answers read longer ago than this.")
@click.option("--file", "file", metavar="FILE", help="Answers to this file's questions, unless other files ask them.")
@click.option("--company", metavar="DOMAIN", help="Answers to questions about this company.")
@click.option("--why", metavar="REFERENCE", help="A reference for the history, such as a rule; never a person.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("--yes", is_flag=True, help="Don't ask once more.")
@click.pass_obj
def purge(
    environment: Mapping[str, str],
    *,
    older_than: int | None,
    file: str | None,
    company: str | None,
    why: str | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Remove answers with their people for good: raw answers, contacts, results. It can't be undone.

    What was paid stays in the accounts, and the questions stay answered: nothing buys them again by itself, not even
    the monthly refresh. Only a plan that you make with --reask stale does. Of several choices all must hold. To keep
    a company out for the future too: openmart-pipeline suppress. A file's own rows go with openmart-pipeline retire
    --remove-data.
    """
    if not dry_run and not why:
        raise Refusal("Say --why: a reference for the history; or --dry-run to see what would go. Nothing was removed.")
    try:
        with plain_sentences(), workplace(environment) as (_settings, work):
            selection = Selection(
                older_than=None if older_than is None else dt.timedelta(days=older_than),
                partition_key=None if file is None else key_of(work, file),
                domain=None if company is None else _domain(company),
            )
            would = purging.preview(work, selection)
            if dry_run or not yes:
                results().print(harmless(would))
            if dry_run:
                return
            if not yes:
                _ask()
            say = remarks().print
            done = purging.purge(work, selection, who=person(), why=why or "", on_step=lambda step: say(f"  {step}"))
            copies = copies_elsewhere(work)
    except PurgeRefused as error:
        raise Refusal(str(error)) from error
    results().print(harmless(done))
    if copies:
        results().print(copies)


def _domain(company: str) -> str:
    try:
        found = identifier_of(company)
    except ValueError:
        found = None
    if found is None or found.kind is not Kind.DOMAIN:
        raise Refusal("--company needs a company's domain, such as acme.com. Nothing was removed.")
    return found.value


def _ask() -> None:
    if not sys.stdin.isatty():
        raise Refusal("There is nobody to ask here: say --yes to remove them. Nothing was removed.")
    if not click.confirm("Remove them for good?", default=False, err=True):
        raise Refusal("Nothing was removed.")
