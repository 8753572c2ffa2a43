"""The input folder: its files, their names as partition keys, and copies by content that work happens on.

Lives here: bytes and names. What is inside a file is the business of `companies`.
Imports `refusals` only.
"""

import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from openmart_pipeline.enrichment.refusals import FileRefused

KEY_BYTES_LIMIT = 200  # longer partition keys overflow file names elsewhere in Dagster
_CHUNK_BYTES = 1 << 20
_COPY_TRIES = 3
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

    def __init__(self, path: Path) -> None:
        """Name the folders; nothing is made yet."""
        self.path = path
        self.input = path / "input"
        self.files = path / "files"
        self.owners = path / "owners"
        self.journal = path / "submissions.jsonl"
        self.suppression_key = path / "suppression.key"
        self.warehouse = path / "warehouse.duckdb"
        self.published = path / "published" / "contacts.duckdb"
        self.dagster_home = path / "dagster_home"

    def source(self, partition_key: str) -> Path:
        """Return the user's file of that key, refusing one that leads out of the input folder.

        Raises:
            FileRefused: it would.

        """
        relative = path_of(partition_key)
        path = self.input / relative
        try:
            is_inside = path.resolve().is_relative_to(self.input.resolve())
        except (OSError, RuntimeError) as error:  # links that lead to each other
            raise FileRefused(f"{partition_key!r} can't be followed: it is a link that leads nowhere.") from error
        # A person may link a file into the folder; a name that climbs out of it is no such link.
        is_linked = path.is_symlink() and ".." not in relative.parts and not relative.is_absolute()
        if not is_inside and not is_linked:
            raise FileRefused(f"{partition_key!r} leads out of the input folder: nothing was read.")
        return path

    def listed(self) -> Iterator[Path]:
        """Yield every file below the input folder, by name, hidden ones left out; links to folders are not followed."""
        for folder, folders, names in os.walk(self.input):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                path = Path(folder, name)
                if not name.startswith((".", "~$")) and path.is_file():
                    yield path

    def key(self, path: Path) -> str:
        """Return the partition key of a file below the input folder."""
        return partition_key_of(path.relative_to(self.input))

    def version(self, partition_key: str) -> FileVersion:
        """Copy the file as it is now under its content's hash, unless that copy is there; return the copy.

        Raises:
            FileRefused: it is gone, unreadable, not a file, or still being written.

        """
        source = self.source(partition_key)
        self.files.mkdir(parents=True, exist_ok=True)
        if not source.is_file():
            what = "is a folder, not a file" if source.is_dir() else "is not in the input folder"
            raise FileRefused(f"{partition_key!r} {what}. What was bought for it stays; put the file there to go on.")
        for _ in range(_COPY_TRIES):
            aside = self.files / f".{uuid.uuid4().hex}"
            try:
                before = _stamp(source)
                digest, size = _copy(source, aside)
                if _stamp(source) != before:
                    continue
                copy = self.files / digest
                if not copy.exists():
                    aside.rename(copy)
                    _sync_folder(self.files)
                return FileVersion(partition_key=partition_key, sha256=digest, path=copy, size_bytes=size)
            except OSError as error:
                raise FileRefused(f"{partition_key!r} can't be copied: {error.strerror or error}.") from error
            finally:
                aside.unlink(missing_ok=True)
        raise FileRefused(f"{partition_key!r} {_CHANGING}")

    def stored(self, partition_key: str, sha256: str) -> FileVersion | None:
        """Return an earlier version's copy, None when it was removed."""
        copy = self.files / sha256
        if not copy.is_file():
            return None
        return FileVersion(partition_key=partition_key, sha256=sha256, path=copy, size_bytes=copy.stat().st_size)

    def current_sha256(self, partition_key: str) -> str | None:
        """Return the hash of the user's file as it is now, None when it is gone."""
        source = self.source(partition_key)
        return _copy(source, None)[0] if source.is_file() else None

    def bring_in(self, source: Path, name: str) -> str:
        """Copy a file from elsewhere into the input folder, written aside and renamed; return its key.

        Raises:
            FileRefused: it can't be read, is still being written, or its name can't be a key.

        """
        target = self.input / name
        key = partition_key_of(Path(name))
        if not source.is_file():
            what = "is a folder" if source.is_dir() else "does not exist"
            raise FileRefused(f"{str(source)!r} {what}: name a CSV, XLSX or Parquet file.")
        if target.exists() and target.samefile(source):
            return key
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{uuid.uuid4().hex}")
        try:
            before = _stamp(source)
            shutil.copyfile(source, aside)
            if _stamp(source) != before:
                raise FileRefused(f"{str(source)!r} {_CHANGING}")
            aside.replace(target)
        except OSError as error:
            raise FileRefused(f"{str(source)!r} can't be copied to {self.input}: {error.strerror or error}.") from error
        finally:
            aside.unlink(missing_ok=True)
        return key


def _stamp(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _copy(source: Path, target: Path | None) -> tuple[str, int]:
    """Return hash and size of `source`, copied to `target` and synced where one is given."""
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as reading:
        writing = None if target is None else target.open("wb")
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
