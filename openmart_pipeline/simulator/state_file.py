"""The simulator's memory on disk: one SQLite file, held by one process, as it was after a kill.

Schema and transactions live here; what the rows mean lives with `batches`, `deny` and `account`.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from openmart_pipeline.simulator.exchange import JsonValue, from_json, to_json

SCHEMA_VERSION = 1
LOCK_TIMEOUT_S = 0.5  # a killed predecessor lets go at once
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE batches (
    batch_no INTEGER PRIMARY KEY, prefix TEXT NOT NULL UNIQUE, batch_id TEXT NOT NULL, key_hash TEXT NOT NULL,
    created_at REAL NOT NULL, processing_s REAL NOT NULL, total INTEGER NOT NULL, credits INTEGER NOT NULL,
    is_heard INTEGER NOT NULL DEFAULT 0,
    is_asked_about INTEGER NOT NULL DEFAULT 0, is_expired INTEGER NOT NULL DEFAULT 0);
CREATE TABLE tasks (
    batch_no INTEGER NOT NULL, position INTEGER NOT NULL, task_id TEXT NOT NULL, tracking_id TEXT,
    domain TEXT NOT NULL, title TEXT NOT NULL, max_k INTEGER NOT NULL, wants_email INTEGER NOT NULL,
    wants_phone INTEGER NOT NULL, question TEXT NOT NULL, outcome TEXT NOT NULL,
    emails INTEGER NOT NULL, phones INTEGER NOT NULL,
    PRIMARY KEY (batch_no, position)) WITHOUT ROWID;
CREATE TABLE deny_rules (
    key_hash TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (key_hash, kind, value)) WITHOUT ROWID;
"""


class StateFileError(Exception):
    """The state file cannot be used; the message is for the person who named it."""


def open_state(path: Path) -> sqlite3.Connection:
    """Open the file, made if missing, for this process alone.

    Committed means safe from kill -9 of the simulator; a power cut is not simulated, so nothing is synced.

    Raises:
        StateFileError: it is no state file, or another simulator holds it.

    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, isolation_level=None, timeout=LOCK_TIMEOUT_S)
    except (sqlite3.Error, OSError) as error:
        raise StateFileError(_explained(path, error)) from error
    try:
        _take(connection)
    except sqlite3.Error as error:
        connection.close()
        raise StateFileError(_explained(path, error)) from error
    return connection


def _take(connection: sqlite3.Connection) -> None:
    """Lock the file for this process, and lay out a new one."""
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    with transaction(connection):
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            for statement in SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        elif version != SCHEMA_VERSION:
            raise sqlite3.DatabaseError(f"version {version} instead of {SCHEMA_VERSION}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit everything inside together, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def read_meta(connection: sqlite3.Connection, key: str) -> JsonValue:
    """Give what was kept under `key`, or None."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return from_json(row[0]) if row else None


def write_meta(connection: sqlite3.Connection, key: str, value: JsonValue) -> None:
    """Keep `value` under `key`."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, to_json(value)))


def _explained(path: Path, error: Exception) -> str:
    if "locked" in str(error):
        return f"{path} is held by another simulator. Stop that one, or name another --state."
    return f"{path} cannot be used as the simulator's state ({error}). Name another --state."
