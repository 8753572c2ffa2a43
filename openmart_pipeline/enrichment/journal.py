"""The submission journal: one line before and one after each POST, synced, in a file beside the ledger.

Lives here: `submissions.jsonl`, the second witness of what may have been paid. With it a lost ledger is rebuilt,
and a ledger that is older than it is recognised. Imports the ledger's `store` and `schema` to compare.
"""

import datetime as dt
import errno
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from openmart_pipeline.enrichment.ledger.schema import batches
from openmart_pipeline.enrichment.ledger.sending import Claim
from openmart_pipeline.enrichment.ledger.store import Ledger, LedgerRefused

_TAIL_BYTES = 1 << 20  # looked at first: 100 tasks are far shorter, unless their titles are whole pages


class SubmissionJournal:
    """An append-only file; every line is one JSON object and on disk before the call returns."""

    def __init__(self, path: Path, ledger: Ledger) -> None:
        """Journal the submissions of `ledger` into `path`, made with the first line."""
        self.path = path
        self._ledger = ledger
        self._lock = threading.Lock()

    def sending(self, claim: Claim) -> None:
        """Write down what is about to be sent, whole: a lost ledger is rebuilt from this line."""
        batch = claim.batch
        self._append(
            {
                "event": "sending",
                "token": batch.token,
                "batch_no": batch.batch_no,
                "plan_id": batch.plan_id,
                "partition_key": batch.partition_key,
                "run_id": batch.run_id,
                "key_hash": batch.key_hash,
                "reserved_credits": batch.reserved_credits,
                "tasks": [
                    {
                        "tracking_id": task.tracking_id,
                        "domain": task.domain,
                        "title": task.title,
                        "max_k": task.max_k,
                        "info_access": task.access.label,
                        "city": task.city,
                        "state": task.state,
                        "country": task.country,
                        "version": task.version,
                    }
                    for task in claim.tasks
                ],
            }
        )

    def outcome(self, claim: Claim, outcome: str, *, vendor_batch_id: str | None = None, detail: str = "") -> None:
        """Write down what became of it."""
        self._append(
            {
                "event": outcome,
                "token": claim.batch.token,
                "batch_no": claim.batch.batch_no,
                "batch_id": vendor_batch_id,
                "detail": detail,
            }
        )

    def check(self) -> None:
        """Make sure that the ledger knows the newest submission written here.

        The intent is in the ledger before it is here. So a ledger without it is older than this journal (restored
        from a copy, or made anew), and does not know what was paid for since.

        Raises:
            LedgerRefused: it does not.

        """
        last = self._last_line()
        if last is None:
            return
        known = None
        if last.get("ledger") == self._ledger.uuid:
            with self._ledger.read() as connection:
                known = connection.execute(
                    sa.select(batches.c.batch_no).where(batches.c.token == last.get("token"))
                ).scalar()
        if known is None:
            raise LedgerRefused(
                f"The ledger {self._ledger.path} does not know the newest submission in {self.path.name} (batch "
                f"{last.get('batch_no')}, {last.get('at')}): it is older than that journal, or new, and what was paid "
                "for since would be bought again. Nothing was bought. Put the ledger back that belongs to the "
                "journal; if it is lost for good, bring back what the journal knows: "
                "openmart-pipeline ledger reconcile."
            )

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield every readable line, oldest first; a torn one was never followed by a POST."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for raw in file:
                line = _read(raw)
                if line is not None:
                    yield line

    def _append(self, fields: dict[str, Any]) -> None:
        line = {
            "at": self._ledger.clock().astimezone(dt.UTC).isoformat(),
            "ledger": self._ledger.uuid,
            **fields,
        }
        text = json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"
        with self._lock:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                if _ends_torn(self.path):  # a process died in the middle of a line: that line stays its own
                    text = "\n" + text
                line_bytes = text.encode("utf-8", "backslashreplace")
                if os.write(descriptor, line_bytes) != len(line_bytes):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def _last_line(self) -> dict[str, Any] | None:
        """Return the newest readable line; a torn one at the end was never followed by a POST."""
        if not self.path.exists():
            return None
        tail_bytes = _TAIL_BYTES
        with self.path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            while True:
                file.seek(max(0, size - tail_bytes))
                lines = file.read().splitlines()
                line = next(filter(None, map(_read, reversed(lines))), None)
                if line is not None or tail_bytes >= size:
                    return line
                tail_bytes *= 8


def _read(raw: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(raw)
    except ValueError:
        return None
    return line if isinstance(line, dict) and "token" in line else None


def _ends_torn(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
