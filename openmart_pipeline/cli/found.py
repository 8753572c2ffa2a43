"""What was found on a person, for the one at the terminal alone: what is theirs, and what a person must decide.

Lives here: how it is shown and asked for. It is written to no history and no file.
"""

import sys
from collections.abc import Callable
from typing import TypeVar

import click
from rich.console import Console

from openmart_pipeline.cli.exits import Refusal
from openmart_pipeline.cli.screen import harmless, remarks
from openmart_pipeline.contacts.identifiers import Identifier, identifier_of
from openmart_pipeline.model.words import plural
from openmart_pipeline.privacy.entries import Entry
from openmart_pipeline.privacy.following import Followed
from openmart_pipeline.privacy.holdings import Holdings, RowNaming

ROWS_SHOWN = 20
F = TypeVar("F", bound=Callable[..., object])


def who_is_meant(command: F) -> F:
    """Add the argument that names people."""
    return click.argument("who", nargs=-1)(command)


def identifiers_of(who: tuple[str, ...]) -> list[Identifier]:
    """Read who is meant: from the arguments, else line by line from stdin, which leaves no trace in a shell.

    Raises:
        Refusal: nobody is named.

    """
    if not who and sys.stdin.isatty():
        remarks().print("E-mail addresses, phone numbers, LinkedIn pages of one person, one a line; end with Ctrl-D:")
    lines = [line.strip() for line in (who or sys.stdin)]
    try:
        found = [identifier_of(line) for line in lines if line]
    except ValueError as error:
        raise Refusal(str(error)) from error
    if not found:
        raise Refusal("Nobody was named: give an e-mail address, a phone number or a LinkedIn page.")
    return found


def choices(command: F) -> F:
    """Add the two options that settle who is meant."""
    with_only = click.option(
        "--only", metavar="NAME", help="The person's name: entries of other names are left alone."
    )(command)
    return click.option(
        "--include",
        multiple=True,
        metavar="WHO",
        help='Theirs too, whoever else is found by it: an address, number or page, or "Jane Doe at acme.com".',
    )(with_only)


def included(texts: tuple[str, ...]) -> list[Identifier]:
    """Read what `--include` names.

    Raises:
        Refusal: it names nobody.

    """
    try:
        return [identifier_of(text) for text in texts]
    except ValueError as error:
        raise Refusal(f"--include: {error}") from error


def show_found(found: Holdings, console: Console) -> None:
    """Show what leads to the person, and how much is held."""
    console.print("Found, and shown here only:")
    for name in found.followed.names:
        console.print(harmless(f"  {name}"))
    for identifier in sorted(found.identifiers):
        console.print(harmless(f"  {identifier.kind}: {identifier.value}"))
    console.print(harmless(f"  {counts(found)}"))


def counts(found: Holdings) -> str:
    """Say how much is held and where, without the person."""
    return ", ".join(
        (
            f"{plural(len(found.answers), 'entry', 'entries')} in answers",
            plural(len(found.contacts), "contact"),
            f"{plural(len(found.rows), 'cell')} of company files",
            f"{plural(len(found.input_files), 'file')} in the input folder",
            plural(len(found.stored_copies), "stored copy", "stored copies"),
            f"{plural(len(found.mentions), 'mention')} in answers about others",
        )
    )


def show_doubts(found: Holdings, console: Console) -> None:
    """Show where the search stopped because somebody else may be meant, with the options that go on."""
    for identifier, names in found.followed.shared.items():
        known = f"{plural(len(names), 'name')}: {'; '.join(names)}" if names else "a mailbox that several people read"
        console.print(
            harmless(
                f"Left alone: {identifier.value} ({known}). Its entries of one name: --only NAME. It is this person's "
                f"alone: --include {identifier.value}"
            )
        )
    for label, entries in _by_label(found.followed).items():
        reached = sorted({identifier.value for entry in entries for identifier in entry.identifiers})
        console.print(
            harmless(
                f"Left alone: {plural(len(entries), 'entry', 'entries')} by name only "
                f"({', '.join(reached) or 'with no address, number or page'}). If this is the same person: "
                f'--include "{label}"'
            )
        )


def say_rows_by_name(rows: list[RowNaming], console: Console) -> None:
    """Name the rows of company files that have the person's name: only their owner can take it out."""
    for row in rows[:ROWS_SHOWN]:
        console.print(
            harmless(
                f"{row.input_file}, row {row.source_row} ({row.column}): has the name or the number. The file is "
                "yours to change."
            )
        )
    if len(rows) > ROWS_SHOWN:
        console.print(f"... and {plural(len(rows) - ROWS_SHOWN, 'more cell')} with the name or the number.")


def _by_label(followed: Followed) -> dict[str, list[Entry]]:
    """Return the entries by name only, under the words that name them."""
    mine = {company for entry in followed.entries.values() for company in entry.companies}
    labelled: dict[str, list[Entry]] = {}
    for entry in followed.by_name.values():
        company = next((company for company in entry.companies if company in mine), entry.companies[0])
        labelled.setdefault(f"{entry.name} at {company}", []).append(entry)
    return labelled
