"""Questions of a plan that are asked elsewhere with another place: two purchases where a person may want one.

A place is part of a question. So a file with countries and one without ask about the same companies twice. Nothing is
decided here: this counts it for the quote.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Any

import sqlalchemy as sa

from openmart_pipeline.ledger.outstanding import is_outstanding
from openmart_pipeline.ledger.schema import asks, partitions, plans, questions, tasks
from openmart_pipeline.ledger.states import ANSWERED, OPEN, FileState
from openmart_pipeline.ledger.store import Ledger
from openmart_pipeline.model.questions import folded

Place = tuple[str | None, str | None, str | None]  # city, state, country
NOWHERE: Place = (None, None, None)
CHUNK_ROWS = 10_000


@dataclass(slots=True)
class OtherPlaces:
    """What of a plan is asked elsewhere with another place."""

    companies: int = 0
    widths: Counter[tuple[int, int]] = field(default_factory=Counter)  # questions by (max_k, info_access bits)
    reused_at: Counter[Place] = field(default_factory=Counter)  # place -> companies that asking so would reuse


def other_places(ledger: Ledger, plan_id: str) -> OtherPlaces:
    """Return what the plan would buy although the same is owned, on its way or planned with another place.

    Planned means: by the current plan of another file.
    """
    found = OtherPlaces()
    with ledger.read() as connection:
        rows = connection.execution_options(yield_per=CHUNK_ROWS).execute(_asked_elsewhere(ledger, plan_id))
        for _, of_company in groupby(_of_one_title(rows), key=attrgetter("domain")):
            places: set[Place] = set()
            for _, of_ask in groupby(of_company, key=attrgetter("question_id")):
                others = list(of_ask)
                found.widths[others[0].max_k, others[0].info_access] += 1
                own = (others[0].city, others[0].state, others[0].country)
                places |= {
                    place
                    for other in others
                    if NOWHERE in (own, place := (other.other_city, other.other_state, other.other_country))
                }
            found.companies += 1
            found.reused_at.update(places)
    return found


def _of_one_title(rows: sa.CursorResult[Any]) -> Iterator[Any]:
    """Yield the pairs to buy in which both questions have the same title; SQL does not fold as fingerprints do."""
    for row in rows:
        if row.is_outstanding and (row.title == row.other_title or folded(row.title) == folded(row.other_title)):
            yield row


def _asked_elsewhere(ledger: Ledger, plan_id: str) -> sa.Select[Any]:
    other = questions.alias("other")
    is_elsewhere = sa.or_(*(other.c[part].is_distinct_from(questions.c[part]) for part in ("city", "state", "country")))
    others_ask = asks.alias("others_ask")
    is_bought = sa.exists().where(
        tasks.c.question_id == other.c.question_id,
        sa.or_(
            tasks.c.state.in_(OPEN),
            sa.and_(
                tasks.c.state.in_(ANSWERED),
                tasks.c.max_k >= asks.c.max_k,
                tasks.c.info_access.op("&")(asks.c.info_access) == asks.c.info_access,
            ),
        ),
    )
    is_planned = sa.exists().where(
        others_ask.c.question_id == other.c.question_id,
        others_ask.c.plan_id == partitions.c.current_plan_id,
        partitions.c.state != FileState.RETIRED,
        partitions.c.partition_key
        != sa.select(plans.c.partition_key).where(plans.c.plan_id == plan_id).scalar_subquery(),
    )
    return (
        sa.select(
            questions.c.domain,
            questions.c.question_id,
            questions.c.title,
            *(questions.c[part] for part in ("city", "state", "country")),
            asks.c.max_k,
            asks.c.info_access,
            other.c.title.label("other_title"),
            *(other.c[part].label(f"other_{part}") for part in ("city", "state", "country")),
            is_outstanding(ledger.clock()).label(
                "is_outstanding"
            ),  # of the few that are found, not of all that are asked
        )
        .select_from(
            asks.join(questions, questions.c.question_id == asks.c.question_id).join(
                other, sa.and_(other.c.domain == questions.c.domain, other.c.question_id != questions.c.question_id)
            )
        )
        .where(
            asks.c.plan_id == plan_id,
            is_elsewhere,
            sa.func.coalesce(other.c.version, 0) == sa.func.coalesce(questions.c.version, 0),
            sa.or_(is_bought.correlate(asks, other), is_planned.correlate(other)),
        )
        .order_by(questions.c.domain, questions.c.question_id)
    )
