"""What processes on one ledger share: leases on work, and one request rate for all of them.

Lives here: the two tables `leases` and `rate`. Comfort, not correctness: money never rests on these.
"""

import datetime as dt
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import sqlalchemy as sa

from openmart_pipeline.ledger.schema import leases, rate
from openmart_pipeline.ledger.store import Ledger

_Filtered = TypeVar("_Filtered", sa.Select[tuple[str]], sa.Delete)

LOT_S = 0.25  # requests are reserved for so long ahead: four small transactions a second, however many requests
MOST_AHEAD = dt.timedelta(hours=1)  # a turn further ahead than this is a clock that was set back, not a queue


@contextmanager
def lease(ledger: Ledger, partition_key: str, kind: str) -> Iterator[bool]:
    """Hold "this work is under way" while the body runs; yields False when a living process holds it."""
    with ledger.write() as connection:
        holder = _holder(connection, partition_key, kind)
        taken = holder is None or ledger.owner.is_gone(holder)
        if taken:
            connection.execute(_of(leases.delete(), partition_key, kind))
            connection.execute(
                leases.insert().values(
                    partition_key=partition_key,
                    kind=kind,
                    owner_id=ledger.owner.owner_id,
                    since_at=ledger.clock(),
                )
            )
    try:
        yield taken
    finally:
        if taken:
            with ledger.write() as connection:
                connection.execute(
                    _of(leases.delete(), partition_key, kind).where(leases.c.owner_id == ledger.owner.owner_id)
                )


def is_leased(ledger: Ledger, partition_key: str, kind: str) -> bool:
    """Whether a living process has that work under way."""
    with ledger.read() as connection:
        holder = _holder(connection, partition_key, kind)
    return holder is not None and not ledger.owner.is_gone(holder)


def _holder(connection: sa.Connection, partition_key: str, kind: str) -> str | None:
    row = connection.execute(_of(sa.select(leases.c.owner_id), partition_key, kind)).first()
    return None if row is None else str(row.owner_id)


def _of(statement: _Filtered, partition_key: str, kind: str) -> _Filtered:
    return statement.where(leases.c.partition_key == partition_key, leases.c.kind == kind)


class SharedRateLimiter:
    """The pace of all processes on one ledger together: at most `requests_per_s`, evenly spaced.

    A lot of slots is reserved in one transaction and handed out from memory, to threads and coroutines alike.
    """

    def __init__(self, ledger: Ledger, requests_per_s: float) -> None:
        """Share `requests_per_s` with everybody on this ledger who uses the same API."""
        self._ledger = ledger
        self._spacing = dt.timedelta(seconds=1 / requests_per_s)
        self._lot = max(1, int(requests_per_s * LOT_S))
        self._slots: list[dt.datetime] = []
        self._lock = threading.Lock()

    def acquire(self) -> float:
        """Reserve one slot; return how many seconds from now it begins."""
        with self._lock:
            now = self._ledger.clock()
            # Slots that nobody used in time are lost: used late, they would add up to a burst.
            self._slots = [slot for slot in self._slots if now - self._spacing <= slot <= now + MOST_AHEAD]
            if not self._slots:
                self._slots = self._reserve()
            slot = self._slots.pop(0)
        return max(0.0, (slot - self._ledger.clock()).total_seconds())

    def pause(self, seconds: float) -> None:
        """Let nobody on this ledger send before so many seconds have passed."""
        with self._lock:
            self._slots.clear()
        until = self._ledger.clock() + dt.timedelta(seconds=seconds)
        with self._ledger.write() as connection:
            if self._next_free(connection) < until:
                self._set(connection, until)

    def _reserve(self) -> list[dt.datetime]:
        with self._ledger.write() as connection:
            first = self._next_free(connection)
            self._set(connection, first + self._lot * self._spacing)
        return [first + number * self._spacing for number in range(self._lot)]

    def _next_free(self, connection: sa.Connection) -> dt.datetime:
        now = self._ledger.clock()
        known = connection.execute(
            sa.select(rate.c.next_free_at).where(rate.c.api_identity == self._ledger.api_identity)
        ).scalar()
        return now if known is None or known < now or known - now > MOST_AHEAD else known

    def _set(self, connection: sa.Connection, until: dt.datetime) -> None:
        identity = self._ledger.api_identity
        connection.execute(rate.delete().where(rate.c.api_identity == identity))
        connection.execute(rate.insert().values(api_identity=identity, next_free_at=until))
