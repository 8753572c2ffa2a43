"""Forgetting a person: told to the vendor first, then out of every answer, table and file, and never let in again.

Lives here: the order of the steps, which makes a kill at any of them harmless: the same call again finishes it.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from openmart_pipeline.api.client import OpenmartClient
from openmart_pipeline.api.errors import OpenmartError
from openmart_pipeline.api.models import DenyKind
from openmart_pipeline.contacts.identifiers import Identifier, Kind, identifiers_in_text
from openmart_pipeline.contacts.person_names import words_of
from openmart_pipeline.intake.input_files import path_of
from openmart_pipeline.ledger import erasure
from openmart_pipeline.ledger.erasure import HeldAnswer
from openmart_pipeline.pipeline import erasing
from openmart_pipeline.privacy import company_files, holdings
from openmart_pipeline.privacy.holdings import Holdings, RowNaming
from openmart_pipeline.services import Services

_DENIABLE = {Kind.EMAIL: DenyKind.EMAIL, Kind.PHONE: DenyKind.PHONE}  # (API section 6)


class NotForgotten(Exception):
    """Nothing was changed; the sentence says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What was done; numbers and names of files, never the person."""

    answers: int  # raw answers written over
    contacts: int  # rows of contacts that are gone
    suppressed: dict[str, int]  # new entries of the list, by kind
    told_vendor: dict[str, int]  # deny rules pushed, by kind
    shared: dict[str, int]  # identifiers left alone, since they are somebody else's too
    by_name: int  # entries of the same name at the same company that nothing else leads to: left alone
    files_loaded_anew: list[str] = field(default_factory=list)
    copies_removed: int = 0
    rows_by_name: list[RowNaming] = field(default_factory=list)  # of the user's files: the name, or a number alike
    still_naming: list[str] = field(default_factory=list)  # the user's own files: for the user to mend
    copies_naming: list[str] = field(default_factory=list)  # files whose plan was made from a copy that names them
    not_loaded: list[str] = field(default_factory=list)  # sentences


def suppress(
    work: Services, client: OpenmartClient | None, identifiers: Collection[Identifier], *, who: str, why: str
) -> int:
    """Put these on the list, told to the vendor first; return how many were new. They leave both databases at once.

    The answers in the ledger stay as they are: `forget` cleans those.

    Raises:
        NotForgotten: the vendor could not be told; nothing was changed.
        ErasureUnfinished: the databases are not rewritten yet; the same call again finishes it.

    """
    _refuse_person_in(why, identifiers)
    told = push_deny_rules(client, identifiers)
    kinds = _by_kind(identifiers)
    holding = holdings.files_holding(work, identifiers)
    with work.ledger.write() as connection:
        new = work.suppressions.add(connection, identifiers)
        erasure.note_due(work.ledger, connection, holding)
        work.ledger.record(connection, "suppress", actor=who, reason=why, new=new, kinds=kinds, told_vendor=told)
    erasing.finish(work, run_id="suppress")
    return new


def unsuppress(
    work: Services, client: OpenmartClient | None, identifiers: Collection[Identifier], *, who: str, why: str
) -> int:
    """Take these off the list and the vendor's deny rules; return how many were on it. What was erased stays so.

    Raises:
        NotForgotten: the vendor could not be told; nothing was changed.

    """
    _refuse_person_in(why, identifiers)
    told = push_deny_rules(client, identifiers, take_back=True)
    kinds = _by_kind(identifiers)
    with work.ledger.write() as connection:
        gone = work.suppressions.remove(connection, identifiers)
        work.ledger.record(connection, "unsuppress", actor=who, reason=why, gone=gone, kinds=kinds, told_vendor=told)
    return gone


def forget(
    work: Services,
    client: OpenmartClient | None,
    identifiers: Collection[Identifier],
    *,
    who: str,
    why: str,
    include: Collection[Identifier] = (),
    only: str | None = None,
    on_found: Callable[[Holdings], None] = lambda _found: None,
    on_step: Callable[[str], None] = lambda _step: None,
) -> Forgotten:
    """Remove a person from everything that is kept, and keep them out of everything that comes.

    Everything that leads to the person is suppressed too, as far as it leads to nobody else (see `following`). May be
    repeated at any time; after a kill it must be.

    Args:
        work: where.
        client: the API, told before the values are gone; None: the vendor is not told.
        identifiers: of one person; a domain belongs to `suppress`.
        who: acts, for the history.
        why: a reference, for the history; it must not name the person.
        include: identifiers that are the person's, whoever else is found by them.
        only: the person's name: entries of another name are somebody else's.
        on_found: sees what would be removed before anything is changed; it may raise, and then nothing is.
        on_step: hears the name of each step once it is done.

    Raises:
        NobodyNamed: a domain was given; nothing was changed.
        SeveralPeople: the identifiers lead to several people; nothing was changed.
        NotForgotten: the vendor could not be told, or `why` names the person; nothing was changed.
        ErasureUnfinished: another process was in the way of writing over the ledger's old pages.

    """
    _refuse_person_in(why, [*identifiers, *include])
    held = holdings.find(work, identifiers, include=include, only=only)
    on_found(held)
    _refuse_person_in(why, held.identifiers, held.followed.names)
    held.refuse_several()
    told = push_deny_rules(client, held.identifiers)
    on_step("vendor told")
    with work.ledger.write() as connection:
        new = work.suppressions.add(connection, held.identifiers)
        erasure.note_due(work.ledger, connection, {*_files_of(held)})
        work.ledger.record(
            connection,
            "forget",
            actor=who,
            reason=why,
            answers=len(held.answers),
            new_entries=new,
            kinds=_by_kind(held.identifiers),
            told_vendor=told,
            doubts_left=held.doubts,
        )
    on_step("suppressed")
    listed = work.suppressions.current()

    def clean(answer: HeldAnswer) -> bytes:
        return listed.without_suppressed(answer.raw, companies=answer.companies, countries=answer.countries)

    answers = erasure.clean_answers(work.ledger, clean)
    on_step("answers cleaned")
    finished = erasing.finish(work, run_id="forget", on_step=on_step)
    removed = _remove_old_copies(work)
    on_step("done")
    return Forgotten(
        answers=answers,
        contacts=len(held.contacts),
        suppressed=_by_kind(held.identifiers),
        told_vendor=told,
        shared={str(kind): count for kind, count in held.shared.items()},
        by_name=len(held.followed.by_name),
        files_loaded_anew=finished.loaded,
        copies_removed=removed,
        rows_by_name=held.rows_by_name,
        still_naming=held.input_files,
        copies_naming=_planned_from(work, held),
        not_loaded=finished.not_loaded,
    )


def push_deny_rules(
    client: OpenmartClient | None, identifiers: Iterable[Identifier], *, take_back: bool = False
) -> dict[str, int]:
    """Push addresses and numbers to the vendor's deny rules; return how many of each kind. Safe to repeat.

    The vendor takes no LinkedIn pages and no domains (API section 6): those are kept out on our side alone.

    Raises:
        NotForgotten: it could not be told.

    """
    if client is None:
        return {}
    told: dict[str, int] = {}
    for kind, deny_kind in _DENIABLE.items():
        values = sorted(identifier.value for identifier in identifiers if identifier.kind is kind)
        if not values:
            continue
        try:
            (client.undeny if take_back else client.deny)(deny_kind, values)
        except OpenmartError as error:
            raise NotForgotten(
                f"Openmart could not be told ({error}) Nothing was changed yet, since afterwards only a hash is kept "
                "and it could not be told any more. Run this again when it answers, or go on without telling it: "
                "--without-vendor."
            ) from error
        told[str(kind)] = len(values)
    return told


def _refuse_person_in(why: str, identifiers: Collection[Identifier], names: Collection[str] = ()) -> None:
    words = words_of(why)
    named = [identifier.value.rpartition(" at ")[0] for identifier in identifiers if identifier.kind is Kind.NAME]
    if (
        any(True for _ in identifiers_in_text(why))
        or any(identifier.value in why.lower() for identifier in identifiers)
        or any(words_of(name) and words_of(name) <= words for name in (*names, *named))
    ):
        raise NotForgotten("The reason is kept in the history: give a reference, such as a ticket, not the person.")


def _by_kind(identifiers: Iterable[Identifier]) -> dict[str, int]:
    return dict(Counter(str(identifier.kind) for identifier in sorted(set(identifiers))))


def _files_of(held: holdings.Holdings) -> set[str]:
    return {row["input_file"] for row in held.contacts} | {row.input_file for row in held.rows}


def _planned_from(work: Services, held: Holdings) -> list[str]:
    """Return the files that go on being read from a stored copy that names the person, and no longer do themselves."""
    in_use = holdings.copies_in_use(work)
    keys = {key for copy in held.stored_copies for key in in_use.get(copy, ())}
    return sorted(key for key in keys if path_of(key).as_posix() not in held.input_files)


def _remove_old_copies(work: Services) -> int:
    """Remove the stored copies that no file's plan was made from and that name anybody on the list.

    By the list, not by what was found now: after a kill less may be found than the first call put on it.
    """
    in_use = holdings.copies_in_use(work)
    listed = work.suppressions.current()
    old = sorted(
        path for path in work.data.files.glob("*") if path.name not in in_use and not path.name.startswith(".")
    )
    naming = company_files.search(work.data.files, old, listed.has).naming
    for name in naming:
        (work.data.files / name).unlink(missing_ok=True)
    return len(naming)
