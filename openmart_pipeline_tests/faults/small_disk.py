"""A disk of its own that a test can fill and empty: a tmpfs where root may mount one, else a limit on file sizes.

No fixtures and no claims here.
"""

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

SIZE = 96 << 20  # more than what buying wants free, little enough to be filled in an instant
_CHUNK = 1 << 20


class SmallDisk:
    """A folder whose disk is full from `fill` to `free`: no file in it can grow."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave not one byte."""
        with contextlib.suppress(OSError), self._ballast.open("ab", buffering=0) as ballast:
            for size in (_CHUNK, 1):
                with contextlib.suppress(OSError):
                    while ballast.write(bytes(size)):
                        pass

    def free(self) -> None:
        """Leave room again."""
        self._ballast.unlink(missing_ok=True)


class SizeLimit(SmallDisk):
    """The same for whom no disk can be mounted: no file of this process can grow at all."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, self._limits[1]))  # Python ignores the signal that comes with it

    def free(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._limits)


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """A disk of its own at `folder`, emptied and gone in the end."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    is_mounted = os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    disk = SmallDisk(folder) if is_mounted else SizeLimit(folder)
    try:
        yield disk
    finally:
        disk.free()
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
