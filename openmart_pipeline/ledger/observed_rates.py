"""What this ledger has learned of the API: how much is found, how long a submit and a batch take.

Lives here: averages over what was bought here, for quotes and for the first poll. Nothing is written.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from openmart_pipeline.ledger.schema import batches, tasks
from openmart_pipeline.ledger.states import ANSWERED
from openmart_pipeline.ledger.store import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class HitRates:
    """What this ledger's own answers held, per contact asked for; None before enough were bought."""

    emails_per_contact: float
    phones_per_contact: float
    answers: int


ENOUGH_ANSWERS = 20  # below that a rate says nothing


def hit_rates(ledger: Ledger) -> HitRates | None:
    """Return how many e-mails and phones were found per contact asked for, over all that was bought here."""
    asked_email = tasks.c.max_k * tasks.c.info_access.op("&")(1)
    asked_phone = tasks.c.max_k * tasks.c.info_access.op(">>")(1)
    query = sa.select(
        sa.func.count(),
        sa.func.sum(tasks.c.emails),
        sa.func.sum(tasks.c.phones),
        sa.func.sum(asked_email),
        sa.func.sum(asked_phone),
    ).where(tasks.c.state.in_(ANSWERED))
    with ledger.read() as connection:
        answers, emails, phones, email_asks, phone_asks = connection.execute(query).one()
    if answers < ENOUGH_ANSWERS:
        return None
    return HitRates(
        emails_per_contact=(emails or 0) / email_asks if email_asks else 0.0,
        phones_per_contact=(phones or 0) / phone_asks if phone_asks else 0.0,
        answers=answers,
    )


def seconds_per_submit(ledger: Ledger) -> float | None:
    """Return how long the server takes to answer a submit, by the last twenty; None before the first.

    The one in the middle: a batch that was adopted counts as answered when a person found its id.
    """
    query = (
        sa.select(batches.c.intent_at, batches.c.submitted_at)
        .where(batches.c.submitted_at.is_not(None))
        .order_by(batches.c.batch_no.desc())
        .limit(20)
    )
    with ledger.read() as connection:
        waits = sorted((done - begun).total_seconds() for begun, done in connection.execute(query))
    return waits[len(waits) // 2] if waits else None


FIRST_POLL_S = 0.2  # before anything is known of this server: it may be quick
FIRST_POLL_AT_MOST_S = 60  # as the polls after it


def first_poll_s(ledger: Ledger) -> float:
    """Return how long after a submit its batch is worth a first question: four fifths of what the last ones took.

    Within bounds, because a batch seems to take until it is asked about: one that waited for us, behind others or
    for a daemon that was down, would teach the next ones to wait as long.
    """
    query = (
        sa.select(batches.c.submitted_at, batches.c.ready_at)
        .where(batches.c.ready_at.is_not(None), batches.c.submitted_at.is_not(None))
        .order_by(batches.c.batch_no.desc())
        .limit(21)
    )
    with ledger.read() as connection:
        waits = sorted((ready - sent).total_seconds() for sent, ready in connection.execute(query))
    return min(max(FIRST_POLL_S, 0.8 * waits[len(waits) // 2]), FIRST_POLL_AT_MOST_S) if waits else FIRST_POLL_S
