"""What can happen in a history, drawn at random; and the ground on which all histories take place.

Lives here: the drawing, the processes, the clock. What happens is in `machine`. No claims here.
"""

import datetime as dt
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import strategies as st

from openmart_pipeline.ledger import recovery
from openmart_pipeline.ledger.journal import SubmissionJournal
from openmart_pipeline.ledger.owners import Owner
from openmart_pipeline_tests.ledger.desk import Clock, Desk
from openmart_pipeline_tests.ledger.ledger_machine.tables import Tables

PROCESSES = 3
Method = TypeVar("Method", bound=Callable[..., None])
Drawn = st.SearchStrategy[Any] | str  # a name is that of a list of the machine's, to draw one of
Happening = tuple[str, dict[str, Any]]


class SetClock(Clock):
    """Stands still until it is set: the same events are the same history."""

    def begin(self) -> None:
        self._now = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self._now

    def move(self, **by: float) -> None:
        self._now += dt.timedelta(**by)

    @property
    def day(self) -> str:
        return f"{self._now:%Y-%m-%d}"


class Ground:
    """Where all histories take place: opening ledgers and composing their SQL costs more than living in them."""

    def __init__(self, folder: Path) -> None:
        self.clock = SetClock()
        self.clock.begin()
        self.desks = [Desk(folder, clock=self.clock) for _ in range(PROCESSES)]
        self.ledger = folder / "ledger.sqlite"
        self.spare = Desk(folder / "spare", clock=self.clock)  # for a ledger that is rebuilt from the journal
        self._empty = folder / "empty.sqlite"
        recovery.back_up(self.desks[0].ledger, self._empty)

    def begin(self) -> None:
        """Let a new history begin: an empty ledger, no journal, and processes that own nothing."""
        self.clock.begin()
        for desk in self.desks:
            restart(desk)
            desk.journal.path.unlink(missing_ok=True)
            desk.journal = SubmissionJournal(desk.journal.path, desk.ledger)
        self._empty_out(*self.desks)

    def rebuilt(self) -> Tables:
        """Rebuild the ledger, as if it were lost, from its journal: beside it."""
        self._empty_out(self.spare)
        journal = SubmissionJournal(self.desks[0].journal.path, self.spare.ledger)
        recovery.reconcile(self.spare.ledger, journal, who="ann")
        assert list(recovery.verify(self.spare.ledger, journal)) == []
        return Tables(self.spare.ledger.path)

    def _empty_out(self, *desks: Desk) -> None:
        for desk in desks:
            desk.ledger.close()  # it opens the file anew with its next transaction
        for leftover in desks[0].folder.glob("ledger.sqlite-*"):
            leftover.unlink()
        shutil.copyfile(self._empty, desks[0].ledger.path)

    def close(self) -> None:
        for desk in (*self.desks, self.spare):
            desk.close()


def restart(desk: Desk) -> None:
    """Let the process die, and another begin in its place: its lock is free, whatever it was sending."""
    desk.owner.close()
    desk.owner = desk.ledger.owner = Owner(desk.folder / "owners")


@dataclass(frozen=True)
class Event:
    """Something that can happen: a method of the machine, how often next to the others, and what to draw for it."""

    name: str
    often: int
    drawn: dict[str, Drawn]

    def is_possible(self, machine: object) -> bool:
        return all(getattr(machine, source) for source in self.drawn.values() if isinstance(source, str))

    def happening(self, machine: object) -> st.SearchStrategy[Happening]:
        sources = {
            name: st.sampled_from(getattr(machine, source)) if isinstance(source, str) else source
            for name, source in self.drawn.items()
        }
        return st.tuples(st.just(self.name), st.fixed_dictionaries(sources))


EVENTS: list[Event] = []


def event(often: int = 1, **drawn: Drawn) -> Callable[[Method], Method]:
    """Let a method of the machine be something that happens.

    One rule draws from all of them: Hypothesis switches rules off for whole histories, and few would buy anything.
    """

    def known(method: Method) -> Method:
        EVENTS.append(Event(method.__name__, often, drawn))
        return method

    return known


def possible(machine: object) -> st.SearchStrategy[Happening]:
    """What can happen now, and with what."""
    now = [one for one in EVENTS if one.is_possible(machine) for _ in range(one.often)]
    return st.sampled_from(now).flatmap(lambda chosen: chosen.happening(machine))
