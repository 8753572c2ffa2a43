"""Do ledger and submission journal agree? Asked before anything is bought, and in full by `ledger verify`.

Lives here: the comparison, and what a person is told. Bringing them together again is in `recovery`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import sqlalchemy as sa

from openmart_pipeline.ledger import journal_mark
from openmart_pipeline.ledger.journal import Line, SubmissionJournal
from openmart_pipeline.ledger.journal_mark import START, JournalMark
from openmart_pipeline.ledger.schema import batches
from openmart_pipeline.ledger.store import Ledger, LedgerRefused
from openmart_pipeline.model.words import plural

_GROUP = 500  # submissions looked up in the ledger at a time


@dataclass(slots=True)
class Compared:
    """What was found in the journal, and what of it the ledger does not know."""

    lines: int = 0  # readable and this ledger's
    submissions: int = 0
    unreadable: int = 0  # torn when a process died: no POST followed them
    foreign: int = 0  # of another ledger
    foreign_ledgers: set[str] = field(default_factory=set)
    doubled: int = 0  # lines whose number was there before
    missing: int = 0  # numbers that are not there
    unknown: list[int] = field(default_factory=list)  # batches of submissions that are not in the ledger
    end: JournalMark = START  # of the newest line that agrees with all before it

    @property
    def is_one_chain(self) -> bool:
        """Whether the journal is whole in itself, and this ledger's alone."""
        return not (self.foreign or self.doubled or self.missing)


def check_journal(ledger: Ledger, journal: SubmissionJournal) -> None:
    """Compare every submission of the journal with the ledger; what was compared once is not read again.

    The ledger keeps how far it has seen the journal. That place must be there, unchanged, and every submission behind
    it must be in the ledger: the intent is committed there before it is journaled.

    Raises:
        LedgerRefused: they disagree; the sentence says how, with numbers, and what to do.

    """
    with ledger.read() as connection:
        mark = journal_mark.read_mark(connection)
    if not has_mark(journal, mark):
        raise LedgerRefused(_sentence(ledger, journal, compare(ledger, journal), mark))
    compared = compare(ledger, journal, mark)
    if compared.unknown or not compared.is_one_chain:
        raise LedgerRefused(_sentence(ledger, journal, compared, mark))
    if compared.end != mark:
        with ledger.write() as connection:
            journal_mark.advance(connection, compared.end)


def doubts(ledger: Ledger, journal: SubmissionJournal) -> str | None:
    """Read the whole journal and return what is wrong between it and the ledger; None when nothing is."""
    with ledger.read() as connection:
        mark = journal_mark.read_mark(connection)
    compared = compare(ledger, journal)
    if has_mark(journal, mark) and compared.is_one_chain and not compared.unknown:
        return None
    return _sentence(ledger, journal, compared, mark)


def has_mark(journal: SubmissionJournal, mark: JournalMark) -> bool:
    """Whether the line that the mark names ends where it did and says what it said."""
    if mark == START:
        return True
    line = journal.line_ending_at(mark.size_bytes)
    return line is not None and line.mark == mark


def compare(ledger: Ledger, journal: SubmissionJournal, since: JournalMark = START) -> Compared:
    """Read the journal behind a mark, and look up every submission in the ledger."""
    seen = Compared(end=since)
    sent: list[tuple[str, int]] = []
    for line in journal.lines(since):
        if line is None:
            seen.unreadable += 1
        elif not _is_own(ledger, line.fields["ledger"], seen):
            seen.foreign += 1
            seen.foreign_ledgers.add(line.fields["ledger"])
        else:
            _take(seen, line)
            if line.is_sending:
                sent.append((line.fields["token"], line.fields["batch_no"]))
    seen.submissions = len(sent)
    seen.unknown = _unknown(ledger, sent)
    return seen


def _is_own(ledger: Ledger, name: str, seen: Compared) -> bool:
    """Whether the ledger goes or went by this name: another process may have given it a new one since it was opened."""
    if name not in ledger.names and name not in seen.foreign_ledgers:
        with ledger.read() as connection:
            ledger.take_name(connection)
    return name in ledger.names


