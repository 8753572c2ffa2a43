"""What a server's headers say about time: its clock, and how long to wait.

Not here: waiting.
"""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def utc_now() -> datetime:
    """Return this machine's clock."""
    return datetime.now(UTC)


class ServerTime:
    """Reads `Date` and `Retry-After` against our own clock, and remembers the last skew; thread-safe."""

    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        self._now = now
        self._skew_s: float | None = None
        self._last_date: tuple[str, datetime | None] = ("", None)

    @property
    def skew_s(self) -> float | None:
        """Our clock minus the server's at its last dated answer; None before the first.

        Exact to about a second and the answer's way: enough to notice a clock that is minutes off.
        """
        return self._skew_s

    def note(self, headers: Mapping[str, str]) -> None:
        """Remember the skew if the answer carries a readable `Date`."""
        date = headers.get("Date", "")
        # Hundreds of answers a second share a date, which is slow to read.
        known, server_now = self._last_date
        if date != known:
            server_now = _http_date(date)
            self._last_date = (date, server_now)
        if server_now is not None:
            self._skew_s = (self._now() - server_now).total_seconds()

    def retry_after_s(self, headers: Mapping[str, str]) -> float | None:
        """Return how long `Retry-After` asks to wait, never negative; None when absent or unreadable.

        Both forms are in use: seconds, and an HTTP date (API section 7). A date is compared with the
        server's own `Date` where there is one, so that a wrong clock here doesn't change the wait.
        """
        value = headers.get("Retry-After")
        if value is None:
            return None
        try:
            seconds = float(value)
        except ValueError:
            named = _http_date(value)
            if named is None:
                return None
            seconds = (named - (_http_date(headers.get("Date")) or self._now())).total_seconds()
        return max(0.0, seconds) if math.isfinite(seconds) else None


def _http_date(value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError, IndexError):
        return None
    # A date without a zone is UTC by the HTTP standard.
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
