"""Files that only their owner may read: ledger, journal, warehouse, copies, key, history. Whatever the umask is.

Not here: what is made for others, such as the published file, exports and reports.
"""

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

OTHERS = 0o077  # every right of group and others
WRITE_BY_OTHERS = 0o022
PRIVATE_FOLDER, PRIVATE_FILE, OPEN_FOLDER = 0o700, 0o600, 0o755
# SQLite's log and index, DuckDB's log, the lock beside each.
SIDE_FILES = ("", "-wal", "-shm", "-journal", ".wal", ".lock")


class _Umask:
    """The process has one umask and many threads: the last one that leaves puts it back."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.holders = 0
        self.usual = 0


_umask = _Umask()


@contextlib.contextmanager
def private_umask() -> Iterator[None]:
    """Within this, the process and its new children make files and folders that only their owner may use.

    DuckDB, SQLite and Dagster make files of their own at any time: no mode given at one place would reach them.
    """
    with _umask.lock:
        if not _umask.holders:
            _umask.usual = os.umask(OTHERS)
        _umask.holders += 1
    try:
        yield
    finally:
        with _umask.lock:
            _umask.holders -= 1
            if not _umask.holders:
                os.umask(_umask.usual)


def close_to_others(*, folders: Iterable[Path], files: Iterable[Path]) -> None:
    """Take every right of others from what is there, with the files that databases keep beside theirs.

    What belongs to another user stays as it is: `check` says so where it matters.
    """
    for folder in folders:
        _restrict(folder, PRIVATE_FOLDER)
    for file in files:
        for suffix in SIDE_FILES:
            _restrict(file.with_name(file.name + suffix), PRIVATE_FILE)


def make_folder(path: Path, mode: int = OPEN_FOLDER) -> None:
    """Make a folder and what is missing above it, with rights that no umask widens or narrows; others can't write.

    A folder that is there stays as it is.
    """
    for folder in (*reversed(path.parents), path):
        if not folder.exists():
            folder.mkdir(exist_ok=True)
            folder.chmod(mode if folder == path else OPEN_FOLDER)


def written_by_others(path: Path) -> str | None:
    """Return who else may write or replace this file, in words; None where nobody may, or there is no file."""
    for place in (path, Path(os.path.realpath(path)).parent):  # never raises where a link leads to itself
        try:
            status = place.stat()
        except OSError:
            return None
        is_theirs_only = place != path and status.st_mode & 0o1000  # as in /tmp: each removes their own
        if status.st_mode & WRITE_BY_OTHERS and not is_theirs_only:
            return f"others may write to {place}"
        if status.st_uid not in (0, os.geteuid()):
            return f"{place} belongs to another user"
    return None


def _restrict(path: Path, mode: int) -> None:
    with contextlib.suppress(OSError):  # not there, or not ours
        if path.stat().st_mode & OTHERS:
            path.chmod(mode)
