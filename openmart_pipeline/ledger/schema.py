"""The ledger's tables, as `meta.schema_version` 3.

Lives here: tables and column types. No queries.
"""

import datetime as dt
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from openmart_pipeline.ledger.ledger_errors import LedgerDamaged
from openmart_pipeline.ledger.states import LIVE, BatchState, FileState, TaskState

SCHEMA_VERSION = 3  # every other version is refused: none was released before it


class UtcDateTime(sa.types.TypeDecorator[dt.datetime]):
    """An aware datetime in Python, UTC without a zone in the database: sorts and compares as it reads."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: sa.Dialect) -> dt.datetime | None:  # noqa: ARG002  SQLAlchemy's signature
        """Drop the zone after bringing the instant to UTC."""
        return None if value is None else value.astimezone(dt.UTC).replace(tzinfo=None)

    def process_result_value(self, value: dt.datetime | None, dialect: sa.Dialect) -> dt.datetime | None:  # noqa: ARG002  SQLAlchemy's signature
        """Put the zone back."""
        return None if value is None else value.replace(tzinfo=dt.UTC)

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Callable[[Any], Any]:
        """Read as usual; what is no instant is damage, and no mistake of the program.

        Raises:
            LedgerDamaged: it is none.

        """
        read = super().result_processor(dialect, coltype)

        def instant(value: Any) -> Any:
            try:
                return None if value is None or read is None else read(value)
            except (ValueError, TypeError, AttributeError):
                raise LedgerDamaged("a date can't be read") from None

        return instant


_INSTANT = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9].[0-9]*"


def _one_of(column: str, *kinds: type[StrEnum]) -> sa.CheckConstraint:
    """Let a column hold the words of these states only; `PRAGMA integrity_check` finds what is none of them."""
    return sa.CheckConstraint(f"{column} IN ({', '.join(repr(str(word)) for kind in kinds for word in kind)})")


def _amount(column: str) -> sa.CheckConstraint:
    """Let a column hold a number that is not negative, or nothing."""
    return sa.CheckConstraint(f"{column} IS NULL OR (typeof({column}) IN ('real', 'integer') AND {column} >= 0)")


metadata = sa.MetaData()

meta = sa.Table(
    "meta",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

partitions = sa.Table(
    "partitions",
    metadata,
    sa.Column("partition_key", sa.Text, primary_key=True),
    sa.Column("source_path", sa.Text),  # where `run` found a file that lay outside the input folder
    sa.Column("file_sha256", sa.Text),
    sa.Column("current_plan_id", sa.Text),
    sa.Column("load_watermark", sa.Integer, nullable=False, server_default="-1"),
    sa.Column("loaded_at", UtcDateTime),
    sa.Column("state", sa.Text, nullable=False, server_default="active"),
    sa.Column("reading", sa.Text),  # how its owner said it is to be read, as JSON; NULL: as it seems
    _one_of("state", FileState),
)

plans = sa.Table(
    "plans",
    metadata,
    sa.Column("plan_id", sa.Text, primary_key=True),
    sa.Column("partition_key", sa.Text, nullable=False),
    sa.Column("file_sha256", sa.Text, nullable=False),
    sa.Column("config", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("prices", sa.Text, nullable=False),  # the price table's key: a quote holds for its prices only
    sa.Column("quote", sa.Text),
    sa.Column("quoted_credits", sa.Float),
    sa.Column("approved_credits", sa.Float),
    sa.Column("approved_by", sa.Text),
    sa.Column("created_at", UtcDateTime, nullable=False),
)

questions = sa.Table(
    "questions",
    metadata,
    sa.Column("question_id", sa.Integer, primary_key=True),
    sa.Column("fingerprint", sa.Text, nullable=False, unique=True),
    sa.Column("domain", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("city", sa.Text),
    sa.Column("state", sa.Text),
    sa.Column("country", sa.Text),
    sa.Column("version", sa.Integer),
    sa.Column("fingerprint_version", sa.Integer, nullable=False),
    sa.Index("questions_of_domain", "domain"),
)

asks = sa.Table(
    "asks",
    metadata,
    sa.Column("plan_id", sa.Text, primary_key=True),
    sa.Column("question_id", sa.Integer, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),  # order in the file
    sa.Column("max_k", sa.Integer, nullable=False),
    sa.Column("info_access", sa.Integer, nullable=False),  # bits: 1 e-mail, 2 phone
    sa.Column("company_name", sa.Text),
    sa.Column("source_row", sa.Integer),  # the first row of the file that asks it
    sa.Column("reask_after_seq", sa.Integer),  # what ended up to that event does not count as an answer
    sa.Column("stale_at", UtcDateTime),  # before that, the mark of `reask: stale` does not hold
    sa.Column("batch_limit", sa.Integer, nullable=False, server_default="100"),  # smaller after a rejection
    sa.Index("asks_in_order", "plan_id", "position"),
    sa.Index("asks_of_question", "question_id"),
)

# What a file once asked, and bought, and asks no more: its row left the file, or its owner asks something else now.
withdrawn_asks = sa.Table(
    "withdrawn_asks",
    metadata,
    sa.Column("partition_key", sa.Text, primary_key=True),
    sa.Column("question_id", sa.Integer, primary_key=True),
    sa.Column("file_sha256", sa.Text, nullable=False),  # the version that last asked it
    sa.Column("source_row", sa.Integer),  # in that version
    sa.Column("max_k", sa.Integer, nullable=False),
    sa.Column("info_access", sa.Integer, nullable=False),
    sa.Column("company_name", sa.Text),
    sa.Column("withdrawn_at", UtcDateTime, nullable=False),
    sa.Index("left_asks_of_question", "question_id"),
)

batches = sa.Table(
    "batches",
    metadata,
    sa.Column("batch_no", sa.Integer, primary_key=True),
    sa.Column("token", sa.Text, nullable=False, unique=True),
    sa.Column("plan_id", sa.Text, nullable=False),
    sa.Column("partition_key", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("tasks", sa.Integer, nullable=False),
    sa.Column("owner_id", sa.Text, nullable=False),
    sa.Column("key_hash", sa.Text, nullable=False),
    sa.Column("vendor_batch_id", sa.Text, unique=True),
    sa.Column("intent_at", UtcDateTime, nullable=False),
    sa.Column("deadline_at", UtcDateTime, nullable=False),
    sa.Column("submitted_at", UtcDateTime),
    sa.Column("ready_at", UtcDateTime),
    sa.Column("collected_at", UtcDateTime),
    sa.Column("polls", sa.Integer, nullable=False, server_default="0"),
    sa.Column("next_poll_at", UtcDateTime),
    sa.Column("leased_by", sa.Text),  # the owner that asks about it now; free again when that one is gone
    sa.Column("gone_polls", sa.Integer, nullable=False, server_default="0"),
    sa.Column("gone_since", UtcDateTime),
    sa.Column("budget_day", sa.Text, nullable=False),
    sa.Column("reserved_credits", sa.Float),
    sa.Column("settled_credits", sa.Float),
    sa.Column("evidence", sa.Text),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("approval_id", sa.Text, nullable=False),  # whose credit limit it counts against
    _one_of("state", BatchState),
    _amount("reserved_credits"),
    _amount("settled_credits"),
    sa.Index("batches_by_state", "state", "next_poll_at"),
    sa.Index("batches_of_partition", "partition_key", "state"),
    sqlite_autoincrement=True,  # a number is never used twice: it is part of every tracking id
)

_LIVE_SQL = sa.text("state IN ({})".format(", ".join(f"'{state}'" for state in LIVE)))

tasks = sa.Table(
    "tasks",
    metadata,
    sa.Column("task_no", sa.Integer, primary_key=True),
    sa.Column("batch_no", sa.Integer, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("question_id", sa.Integer, nullable=False),
    sa.Column("max_k", sa.Integer, nullable=False),
    sa.Column("info_access", sa.Integer, nullable=False),
    sa.Column("tracking_id", sa.Text, nullable=False),  # one batch's; two forks of a ledger may have given it twice
    sa.Column("vendor_task_id", sa.Text),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("note", sa.Text),
    sa.Column("matched_by", sa.Text),  # the evidence that the answer is this task's; NULL: it carries the tracking id
    sa.Column("raw", sa.LargeBinary),  # the answer as received, zlib
    sa.Column("emails", sa.Integer),
    sa.Column("phones", sa.Integer),
    sa.Column("ended_at", UtcDateTime),
    sa.Column("ended_seq", sa.Integer),
    sa.Column("purged_at", UtcDateTime),  # when the answer was removed for good; its question stays answered
    _one_of("state", TaskState),
    sa.CheckConstraint("raw IS NULL OR typeof(raw) = 'blob'"),
    _amount("emails"),
    _amount("phones"),
    sa.Index("one_live_task_per_question", "question_id", unique=True, sqlite_where=_LIVE_SQL),
    sa.Index("tasks_of_question", "question_id", "state"),
    sa.Index("tasks_of_batch", "batch_no", "tracking_id", unique=True),
    sa.Index("tasks_by_tracking_id", "tracking_id"),
    sa.Index("tasks_by_end", "ended_seq"),
)

# Results of our batches that no tracking id leads to a task of ours: paid for, perhaps, so kept and counted.
unmatched_results = sa.Table(
    "unmatched_results",
    metadata,
    sa.Column("batch_no", sa.Integer, primary_key=True),
    sa.Column("vendor_task_id", sa.Text, primary_key=True),
    sa.Column("vendor_batch_id", sa.Text),  # under which it was read; not the batch's own after a revoked adoption
    sa.Column("tracking_id", sa.Text),  # what the result says
    sa.Column("reason", sa.Text, nullable=False),  # why it leads to no task
    sa.Column("doubt", sa.Text),  # why no rule assigned it; NULL until every rule was tried
    sa.Column("state", sa.Text, nullable=False),  # what it would make of its task
    sa.Column("note", sa.Text),
    sa.Column("raw", sa.LargeBinary),
    sa.Column("people", sa.Integer, nullable=False),
    sa.Column("emails", sa.Integer, nullable=False),  # people with an address
    sa.Column("phones", sa.Integer, nullable=False),  # people with a number
    sa.Column("reads", sa.Integer, nullable=False),  # how often it was read and led to no task
    sa.Column("purged_at", UtcDateTime),  # when what it says was removed for good; no read brings it back
    sa.Column("read_at", UtcDateTime, nullable=False),
)

# Whom never to plan, collect or load: hashes made with a key that lies beside the ledger, never a value.
suppressions = sa.Table(
    "suppressions",
    metadata,
    sa.Column("entry_no", sa.Integer, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("hash", sa.Text, nullable=False, unique=True),
    sa.Column("key_id", sa.Text, nullable=False),
    sa.Column("added_at", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,
)

events = sa.Table(
    "events",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("batch_no", sa.Integer),
    sa.Column("move", sa.Text, nullable=False),
    sa.Column("from_state", sa.Text),
    sa.Column("to_state", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("detail", sa.Text),
    # Done by a person, or by a schedule that one switched on: part of the audit trail.
    sa.Column("is_act", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("events_of_batch", "batch_no"),
    sqlite_autoincrement=True,
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("partition_key", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("owner_id", sa.Text, nullable=False),
    sa.Column("since_at", UtcDateTime, nullable=False),
)

rate = sa.Table(
    "rate",
    metadata,
    sa.Column("api_identity", sa.Text, primary_key=True),
    sa.Column("next_free_at", UtcDateTime, nullable=False),
)

for _table in metadata.tables.values():  # an instant that can't be read is found before anything is bought on it
    for _column in _table.columns:
        if isinstance(_column.type, UtcDateTime):
            _table.append_constraint(sa.CheckConstraint(f"{_column.name} IS NULL OR {_column.name} GLOB '{_INSTANT}'"))

# The database itself refuses to forget or to rewrite history.
APPEND_ONLY = [
    f"CREATE TRIGGER events_refuse_{verb} BEFORE {verb} ON events BEGIN SELECT RAISE(ABORT, 'append-only'); END"
    for verb in ("UPDATE", "DELETE")
]
