"""What can be wrong with the ledger itself, said to the person who can act.

    LedgerRefused
     |- LedgerUnwritable   full disk, missing permission, another process that holds it for minutes: trying again helps
     |- LedgerDamaged      what stands in it can't have been written by this program: only a person can help

Lives here: the tree above, and how an error of SQLite or a value that can't be read becomes one of the two.
"""

import json
import sqlite3
import zlib
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

V = TypeVar("V")
E = TypeVar("E", bound=StrEnum)

# What may pass: the disk, permissions, memory, or somebody else who holds the file. All others are damage.
_PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)


class LedgerRefused(Exception):
    """The ledger can't be used as it is; the sentence says why and what to do."""


class NoLedger(LedgerRefused):
    """There is no ledger here, and whoever only reads makes none."""


class LedgerUnwritable(LedgerRefused):
    """The disk is full, or can't be read, or another process kept the ledger to itself for minutes."""

    def __init__(self, cause: BaseException) -> None:
        """Say what it means for what was bought, and what to do."""
        super().__init__(
            f"The ledger could not be read or written ({cause}). What is in it is safe; mend that (is the disk full, "
            "or another process holding it for minutes?), then start again: nothing is bought twice."
        )
        self.cause = str(cause)


class LedgerDamaged(LedgerRefused):
    """The ledger holds what this program can't have written: nothing may be bought on its word."""

    def __init__(self, cause: object, path: Path | None = None) -> None:
        """Say what it means for what was bought, and what to do."""
        which = "The ledger" if path is None else f"The ledger {path}"
        super().__init__(
            f"{which} can't be read ({cause}). It is the record of what was paid for, so nothing was bought. "
            "Put back the newest copy of it, or move it away and rebuild it from the submission journal beside it: "
            "openmart-pipeline ledger reconcile."
        )


def in_words(error: BaseException, path: Path) -> LedgerRefused:
    """Return what SQLite's driver said, as trouble that passes or as damage."""
    code = getattr(error, "sqlite_errorcode", None)  # none where the driver itself could not read a text
    is_passing = code is not None and code & 0xFF in _PASSING
    return LedgerUnwritable(error) if is_passing else LedgerDamaged(error, path)


def member(kind: type[E], word: str) -> E:
    """Return the state of that word.

    Raises:
        LedgerDamaged: there is no such state.

    """
    try:
        return kind(word)
    except ValueError:
        raise LedgerDamaged("it names a state that there is not") from None


def unpacked(raw: bytes) -> bytes:
    """Return an answer as it was received.

    Raises:
        LedgerDamaged: it is not what was packed.

    """
    try:
        return zlib.decompress(raw)
    except (zlib.error, TypeError):
        raise LedgerDamaged("a raw answer can't be unpacked") from None


def built(kind: Callable[..., V], text: str) -> V:
    """Return the value whose fields were kept as JSON.

    Raises:
        LedgerDamaged: they are not the fields of one.

    """
    try:
        return kind(**from_json(text))
    except (TypeError, ValueError):
        raise LedgerDamaged("a note in JSON lacks what belongs there") from None


def from_json(text: str) -> Any:
    """Return what was kept as JSON.

    Raises:
        LedgerDamaged: it is not JSON.

    """
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        raise LedgerDamaged("a note in JSON can't be read") from None
