"""Which ledger this is, and where it lies: its name, the names it had, and the file that it is bound to.

Lives here: what a copy is recognised by. What a copy may not do is decided in `freezes`.
"""

import json
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

import sqlalchemy as sa

from openmart_pipeline.ledger.schema import meta

NAME, FORMER, _PLACE = "ledger_uuid", "former_names", "place"
_MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a ledger's file lies; a copy of it lies elsewhere."""

    machine: str  # empty where the system has no id, as in many containers
    path: str
    device: int
    inode: int

    def holds(self, other: "Place") -> bool:
        """Whether `other` is this same file, perhaps moved within its disk.

        The number of a device may change with a restart, so it counts only where the path is another.
        """
        is_same_machine = not self.machine or not other.machine or self.machine == other.machine
        is_same_path = self.path == other.path
        return is_same_machine and self.inode == other.inode and (is_same_path or self.device == other.device)


def place_of(path: Path) -> Place:
    """Return where a file lies now."""
    seen = path.stat()
    return Place(_machine(), str(path.resolve()), seen.st_dev, seen.st_ino)


def _machine() -> str:
    for path in _MACHINE_IDS:
        try:
            if text := path.read_text(encoding="ascii").strip():
                return text
        except (OSError, UnicodeDecodeError):
            continue
    return ""


def read_place(connection: sa.Connection) -> Place | None:
    """Return the file that the ledger is bound to; None before it was bound."""
    value = _read(connection, _PLACE)
    return None if value is None else Place(**json.loads(value))


def bind(connection: sa.Connection, path: Path) -> None:
    """Bind the ledger to the file that it is in now."""
    _write(connection, _PLACE, json.dumps(asdict(place_of(path))))


def names_of(connection: sa.Connection) -> tuple[str, frozenset[str]]:
    """Return the ledger's name, and all the names it has had: its lines in the journal may carry any of them."""
    name = _read(connection, NAME)
    assert name is not None
    return name, frozenset({name, *json.loads(_read(connection, FORMER) or "[]")})


def rename(connection: sa.Connection, name: str | None = None, *, former: frozenset[str] = frozenset()) -> None:
    """Give the ledger another name, a new one where none is given: its tracking ids begin with it from now on.

    Two copies of one ledger would give out the same tracking ids, and each could take the other's answers for its own.
    """
    _, names = names_of(connection)
    _write(connection, FORMER, json.dumps(sorted(former or names)))
    _write(connection, NAME, name or uuid.uuid4().hex)


def _read(connection: sa.Connection, key: str) -> str | None:
    value = connection.execute(sa.select(meta.c.value).where(meta.c.key == key)).scalar()
    return None if value is None else str(value)


def _write(connection: sa.Connection, key: str, value: str) -> None:
    connection.execute(meta.delete().where(meta.c.key == key))
    connection.execute(meta.insert().values(key=key, value=value))
