"""Instants as the database keeps them.

Lives here: the one conversion from aware to stored. No clock is read.
"""

import datetime as dt


def utc(moment: dt.datetime | None) -> dt.datetime | None:
    """Return the instant in UTC without a zone, as every `*_at` column holds it."""
    return None if moment is None else moment.astimezone(dt.UTC).replace(tzinfo=None)
