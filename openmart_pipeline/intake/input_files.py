"""The input folder: its files, their names as partition keys, and copies by content that work happens on.

Lives here: bytes and names. What is inside a file is the business of `companies`.
"""

import hashlib
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

from openmart_pipeline.intake.refusals import FileRefused
from openmart_pipeline.intake.regular_files import (
    NoOrdinaryFile,
    opened_as_named,
    opened_below,
    refuse_unless_ordinary,
)

KEY_BYTES_LIMIT = 200  # longer partition keys overflow file names elsewhere in Dagster
_CHUNK_BYTES = 1 << 20
_COPY_TRIES = 3
_SIDE_FILES = ("-wal", "-shm", ".wal")  # of the ledger and the warehouse
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_ASIDE = re.compile(r"\.[0-9a-f]{32}")  # names of copies that are still being written
_LEFT_BEHIND_S = 3600  # no honest copy takes as long
_CHANGING = "is still being written: try again when it has stopped changing."
# What Dagster's partition pickers read as syntax, what breaks lines or terminals, and the escape sign itself.
_ESCAPED = re.compile(r"[%,\[\]|\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]|\.(?=\.\.)")


def partition_key_of(relative: Path) -> str:
    """Return the partition key of a path below the input folder; `path_of` brings it back.

    Raises:
        FileRefused: the name is too long to be a key.

    """
    text = relative.as_posix()
    try:
        text.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(text).decode("utf-8", "replace")
        raise FileRefused(f"{shown!r} is not named in UTF-8: rename the file.") from None
    key = _ESCAPED.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), text)
    if len(key.encode()) > KEY_BYTES_LIMIT:
        raise FileRefused(
            f"The name {key[:60]!r}... has {len(key.encode())} bytes, more than the {KEY_BYTES_LIMIT} a partition "
            "may have: shorten it."
        )
    return key


def path_of(partition_key: str) -> Path:
    """Return the path below the input folder."""
    return Path(unquote(partition_key))


@dataclass(frozen=True, slots=True, kw_only=True)
class FileVersion:
    """A copy of a file, named by its content, that nobody changes any more."""

    partition_key: str
    sha256: str
    path: Path
    size_bytes: int


