"""The ledger's file: opening it, its transactions, and what makes it refuse to be used.

Lives here: everything about the database as such. What the rows mean is the business of the modules beside.
"""

import datetime as dt
import functools
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import sqlalchemy as sa

from openmart_pipeline.contacts.identifiers import without_identifiers
from openmart_pipeline.ledger import identity, schema
from openmart_pipeline.ledger.ledger_errors import (
    LedgerDamaged,
    LedgerRefused,
    LedgerUnwritable,
    NoLedger,
    in_words,
)
from openmart_pipeline.ledger.owners import Owner
from openmart_pipeline.ledger.unopened import refuse_foreign_bytes
from openmart_pipeline.model.questions import FINGERPRINT_VERSION

__all__ = ["Clock", "Ledger", "LedgerDamaged", "LedgerRefused", "LedgerUnwritable", "NoLedger", "new_key", "utc_now"]

Clock: TypeAlias = Callable[[], dt.datetime]

_MAY_BE_DAMAGE = (AssertionError, AttributeError, LookupError, TypeError, ValueError)
BUSY_TIMEOUT_S = 60  # how long a write waits for its turn behind other processes


def utc_now() -> dt.datetime:
    """Return the present instant, aware."""
    return dt.datetime.now(dt.UTC)


class Ledger:
    """The only truth about money: one SQLite database, every write a `BEGIN IMMEDIATE` that is synced to disk.

    The functions of `plans`, `sending`, `collecting` and `standing` take it as their first argument. Safe to share
    between threads; other processes open their own.
    """

    def __init__(self, url: str, owner: Owner, *, api_identity: str, actor: str, clock: Clock = utc_now) -> None:
        """Open the ledger, made when missing.

        Args:
            url: `sqlite:///FILE`.
            owner: this process.
            api_identity: host of the API, or `simulated`: a ledger belongs to one and refuses the other.
            actor: who moves, as the events name it (`cli`, `dagster`).
            clock: the present instant, UTC.

        Raises:
            LedgerRefused: another API's ledger, a newer program's, a damaged file, or not SQLite.

        """
        if not url.startswith("sqlite:///"):
            raise LedgerRefused(
                "OPENMART_LEDGER_URL is not a SQLite address. Write sqlite:///FILE, or leave it unset for the "
                "ledger in the data folder. Nothing was read or bought."
            )
        self.path = Path(url.removeprefix("sqlite:///"))
        self.owner = owner
        self.actor = actor
        self.clock = clock
        self.api_identity = api_identity
        self.path.parent.mkdir(parents=True, exist_ok=True)
        refuse_foreign_bytes(self.path)
        self._turn = threading.Lock()
        self._is_sound = False  # so found since it was opened
        self._engine = sa.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S}, hide_parameters=True)
        sa.event.listen(self._engine, "connect", _prepare_connection)
        sa.event.listen(self._engine, "begin", _begin)
        try:
            self.uuid, self.names = self._create_or_check(api_identity)  # the name, and all it has had
        except (LedgerRefused, MemoryError):
            self._engine.dispose()
            raise

    def close(self) -> None:
        """Close the connections; the owner's lock is the owner's to free."""
        self._engine.dispose()

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One write transaction: alone on the ledger from its first statement, on disk when it ends well.

        Raises:
            LedgerUnwritable: the disk refused, or nobody let go of the ledger; nothing of it was written.
            LedgerDamaged: what stands in it can't be read; nothing of it was written.

        """
        # Threads queue here, where the next one starts at once: SQLite's own waiting is sleeping and looking again.
        with self._turn, self._in_words():
            immediate = self._engine.connect().execution_options(openmart_begin="BEGIN IMMEDIATE")
            with immediate as connection, connection.begin():
                yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One consistent view; never waits for a writer and never makes one wait.

        Raises:
            LedgerUnwritable: the disk refused.
            LedgerDamaged: what stands in it can't be read.

        """
        with self._in_words(), self._engine.connect() as connection, connection.begin():
            yield connection

    def record(
        self,
        connection: sa.Connection,
        move: str,
        *,
        batch_no: int | None = None,
        from_state: str | None = None,
        to_state: str | None = None,
        reason: str | None = None,
        actor: str | None = None,
        **detail: Any,
    ) -> int:
        """Write one event into the history, in the caller's transaction; its number orders all that happens.

        With an `actor` it is an act of a person and part of the audit trail. Nothing is ever removed from that, so a
        reason is kept without addresses, numbers and pages of people.
        """
        if actor is not None and reason is not None:
            reason = without_identifiers(reason)
        result = connection.execute(
            schema.events.insert().values(
                at=self.clock(),
                actor=actor or self.actor,
                batch_no=batch_no,
                move=move,
                from_state=from_state,
                to_state=to_state,
                reason=reason,
                detail=json.dumps(detail, ensure_ascii=False) if detail else None,
                is_act=actor is not None,
            )
        )
        return new_key(result)

    def take_name(self, connection: sa.Connection) -> None:
        """Go by the name that stands in the file: a person may have given it another one since it was opened."""
        self.uuid, self.names = identity.names_of(connection)

    def tracking_id(self, batch_no: int, position: int) -> str:
        """Return the only link from an answer to a question: `<ledger>-<batch_no>-<position>`."""
        return f"{self.uuid[:8]}-{batch_no}-{position}"

    def is_own(self, tracking_id: str) -> bool:
        """Whether a tracking id was given by this ledger, under any of its names."""
        return tracking_id.startswith(tuple(f"{name[:8]}-" for name in self.names))

    def check_integrity(self) -> None:
        """Read the whole file once.

        Raises:
            LedgerRefused: it is damaged: nothing may be bought on its word.

        """
        verdict = self._verdict()
        if verdict != "ok":
            raise LedgerDamaged(verdict, self.path)
        with self.read() as connection:
            for table in schema.metadata.tables.values():  # that no column is missing
                connection.execute(sa.select(table).limit(0))

    def check_integrity_once(self) -> None:
        """Do that before the first purchase only: a run buys file after file, and a gigabyte takes seconds.

        Raises:
            LedgerRefused: it is damaged.

        """
        if not self._is_sound:
            self.check_integrity()
            self._is_sound = True

    def _verdict(self) -> str:
        """Return what SQLite says of the whole file: `ok`, or the first thing that is wrong.

        Indexes are held against their tables, which takes three times as long (10 s for a million tasks): an index
        without its entries would let questions be bought again.
        """
        try:
            with self._engine.connect() as connection, connection.begin():
                return str(connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar())
        except sa.exc.DatabaseError as error:
            raise in_words(error.orig or error, self.path) from error

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """Let no error of the database out as such: whoever catches it must hear what it means for the money."""
        try:
            yield
        except sa.exc.IntegrityError as error:  # a rule of the tables said no, which an index that is damaged does too
            if (verdict := self._verdict()) != "ok":
                raise LedgerDamaged(verdict, self.path) from error
            raise
        except sa.exc.DatabaseError as error:
            raise in_words(error.orig or error, self.path) from error
        except _MAY_BE_DAMAGE as error:  # an empty page gives None where a number must be
            if (verdict := self._verdict()) != "ok":
                raise LedgerDamaged(verdict, self.path) from error
            raise

    def _create_or_check(self, api_identity: str) -> tuple[str, frozenset[str]]:
        with self.write() as connection:
            if not sa.inspect(connection).has_table("meta"):
                schema.metadata.create_all(connection)
                for trigger in schema.APPEND_ONLY:
                    connection.exec_driver_sql(trigger)
                rows = {
                    "ledger_uuid": uuid.uuid4().hex,
                    "schema_version": str(schema.SCHEMA_VERSION),
                    "fingerprint_version": str(FINGERPRINT_VERSION),
                    "api_identity": api_identity,
                }
                connection.execute(schema.meta.insert(), [{"key": key, "value": value} for key, value in rows.items()])
                identity.bind(connection, self.path)
            known = {row.key: row.value for row in connection.execute(sa.select(schema.meta))}
            self._refuse_foreign(known, api_identity)
            self._refuse_incomplete(connection)
            return identity.names_of(connection)

    def _refuse_incomplete(self, connection: sa.Connection) -> None:
        """Refuse a ledger that lacks a table, a trigger, or the index that keeps a question from being paid twice."""
        names = set(connection.exec_driver_sql("SELECT name FROM sqlite_master").scalars())
        lacking = sorted(_objects() - names)
        if lacking:
            raise LedgerDamaged(f"it lacks {', '.join(lacking[:3])}", self.path)

    def _refuse_foreign(self, known: Mapping[str, str], api_identity: str) -> None:
        if not {"ledger_uuid", "schema_version", "api_identity"} <= known.keys():
            raise LedgerRefused(
                f"{self.path} is a database of another program. Nothing was bought. Set OPENMART_LEDGER_URL to a file "
                "of its own, or leave it unset."
            )
        try:
            version, canon = int(known["schema_version"]), int(known.get("fingerprint_version", 1))
        except ValueError:
            raise LedgerDamaged("its version is no number", self.path) from None
        if version > schema.SCHEMA_VERSION or canon > FINGERPRINT_VERSION:
            raise LedgerRefused(
                f"{self.path} was written by a newer version of this program (schema {version}.{canon}, this program "
                f"knows {schema.SCHEMA_VERSION}.{FINGERPRINT_VERSION}). Nothing was changed or bought. "
                "Upgrade this program."
            )
        if (version, canon) != (schema.SCHEMA_VERSION, FINGERPRINT_VERSION):
            raise LedgerRefused(
                f"{self.path} was written by a version of this program that was never released (schema {version}."
                f"{canon}, this program knows {schema.SCHEMA_VERSION}.{FINGERPRINT_VERSION}). Nothing was changed or "
                "bought. Collect what it bought with that version, or set OPENMART_DATA_DIR to another folder."
            )
        if known["api_identity"] != api_identity:
            raise LedgerRefused(
                f"{self.path} belongs to the API {known['api_identity']!r}, but this run would use "
                f"{api_identity!r}: what one sold, the other does not know. Nothing was bought. "
                "Use another OPENMART_DATA_DIR for it, or set OPENMART_BASE_URL back."
            )


@functools.cache
def _objects() -> frozenset[str]:
    """Return the names of all tables, indexes and triggers of a ledger."""
    tables = schema.metadata.tables.values()
    indexes = [str(index.name) for table in tables for index in table.indexes]
    triggers = [statement.split()[2] for statement in schema.APPEND_ONLY]
    return frozenset([*(table.name for table in tables), *indexes, *triggers])


def new_key(result: sa.CursorResult[Any]) -> int:
    """Return the number that an INSERT of one row gave it."""
    key = result.inserted_primary_key
    assert key is not None
    return int(key[0])


def _prepare_connection(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun by `_begin`, not by the driver
    cursor = connection.cursor()
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:  # the switch to WAL ignores the busy timeout while another process opens the same new file
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            break
        except Exception as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten with zeros in its page
    cursor.execute("PRAGMA cache_size=-32000")
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("openmart_begin", "BEGIN"))
