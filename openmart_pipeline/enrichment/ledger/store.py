"""The ledger's file: opening it, its transactions, and what makes it refuse to be used.

Lives here: everything about the database as such. What the rows mean is the business of the modules beside.
Imports `schema`; the other modules of the ledger import this one.
"""

import datetime as dt
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import sqlalchemy as sa

from openmart_pipeline.enrichment.ledger import schema
from openmart_pipeline.enrichment.owners import Owner
from openmart_pipeline.enrichment.questions import CANON_VERSION

Clock: TypeAlias = Callable[[], dt.datetime]

BUSY_TIMEOUT_S = 60  # how long a write waits for its turn behind other processes


class LedgerRefused(Exception):
    """The ledger can't be used as it is; the sentence says why and what to do."""


class LedgerUnwritable(LedgerRefused):
    """The disk is full, or can't be read, or another process kept the ledger to itself for minutes."""

    def __init__(self, cause: BaseException) -> None:
        """Say what it means for what was bought, and what to do."""
        super().__init__(
            f"The ledger could not be read or written ({cause}). What is in it is safe; mend that (is the disk full, "
            "or another process holding it for minutes?), then start again: nothing is bought twice."
        )
        self.cause = str(cause)


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
        self._turn = threading.Lock()
        self._is_sound = False  # so found since it was opened
        self._engine = sa.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S}, hide_parameters=True)
        sa.event.listen(self._engine, "connect", _prepare_connection)
        sa.event.listen(self._engine, "begin", _begin)
        try:
            self.uuid = self._create_or_check(api_identity)
            self.names = frozenset({self.uuid})  # those that its lines in the journal carry
        except sa.exc.DatabaseError as error:
            self._engine.dispose()
            raise LedgerRefused(_damaged(self.path, error)) from error
        except LedgerRefused:
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

        """
        # Threads queue here, where the next one starts at once: SQLite's own waiting is sleeping and looking again.
        with self._turn, _disk_in_words():
            immediate = self._engine.connect().execution_options(openmart_begin="BEGIN IMMEDIATE")
            with immediate as connection, connection.begin():
                yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One consistent view; never waits for a writer and never makes one wait.

        Raises:
            LedgerUnwritable: the disk refused.

        """
        with _disk_in_words(), self._engine.connect() as connection, connection.begin():
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
        """Write one event into the history, in the caller's transaction; its number orders all that happens."""
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
            )
        )
        return new_key(result)

    def tracking_id(self, batch_no: int, position: int) -> str:
        """Return the only link from an answer to a question: `<ledger>-<batch_no>-<position>`."""
        return f"{self.uuid[:8]}-{batch_no}-{position}"

    def is_own(self, tracking_id: str) -> bool:
        """Whether a tracking id was given by this ledger."""
        return tracking_id.startswith(f"{self.uuid[:8]}-")

    def check_integrity(self) -> None:
        """Read the whole file once.

        Raises:
            LedgerRefused: it is damaged: nothing may be bought on its word.

        """
        try:
            with self.read() as connection:
                verdict = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        except sa.exc.DatabaseError as error:
            raise LedgerRefused(_damaged(self.path, error)) from error
        if verdict != "ok":
            raise LedgerRefused(_damaged(self.path, verdict))

    def check_integrity_once(self) -> None:
        """Do that before the first purchase only: a run buys file after file, and a gigabyte takes seconds.

        Raises:
            LedgerRefused: it is damaged.

        """
        if not self._is_sound:
            self.check_integrity()
            self._is_sound = True

    def _create_or_check(self, api_identity: str) -> str:
        with self.write() as connection:
            if not sa.inspect(connection).has_table("meta"):
                schema.metadata.create_all(connection)
                for trigger in schema.APPEND_ONLY:
                    connection.exec_driver_sql(trigger)
                rows = {
                    "ledger_uuid": uuid.uuid4().hex,
                    "schema_version": str(schema.SCHEMA_VERSION),
                    "canon_version": str(CANON_VERSION),
                    "api_identity": api_identity,
                }
                connection.execute(schema.meta.insert(), [{"key": key, "value": value} for key, value in rows.items()])
            known = {row.key: row.value for row in connection.execute(sa.select(schema.meta))}
            self._refuse_foreign(known, api_identity)
        return str(known["ledger_uuid"])

    def _refuse_foreign(self, known: Mapping[str, str], api_identity: str) -> None:
        if not {"ledger_uuid", "schema_version", "api_identity"} <= known.keys():
            raise LedgerRefused(
                f"{self.path} is a database of another program. Nothing was bought. Set OPENMART_LEDGER_URL to a file "
                "of its own, or leave it unset."
            )
        version, canon = int(known["schema_version"]), int(known.get("canon_version", 1))
        if version > schema.SCHEMA_VERSION or canon > CANON_VERSION:
            raise LedgerRefused(
                f"{self.path} was written by a newer version of this program (schema {version}.{canon}, this program "
                f"knows {schema.SCHEMA_VERSION}.{CANON_VERSION}). Nothing was changed or bought. Upgrade this program."
            )
        if (version, canon) != (schema.SCHEMA_VERSION, CANON_VERSION):
            raise LedgerRefused(
                f"{self.path} was written by a version of this program that was never released (schema {version}."
                f"{canon}, this program knows {schema.SCHEMA_VERSION}.{CANON_VERSION}). Nothing was changed or bought. "
                "Collect what it bought with that version, or set OPENMART_DATA_DIR to another folder."
            )
        if known["api_identity"] != api_identity:
            raise LedgerRefused(
                f"{self.path} belongs to the API {known['api_identity']!r}, but this run would use "
                f"{api_identity!r}: what one sold, the other does not know. Nothing was bought. "
                "Use another OPENMART_DATA_DIR for it, or set OPENMART_BASE_URL back."
            )


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


@contextmanager
def _disk_in_words() -> Iterator[None]:
    try:
        yield
    except sa.exc.OperationalError as error:
        raise LedgerUnwritable(error.orig or error) from error


def _damaged(path: Path, cause: object) -> str:
    return (
        f"The ledger {path} can't be read ({cause}). It is the record of what was paid for, so nothing was bought. "
        "Put back the newest copy of it, or move it away and rebuild it from the submission journal beside it."
    )
