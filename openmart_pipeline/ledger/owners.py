"""Which processes are alive: each holds a lock on a file of its own for as long as it lives.

The operating system frees the lock on any death, kill -9 included; no clock and no process id is trusted.
"""

import contextlib
import os
import socket
import uuid
from pathlib import Path

import filelock


class Owner:
    """This process, as others see it: an id, and a lock that says that it is alive.

    Never fork after making one: a forked child would keep the lock of a dead parent.
    """

    def __init__(self, folder: Path) -> None:
        """Take the lock. `folder` is the ledger's `owners/`; made when missing."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.owner_id = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._lock = filelock.FileLock(folder / f"{self.owner_id}.lock", thread_local=False)
        self._lock.acquire(blocking=False)

    def close(self) -> None:
        """Free the lock: what this owner left undecided is anyone's to decide."""
        self._lock.release()
        (self.folder / f"{self.owner_id}.lock").unlink(missing_ok=True)

    def is_gone(self, owner_id: str) -> bool:
        """Whether that owner has died or closed; never true of ourselves.

        A wrong answer costs nothing: an undecided batch becomes `unknown`, which nothing resends, and its
        sender may still record the answer.
        """
        if owner_id == self.owner_id:
            return False
        path = self.folder / f"{owner_id}.lock"
        if not path.exists():
            return True
        probe = filelock.FileLock(path, thread_local=False)
        try:
            probe.acquire(blocking=False)
        except filelock.Timeout:
            return False
        probe.release()
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        return True
