"""`subject`, `forget` and `suppress`: what is held on a person, out with it, and not in again.

Lives here: reading who is meant, asking once more, and saying what was done. The order of steps is `forgetting`'s.
Imports the wiring, `holdings` and `forgetting`.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from openmart_pipeline.api.client import OpenmartClient
from openmart_pipeline.cli.exits import Exit, Refusal, plain_sentences
from openmart_pipeline.cli.screen import harmless, remarks, results
from openmart_pipeline.cli.workplace import person, workplace
from openmart_pipeline.enrichment.ledger.erasure import ErasureUnfinished
from openmart_pipeline.enrichment.people import forgetting, holdings
from openmart_pipeline.enrichment.people.forgetting import Forgotten, NotForgotten
from openmart_pipeline.enrichment.people.identifiers import Identifier, identifier_of
from openmart_pipeline.enrichment.steps import Workplace
from openmart_pipeline.enrichment.words import plural
from openmart_pipeline.settings import Settings
from openmart_pipeline.wiring import make_buyer

F = TypeVar("F", bound=Callable[..., object])


def _who(command: F) -> F:
    return click.argument("who", nargs=-1)(command)


def _why(command: F) -> F:
    sentence = "A reference for the history, such as a ticket; never the person."
    return click.option("--why", required=True, metavar="REFERENCE", help=sentence)(command)


def _without_vendor(command: F) -> F:
    sentence = "Don't tell Openmart's deny rules first: it may go on selling the person, and we drop them again."
    return click.option("--without-vendor", is_flag=True, help=sentence)(command)


def _identifiers(who: tuple[str, ...]) -> list[Identifier]:
    """Read who is meant: from the arguments, else line by line from stdin, which leaves no trace in a shell."""
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


def _client(settings: Settings, work: Workplace, without_vendor: bool) -> OpenmartClient | None:
    if without_vendor:
        return None
    if settings.api_key is None:
        raise Refusal(
            "OPENMART_API_KEY is not set, so Openmart can't be told. Nothing was changed. Set it, or go on without "
            "telling it: --without-vendor."
        )
    return make_buyer(settings, work).client


@contextmanager
def _sentences() -> Iterator[None]:
    try:
        with plain_sentences():
            yield
    except (NotForgotten, ErasureUnfinished) as error:
        raise Refusal(str(error), Exit.STOPPED) from error


@click.command()
@_who
@click.pass_obj
def subject(environment: Mapping[str, str], who: tuple[str, ...]) -> None:
    """Show all that is held on one person, as JSON: answers, contacts, rows of company files, copies.

    WHO are e-mail addresses, phone numbers with country code or LinkedIn pages of one person; without any they are
    read from stdin. Changes nothing.
    """
    given = _identifiers(who)
    with _sentences(), workplace(environment) as (_settings, work):
        found = holdings.find(work, given)
    click.echo(json.dumps(_as_json(found), indent=2, ensure_ascii=False, default=str))
    if not found:
        remarks().print(
            "Nothing is held on this person." + (" They are on the suppression list." if found.suppressed else "")
        )


def _as_json(found: holdings.Holdings) -> dict[str, Any]:
    return {
        "reached_by": {
            kind: [i.value for i in sorted(found.identifiers) if i.kind == kind]
            for kind in ("email", "phone", "linkedin")
        },
        "suppressed_by": [str(kind) for kind in found.suppressed],
        "answers": [
            {
                "batch_no": answer.batch_no,
                "task_no": answer.task_no,
                "task_id": answer.vendor_task_id,
                "asked_about": answer.asked_about,
                "received": answer.item,
            }
            for answer in found.answers
        ],
        "contacts": found.contacts,
        "rows_of_company_files": [
            {"input_file": row.input_file, "source_row": row.source_row, "column": row.column} for row in found.rows
        ],
        "input_files": found.input_files,
        "stored_copies": found.stored_copies,
    }


@click.command()
@_who
@_why
@_without_vendor
@click.option("--yes", is_flag=True, help="Don't ask once more.")
@click.pass_obj
def forget(environment: Mapping[str, str], who: tuple[str, ...], *, why: str, without_vendor: bool, yes: bool) -> None:
    """Remove one person from everything that is kept, and keep them out of everything that comes.

    WHO is as for `subject`. Openmart's deny rules are told first; then the answers in the ledger, the databases and
    old copies of company files are written anew without the person. May be repeated; after a kill it must be.
    Backups, and sessions that still have an old database open, are out of its reach.
    """
    if not who and not yes:
        raise Refusal("A person read from stdin can't be asked about once more: say --yes too. Nothing was changed.")
    given = _identifiers(who)
    if not yes and not click.confirm("Forget this person everywhere? It can't be undone", default=False, err=True):
        raise Refusal("Nothing was changed: say y, or --yes where nobody can be asked.")
    with _sentences(), workplace(environment) as (settings, work):
        client = _client(settings, work, without_vendor)
        say = remarks().print
        done = forgetting.forget(work, client, given, who=person(), why=why, on_step=lambda step: say(f"  {step}"))
    _show(done)


def _show(done: Forgotten) -> None:
    console = results()
    console.print(
        f"Forgotten: {plural(done.answers, 'answer')} written over, {plural(done.contacts, 'contact')} removed, "
        f"{plural(len(done.files_loaded_anew), 'file')} loaded anew, "
        f"{plural(done.copies_removed, 'old copy', 'old copies')} removed."
    )
    kinds = ", ".join(f"{count} {kind}" for kind, count in done.suppressed.items())
    console.print(f"On the suppression list, as hashes: {kinds}.")
    told = ", ".join(f"{count} {kind}" for kind, count in done.told_vendor.items())
    console.print(f"Told Openmart's deny rules: {told or 'nothing'}.")
    if done.shared:
        kinds = ", ".join(f"{count} {kind}" for kind, count in done.shared.items())
        console.print(f"Left alone, since somebody else is reached by it too: {kinds}.")
    for name in done.still_naming:
        console.print(
            harmless(
                f"{name} in the input folder names the person still: it is yours. Take them out, let the file be "
                "planned again, then repeat this command, so that the stored copy goes too."
            )
        )
    for sentence in done.not_loaded:
        console.print(harmless(sentence))


@click.command()
@_who
@click.option("--why", metavar="REFERENCE", help="A reference for the history, such as a ticket; never the person.")
@_without_vendor
@click.option(
    "--remove", is_flag=True, help="Take them off the list instead; Openmart's deny rules are taken back too."
)
@click.pass_obj
def suppress(
    environment: Mapping[str, str], who: tuple[str, ...], *, why: str | None, without_vendor: bool, remove: bool
) -> None:
    """Keep people or whole companies out: nothing more is asked about a domain, nobody listed is loaded.

    WHO are e-mail addresses, phone numbers, LinkedIn pages or domains, of anybody; without any they are read from
    stdin. Only keyed hashes are kept. What is held already leaves the databases as their files are loaded again, and
    leaves the answers with `forget`.
    """
    given = _identifiers(who)
    if why is None:
        raise Refusal("Say --why: a reference for the history, such as a ticket.")
    with _sentences(), workplace(environment) as (settings, work):
        client = _client(settings, work, without_vendor)
        change = forgetting.unsuppress if remove else forgetting.suppress
        changed = change(work, client, given, who=person(), why=why)
        counts = work.suppressions.counts()
    verb = "taken off" if remove else "added"
    held = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "nobody"
    results().print(f"{plural(changed, 'entry', 'entries')} {verb}. On the list now: {held}.")
    if changed and not remove:
        results().print("To take them out of what is loaded already: openmart-pipeline rebuild (free).")
