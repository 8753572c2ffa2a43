"""Which faults there are, on whom each falls, and whether it falls on this one.

What a fault does to an answer lives in `damage`; here are the names and the choosing.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum, auto
from hashlib import blake2b

from openmart_pipeline.simulator.exchange import JsonObject, JsonValue

WIRE = frozenset(
    {
        "reset",  # no byte, a TCP reset
        "closed",  # no byte, an orderly end
        "timeout",  # no byte, as long as the client waits
        "slow",  # right, after `slow_s`
        "trickle",  # right, one byte every `trickle_s`
        "cut_off",  # half of the promised bytes
        "truncated_json",  # a whole answer whose JSON breaks off
        "html",  # 200 and somebody's error page
        "empty_body",  # 200 and nothing
        "inflated",  # right, and 80 MB of blanks behind it, all in one layer of gzip
        "gzipped_twice",  # the same in two layers: a few kilobytes on the wire
    }
)


class Route(StrEnum):
    """What a request is about; requests are counted by it."""

    SUBMIT = auto()
    POLL = auto()
    IDS = auto()
    TASK = auto()
    BALANCE = auto()
    DENY = auto()
    OTHER = auto()


# Decided when the task is bought, so that batch and task never contradict each other.
OUTCOMES = frozenset({"errored", "cancelled", "failed", "unknown_state", "pending", "processing_forever"})
CONTENT: Mapping[Route, frozenset[str]] = {
    Route.SUBMIT: frozenset({"no_batch_id", "wrong_total"}),
    Route.POLL: frozenset({"never_ready", "wrong_counts"}),
    Route.IDS: frozenset({"repeated", "missing", "foreign", "reshuffled", "in_order", "flooded"}),
    Route.TASK: OUTCOMES
    | {
        "tracking_null",
        "tracking_null_at_first",  # and there when the task is read again
        "tracking_changed",
        "tracking_doubled",
        "tracking_absent",
        "data_null",
        "data_absent",
        "data_object",
        "data_scalars",
        "data_error",
        "data_text",
        "long_number",
        "nested",
        "new_fields",
        "changed_types",
        "huge",
        "nul",
        "lone_surrogate",
        "invalid_utf8",
    },
    Route.BALANCE: frozenset(),
    Route.DENY: frozenset(),
}


class FaultError(ValueError):
    """A fault's name or rule cannot be read; the message is for the person who wrote it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault by its parts."""

    name: str
    route: Route
    effect: str
    is_before_creating: bool = False

    @property
    def is_wire(self) -> bool:
        """True where the answer's way or status suffers, false where its content does."""
        return self.effect in WIRE or self.effect.isdigit()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """On whom a fault falls: on those who meet every condition given."""

    probability: float | None = None
    next: int | None = None  # so many times more, then never
    nth: int | None = None  # the n-th submit of this state file, from 1
    domain: str | None = None
    tracking_id: str | None = None
    id: str | None = None  # a batch's or a task's

    def to_json(self) -> JsonObject:
        """Give the conditions that are set."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a fault might fall on.

    `roll` and `steady_roll` are what a probability is rolled for: same roll, same luck. Faults of the wire
    take the first, which differs for each request; faults of the content the second, so that a task read
    again says the same again.
    """

    roll: str
    steady_roll: str | None = None
    nth: int | None = None
    domains: Collection[str] = ()
    tracking_ids: Collection[str | None] = ()
    ids: Collection[str] = ()


def fault_named(name: str) -> Fault:
    """Take a fault's name apart.

    Raises:
        FaultError: there is no such fault.

    """
    for route in CONTENT:
        if route is Route.SUBMIT:
            candidates = [
                Fault(name, route, name.removeprefix("created_then_")),
                Fault(name, route, name.removesuffix("_before_creating"), is_before_creating=True),
            ]
        else:
            candidates = [Fault(name, route, name.removeprefix(f"{route}_"))]
        for fault in candidates:
            if fault.effect != name and _exists(fault):
                return fault
    raise FaultError(
        f"There is no fault {name!r}. There are created_then_X and X_before_creating for the submit and "
        f"poll_X, ids_X, task_X, balance_X, deny_X for the rest, where X is a status or one of "
        f"{', '.join(sorted(WIRE))}; and also "
        f"{', '.join(sorted(f'{_prefix(route)}{effect}' for route in CONTENT for effect in CONTENT[route]))}."
    )


