"""Everything the simulator knows, in one place: its behaviour, its batches, its account, its memory on disk.

No route and no answer lives here.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import cast

from openmart_pipeline.simulator.behaviour import (
    REAL_BALANCE,
    UNLIMITED_BALANCE,
    Behaviour,
    BehaviourError,
)
from openmart_pipeline.simulator.deny import DenyRules
from openmart_pipeline.simulator.exchange import JsonObject, JsonValue
from openmart_pipeline.simulator.faults import Chooser, Fault, Route, Subject
from openmart_pipeline.simulator.state_file import open_state, read_meta, write_meta
from openmart_pipeline.simulator.traffic import Traffic
from openmart_pipeline.simulator.vendor_batches import BatchStore

BEHAVIOUR_KEY = "behaviour"


class World:
    """One simulated vendor, as its state file has it."""

    def __init__(
        self,
        state: Path,
        *,
        changes: Mapping[str, JsonValue],
        only_key: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open the state file and apply `changes` to the behaviour kept in it.

        Raises:
            BehaviourError: the changes ask for what there is not.
            StateFileError: the file is another's or no state file.

        """
        self.clock = clock
        self.only_key = only_key
        self.connection = open_state(state)
        self.batches = BatchStore(self.connection)
        self.deny = DenyRules(self.connection)
        self.traffic = Traffic(self.connection)
        self._random = random.Random()  # noqa: S311  jitter, nothing secret
        self._date_second = 0
        self._date = ""
        kept = cast("JsonObject", read_meta(self.connection, BEHAVIOUR_KEY) or {})
        try:
            self._settle(Behaviour().merged(kept).merged(changes))
        except BehaviourError:
            self.connection.close()
            raise

    @property
    def behaviour(self) -> Behaviour:
        """How it behaves now, with the faults that are left."""
        return replace(self._behaviour, faults=self._chooser.rules)

    @property
    def settings(self) -> Behaviour:
        """How it behaves now, as cheap to ask as a request needs it; its faults may have been used up."""
        return self._behaviour

    def behave(self, changes: Mapping[str, JsonValue]) -> None:
        """Change the behaviour, on disk as well.

        Raises:
            BehaviourError: no such setting, or not such a value; nothing is changed.

        """
        self._settle(self.behaviour.merged(changes))

    def fallen(self, route: Route, subject: Subject) -> Iterator[Fault]:
        """Give the faults that fall on the subject; what they use up is used up on disk as well."""
        for fault in self._chooser.fallen(route, subject):
            self._keep_countdown()
            self.traffic.fell(fault.name)
            yield fault

    def outcome_of(self, subject: Subject) -> str | None:
        """Give the fault a task being bought comes to, if any."""
        outcome = self._chooser.outcome_of(subject)
        self._keep_countdown()
        return outcome

    def watches(self, route: Route) -> bool:
        """Say whether any fault could fall on this route."""
        return self._chooser.watches(route)

    def varied(self, seconds: float) -> float:
        """Give a duration with the jitter on it."""
        if not self._behaviour.jitter or not seconds:
            return seconds
        return max(0.0, seconds * (1 + self._behaviour.jitter * self._random.uniform(-1, 1)))

    @property
    def balance(self) -> int | None:
        """The credits left; None where the key is unlimited."""
        start = self._behaviour.credits
        return None if start is None else start - self.batches.credits_charged

    @property
    def balance_said(self) -> JsonValue:
        """What the balance route says, true or not."""
        if self._behaviour.balance_says != REAL_BALANCE:
            return self._behaviour.balance_says
        return UNLIMITED_BALANCE if self.balance is None else self.balance

    def date_header(self) -> str:
        """Give the time as the Date header tells it."""
        second = int(self.clock() + self._behaviour.date_offset_s)
        if second != self._date_second:
            self._date_second, self._date = second, formatdate(second, usegmt=True)
        return self._date

    def close(self) -> None:
        """Put everything on disk and let the file go."""
        self.traffic.save()
        self.connection.close()

    def _settle(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._chooser = Chooser(behaviour.faults, behaviour.seed)
        write_meta(self.connection, BEHAVIOUR_KEY, behaviour.to_json())

    def _keep_countdown(self) -> None:
        if self._chooser.has_counted_down:
            self._chooser.has_counted_down = False
            write_meta(self.connection, BEHAVIOUR_KEY, self.behaviour.to_json())