class DataFolder:
    """Where everything lies: `input/` is the user's, `files/` are our copies."""

    def __init__(self, path: Path, *, private: Sequence[Path] = ()) -> None:
        """Name the folders; nothing is made yet. `private` are more files of ours that are never an input."""
        self.path = path
        self.input = path / "input"
        self.files = path / "files"
        self.owners = path / "owners"
        self.journal = path / "submissions.jsonl"
        self.suppression_key = path / "suppression.key"
        self.warehouse = path / "warehouse.duckdb"
        self.published = path / "published" / "contacts.duckdb"
        self.dagster_home = path / "dagster_home"
        self._private = tuple(private)

    def source(self, partition_key: str) -> Path:
        """Return where the user's file of that key lies, refusing a key that leads out of the input folder.

        For naming the file. To read it, use `version`: what lies there may be a link.

        Raises:
            FileRefused: it would lead out, or no file can have that name.

        """
        relative = path_of(partition_key)
        if relative.is_absolute() or ".." in relative.parts:
            raise FileRefused(f"{partition_key!r} leads out of the input folder: nothing was read.")
        if "\0" in str(relative) or not relative.parts:
            raise FileRefused(f"{partition_key!r} can't be the name of a file: nothing was read.")
        return self.input / relative

    def listed(self) -> Iterator[Path]:
        """Yield everything below the input folder but folders, by name, hidden things left out.

        A link is yielded, also one to a folder, so that it can be refused by name; none is followed.
        """
        for folder, folders, names in os.walk(self.input):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            links = [name for name in folders if Path(folder, name).is_symlink()]
            for name in sorted((*names, *links)):
                if not name.startswith((".", "~$")):
                    yield Path(folder, name)

    def status(self, path: Path) -> os.stat_result:
        """Return the status of an ordinary file below the input folder.

        Raises:
            FileRefused: it is a link, a device or the like, or one of our own private files.
            OSError: it is gone, or can't be looked at.

        """
        status, shown = path.lstat(), path.relative_to(self.input).as_posix()
        refuse_unless_ordinary(status, shown)
        if status.st_nlink > 1:  # looked for in vain in ten thousand files that have one name only
            self._refuse_own(status, shown)
        return status

    def key(self, path: Path) -> str:
        """Return the partition key of a file below the input folder."""
        return partition_key_of(path.relative_to(self.input))

    def version(self, partition_key: str) -> FileVersion:
        """Copy the file as it is now under its content's hash, unless that copy is there; return the copy.

        Raises:
            FileRefused: it is gone, unreadable, not an ordinary file, or still being written.

        """
        self.files.mkdir(parents=True, exist_ok=True)
        for _ in range(_COPY_TRIES):
            aside = self.files / f".{uuid.uuid4().hex}"
            try:
                with self._opened(partition_key) as reading:
                    before = _stamp(reading)
                    digest, size = _copy(reading, aside)
                    if _stamp(reading) != before:
                        continue
                copy = self.files / digest
                if not copy.exists():
                    aside.rename(copy)
                    _sync_folder(self.files)
                return FileVersion(partition_key=partition_key, sha256=digest, path=copy, size_bytes=size)
            except (FileNotFoundError, NotADirectoryError):
                raise FileRefused(
                    f"{partition_key!r} is not in the input folder. What was bought for it stays; put the file there "
                    "to go on."
                ) from None
            except OSError as error:
                raise FileRefused(f"{partition_key!r} can't be copied: {error.strerror or error}.") from error
            finally:
                aside.unlink(missing_ok=True)
        raise FileRefused(f"{partition_key!r} {_CHANGING}")

    @contextmanager
    def _opened(self, partition_key: str) -> Iterator[BinaryIO]:
        """Open the user's file: an ordinary file below the input folder that is none of our own."""
        relative = self.source(partition_key).relative_to(self.input)
        with opened_below(self.input, relative) as reading:
            self._refuse_own(os.fstat(reading.fileno()), partition_key)
            yield reading

    def _refuse_own(self, status: os.stat_result, shown: str) -> None:
        """Refuse our own secrets and records, whatever name a hard link gives them."""
        own = (*self._private, self.journal, self.suppression_key, self.warehouse)
        for path in (*own, *(one.with_name(one.name + suffix) for one in own for suffix in _SIDE_FILES)):
            with suppress(OSError):
                if os.path.samestat(path.stat(), status):
                    raise NoOrdinaryFile(
                        f"{shown!r} is one of this program's own private files (a key, the ledger or the like), not a "
                        "table of companies. Nothing was read. Remove it from there."
                    )

    def stored(self, partition_key: str, sha256: str) -> FileVersion | None:
        """Return an earlier version's copy, None when it was removed."""
        copy = self.files / sha256
        if not copy.is_file():
            return None
        return FileVersion(partition_key=partition_key, sha256=sha256, path=copy, size_bytes=copy.stat().st_size)

    def remove_leftovers(self) -> None:
        """Remove what a process left that was killed while it copied a file: each holds a company file's rows."""
        long_ago = time.time() - _LEFT_BEHIND_S
        for folder in (self.files, self.input):
            for found, _folders, names in os.walk(folder):  # follows no links
                for path in (Path(found, name) for name in names if _ASIDE.fullmatch(name)):
                    if path.lstat().st_mtime < long_ago:
                        path.unlink(missing_ok=True)

    def current_sha256(self, partition_key: str) -> str | None:
        """Return the hash of the user's file as it is now, None when it is gone.

        Raises:
            FileRefused: what lies there is not an ordinary file.

        """
        try:
            with self._opened(partition_key) as reading:
                return _copy(reading, None)[0]
        except (FileNotFoundError, NotADirectoryError):
            return None

    def bring_in(self, source: Path, name: str, check: Callable[[Path], object] = lambda _copy: None) -> str:
        """Copy a file from elsewhere into the input folder, written aside and renamed; return its key.

        `check` is given the copy before anybody else sees it, and may refuse it.

        Raises:
            FileRefused: it can't be read, is not an ordinary file, is still being written, its name can't be a key,
                or `check` refused it.

        """
        target = self.input / name
        key = partition_key_of(Path(name))
        aside = target.with_name(f".{uuid.uuid4().hex}")
        try:
            with opened_as_named(source) as reading:
                before = _stamp(reading)
                self._refuse_own(os.fstat(reading.fileno()), str(source))
                target.parent.mkdir(parents=True, exist_ok=True)
                if not target.parent.resolve().is_relative_to(self.input.resolve()):
                    raise FileRefused(f"{name!r} leads out of the input folder: a folder on the way is a link.")
                if target.exists() and target.samefile(source):
                    return key
                _copy(reading, aside)
                if _stamp(reading) != before:
                    raise FileRefused(f"{str(source)!r} {_CHANGING}")
            check(aside)
            aside.replace(target)
        except (FileNotFoundError, NotADirectoryError):
            raise FileRefused(
                f"{str(source)!r} does not exist: name a CSV, XLSX or Parquet file, or a folder of them."
            ) from None
        except OSError as error:
            raise FileRefused(f"{str(source)!r} can't be copied to {self.input}: {error.strerror or error}.") from error
        finally:
            with suppress(OSError):
                aside.unlink()
        return key


def _stamp(file: BinaryIO) -> tuple[int, int, int]:
    status = os.fstat(file.fileno())
    return status.st_ino, status.st_size, status.st_mtime_ns


def _copy(reading: BinaryIO, target: Path | None) -> tuple[str, int]:
    """Return hash and size of what is read, copied to `target` and synced where one is given."""
    digest, size = hashlib.sha256(), 0
    # Whatever the umask: a file that only its owner may read is not to be read by everybody in its copy.
    writing = None if target is None else os.fdopen(os.open(target, _NEW_FILE, 0o600), "wb")
    try:
        while chunk := reading.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
            if writing is not None:
                writing.write(chunk)
        if writing is not None:
            writing.flush()
            os.fsync(writing.fileno())
    finally:
        if writing is not None:
            writing.close()
    return digest.hexdigest(), size


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
