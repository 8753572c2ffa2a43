"""What is looked at before the ledger is opened: opening it may already change it for good.

SQLite takes a file that is too short for a new one, and writes any log that lies next to a database into it.
"""

import contextlib
import sqlite3
from pathlib import Path

from openmart_pipeline.enrichment.ledger.errors import LedgerDamaged

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
    alone, with_log = _uuid(path, "immutable=1"), _uuid(path, "mode=ro")
    if alone is not None and with_log is not None and alone != with_log:
        raise LedgerDamaged(f"{log.name} belongs to another ledger: move it away", path)


def _uuid(path: Path, how: str) -> str | None:
    """Return whose ledger this is, None where that can't be told without opening it for good."""
    query = "SELECT value FROM meta WHERE key = 'ledger_uuid'"
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True)) as connection,
    ):
        row = connection.execute(query).fetchone()
        return None if row is None else str(row[0])
    return None
