"""What is done about a ledger that was lost, restored or doubted: reconcile, back up, verify, hold.

Lives here: the journal replayed into a ledger, a copy made while others write, the questions asked of its rows.
Imports the ledger and the journal.
"""

import datetime as dt
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from openmart_pipeline.enrichment.journal import SubmissionJournal
from openmart_pipeline.enrichment.ledger import moves
from openmart_pipeline.enrichment.ledger.moves import Batch
from openmart_pipeline.enrichment.ledger.schema import batches, meta, partitions, questions, tasks
from openmart_pipeline.enrichment.ledger.states import ACCEPT, LIVE, BatchState, TaskState
from openmart_pipeline.enrichment.ledger.store import Ledger, LedgerRefused
from openmart_pipeline.enrichment.questions import CANON_VERSION, Access, Question

HOLD = "hold"  # key in `meta`: while it is there, nothing is bought
# What the journal's word for an outcome makes of a batch and its tasks; no word at all is `unknown`.
_OUTCOMES = {
    "accepted": (BatchState.SUBMITTED, TaskState.IN_FLIGHT),
    "given_back": (BatchState.UNSENT, TaskState.UNSENT),
    "rejected": (BatchState.REJECTED, TaskState.REJECTED),
    "unknown": (BatchState.UNKNOWN, TaskState.UNKNOWN),
}


@dataclass(slots=True)
class Reconciled:
    """What replaying the journal brought back, in batches."""

    known: int = 0  # the ledger had them
    brought_back: Counter[str] = field(default_factory=Counter)  # state -> batches


def reconcile(ledger: Ledger, journal: SubmissionJournal, *, who: str) -> Reconciled:
    """Replay the submission journal into a ledger that is older than it, or new.

    A batch whose id the journal knows is submitted again and its answers are read again, which is free; one
    without is unknown. A person's releases are not in the journal: their batches come back as they were sent.

    Raises:
        LedgerRefused: the journal belongs to a ledger that is in use and not this one.

    """
    outcomes: dict[str, dict[str, Any]] = {}
    for line in journal.lines():
        if line["event"] != "sending":
            outcomes[line["token"]] = line
    done = Reconciled()
    for line in journal.lines():
        if line["event"] != "sending":
            continue
        with ledger.write() as connection:
            _take_over_name(ledger, connection, line)
            outcome = _usable(connection, outcomes.get(line["token"], {}))
            row = connection.execute(sa.select(batches).where(batches.c.token == line["token"])).mappings().first()
            if row is None:
                done.brought_back[_replay(ledger, connection, line, outcome, who)] += 1
            elif row["state"] in (BatchState.SENDING, BatchState.UNKNOWN) and outcome.get("event") == "accepted":
                _accept(ledger, connection, Batch.of(row), outcome, who)
                done.brought_back[BatchState.SUBMITTED] += 1
            else:
                done.known += 1
    return done


def _take_over_name(ledger: Ledger, connection: sa.Connection, line: dict[str, Any]) -> None:
    """Let an empty ledger be the lost one: the tracking ids on the wire carry its name."""
    if line["ledger"] == ledger.uuid:
        return
    if connection.execute(sa.select(batches.c.batch_no).limit(1)).first() is not None:
        raise LedgerRefused(
            f"The journal's submissions belong to another ledger than {ledger.path}, which has submissions of its "
            "own. Nothing was changed. Move this ledger away and reconcile into a new one."
        )
    connection.execute(meta.update().where(meta.c.key == "ledger_uuid").values(value=line["ledger"]))
    ledger.uuid = line["ledger"]


def _usable(connection: sa.Connection, outcome: dict[str, Any]) -> dict[str, Any]:
    """Return the outcome; that nothing is known where its id is another batch's, adopted under it by mistake."""
    if outcome.get("event") != "accepted":
        return outcome
    named = sa.and_(batches.c.vendor_batch_id == outcome["batch_id"], batches.c.token != outcome["token"])
    holder = connection.execute(sa.select(batches.c.batch_no).where(named)).scalar()
    if holder is None:
        return outcome
    return {"event": "unknown", "detail": f"its id {outcome['batch_id']} is batch {holder} here already"}


def _replay(
    ledger: Ledger, connection: sa.Connection, line: dict[str, Any], outcome: dict[str, Any], who: str
) -> BatchState:
    batch_state, task_state = _OUTCOMES[outcome.get("event", "unknown")]
    sent_at = dt.datetime.fromisoformat(line["at"])
    known = connection.execute(
        sa.select(partitions.c.partition_key).where(partitions.c.partition_key == line["partition_key"])
    ).first()
    if known is None:
        connection.execute(partitions.insert().values(partition_key=line["partition_key"]))
    is_submitted = batch_state is BatchState.SUBMITTED
    connection.execute(
        batches.insert().values(
            batch_no=line["batch_no"],
            token=line["token"],
            plan_id=line["plan_id"],
            partition_key=line["partition_key"],
            state=batch_state,
            tasks=len(line["tasks"]),
            owner_id=ledger.owner.owner_id if is_submitted else "reconciled",
            key_hash=line["key_hash"],
            vendor_batch_id=outcome.get("batch_id"),
            intent_at=sent_at,
            deadline_at=sent_at,
            submitted_at=dt.datetime.fromisoformat(outcome["at"]) if is_submitted else None,
            next_poll_at=ledger.clock() if is_submitted else None,
            budget_day=sent_at.astimezone(dt.UTC).date().isoformat(),
            reserved_credits=line["reserved_credits"],
            settled_credits=0.0 if batch_state in (BatchState.UNSENT, BatchState.REJECTED) else None,
            evidence=f"brought back from the submission journal: {outcome.get('detail') or 'no outcome there'}",
            run_id=line["run_id"],
        )
    )
    for position, sent in enumerate(line["tasks"]):
        question_id = _question_id(connection, sent)
        state = task_state
        if state in LIVE and _is_live(connection, question_id):
            state = TaskState.TWIN
        connection.execute(
            tasks.insert().values(
                batch_no=line["batch_no"],
                position=position,
                question_id=question_id,
                max_k=sent["max_k"],
                info_access=int(Access.named(sent["info_access"])),
                tracking_id=sent["tracking_id"],
                state=state,
            )
        )
    ledger.record(
        connection,
        "reconcile",
        batch_no=line["batch_no"],
        to_state=batch_state,
        reason="replayed from the submission journal",
        actor=who,
    )
    return batch_state


