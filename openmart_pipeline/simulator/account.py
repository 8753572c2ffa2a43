"""The account the simulator keeps of its clients: what was charged, what was charged twice, what got lost.

Only questions to the state file live here; nothing is changed.
"""

import datetime as dt
import sqlite3

from openmart_pipeline.simulator.exchange import JsonObject, JsonValue, from_json

_ASKED_AGAIN = "SELECT question FROM tasks GROUP BY question HAVING count(*) > 1"


def totals(connection: sqlite3.Connection) -> JsonObject:
    """Count batches, tasks and questions, and what was found for them."""
    batches, unheard, lost, credits_charged = connection.execute(
        "SELECT count(*), coalesce(sum(NOT is_heard), 0), coalesce(sum(NOT is_asked_about), 0),"
        " coalesce(sum(credits), 0) FROM batches"
    ).fetchone()
    tasks, questions, emails, phones = connection.execute(
        "SELECT count(*), count(DISTINCT question), coalesce(sum(emails), 0), coalesce(sum(phones), 0) FROM tasks"
    ).fetchone()
    (asked_again,) = connection.execute(f"SELECT count(*) FROM ({_ASKED_AGAIN})").fetchone()  # noqa: S608  a constant
    return {
        "batches": batches,
        "batches_never_heard": unheard,
        "batches_never_asked_about": lost,
        "tasks": tasks,
        "questions": questions,
        "questions_charged_twice": asked_again,
        "emails": emails,
        "phones": phones,
        "credits_charged": credits_charged,
    }


def batches(connection: sqlite3.Connection, *, after: int, limit: int) -> list[JsonValue]:
    """List the batches with a number above `after`, at most `limit` of them, with all their tasks."""
    rows = connection.execute(
        "SELECT batch_no, batch_id, key_hash, created_at, total, credits, is_heard, is_asked_about,"
        " is_expired FROM batches WHERE batch_no > ? ORDER BY batch_no LIMIT ?",
        (after, limit),
    ).fetchall()
    return [_batch(connection, row) for row in rows]


def charged_twice(connection: sqlite3.Connection) -> list[JsonValue]:
    """List every question that was bought more than once, with where."""
    rows = connection.execute(
        f"SELECT question, batch_id, tracking_id FROM tasks JOIN batches USING (batch_no)"  # noqa: S608  a constant
        f" WHERE question IN ({_ASKED_AGAIN}) ORDER BY batch_no, position"
    )
    tasks: dict[str, list[JsonValue]] = {}
    for question, batch_id, tracking_id in rows:
        tasks.setdefault(question, []).append({"batch_id": batch_id, "tracking_id": tracking_id})
    return [
        {"question": from_json(question), "times": len(bought), "tasks": bought} for question, bought in tasks.items()
    ]


def _batch(connection: sqlite3.Connection, row: tuple[int, str, str, float, int, int, int, int, int]) -> JsonObject:
    batch_no, batch_id, key_hash, created_at, total, credits_charged, *flags = row
    is_heard, is_asked_about, is_expired = map(bool, flags)
    tasks = connection.execute(
        "SELECT tracking_id, question FROM tasks WHERE batch_no = ? ORDER BY position", (batch_no,)
    ).fetchall()
    return {
        "batch_no": batch_no,
        "batch_id": batch_id,
        "key_hash": key_hash,
        "created_at": dt.datetime.fromtimestamp(created_at, dt.UTC).isoformat(),
        "total": total,
        "credits": credits_charged,
        "is_heard": is_heard,
        "is_asked_about": is_asked_about,
        "is_expired": is_expired,
        "tracking_ids": [tracking_id for tracking_id, _ in tasks],
        "questions": [from_json(question) for _, question in tasks],
    }
