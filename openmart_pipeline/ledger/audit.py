"""The audit trail: what persons did, and the schedules that they switched on; read back without anybody's data.

Lives here: which events those are, in which words, and how many of what. The rest of the history is in `history`.
"""

import datetime as dt
import json
from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa

from openmart_pipeline.ledger.schema import batches, events, plans
from openmart_pipeline.ledger.states import REVOKE_FOREIGN
from openmart_pipeline.ledger.store import Ledger
from openmart_pipeline.model.answers import AuditRow
from openmart_pipeline.model.words import plural

# What an act is called, where the ledger's own word says little to who reads it.
KINDS = {
    REVOKE_FOREIGN.name: "revoke",
    "hold": "freeze",
    "lift_hold": "unfreeze",
    "lives": "unfreeze",
    "bring_back": "unretire",
}
# Numbers that are shown, and what they count. What is not named here is not shown: a text could be anything.
_COUNTED = {
    "answers": ("answer", "answers"),
    "unmatched": ("unmatched answer", "unmatched answers"),
    "contacts": ("contact", "contacts"),
    "rows": ("row", "rows"),
    "new": ("new entry", "new entries"),
    "new_entries": ("new entry", "new entries"),
    "gone": ("entry gone", "entries gone"),
    "batches": ("batch", "batches"),
    "credits": ("credit at most", "credits at most"),
    "kept_for_other_files": ("kept for other files", "kept for other files"),
    "older_than_days": ("day old or older", "days old or older"),
}
_SAID_WHEN_NONE = ("answers", "rows")
_FLAGS = {
    "remove_data": "data removed",
    "vouched_unpaid": "vouched unpaid",
    "is_by_company": "by company",
    "is_own_sql": "a SELECT of one's own",
}
_BY_KIND = {"kinds": "", "told_vendor": "told the vendor: "}  # counts by kind of identifier


def trail(
    ledger: Ledger,
    *,
    since: dt.datetime | None = None,
    kinds: Collection[str] = (),
    partition_key: str | None = None,
) -> list[AuditRow]:
    """Return what was done, oldest first; only of these kinds, since then, about that file, where given."""
    query = (
        sa.select(
            events,
            sa.func.coalesce(batches.c.partition_key, plans.c.partition_key, _detail("partition_key")).label("file"),
        )
        .outerjoin(batches, batches.c.batch_no == events.c.batch_no)
        .outerjoin(plans, plans.c.plan_id == _detail("plan_id"))
        .where(_is_act())
        .order_by(events.c.seq)
    )
    if since is not None:
        query = query.where(events.c.at >= since)
    with ledger.read() as connection:
        rows = [_row(row) for row in connection.execute(query).mappings()]
    wanted = set(kinds)
    return [
        row
        for row in rows
        if (not wanted or row.kind in wanted) and (partition_key is None or row.about_file == partition_key)
    ]


def extent(ledger: Ledger) -> tuple[int, int]:
    """Return how many acts there are and the number of the newest: another trail has others."""
    query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.max(events.c.seq), 0)).where(_is_act())
    with ledger.read() as connection:
        count, newest = connection.execute(query).one()
    return count, newest


def note(ledger: Ledger, kind: str, *, who: str, why: str | None = None, **counts: Any) -> None:
    """Write an act that changes nothing else: somebody read or took out people's data."""
    with ledger.write() as connection:
        ledger.record(connection, kind, actor=who, reason=why, **counts)


def _is_act() -> sa.ColumnElement[bool]:
    return sa.or_(events.c.is_act, events.c.move == REVOKE_FOREIGN.name)


def _detail(key: str) -> sa.ColumnElement[str]:
    return sa.func.json_extract(events.c.detail, f"$.{key}", type_=sa.Text)


def _row(row: sa.RowMapping) -> AuditRow:
    detail: Mapping[str, Any] = {} if row["detail"] is None else json.loads(row["detail"])
    return AuditRow(
        event_no=row["seq"],
        happened_at=row["at"],
        who=row["actor"],
        kind=KINDS.get(row["move"], row["move"]),
        how_many=", ".join(_said(detail)) or None,
        about_file=row["file"],
        batch_no=row["batch_no"],
        why=row["reason"] or None,
    )


def _said(detail: Mapping[str, Any]) -> list[str]:
    counted = [
        plural(round(detail[key]), *words)
        for key, words in _COUNTED.items()
        if isinstance(detail.get(key), int | float) and (detail[key] or key in _SAID_WHEN_NONE)
    ]
    by_kind = [
        words + " and ".join(f"{count} {kind}" for kind, count in detail[key].items())
        for key, words in _BY_KIND.items()
        if isinstance(detail.get(key), dict) and detail[key]
    ]
    return counted + by_kind + [words for key, words in _FLAGS.items() if detail.get(key) is True]