def _take(seen: Compared, line: Line) -> None:
    seen.lines += 1
    expected = seen.end.lines + 1
    if line.mark.lines < expected:
        seen.doubled += 1
        return
    seen.missing += line.mark.lines - expected
    if line.mark.lines == expected and line.after != seen.end.digest:
        seen.missing += 1  # the line before this one was another
    seen.end = line.mark


def _unknown(ledger: Ledger, sent: list[tuple[str, int]]) -> list[int]:
    unknown = []
    with ledger.read() as connection:
        for first in range(0, len(sent), _GROUP):
            group = sent[first : first + _GROUP]
            query = sa.select(batches.c.token).where(batches.c.token.in_([token for token, _ in group]))
            known = set(connection.execute(query).scalars())
            unknown += [batch_no for token, batch_no in group if token not in known]
    return unknown


def has_bought(ledger: Ledger) -> int:
    """Return how many batches the ledger holds, sent or about to be."""
    with ledger.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(batches)).scalar_one())


def _sentence(ledger: Ledger, journal: SubmissionJournal, seen: Compared, mark: JournalMark) -> str:
    """Say what is wrong, what it means for the money, and what a person can do."""
    name, bought = journal.path.name, has_bought(ledger)
    if not bought and (seen.foreign or seen.unknown):
        return (
            f"The ledger {ledger.path} is new, but its journal {name} has "
            f"{plural(seen.lines + seen.foreign, 'line')} about submissions: what was paid for would be bought again. "
            "Nothing was bought. Put the ledger back that belongs to the journal. If it is lost for good, bring back "
            "what the journal knows: openmart-pipeline ledger reconcile."
        )
    if seen.unknown and seen.is_one_chain and has_mark(journal, mark):
        return (
            f"The ledger {ledger.path} is older than its journal: {len(seen.unknown):,} of the submissions in {name} "
            f"are not in it ({_batches(seen.unknown)}), and would be bought again. Nothing was bought. Put the newest "
            "ledger back. If it is lost for good, bring back what the journal knows: openmart-pipeline ledger "
            "reconcile."
        )
    wrong = list(_wrong(journal, seen, mark))
    return (
        f"The submission journal {journal.path} is not as this ledger left it: {'; '.join(wrong)}. The ledger holds "
        f"{plural(bought, 'batch', 'batches')}. Nothing was bought; collecting goes on. Put the right journal back. If "
        "it is lost for good and the ledger is the newest, write a new one: openmart-pipeline ledger new-journal --why "
        "TEXT. If the ledger may be an old copy too, find out first what was bought since."
    )


def _wrong(journal: SubmissionJournal, seen: Compared, mark: JournalMark) -> Iterable[str]:
    if not journal.path.exists():
        yield f"it is missing, and had {plural(mark.lines, 'line')}"
        return
    if seen.lines == 0 and mark.lines:
        yield f"it has no line of this ledger, and had {mark.lines:,}"
    elif seen.end.lines < mark.lines:
        yield f"it ends with line {seen.end.lines:,}, and had {mark.lines:,}"
    if seen.missing:
        yield f"{plural(seen.missing, 'line')} missing"
    if seen.doubled:
        yield f"{plural(seen.doubled, 'line')} twice"
    if seen.foreign:
        yield f"{plural(seen.foreign, 'line')} of another ledger"
    if seen.unreadable and not has_mark(journal, mark):
        yield f"{plural(seen.unreadable, 'line')} unreadable"
    if seen.unknown:
        yield f"{plural(len(seen.unknown), 'submission')} unknown to the ledger ({_batches(seen.unknown)})"
    if not has_mark(journal, mark) and seen.is_one_chain and seen.end.lines >= mark.lines and seen.lines:
        yield f"line {mark.lines:,} is not where it was"


def _batches(numbers: list[int]) -> str:
    first, last = min(numbers), max(numbers)
    return f"batch {first}" if first == last else f"batches {first} to {last}"
