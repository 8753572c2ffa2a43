"""A new submission journal, written from the ledger: after a person said that the old one is lost.

Lives here: the lines as they would have been written. The old file is kept under another name, never removed.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from openmart_pipeline.ledger import journal_check, journal_mark, recovery
from openmart_pipeline.ledger.journal import ACCEPTED, SENDING, SubmissionJournal
from openmart_pipeline.ledger.journal_mark import START
from openmart_pipeline.ledger.schema import batches, questions, tasks
from openmart_pipeline.ledger.states import BatchState
from openmart_pipeline.ledger.store import Ledger
from openmart_pipeline.model.questions import Access

# What the journal says of a batch without an id; of any other state it says nothing, and a rebuilt ledger `unknown`.
_OUTCOMES = {BatchState.NOT_SENT: "not_sent", BatchState.REJECTED: "rejected"}
_OF_AN_ANSWER = ("event", "token", "at", "batch_no", "batch_id", "detail")
_OF_A_BATCH = ("batch_no", "plan_id", "partition_key", "run_id", "approval_id", "key_hash")


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What was written, and where the old file is; None where there was none."""

    batches: int
    kept_as: Path | None


def new_journal(ledger: Ledger, journal: SubmissionJournal, *, who: str, why: str) -> Rewritten:
    """Put a journal of the ledger's own batches in place of the present file; buying is possible again.

    First what the old file knows and the ledger does not is replayed. A kill at any moment leaves a journal that the
    ledger does not take for its own: the same call then finishes.

    Raises:
        LedgerRefused: the ledger holds nothing and the old file is not its own.

    """
    compared = journal_check.compare(ledger, journal)
    if compared.submissions or not journal_check.has_bought(ledger):
        recovery.reconcile(ledger, journal, who=who)
    with journal.locked() as old:
        kept_as = _free_name(journal) if os.fstat(old).st_size else None
        aside = journal.path.with_name(f"{journal.path.name}.new")
        aside.unlink(missing_ok=True)
        descriptor = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            end, count = START, 0
            for line in _lines(ledger, journal):
                end = journal.write_line(descriptor, line, end, is_synced=False)
                count += line["event"] == SENDING
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if kept_as is not None:
            shutil.copyfile(journal.path, kept_as)
            kept_as.chmod(0o600)
        aside.replace(journal.path)
        with ledger.write() as connection:
            journal_mark.replace(connection, end)
            ledger.record(connection, "new_journal", reason=why, actor=who, batches=count)
    journal.forget_place()
    return Rewritten(count, kept_as)


def _free_name(journal: SubmissionJournal) -> Path:
    stem = f"{journal.path.stem}-until-{journal.ledger.clock():%Y%m%dT%H%M%S}"
    return next(
        path
        for number in range(1000)
        if not (path := journal.path.with_name(f"{stem}{f'-{number}' if number else ''}.jsonl")).exists()
    )


def _lines(ledger: Ledger, old: SubmissionJournal) -> Iterator[dict[str, Any]]:
    """Yield two lines for every batch that has an outcome, one for any other, in the order they were sent.

    An id that only the old journal knows goes into the new one: its sender may be about to record it, or died.
    """
    with ledger.read() as connection:
        without_id = sa.select(batches.c.token).where(batches.c.vendor_batch_id.is_(None))
        heard = old.answers_to(connection.execute(without_id).scalars().all())
        numbers = list(connection.execute(sa.select(batches.c.batch_no).order_by(batches.c.batch_no)).scalars())
        for batch_no in numbers:
            batch = connection.execute(sa.select(batches).where(batches.c.batch_no == batch_no)).mappings().one()
            yield _sending(connection, batch)
            if heard.get(batch["token"], {}).get("event") == ACCEPTED:
                yield {name: value for name, value in heard[batch["token"]].items() if name in _OF_AN_ANSWER}
                continue
            outcome = ACCEPTED if batch["vendor_batch_id"] else _OUTCOMES.get(batch["state"])
            if outcome is not None:
                yield {
                    "event": outcome,
                    "token": batch["token"],
                    "at": (batch["submitted_at"] or batch["intent_at"]).isoformat(),
                    "batch_no": batch_no,
                    "batch_id": batch["vendor_batch_id"],
                    "detail": "written from the ledger",
                }


def _sending(connection: sa.Connection, batch: sa.RowMapping) -> dict[str, Any]:
    query = (
        sa.select(
            *(tasks.c[name] for name in ("tracking_id", "max_k", "info_access")),
            *(questions.c[name] for name in ("domain", "title", "city", "state", "country", "version")),
        )
        .join(questions, questions.c.question_id == tasks.c.question_id)
        .where(tasks.c.batch_no == batch["batch_no"])
        .order_by(tasks.c.position)
    )
    sent = [dict(row) for row in connection.execute(query).mappings()]
    return {
        "event": SENDING,
        "token": batch["token"],
        "at": batch["intent_at"].isoformat(),
        **{name: batch[name] for name in _OF_A_BATCH},
        "reserved_credits": batch["reserved_credits"],
        "tasks": [{**task, "info_access": Access(task["info_access"]).label} for task in sent],
    }
