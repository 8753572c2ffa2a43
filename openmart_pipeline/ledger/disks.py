"""Does a disk last? Whether a ledger may lie on it is decided by what kind of file system it is.

Lives here: the kinds, and how the kind of a path is found. Linux only: elsewhere every disk is taken to last.
"""

import os
import re
import sys
from pathlib import Path

# Local, with locks and syncs that hold. Whatever is not named here is not trusted.
LASTING = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "jfs", "nilfs2"})
_WHY = {
    "overlay": "goes with its container",
    "tmpfs": "goes when the machine stops",
    "ramfs": "goes when the machine stops",
    "nfs": "may grant one lock to two machines",
    "nfs4": "may grant one lock to two machines",
    "cifs": "may grant one lock to two machines",
    "smb3": "may grant one lock to two machines",
}
_MOUNT_INFO, _DESCRIPTOR_INFO = Path("/proc/self/mountinfo"), "/proc/self/fdinfo/{}"


def doubt_about(path: Path) -> str | None:
    """Return why what lies there may not last, such as `overlay, which goes with its container`; None where it does."""
    if sys.platform != "linux":
        return None
    kind = kind_of(path)
    if kind in LASTING:
        return None
    return "a disk of a kind that can't be found out" if kind is None else f"{kind}, which {why(kind)}"


def why(kind: str) -> str:
    """Return why a kind of file system is not trusted."""
    return _WHY.get(kind, "is not known to keep what was written")


def kind_of(path: Path) -> str | None:
    """Return the kind of the file system that a path lies on, or would be made on; None where nobody says."""
    there = next((one for one in (path, *path.absolute().parents) if one.exists()), Path("/"))
    try:
        descriptor = os.open(there, os.O_RDONLY | os.O_NONBLOCK)
        try:
            info = Path(_DESCRIPTOR_INFO.format(descriptor)).read_text(encoding="utf-8")
        finally:
            os.close(descriptor)
        mounts = _MOUNT_INFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = re.search(r"^mnt_id:\s*(\d+)", info, re.MULTILINE)
    return None if found is None else kind_of_mount(mounts, found[1])


def kind_of_mount(mounts: str, mount_id: str) -> str | None:
    """Return the kind of one mount out of the text of `mountinfo`; a path there may hold anything but a space."""
    for line in mounts.splitlines():
        fields, _, of_disk = line.partition(" - ")
        if fields.split(" ", 1)[0] == mount_id and of_disk:
            return of_disk.split(" ", 1)[0]
    return None
