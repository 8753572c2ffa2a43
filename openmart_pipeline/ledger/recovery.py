"""What is done about a ledger that was lost, restored or doubted: reconcile, back up, verify, hold.

Lives here: the journal replayed into a ledger, a copy made while others write, the questions asked of its rows.
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

from openmart_pipeline.ledger import identity, journal_check, orphans
from openmart_pipeline.ledger.journal import ACCEPTED, SENDING, SubmissionJournal, keep_outcome
from openmart_pipeline.ledger.journal_mark import START
from openmart_pipeline.ledger.ledger_errors import LedgerDamaged, in_words
from openmart_pipeline.ledger.moves import Batch
from openmart_pipeline.ledger.schema import batches, meta, partitions, questions, tasks
from openmart_pipeline.ledger.states import LIVE, BatchState, TaskState
from openmart_pipeline.ledger.store import Ledger, LedgerRefused, new_key
from openmart_pipeline.model.questions import FINGERPRINT_VERSION, Access, Question

HOLD = "hold"  # key in `meta`: while it is there, nothing is bought
# What the journal's word for an outcome makes of a batch and its tasks; no word at all is `unknown`.
_OUTCOMES = {
    ACCEPTED: (BatchState.SUBMITTED, TaskState.IN_FLIGHT),
    "not_sent": (BatchState.NOT_SENT, TaskState.NOT_SENT),
    "rejected": (BatchState.REJECTED, TaskState.REJECTED),
    "unknown": (BatchState.UNKNOWN, TaskState.UNKNOWN),
}


@dataclass(slots=True)
class Reconciled:
    """What replaying the journal brought back, in batches."""

    known: int = 0  # the ledger had them
    brought_back: Counter[str] = field(default_factory=Counter)  # state -> batches
    foreign: int = 0  # submissions of another ledger: not touched
    doubts: str | None = None  # what a person must decide still


def reconcile(ledger: Ledger, journal: SubmissionJournal, *, who: str) -> Reconciled:
    """Replay the submission journal into a ledger that is older than it, or new.

    A batch whose id the journal knows is submitted again and its answers are read again, which is free; one
    without is unknown. A person's releases are not in the journal: their batches come back as they were sent. Lines
    that can't be read and lines of other ledgers are left alone. May be repeated.

    Raises:
        LedgerRefused: no line of the journal is this ledger's, and it has submissions of its own.

    """
    _take_over_name(ledger, journal)
    outcomes: dict[str, dict[str, Any]] = {}
    for line in journal.entries():
        if line["event"] != SENDING:
            keep_outcome(outcomes, line)
    done = Reconciled()
    for line in journal.entries():
        if line["event"] != SENDING:
            continue
        if line["ledger"] not in ledger.names:
            done.foreign += 1
            continue
        with ledger.write() as connection:
            outcome = _usable(connection, outcomes.get(line["token"], {}))
            row = connection.execute(sa.select(batches).where(batches.c.token == line["token"])).mappings().first()
            # A batch that was released although its id was known was given up by a person: that stays.
            undecided = (BatchState.SENDING, BatchState.UNKNOWN, BatchState.RELEASED)
            if row is None:
                done.brought_back[_replay(ledger, connection, line, outcome, who)] += 1
            elif row["state"] in undecided and row["vendor_batch_id"] is None and outcome.get("event") == ACCEPTED:
                orphans.accept(ledger, connection, Batch.of(row), outcome, who)
                done.brought_back[BatchState.SUBMITTED] += 1
            else:
                done.known += 1
    done.doubts = journal_check.doubts(ledger, journal)
    if done.doubts is None:
        journal_check.check_journal(ledger, journal)  # so that what was compared is not read again
    return done


def _take_over_name(ledger: Ledger, journal: SubmissionJournal) -> None:
    """Let an empty ledger be the lost one: the tracking ids on the wire carry its name.

    Raises:
        LedgerRefused: the journal is another ledger's, or several ledgers wrote to it.

    """
    names = list(dict.fromkeys(line["ledger"] for line in journal.entries()))
    if not names or ledger.names & set(names):
        return
    if journal_check.has_bought(ledger):
        raise LedgerRefused(
            f"The journal's submissions belong to another ledger than {ledger.path}, which has submissions of its "
            "own. Nothing was changed. Move this ledger away and reconcile into a new one, or keep this ledger and "
            "write a new journal for it: openmart-pipeline ledger new-journal --why TEXT."
        )
    if len(names) > 1 and not _is_one_chain(journal):
        raise LedgerRefused(
            f"{len(names)} ledgers wrote to {journal.path}. Nothing was changed. Keep the lines of one of them in that "
            "file and the others in a copy, then reconcile each into a data folder of its own."
        )
    with ledger.write() as connection:
        identity.rename(connection, names[-1], former=frozenset(names))
        ledger.take_name(connection)


def _is_one_chain(journal: SubmissionJournal) -> bool:
    """Whether every line follows the one before it: a ledger that got another name wrote under both."""
    before = START
    for line in filter(None, journal.lines()):
        if (line.mark.lines, line.after) != (before.lines + 1, before.digest):
            return False
        before = line.mark
    return True


def _usable(connection: sa.Connection, outcome: dict[str, Any]) -> dict[str, Any]:
    """Return the outcome; that nothing is known where its id is another batch's, adopted under it by mistake."""
    if outcome.get("event") != ACCEPTED or orphans.is_usable(connection, outcome):
        return outcome
    return {"event": "unknown", "detail": f"its id {outcome['batch_id']} is another batch's here"}


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
    is_taken = connection.execute(sa.select(batches.c.batch_no).where(batches.c.batch_no == line["batch_no"])).first()
    inserted = connection.execute(
        batches.insert().values(
            # Another batch may have got the number, in a ledger that was bought from before it knew this one.
            **({} if is_taken else {"batch_no": line["batch_no"]}),
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
            settled_credits=0.0 if batch_state in (BatchState.NOT_SENT, BatchState.REJECTED) else None,
            evidence=f"brought back from the submission journal: {outcome.get('detail') or 'no outcome there'}",
            run_id=line["run_id"],
            approval_id=line.get("approval_id", line["run_id"]),
        )
    )
    batch_no = new_key(inserted)
    for position, sent in enumerate(line["tasks"]):
        question_id = _question_id(connection, sent)
        state = task_state
        if state in LIVE and _is_live(connection, question_id):
            state = TaskState.DUPLICATE_IN_FLIGHT
        connection.execute(
            tasks.insert().values(
                batch_no=batch_no,
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
        batch_no=batch_no,
        to_state=batch_state,
        reason="replayed from the submission journal",
        actor=who,
    )
    return batch_state


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
                fingerprint_version=FINGERPRINT_VERSION,
            )
        )
    return int(connection.execute(query).scalar_one())