def read_rule(value: JsonValue) -> Rule:
    """Read a rule: `0.1`, `3`, `"always"`, `"next:3"`, `"nth:2"`, `"domain:acme.com,next:1"`, or an object.

    A bare fraction is a probability, a bare whole number the next so many.

    Raises:
        FaultError: it is none of these.

    """
    if isinstance(value, dict):
        return _rule(value, value)
    text = str(value).strip()
    if text == "always":
        return Rule(probability=1.0)
    if ":" not in text:
        text = f"probability:{text}" if "." in text else f"next:{text}"
    return _rule(dict(part.strip().partition(":")[::2] for part in text.split(",")), value)


class Chooser:
    """Says which faults fall on a subject, and counts down those that fall only so many times."""

    def __init__(self, rules: Mapping[str, Rule], seed: int) -> None:
        self.rules = dict(rules)
        self._seed = seed
        self._by_route: dict[Route, list[Fault]] = {}
        # Those that keep a submit from creating come first: the others then never come to fall.
        for fault in sorted(map(fault_named, rules), key=lambda fault: not fault.is_before_creating):
            self._by_route.setdefault(fault.route, []).append(fault)
        self.has_counted_down = False

    def watches(self, route: Route) -> bool:
        """Say whether any fault could fall on this route: most requests need ask no more."""
        return route in self._by_route

    def fallen(self, route: Route, subject: Subject) -> Iterator[Fault]:
        """Give the faults that fall on the subject as its request is answered."""
        for fault in self._by_route.get(route, ()):
            if fault.effect not in OUTCOMES and self._falls(fault, subject):
                yield fault

    def outcome_of(self, subject: Subject) -> str | None:
        """Give the one of OUTCOMES that a task being bought will come to, or None if it will go well."""
        for fault in self._by_route.get(Route.TASK, ()):
            if fault.effect in OUTCOMES and self._falls(fault, subject):
                return fault.effect
        return None

    def _falls(self, fault: Fault, subject: Subject) -> bool:
        rule = self.rules[fault.name]
        met = (
            (rule.nth is None or rule.nth == subject.nth)
            and (rule.domain is None or rule.domain in subject.domains)
            and (rule.tracking_id is None or rule.tracking_id in subject.tracking_ids)
            and (rule.id is None or rule.id in subject.ids)
            and (rule.probability is None or self._roll(fault, subject) < rule.probability)
            and (rule.next is None or rule.next > 0)
        )
        if met and rule.next is not None:
            self.rules[fault.name] = replace(rule, next=rule.next - 1)
            self.has_counted_down = True
        return met

    def _roll(self, fault: Fault, subject: Subject) -> float:
        roll = subject.roll if fault.is_wire else subject.steady_roll or subject.roll
        digest = blake2b(f"{self._seed}|{fault.name}|{roll}".encode(), digest_size=8).digest()
        return int.from_bytes(digest) / 2**64


def _exists(fault: Fault) -> bool:
    if fault.effect.isdigit():
        return len(fault.effect) == 3 and "200" < fault.effect < "600"  # noqa: PLR2004  three digits: a status
    return fault.effect in WIRE or (fault.effect in CONTENT[fault.route] and not fault.is_before_creating)


def _prefix(route: Route) -> str:
    return "created_then_" if route is Route.SUBMIT else f"{route}_"


def _rule(conditions: Mapping[str, JsonValue], given: JsonValue) -> Rule:
    numbers = {"probability": float, "next": int, "nth": int}
    unknown = sorted(set(conditions) - set(Rule.__dataclass_fields__))
    if unknown or not conditions:
        raise FaultError(
            f"The rule {given!r} cannot be read: {', '.join(unknown) or 'nothing'} is no condition. "
            f"There are {', '.join(Rule.__dataclass_fields__)}."
        )
    try:
        typed = {name: numbers.get(name, str)(str(value)) for name, value in conditions.items()}
    except ValueError as error:
        raise FaultError(f"The rule {given!r} cannot be read: {error}.") from error
    return Rule(**typed)
