"""Who asked what, how often and how densely, and on how many a fault fell: the simulator's count of requests.

No answer is decided here.
"""

import sqlite3
from collections import Counter, deque
from dataclasses import dataclass
from typing import cast

from openmart_pipeline.simulator.exchange import JsonObject, JsonValue
from openmart_pipeline.simulator.faults import Route
from openmart_pipeline.simulator.state_file import read_meta, write_meta

REMEMBERED_REQUESTS = 50_000  # the latest ones, in memory only: some 15 MB
META_KEY = "traffic"
FAULTS_KEY = "faults"


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it was noted; `outcome` is the status, or how the connection was ended."""

    at: float  # epoch seconds
    route: Route
    outcome: str
    path: str
    connection_no: int


class BusiestWindow:
    """The most requests seen within any stretch of `length_s`."""

    def __init__(self, length_s: float, most: int) -> None:
        self._length_s = length_s
        self._times: deque[float] = deque()
        self.most = most

    def note(self, at: float) -> None:
        """Count one more request."""
        self._times.append(at)
        while self._times[0] <= at - self._length_s:
            self._times.popleft()
        self.most = max(self.most, len(self._times))


class Traffic:
    """Counts requests; the counts survive a kill up to the last submit or second."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        kept = cast("dict[str, int]", read_meta(connection, META_KEY) or {})
        self._faults = Counter(cast("dict[str, int]", read_meta(connection, FAULTS_KEY) or {}))
        self._windows = {
            "busiest_second": BusiestWindow(1.0, kept.pop("busiest_second", 0)),
            "busiest_ten_seconds": BusiestWindow(10.0, kept.pop("busiest_ten_seconds", 0)),
        }
        self._submit_window = BusiestWindow(1.0, kept.pop("busiest_second_of_submits", 0))
        self.submits = kept.pop("submits", 0)
        self._counts = Counter(kept)
        self._latest: deque[Seen] = deque(maxlen=REMEMBERED_REQUESTS)
        self._is_saved = True
        self.seen = 0  # since the start of this process

    def arrived(self, route: Route, at: float) -> None:
        """Note a request before anything is decided about it."""
        for window in self._windows.values():
            window.note(at)
        if route is Route.SUBMIT:
            self._submit_window.note(at)
            self.submits += 1
        self.seen += 1
        self._is_saved = False

    def answered(self, seen: Seen) -> None:
        """Note how a request was answered."""
        self._counts[f"{seen.route} {seen.outcome}"] += 1
        self._latest.append(seen)
        if seen.route is Route.SUBMIT:
            self.save()

    def fell(self, fault: str) -> None:
        """Note that a fault fell on a request; the request itself was noted before."""
        self._faults[fault] += 1

    def save(self) -> None:
        """Put the counts on disk, if any is new."""
        if not self._is_saved:
            write_meta(self._connection, FAULTS_KEY, cast("JsonObject", dict(self._faults)))
            kept = {**self._counts, **self._densities(), "submits": self.submits}
            write_meta(self._connection, META_KEY, cast("JsonObject", kept))
            self._is_saved = True

    def summary(self) -> JsonObject:
        """Give the counts by route and outcome, the faults that fell by name, and the densest windows."""
        requests: dict[str, JsonValue] = {}
        for name, count in sorted(self._counts.items()):
            route, outcome = name.split(" ")
            cast("JsonObject", requests.setdefault(route, {}))[outcome] = count
        return {"requests": requests, "submits": self.submits, "faults": {**self._faults}, **self._densities()}

    def latest(self, *, route: str | None, since: float) -> list[JsonValue]:
        """Give the requests remembered, oldest first: of one route or all, since an epoch second."""
        return [
            {
                "at": seen.at,
                "route": seen.route,
                "outcome": seen.outcome,
                "path": seen.path,
                "connection_no": seen.connection_no,
            }
            for seen in self._latest
            if seen.at >= since and route in (None, seen.route)
        ]

    def _densities(self) -> dict[str, int]:
        return {
            **{name: window.most for name, window in self._windows.items()},
            "busiest_second_of_submits": self._submit_window.most,
        }
