"""What can be read beside the product: its ledger as plain SQLite, its published database, the server's account.

Only reads; no claim and no decision. Rows are taken by SQL of its own, so that a mistake in the product's reads can't
hide one in its rows.
"""

import json
import re
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

PUBLISHED = """
SELECT DISTINCT company_domain, first_name, last_name, title, email, linkedin_url FROM contacts
"""
_TRACKING_ID = re.compile(rb'"tracking_id":"([^"]+)"')
SETTLED = ("collected", "released", "not_sent", "rejected", "expired")
BOUGHT = ("collected", "submitted", "ready", "stalled", "expired")


@dataclass(frozen=True, slots=True)
class Task:
    """A task of the ledger, and the batch it is in."""

    tracking_id: str
    state: str
    has_answer: bool
    batch_no: int
    batch_state: str
    batch_id: str | None


@contextmanager
def reading(ledger: Path) -> Iterator[sqlite3.Connection]:
    """Open the ledger to read it."""
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=20)) as connection:
        yield connection


def tasks(ledger: Path) -> dict[str, Task]:
    """Return every task by its tracking id; nothing where there is no ledger yet."""
    if not ledger.exists():
        return {}
    with reading(ledger) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'tasks'").fetchone():
            return {}
        rows = connection.execute(
            "SELECT tracking_id, tasks.state, raw IS NOT NULL, batch_no, batches.state, vendor_batch_id "
            "FROM tasks JOIN batches USING (batch_no)"
        )
        return {row[0]: Task(row[0], row[1], bool(row[2]), *row[3:]) for row in rows}


def journaled(journal: Path) -> set[str]:
    """Return the tracking ids that the submission journal names."""
    if not journal.exists():
        return set()
    return {found.decode() for found in _TRACKING_ID.findall(journal.read_bytes())}


def batch_states(ledger: Path) -> dict[int, str]:
    """Return the state of every batch by its number."""
    if not ledger.exists():
        return {}
    with reading(ledger) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'batches'").fetchone():
            return {}
        return dict(connection.execute("SELECT batch_no, state FROM batches ORDER BY batch_no").fetchall())


def batch_ids(ledger: Path) -> dict[int, str]:
    """Return the vendor's id of each batch that has one."""
    with reading(ledger) as connection:
        query = "SELECT batch_no, vendor_batch_id FROM batches WHERE vendor_batch_id IS NOT NULL"
        return dict(connection.execute(query).fetchall())


def settled_credits(ledger: Path) -> float:
    """Return what the ledger says was charged for what is settled."""
    with reading(ledger) as connection:
        return float(connection.execute("SELECT coalesce(sum(settled_credits), 0) FROM batches").fetchone()[0])


@dataclass(frozen=True, slots=True)
class Unmatched:
    """An answer that leads to no task."""

    batch_no: int
    task_id: str
    people: list[dict[str, Any]]


def unmatched_results(ledger: Path) -> list[Unmatched]:
    """Return the answers that lead to no task."""
    with reading(ledger) as connection:
        rows = connection.execute("SELECT batch_no, vendor_task_id, raw FROM unmatched_results WHERE raw IS NOT NULL")
        return [Unmatched(row[0], row[1], json.loads(zlib.decompress(row[2])).get("data") or []) for row in rows]


def published(path: Path) -> set[tuple[str | None, ...]]:
    """Return the published contacts, each person of a company once; it opens at any time."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return set(connection.execute(PUBLISHED).fetchall())