def _accept(ledger: Ledger, connection: sa.Connection, batch: Batch, outcome: dict[str, Any], who: str) -> None:
    """Give a batch the id that the ledger had not heard of when it was copied."""
    moves.apply(
        ledger,
        connection,
        ACCEPT,
        batch,
        reason="the submission journal knows its id",
        actor=who,
        vendor_batch_id=outcome["batch_id"],
        submitted_at=dt.datetime.fromisoformat(outcome["at"]),
        next_poll_at=ledger.clock(),
    )


def _question_id(connection: sa.Connection, sent: dict[str, Any]) -> int:
    question = Question(
        domain=sent["domain"],
        title=sent["title"],
        city=sent["city"],
        state=sent["state"],
        country=sent["country"],
        version=sent["version"],
    )
    query = sa.select(questions.c.question_id).where(questions.c.fingerprint == question.fingerprint)
    if connection.execute(query).first() is None:
        connection.execute(
            questions.insert().values(
                fingerprint=question.fingerprint,
                domain=question.domain,
                title=question.title,
                city=question.city,
                state=question.state,
                country=question.country,
                version=question.version,
                canon_version=CANON_VERSION,
            )
        )
    return int(connection.execute(query).scalar_one())


def _is_live(connection: sa.Connection, question_id: int) -> bool:
    query = sa.select(tasks.c.task_no).where(tasks.c.question_id == question_id, tasks.c.state.in_(LIVE))
    return connection.execute(query).first() is not None


def back_up(ledger: Ledger, target: Path) -> None:
    """Copy the ledger while others write to it: one consistent moment, whole.

    Raises:
        LedgerRefused: there is something at `target` already; a backup never replaces anything.

    """
    if target.exists():
        raise LedgerRefused(f"{target} exists: a backup never replaces anything. Name a new file.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(ledger.path)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")


def verify(ledger: Ledger, journal: SubmissionJournal) -> Iterator[str]:
    """Yield what is wrong with the ledger, in sentences; nothing when all is well."""
    for check in (ledger.check_integrity, journal.check):
        try:
            check()
        except LedgerRefused as error:
            yield str(error)
    contradictions = {
        "tasks whose batch is missing": (
            "SELECT count(*) FROM tasks WHERE batch_no NOT IN (SELECT batch_no FROM batches)"
        ),
        "batches whose number of tasks is not the one sent": (
            "SELECT count(*) FROM batches WHERE tasks <> (SELECT count(*) FROM tasks WHERE tasks.batch_no = "
            "batches.batch_no)"
        ),
        "answered tasks without their answer": (
            "SELECT count(*) FROM tasks WHERE state IN ('found', 'empty') AND raw IS NULL"
        ),
        "submitted batches without an id": (
            "SELECT count(*) FROM batches WHERE state IN ('submitted', 'ready', 'collected') "
            "AND vendor_batch_id IS NULL"
        ),
        "collected batches with open tasks": (
            "SELECT count(*) FROM batches JOIN tasks USING (batch_no) WHERE batches.state = 'collected' AND "
            "tasks.state IN ('in_flight', 'unknown', 'stuck', 'twin')"
        ),
    }
    with ledger.read() as connection:
        for name, query in contradictions.items():
            count = connection.exec_driver_sql(query).scalar()
            if count:
                yield f"{count} {name}: the ledger contradicts itself. Buy nothing; restore a backup and reconcile."


def hold(ledger: Ledger, reason: str | None, *, who: str) -> None:
    """Let nothing be bought until the hold is lifted (`reason` None); collecting goes on.

    For a ledger restored together with its journal from one old copy: what was bought since is in neither, so
    only a person can say that nothing was.
    """
    with ledger.write() as connection:
        connection.execute(meta.delete().where(meta.c.key == HOLD))
        if reason is not None:
            connection.execute(meta.insert().values(key=HOLD, value=reason))
        ledger.record(connection, "hold" if reason is not None else "lift_hold", reason=reason, actor=who)


def refuse_on_hold(ledger: Ledger) -> None:
    """Let a hold stop whoever wants to buy.

    Raises:
        LedgerRefused: the ledger is on hold; the sentence says why and how to lift it.

    """
    with ledger.read() as connection:
        reason = connection.execute(sa.select(meta.c.value).where(meta.c.key == HOLD)).scalar()
    if reason is not None:
        raise LedgerRefused(
            f"Buying is on hold: {reason}. Nothing was bought; collecting goes on. Once you know that nothing is "
            "missing from the ledger, lift it: openmart-pipeline ledger restored --lift."
        )
