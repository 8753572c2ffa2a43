"""The suppression list in the ledger: keyed hashes, and the key in a file of its own beside it.

Lives here: reading, growing and shrinking the list. What it decides is the business of `suppression`.
"""

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

import sqlalchemy as sa

from openmart_pipeline.contacts.identifiers import Identifier, Kind
from openmart_pipeline.contacts.suppression import NOBODY, Suppression
from openmart_pipeline.ledger.collecting import Keepable, Kept
from openmart_pipeline.ledger.schema import (
    asks,
    partitions,
    questions,
    suppressions,
    tasks,
    withdrawn_asks,
)
from openmart_pipeline.ledger.store import Ledger, LedgerRefused

KEY_BYTES = 32


class SuppressionList:
    """The list of one ledger. Cheap to ask: it is read again only when it changed."""

    def __init__(self, ledger: Ledger, key_path: Path) -> None:
        """Read nothing yet. The key is made with the first entry, and never leaves its file."""
        self._ledger = ledger
        self._key_path = key_path
        self._known: tuple[tuple[int, int], Suppression] = ((0, 0), NOBODY)

    def current(self, connection: sa.Connection | None = None) -> Suppression:
        """Return the list as it is now, or as a transaction under way sees it.

        Raises:
            LedgerRefused: there are entries, and the key they were made with is gone.

        """
        if connection is None:
            with self._ledger.read() as reading:
                return self.current(reading)
        # Numbers are never used twice, so a list of another length or end is another list.
        version = connection.execute(
            sa.select(sa.func.count(), sa.func.coalesce(sa.func.max(suppressions.c.entry_no), 0))
        ).one()
        if tuple(version) != self._known[0]:
            rows = connection.execute(sa.select(suppressions.c.hash, suppressions.c.key_id)).all()
            key = self._key()
            if rows and (key is None or {row.key_id for row in rows} != {_key_id(key)}):
                raise LedgerRefused(
                    f"{self._key_path} is missing or not the one that the suppression list was made with: nobody can "
                    "tell whom the list means, so nothing is planned, collected or loaded. Put the file back from a "
                    "backup."
                )
            listed = Suppression(key, [row.hash for row in rows]) if key is not None and rows else NOBODY
            self._known = (version[0], version[1]), listed
        return self._known[1]

    def add(self, connection: sa.Connection, identifiers: Iterable[Identifier]) -> int:
        """Put these on the list, in the caller's transaction; return how many were new.

        The questions about a domain are taken out of every plan at once: nothing more is bought about it.
        """
        listed = self.current(connection)
        if not listed:
            listed = Suppression(self._key() or self._make_key(), ())
        key = self._key()
        assert key is not None
        new = 0
        for identifier in sorted(set(identifiers)):
            if identifier.kind is Kind.DOMAIN:
                of_domain = sa.select(questions.c.question_id).where(
                    sa.or_(
                        questions.c.domain == identifier.value,
                        questions.c.domain.endswith(f".{identifier.value}", autoescape=True),
                    )
                )
                connection.execute(asks.delete().where(asks.c.question_id.in_(of_domain)))
                connection.execute(withdrawn_asks.delete().where(withdrawn_asks.c.question_id.in_(of_domain)))
                connection.execute(partitions.update().values(load_watermark=-1))
            if listed.has(identifier):
                continue
            connection.execute(
                suppressions.insert().values(
                    kind=identifier.kind,
                    hash=listed.hash_of(identifier),
                    key_id=_key_id(key),
                    added_at=self._ledger.clock(),
                )
            )
            new += 1
        return new

    def remove(self, connection: sa.Connection, identifiers: Iterable[Identifier]) -> int:
        """Take these off the list; return how many were on it. What was erased stays erased."""
        listed = self.current(connection)
        hashes = [listed.hash_of(identifier) for identifier in identifiers if listed.has(identifier)]
        connection.execute(suppressions.delete().where(suppressions.c.hash.in_(hashes)))
        return len(hashes)

    def domains_key(self) -> list[str]:
        """Return what a plan remembers of the suppressed companies: with others it is planned anew."""
        query = sa.select(suppressions.c.hash).where(suppressions.c.kind == Kind.DOMAIN).order_by(suppressions.c.hash)
        with self._ledger.read() as connection:
            return list(connection.execute(query).scalars())

    def counts(self) -> dict[str, int]:
        """Return how many entries there are of each kind."""
        query = sa.select(suppressions.c.kind, sa.func.count()).group_by(suppressions.c.kind)
        with self._ledger.read() as connection:
            return {row.kind: row[1] for row in connection.execute(query)}

    def _key(self) -> bytes | None:
        with contextlib.suppress(FileNotFoundError):
            return bytes.fromhex(self._key_path.read_text("ascii").strip())
        return None

    def _make_key(self) -> bytes:
        """Write a new key, on disk before the first hash is made with it."""
        key = secrets.token_bytes(KEY_BYTES)
        descriptor = os.open(self._key_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, key.hex().encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return key


def keepable(suppression_list: SuppressionList) -> Keepable:
    """Return what takes suppressed people out of an answer, in the very transaction that keeps it.

    So an answer that was on its way while somebody was put on the list is kept without them.
    """

    def asked(connection: sa.Connection) -> Kept:
        listed = suppression_list.current(connection)
        if not listed:
            return lambda raw, _batch_no, _tracking_id: raw

        def kept(raw: bytes, batch_no: int, tracking_id: str | None) -> bytes:
            of_batch = (
                sa.select(tasks.c.tracking_id, questions.c.domain, questions.c.country)
                .join(questions, questions.c.question_id == tasks.c.question_id)
                .where(tasks.c.batch_no == batch_no)
            )
            # Which question an answer without one of our tracking ids belongs to may be any of its batch.
            asked = (
                connection.execute(of_batch.where(tasks.c.tracking_id == tracking_id)).all()
                or connection.execute(of_batch).all()
            )
            return listed.without_suppressed(
                raw, companies={row.domain for row in asked}, countries={row.country for row in asked}
            )

        return kept

    return asked


def _key_id(key: bytes) -> str:
    return hashlib.blake2b(key, digest_size=4, person=b"suppression-key").hexdigest()
