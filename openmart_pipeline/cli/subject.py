"""`subject`: all that is held on one person, as JSON or as a letter to them.

Lives here: the options, and where the answer is written. What it says is made in `people.access`.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import click

from openmart_pipeline.cli.exits import Exit, Refusal, plain_sentences
from openmart_pipeline.cli.found import (
    choices,
    identifiers_of,
    included,
    say_rows_by_name,
    show_doubts,
    who_is_meant,
)
from openmart_pipeline.cli.screen import harmless, remarks
from openmart_pipeline.cli.workplace import person, workplace
from openmart_pipeline.ledger import audit
from openmart_pipeline.model.words import plural
from openmart_pipeline.privacy import holdings
from openmart_pipeline.privacy.access import Basis, as_json, as_letter
from openmart_pipeline.privacy.holdings import Holdings, NobodyNamed, SeveralPeople
from openmart_pipeline.settings import Settings

JSON, LETTER = "json", "letter"


@click.command()
@who_is_meant
@choices
@click.option(
    "--format", "form", type=click.Choice([JSON, LETTER]), default=JSON, show_default=True, help="letter: Markdown."
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write it to this new file, which only you may read, instead of stdout.",
)
@click.pass_obj
def subject(
    environment: Mapping[str, str],
    who: tuple[str, ...],
    *,
    include: tuple[str, ...],
    only: str | None,
    form: str,
    output: Path | None,
) -> None:
    """Show all that is held on one person, for their request for access: JSON, or a letter to them.

    WHO are e-mail addresses, phone numbers with country code, LinkedIn pages of one person, or "NAME at DOMAIN";
    without any they are read from stdin. All that leads to the person is followed; what somebody else is found by too
    is said on stderr, with the options that settle it. Changes nothing; the history keeps that it was asked.
    """
    given, theirs = identifiers_of(who), included(include)
    with plain_sentences():
        try:
            with workplace(environment) as (settings, work):
                found = holdings.find(work, given, include=theirs, only=only)
                show_doubts(found, remarks())
                found.refuse_several()
                audit.note(
                    work.ledger, "subject", who=person(), answers=len(found.answers), contacts=len(found.contacts)
                )
                basis = _basis(settings)
                text = (
                    as_letter(work, found, basis)
                    if form == LETTER
                    else json.dumps(as_json(work, found, basis), indent=2, ensure_ascii=False, default=str) + "\n"
                )
        except NobodyNamed as error:
            raise Refusal(str(error)) from error
        except SeveralPeople as error:
            raise Refusal(str(error), Exit.UNDECIDED) from error
        _write(text, output)
    _remark(settings, found)


def _basis(settings: Settings) -> Basis:
    """Return what settings say of the data; the age at which answers are purged is a retention too."""
    age = settings.purge_after_days
    purged = None if age is None else f"answers are removed when they are {age:g} days old"
    return Basis(purpose=settings.purpose, recipients=settings.recipients, retention=settings.retention or purged)


def _write(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError as error:
        raise Refusal(f"{output} is there already, and was not written over. Give --output a new name.") from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _remark(settings: Settings, found: Holdings) -> None:
    """Say where was searched, and what the answer lacks."""
    say = remarks().print
    searched = found.searched
    where = harmless(
        f"Searched in {settings.data_dir}: {plural(searched.answers, 'answer')}, "
        f"{plural(searched.contacts, 'contact')}, {plural(found.files_searched, 'company file')}, "
        f"{plural(found.copies_searched, 'stored copy', 'stored copies')}."
    )
    if not found:
        say("Nothing is held on this person." + (" They are on the suppression list." if found.suppressed else ""))
    say(where)
    say_rows_by_name(found.rows_by_name, remarks())
    if found.unreadable:
        say(harmless(f"Not searched, since it is no file that can be read: {', '.join(found.unreadable)}."))
    basis = _basis(settings)
    unset = [
        name
        for name, value in (
            ("OPENMART_PURPOSE", basis.purpose),
            ("OPENMART_RECIPIENTS", basis.recipients),
            ("OPENMART_RETENTION", basis.retention),
        )
        if value is None
    ]
    if unset:
        say(f"Not said, since not set: {', '.join(unset)}. A request for access asks for it.")
