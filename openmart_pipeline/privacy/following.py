"""Which entries are one person: from identifier to entry to identifier, until nothing new is found.

Lives here: where it goes on by itself, and where it stops because somebody else may be meant. No storage: the entries
come from whoever is asked for them.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from openmart_pipeline.contacts.contact_flags import is_role_address
from openmart_pipeline.contacts.identifiers import Identifier, Kind
from openmart_pipeline.contacts.person_names import may_be_one, share_a_word, words_of
from openmart_pipeline.privacy.entries import Entry

NAMES_KEPT = 6  # of those who share something: enough to see that it is no one person's

Having = Callable[[frozenset[Identifier]], Iterable[Entry]]  # every entry that has one of these


@dataclass(slots=True, kw_only=True)
class Followed:
    """What was found to be one person's, and where a person must say more."""

    given: frozenset[Identifier]
    entries: dict[str, Entry] = field(default_factory=dict)  # by place
    identifiers: set[Identifier] = field(default_factory=set)  # that are theirs alone
    shared: dict[Identifier, tuple[str, ...]] = field(default_factory=dict)  # with the names that are found by them
    by_name: dict[str, Entry] = field(default_factory=dict)  # of the same name at a company; nothing else leads to them

    @property
    def must_choose(self) -> dict[Identifier, tuple[str, ...]]:
        """Of the given identifiers, those that lead to several people."""
        return {identifier: names for identifier, names in self.shared.items() if identifier in self.given}

    @property
    def names(self) -> tuple[str, ...]:
        """How the person is called in the entries that were found."""
        return tuple(sorted({entry.name for entry in self.entries.values() if entry.name}))


def follow(
    given: Collection[Identifier], having: Having, *, include: Collection[Identifier] = (), only: str | None = None
) -> Followed:
    """Return everything that leads to the person of these identifiers.

    An address or number with two names, a role's address, and a page of two people who share no part of their names
    stop the search. So does what leads on to another name than the person's, as through an entry without a name, and
    a name at a company, but between entries that have neither address nor page.

    Args:
        given: one or more identifiers of one person.
        having: returns every entry that has one of some identifiers; asked once for each step away from the given.
        include: identifiers that are the person's, whoever else is found by them.
        only: the person's name: entries of another name are somebody else's.

    """
    search = _Search(Followed(given=frozenset(given)), frozenset(include), only)
    frontier = search.found.given | search.include
    known: set[Identifier] = set()
    while frontier:
        known |= frontier
        search.look(frontier, having)
        frontier = (search.next_identifiers() - known) or search.names_needed()
    return search.ended()


@dataclass(slots=True)
class _Crowd:
    """Who has one identifier."""

    entries: list[Entry] = field(default_factory=list)
    names: dict[str, None] = field(default_factory=dict)  # different ones, in the order they were met
    is_shared: bool = False


@dataclass(slots=True)
class _Search:
    found: Followed
    include: frozenset[Identifier]
    only: str | None

    def look(self, frontier: frozenset[Identifier], having: Having) -> None:
        crowds: dict[Identifier, _Crowd] = defaultdict(_Crowd)
        for entry in having(frontier):
            for identifier in frontier & (entry.identifiers | entry.names):
                self._add(crowds[identifier], identifier, entry)
        for identifier in sorted(frontier):
            self._judge(identifier, crowds[identifier])
        self._accept_by_name()

    def _add(self, crowd: _Crowd, identifier: Identifier, entry: Entry) -> None:
        """Count an entry in; once an identifier is shared, others' entries are not kept, however many there are."""
        if entry.name and len(crowd.names) < NAMES_KEPT:
            crowd.names.setdefault(entry.name)
        crowd.is_shared = crowd.is_shared or any(
            not _may_share(identifier.kind, entry.name, other) for other in crowd.names
        )
        if identifier in self.include or not crowd.is_shared or self._is_only(entry):
            crowd.entries.append(entry)

    def _is_only(self, entry: Entry) -> bool:
        return self.only is not None and bool(entry.name) and may_be_one(entry.name, self.only)

    def _judge(self, identifier: Identifier, crowd: _Crowd) -> None:
        is_asked_for = identifier in self.found.given or identifier in self.include
        if identifier.kind is Kind.NAME and not is_asked_for:
            self.found.by_name |= {entry.place: entry for entry in crowd.entries}
            return
        is_role = identifier.kind is Kind.EMAIL and is_role_address(identifier.value)
        others = self.only is not None and any(not may_be_one(name, self.only) for name in crowd.names)
        others = others or (not is_asked_for and self._leads_to_another(identifier.kind, crowd))
        if identifier in self.include or not (crowd.is_shared or others or (is_role and not is_asked_for)):
            self.found.identifiers.add(identifier)
            self._accept(crowd.entries)
            return
        mine = [entry for entry in crowd.entries if self._is_only(entry)]
        self._accept(mine)
        if not (mine and identifier in self.found.given):  # who gave it and said the name has chosen already
            self.found.shared[identifier] = tuple(crowd.names)

    def _leads_to_another(self, kind: Kind, crowd: _Crowd) -> bool:
        """Whether somebody has this whom nothing that was found is called like: "J. D." is no bridge to John Dean."""
        known = self.found.names
        whole = [name for name in known if not any(_is_short_for(name, other) for other in known)]
        return bool(whole) and not all(any(_may_share(kind, name, one) for one in whole) for name in crowd.names)

    def _accept(self, entries: Iterable[Entry]) -> None:
        self.found.entries |= {entry.place: entry for entry in entries}

    def _accept_by_name(self) -> None:
        """Go on by name between entries with a number only: `contact_directory` takes these for one person too."""
        known = {name for entry in self.found.entries.values() if entry.is_known_by_name for name in entry.names}
        for entry in self.found.by_name.values():
            if entry.is_known_by_name and entry.identifiers and entry.names & known:
                self._accept([entry])

    def next_identifiers(self) -> frozenset[Identifier]:
        entries = self.found.entries.values()
        return frozenset().union(*(entry.identifiers | entry.names for entry in entries))

    def names_needed(self) -> frozenset[Identifier]:
        """Return the names of entries that were chosen and have nothing of their own to be kept out by.

        By such a name everybody who has it at the company is kept out, so these entries must be seen too.
        """
        mine = self.found.identifiers
        bare = [
            one.names
            for one in self.found.entries.values()
            if mine.isdisjoint((one.identifiers - one.alike) | one.names)
        ]
        names = frozenset().union(*bare)
        self.include |= names
        return names

    def ended(self) -> Followed:
        """Leave as doubtful only what was not found to be the person's in the end."""
        found = self.found
        doubtful = {place: entry for place, entry in found.by_name.items() if place not in found.entries}
        in_answers = {place: entry for place, entry in doubtful.items() if entry.answer is not None}
        found.by_name = in_answers or doubtful  # their rows of `contacts` are no further entries
        return found


def _is_short_for(name: str, other: str) -> bool:
    """Whether another name says more: "J. D." and "Jane" are short for "Jane Doe"."""
    return may_be_one(name, other) and sum(map(len, words_of(name))) < sum(map(len, words_of(other)))


def _may_share(kind: Kind, name: str | None, other: str | None) -> bool:
    """Whether two names at one identifier may be one person's; a page stays somebody's own when the name changes."""
    return kind is Kind.NAME or (share_a_word(name, other) if kind is Kind.LINKEDIN else may_be_one(name, other))
