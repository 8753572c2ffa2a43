"""Opens a file that somebody else may have put there: an ordinary file is read, and nothing else.

A link, a device, a pipe or a file of the kernel can hand out secrets, or never end. The kind is asked of the open
descriptor, and what is read comes from that descriptor: a name that is swapped in between changes nothing.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from openmart_pipeline.intake.refusals import FileRefused

_READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # an opened pipe without a writer would wait for ever
_KERNEL_FOLDERS = ("/proc", "/sys", "/dev")


class NoOrdinaryFile(FileRefused):
    """There is something under that name, and it is no ordinary file."""


@contextmanager
def opened_below(folder: Path, relative: Path) -> Iterator[BinaryIO]:
    """Open a file below a folder for reading; no link is followed on the way, nor at its end.

    Raises:
        NoOrdinaryFile: a link, a folder, a device, a pipe, a socket, or a file of the kernel.
        OSError: it is not there, or may not be read.

    """
    shown = relative.as_posix()
    *parents, name = relative.parts
    inner = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parents:
            _refuse_link(os.stat(part, dir_fd=inner, follow_symlinks=False), shown)
            outer, inner = inner, os.open(part, _READING | os.O_DIRECTORY, dir_fd=inner)
            os.close(outer)
        descriptor = _opened(name, inner, shown)
    finally:
        os.close(inner)
    with os.fdopen(descriptor, "rb") as reading:
        yield reading


@contextmanager
def opened_as_named(path: Path) -> Iterator[BinaryIO]:
    """Open the file of a path that a person typed; folders on the way may be links, the file itself may not.

    Raises:
        NoOrdinaryFile: as for `opened_below`.
        OSError: it is not there, or may not be read.

    """
    with opened_below(Path(os.path.realpath(path.parent)), Path(path.name)) as reading:
        yield reading


def refuse_unless_ordinary(status: os.stat_result, shown: str) -> None:
    """Raise NoOrdinaryFile with a sentence for the file's owner; `status` is of the name itself, not of its target."""
    _refuse_link(status, shown)
    if stat.S_ISDIR(status.st_mode):
        raise NoOrdinaryFile(f"{shown!r} is a folder, not a file: put the table itself in its place.")
    if not stat.S_ISREG(status.st_mode) or status.st_dev in _kernel_devices():
        raise NoOrdinaryFile(
            f"{shown!r} is no ordinary file (a device, a pipe, a socket or a file of the system). Nothing was read. "
            "Put the table itself in its place."
        )


def _refuse_link(status: os.stat_result, shown: str) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise NoOrdinaryFile(
            f"{shown!r} is a link, or lies behind one. Links are not followed: they can lead to secrets. Nothing was "
            "read. Put the file itself in its place."
        )


def _opened(name: str, folder: int, shown: str) -> int:
    refuse_unless_ordinary(os.stat(name, dir_fd=folder, follow_symlinks=False), shown)  # opening a device can do harm
    try:
        descriptor = os.open(name, _READING, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link or a socket took its place a moment ago
            raise NoOrdinaryFile(f"{shown!r} is no ordinary file any more: nothing was read.") from error
        raise
    try:
        refuse_unless_ordinary(os.fstat(descriptor), shown)
    except FileRefused:
        os.close(descriptor)
        raise
    return descriptor


def _kernel_devices() -> set[int]:
    """Return the devices of the kernel's own folders, where these are mounted."""
    devices = set()
    for folder in _KERNEL_FOLDERS:
        with suppress(OSError):
            if os.path.ismount(folder):
                devices.add(Path(folder).stat().st_dev)
    return devices
