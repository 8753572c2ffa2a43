"""How much of the submission journal the ledger has seen: kept in `meta`, so that a copy of either is recognised.

Lives here: one value and its two moves. What is compared with it is the business of `journal_check`.
"""

import json
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from openmart_pipeline.ledger.ledger_errors import built
from openmart_pipeline.ledger.schema import meta

_KEY = "journal"


@dataclass(frozen=True, slots=True)
class JournalMark:
    """A place in the journal: behind its `lines`-th line, whose content has this digest."""

    lines: int
    size_bytes: int  # of the file up to there, with the line's end
    digest: str


START = JournalMark(0, 0, "")


def read_mark(connection: sa.Connection) -> JournalMark:
    """Return how far the ledger has seen the journal; `START` before the first line."""
    value = connection.execute(sa.select(meta.c.value).where(meta.c.key == _KEY)).scalar()
    return START if value is None else built(JournalMark, value)


def advance(connection: sa.Connection, mark: JournalMark) -> None:
    """Say that every line up to there is known to this ledger; a mark behind the present one changes nothing."""
    if mark.lines > read_mark(connection).lines:
        replace(connection, mark)


def replace(connection: sa.Connection, mark: JournalMark) -> None:
    """Start from another journal: after a person decided, or after its lines were replayed."""
    connection.execute(meta.delete().where(meta.c.key == _KEY))
    connection.execute(meta.insert().values(key=_KEY, value=json.dumps(asdict(mark))))
