"""Which ledger buys with which key, over all data folders of one user on one machine: a small file.

Lives here: the file. It holds hashes of keys, names and paths of ledgers; never a key, never a company.
"""

import json
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import filelock

from openmart_pipeline.ledger.ledger_errors import LedgerRefused

_LOCK_TIMEOUT_S = 20


@dataclass(frozen=True, slots=True)
class Living:
    """A ledger that may buy with a key, as it was last seen."""

    ledger: str
    path: str
    last_batch: int  # the highest number it had given

    def checked(self) -> "Living":
        """Return itself.

        Raises:
            TypeError: a value is of the wrong kind.

        """
        if not (isinstance(self.ledger, str) and isinstance(self.path, str) and isinstance(self.last_batch, int)):
            raise TypeError(f"{self} has a value of the wrong kind")
        return self


class KeyRegistry:
    """Key hash -> the ledgers that may buy with it; mostly one."""

    def __init__(self, path: Path) -> None:
        """Keep it in `path`, made with the first purchase."""
        self.path = path
        self.patience_s = _LOCK_TIMEOUT_S

    def living(self, key_hash: str) -> list[Living]:
        """Return the ledgers that may buy with the key; none before its first purchase.

        Raises:
            LedgerRefused: the file is damaged.

        """
        return self._read().get(key_hash, [])

    def enter(self, key_hash: str, seen: Living) -> bool:
        """Let a ledger buy with the key, unless others do and it does not; say how far it has come where it does.

        Raises:
            OSError: the file can't be written.

        """
        with self._locked():
            known = self._read()
            before = known.get(key_hash, [])
            own = [one for one in before if one.ledger == seen.ledger]
            if before and not own:
                return False
            others = [one for one in before if one.ledger != seen.ledger]
            last_batch = max(seen.last_batch, *(one.last_batch for one in own), 0)
            self._write({**known, key_hash: [*others, replace(seen, last_batch=last_batch)]})
            return True

    def let_live(self, key_hash: str, seen: Living, *, beside: bool, former: Collection[str] = ()) -> None:
        """Let a ledger buy with the key from now on: alone, or beside those that do.

        `former` are names that it had: only an old copy of it carries one of them, and that may not buy.

        Raises:
            OSError: the file can't be written.

        """
        with self._locked():
            known = self._read()
            others = [one for one in known.get(key_hash, []) if beside and one.ledger not in former]
            self._write({**known, key_hash: [*others, seen]})

    def _read(self) -> dict[str, list[Living]]:
        try:
            stored = json.loads(self.path.read_text(encoding="utf-8"))
            return {key: [Living(**one).checked() for one in ledgers] for key, ledgers in stored.items()}
        except (FileNotFoundError, NotADirectoryError):  # not there yet: then nothing is known of others
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            if isinstance(error, PermissionError) and not os.access(self.path.parent, os.X_OK):
                return {}  # a user without a folder of their own
            raise LedgerRefused(
                f"{self.path} can't be read ({error}): it says which ledger buys with which key. Nothing was bought. "
                "Remove it if only one data folder uses this key: the next purchase makes it again."
            ) from error

    def _write(self, known: dict[str, list[Living]]) -> None:
        aside = self.path.with_name(f"{self.path.name}.new")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123  a descriptor of mode 0600
            json.dump({key: [asdict(one) for one in ledgers] for key, ledgers in known.items()}, file, indent=1)
        aside.replace(self.path)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with filelock.FileLock(self.path.with_name(f"{self.path.name}.lock"), timeout=self.patience_s, mode=0o600):
                yield
        except filelock.Timeout:
            raise LedgerRefused(
                f"Which ledgers buy with this key can't be found out: another process has held {self.path} for "
                f"{self.patience_s:g} s. Is one stopped? End it, then start again. Nothing was sent."
            ) from None