def _is_live(connection: sa.Connection, question_id: int) -> bool:
    query = sa.select(tasks.c.task_no).where(tasks.c.question_id == question_id, tasks.c.state.in_(LIVE))
    return connection.execute(query).first() is not None


def back_up(ledger: Ledger, target: Path) -> None:
    """Copy the ledger while others write to it: one consistent moment, whole.

    Raises:
        LedgerRefused: there is something at `target` already, for a backup never replaces anything; or the ledger
            is damaged: no copy is left of that.

    """
    if target.exists():
        raise LedgerRefused(f"{target} exists: a backup never replaces anything. Name a new file.")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(sqlite3.connect(ledger.path)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
            verdict, *_ = copy.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        target.unlink(missing_ok=True)
        raise in_words(error, ledger.path) from error
    if verdict != "ok":  # a copy of a damaged ledger would be found out when it is needed
        target.unlink(missing_ok=True)
        raise LedgerDamaged(verdict, ledger.path)


def verify(ledger: Ledger, journal: SubmissionJournal) -> Iterator[str]:
    """Yield what is wrong with the ledger, in sentences; nothing when all is well."""
    try:
        ledger.check_integrity()
    except LedgerRefused as error:
        yield str(error)
        return
    orphans.accept_answered(ledger, journal)
    doubt = journal_check.doubts(ledger, journal)
    if doubt is not None:
        yield doubt
    contradictions = {
        "tasks whose batch is missing": (
            "SELECT count(*) FROM tasks WHERE batch_no NOT IN (SELECT batch_no FROM batches)"
        ),
        "batches whose number of tasks is not the one sent": (
            "SELECT count(*) FROM batches WHERE tasks <> (SELECT count(*) FROM tasks WHERE tasks.batch_no = "
            "batches.batch_no)"
        ),
        "answered tasks without their answer": (
            "SELECT count(*) FROM tasks WHERE state IN ('found', 'empty') AND raw IS NULL AND purged_at IS NULL"
        ),
        "submitted batches without an id": (
            "SELECT count(*) FROM batches WHERE state IN ('submitted', 'ready', 'collected') "
            "AND vendor_batch_id IS NULL"
        ),
        "collected batches with open tasks": (
            "SELECT count(*) FROM batches JOIN tasks USING (batch_no) WHERE batches.state = 'collected' AND "
            "tasks.state IN ('in_flight', 'unknown', 'stalled', 'duplicate_in_flight')"
        ),
    }
    for name, query in contradictions.items():
        try:
            with ledger.read() as connection:
                count = connection.exec_driver_sql(query).scalar()
        except LedgerRefused as error:
            yield str(error)
            return
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


def refuse_when_frozen(ledger: Ledger) -> None:
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
