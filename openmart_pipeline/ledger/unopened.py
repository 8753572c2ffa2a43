"""What is looked at before the ledger is opened: opening it may already change it for good.

SQLite takes a file that is too short for a new one, and writes any log that lies next to a database into it.
"""

import contextlib
import json
import sqlite3
from pathlib import Path

from openmart_pipeline.ledger.identity import FORMER, NAME
from openmart_pipeline.ledger.ledger_errors import LedgerDamaged

_FEWEST_BYTES = 512  # SQLite's smallest page; an empty file is one that was about to be made


def refuse_foreign_bytes(path: Path) -> None:
    """Leave the files as they are, and refuse what can't be a ledger with its own log.

    Raises:
        LedgerDamaged: the file was cut off, or its log belongs to another ledger.

    """
    if not path.is_file():
        return
    if 0 < path.stat().st_size < _FEWEST_BYTES:
        raise LedgerDamaged("it was cut off", path)
    log = path.with_name(path.name + "-wal")
    if not log.is_file() or not log.stat().st_size:
        return
    alone, with_log = _names(path, "immutable=1"), _names(path, "mode=ro")
    # A log that gives the ledger another name keeps the former one: it is the ledger's own.
    if alone and with_log and not set(alone) & set(with_log):
        raise LedgerDamaged(f"{log.name} belongs to another ledger: move it away", path)


def _names(path: Path, how: str) -> list[str]:
    """Return the ledger's name and its former ones; none where that can't be told without opening it for good."""
    query = "SELECT value FROM meta WHERE key = ?"
    with (
        contextlib.suppress(sqlite3.Error, ValueError),
        contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)) as connection,
    ):
        rows = [connection.execute(query, [key]).fetchone() for key in (NAME, FORMER)]
        return [str(rows[0][0]), *json.loads(rows[1][0] if rows[1] else "[]")] if rows[0] else []
    return []
