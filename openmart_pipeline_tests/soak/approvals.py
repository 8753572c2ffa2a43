"""What was approved, as whoever types the commands knows it: which titles, for which companies, from when to when.

Nothing here comes from the ledger: the account of the server is compared with it.
"""

import datetime as dt
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

LATE_S = 5.0  # the server may finish a request that long after the process that sent it was killed


@dataclass(slots=True)
class Approval:
    """A command that buys: what a person may have seen in its quote, and how long it ran."""

    title: str
    files: frozenset[str]
    domains: set[str]  # of every version of the file that its quote may have shown
    began_at: float = field(default_factory=time.time)
    ended_at: float | None = None

    def covers(self, domain: str, title: str, at: float) -> bool:
        """Whether this command was allowed to buy that at that time."""
        is_in_time = self.began_at - 1 <= at <= (self.ended_at or time.time()) + LATE_S
        return is_in_time and domain in self.domains and title.casefold() == self.title.casefold()


def never_approved(approvals: Iterable[Approval], batches: Iterable[dict[str, Any]]) -> list[str]:
    """Name the questions that the server sold and nobody had approved, each with its batch."""
    by_title: dict[str, list[Approval]] = {}
    for one in approvals:
        by_title.setdefault(one.title.casefold(), []).append(one)
    wrong = []
    for batch in batches:
        at = dt.datetime.fromisoformat(batch["created_at"]).timestamp()
        for asked in batch["questions"]:
            domain, title = asked["domain"], asked["title"]
            if not any(one.covers(domain, title, at) for one in by_title.get(title.casefold(), ())):
                wrong.append(f"{title} at {domain} in {batch['batch_id']}")
    return wrong
