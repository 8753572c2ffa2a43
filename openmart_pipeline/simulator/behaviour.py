"""How the simulator behaves: latencies, limits, money and faults, one value, changeable while it runs.

What each setting does lives where it is used.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import cast

from openmart_pipeline.simulator.exchange import JsonObject, JsonValue
from openmart_pipeline.simulator.faults import FaultError, Rule, fault_named, read_rule

RETRY_AFTER = ("seconds", "http_date", "past", "day", "garbage", "absent")
REAL_BALANCE = "real"
UNLIMITED_BALANCE = 10_000  # what unlimited keys always say (API section 5)


class BehaviourError(ValueError):
    """A setting cannot be what it was asked to be; the message is for the person who asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """Everything about the simulator that can be chosen. Durations in seconds."""

    submit_s: float = 0.0
    read_s: float = 0.0
    processing_s: float = 0.0
    jitter: float = 0.0  # each of the three varies by up to this share of itself
    slow_s: float = 30.0  # what the fault `slow` adds
    trickle_s: float = 1.0  # between two bytes of the fault `trickle`
    rate_limit_per_s: int | None = None  # requests let through in any one second; the others get 429
    retry_after: str = "seconds"  # what a 429 says: one of RETRY_AFTER
    date_offset_s: float = 0.0  # how far the Date header is ahead of the truth
    balance_says: JsonValue = REAL_BALANCE  # what the balance route answers instead of the truth
    credits: int | None = None  # what the account started with; None is an unlimited key
    credits_per_email: int = 3  # third party, unconfirmed (API section 5)
    credits_per_phone: int = 8
    seed: int = 0  # of every probability
    faults: Mapping[str, Rule] = field(default_factory=dict)

    def merged(self, changes: Mapping[str, JsonValue]) -> "Behaviour":
        """Change the settings named and keep the others.

        `faults` merges by name; a fault set to null is taken away, `"faults": null` takes all away.

        Raises:
            BehaviourError: no such setting, or not such a value.

        """
        known = {setting.name for setting in fields(self)}
        if unknown := sorted(set(changes) - known):
            raise BehaviourError(f"No setting is called {', '.join(unknown)}. There are {', '.join(known)}.")
        settings = {name: _checked(name, value) for name, value in changes.items() if name != "faults"}
        faults = self._merged_faults(changes["faults"]) if "faults" in changes else self.faults
        return replace(self, faults=faults, **settings)  # type: ignore[arg-type]  # checked by _checked

    def to_json(self) -> JsonObject:
        """Give every setting, as `merged` would read it."""
        faults: JsonObject = {name: rule.to_json() for name, rule in self.faults.items()}
        return cast("JsonObject", asdict(replace(self, faults={}))) | {"faults": faults}

    def _merged_faults(self, changes: JsonValue) -> dict[str, Rule]:
        if changes is None:
            return {}
        if not isinstance(changes, dict):
            raise BehaviourError("`faults` is an object of names and rules, or null.")
        faults = dict(self.faults)
        for name, rule in changes.items():
            try:
                fault_named(name)
                if rule is None:
                    faults.pop(name, None)
                else:
                    faults[name] = read_rule(rule)
            except FaultError as error:
                raise BehaviourError(str(error)) from error
        return faults


def _checked(name: str, value: JsonValue) -> JsonValue:
    """Refuse what the setting cannot be, where it is set and not where it is first needed."""
    if name == "balance_says":
        return value
    if name == "retry_after":
        if value not in RETRY_AFTER:
            raise BehaviourError(f"`retry_after` is one of {', '.join(RETRY_AFTER)}.")
        return value
    if value is None and name in ("rate_limit_per_s", "credits"):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BehaviourError(f"`{name}` is a number.")
    if not math.isfinite(value):
        raise BehaviourError(f"`{name}` is a finite number.")
    if value < 0 and name not in ("date_offset_s", "seed", "credits"):
        raise BehaviourError(f"`{name}` is not negative.")
    return value
