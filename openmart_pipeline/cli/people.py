"""`forget` and `suppress`: out with what is held on a person, and not in again.

Lives here: asking once more, and saying what was done. The order of steps is `forgetting`'s.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import click

from openmart_pipeline.api.client import OpenmartClient
from openmart_pipeline.cli.exits import Exit, Refusal, plain_sentences
from openmart_pipeline.cli.found import (
    choices,
    identifiers_of,
    included,
    say_rows_by_name,
    show_doubts,
    show_found,
    who_is_meant,
)
from openmart_pipeline.cli.history import copies_elsewhere
from openmart_pipeline.cli.screen import harmless, remarks, results
from openmart_pipeline.cli.workplace import person, workplace
from openmart_pipeline.ledger.erasure import ErasureUnfinished
from openmart_pipeline.model.words import plural
from openmart_pipeline.pipeline import forgetting
from openmart_pipeline.pipeline.forgetting import Forgotten, NotForgotten
from openmart_pipeline.privacy.holdings import Holdings, NobodyNamed, SeveralPeople
from openmart_pipeline.services import Services
from openmart_pipeline.settings import Settings
from openmart_pipeline.wiring import open_session

F = TypeVar("F", bound=Callable[..., object])


def _why(command: F) -> F:
    sentence = "A reference for the history, such as a ticket; never the person."
    return click.option("--why", required=True, metavar="REFERENCE", help=sentence)(command)


def _without_vendor(command: F) -> F:
    sentence = "Don't tell Openmart's deny rules first: it may go on selling the person, and we drop them again."
    return click.option("--without-vendor", is_flag=True, help=sentence)(command)


def _client(settings: Settings, work: Services, without_vendor: bool) -> OpenmartClient | None:
    if without_vendor:
        return None
    if settings.api_key is None:
        raise Refusal(
            "OPENMART_API_KEY is not set, so Openmart can't be told. Nothing was changed. Set it, or go on without "
            "telling it: --without-vendor."
        )
    return open_session(settings, work).client


@contextmanager
def _sentences() -> Iterator[None]:
    try:
        with plain_sentences():
            yield
    except NobodyNamed as error:
        raise Refusal(f"{error} Nothing was changed.") from error
    except SeveralPeople as error:
        raise Refusal(str(error), Exit.UNDECIDED) from error
    except (NotForgotten, ErasureUnfinished) as error:
        raise Refusal(str(error), Exit.STOPPED) from error


@click.command()
@who_is_meant
@_why
@choices
@_without_vendor
@click.option("--yes", is_flag=True, help="Don't ask once more; no person is then shown.")
@click.option("--leave-doubts", is_flag=True, help="With --yes: leave alone what may be somebody else's, unseen.")
@click.pass_obj
def forget(
    environment: Mapping[str, str],
    who: tuple[str, ...],
    *,
    why: str,
    include: tuple[str, ...],
    only: str | None,
    without_vendor: bool,
    yes: bool,
    leave_doubts: bool,
) -> None:
    """Remove one person from everything that is kept, and keep them out of everything that comes.

    WHO is as for `subject`. All that leads to the person is followed, and shown before the question. What somebody
    else is found by too is left alone until you say --only or --include. Openmart's deny rules are told first; then
    the answers in the ledger, the databases and old copies of company files are written again without the person.
    May be repeated; after a kill it must be. Backups, and sessions that still have an old database open, are out of
    its reach.
    """
    if not who and not yes:
        raise Refusal("A person read from stdin can't be asked about once more: say --yes too. Nothing was changed.")
    given, theirs = identifiers_of(who), included(include)
    say = remarks()

    def on_found(found: Holdings) -> None:
        if yes:  # nobody looks, and what is said may end in a log
            if found.doubts and not leave_doubts:
                raise Refusal(_doubtful(found), Exit.UNDECIDED)
            return
        show_found(found, say)
        show_doubts(found, say)
        if found.followed.must_choose:
            return  # refused with what to say
        if not click.confirm("Forget this person everywhere? It can't be undone", default=False, err=True):
            raise Refusal("Nothing was changed: say y, or --yes where nobody can be asked.")

    with _sentences(), workplace(environment) as (settings, work):
        done = forgetting.forget(
            work,
            _client(settings, work, without_vendor),
            given,
            include=theirs,
            only=only,
            who=person(),
            why=why,
            on_found=on_found,
            on_step=lambda step: say.print(f"  {step}"),
        )
        copies = copies_elsewhere(work)
    _show(done)
    if copies:
        results().print(copies)


def _doubtful(found: Holdings) -> str:
    followed = found.followed
    return (
        f"Nothing was changed: {plural(len(followed.shared), 'identifier')} of this person may be somebody else's too, "
        f"and {plural(len(followed.by_name), 'entry', 'entries')} may be theirs by name only. Afterwards "
        "nothing would lead to them. Look at them first, with `openmart-pipeline subject` or without --yes; then say "
        "--include, --only or --leave-doubts."
    )


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
    if done.by_name:
        console.print(f"Left alone, since only the name is the same: {plural(done.by_name, 'entry', 'entries')}.")
    say_rows_by_name(done.rows_by_name, console)
    for name in done.still_naming:
        console.print(
            harmless(
                f"{name} in the input folder names the person still: it is yours. Take them out, let the file be "
                "planned again, then repeat this command, so that the stored copy goes too."
            )
        )
    for name in done.copies_naming:
        console.print(
            harmless(
                f"The stored copy of {name} names the person still: its plan was made from it. Let the file be planned "
                "again without them, or use openmart-pipeline retire --remove-data. Then repeat this command."
            )
        )
    for sentence in done.not_loaded:
        console.print(harmless(sentence))


@click.command()
@who_is_meant
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
    stdin. Only keyed hashes are kept. What is held already leaves both databases at once, and leaves the answers in the
    ledger with `forget`.
    """
    given = identifiers_of(who)
    if why is None:
        raise Refusal("Say --why: a reference for the history, such as a ticket.")
    with _sentences(), workplace(environment, makes=True) as (settings, work):
        client = _client(settings, work, without_vendor)
        change = forgetting.unsuppress if remove else forgetting.suppress
        changed = change(work, client, given, who=person(), why=why)
        counts = work.suppressions.counts()
    verb = "taken off" if remove else "added"
    held = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "nobody"
    results().print(f"{plural(changed, 'entry', 'entries')} {verb}. On the list now: {held}.")
    if changed and remove:
        results().print("To load again what was left out: openmart-pipeline rebuild (free).")
