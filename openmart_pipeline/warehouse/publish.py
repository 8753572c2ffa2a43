"""Publishing: analysts get a copy of the private file, in one step, and never meet a lock.

Lives here: the order of the steps, which is what makes a kill at any of them harmless. No table's contents
but `published_info`.
"""

import datetime as dt
import os
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from openmart_pipeline.private_files import make_folder
from openmart_pipeline.warehouse.compacting import compact
from openmart_pipeline.warehouse.connection import (
    WarehouseFile,
    holds_deleted_rows,
    remove_side_files,
)
from openmart_pipeline.warehouse.definitions_sql import (
    described_view_sql,
    stored_view_sql,
    views_are_described,
)
from openmart_pipeline.warehouse.integrity_check import refuse_nonsense
from openmart_pipeline.warehouse.times import utc
from openmart_pipeline.warehouse.warehouse_errors import WarehouseUnwritable, in_words

# The duckdb command line opens for writing unless told otherwise, and would leave a log beside the file.
PUBLISHED_MODE = 0o444
FOUND_LIFETIME_DAYS = 180  # the defaults of the settings with these names
EMPTY_LIFETIME_DAYS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedInfo:
    """What analysts are told about the database they read."""

    published_at: dt.datetime
    files_complete: int
    files_waiting: int
    found_lifetime_days: int = FOUND_LIFETIME_DAYS
    empty_lifetime_days: int = EMPTY_LIFETIME_DAYS


def publish(
    file: WarehouseFile,
    published_path: Path,
    generation: int,
    info: PublishedInfo,
    on_step: Callable[[str], None],
) -> bool:
    """Put a copy of the private file in the published one's place; False when exactly that is already out.

    Where rows were deleted the private file is rewritten first: neither it nor the copy holds a byte of them.
    Whoever has the old file open keeps reading it. A kill at any step leaves a published file that opens, the
    old or the new one, and a next call that finishes the work.

    Raises:
        WarehouseUnwritable: no space or no permission; the old published file is untouched.
        Nonsense: the tables contradict themselves; the old published file is untouched.

    """
    with file.turn():
        if _is_out(file, published_path, generation):
            return False
        with file.reading() as connection:
            is_rewritten = not holds_deleted_rows(connection)
            are_described = is_rewritten and views_are_described(connection)
        if not is_rewritten:
            compact(file)
        with file.writing() as connection:
            refuse_nonsense(connection)
            if not are_described:
                for statement in described_view_sql():
                    connection.execute(statement)
            connection.execute("DELETE FROM published_info")
            connection.execute(
                "INSERT INTO published_info BY NAME SELECT ? AS publication_id, ? AS generation, ? AS "
                "published_at, ? AS files_complete, ? AS files_waiting, ? AS found_lifetime_days, "
                "? AS empty_lifetime_days",
                [
                    uuid.uuid4().hex,
                    generation,
                    utc(info.published_at),
                    info.files_complete,
                    info.files_waiting,
                    info.found_lifetime_days,
                    info.empty_lifetime_days,
                ],
            )
        on_step("marked")
        file.checkpoint()
        on_step("checkpointed")
        try:
            _replace(file, published_path, on_step)
        except OSError as error:
            raise WarehouseUnwritable(
                f"{published_path.name} could not be replaced ({error.strerror or error}). Analysts still "
                "read the one before, whole. Free some space or mend the permissions, and publish again: "
                "nothing else is needed."
            ) from error
    return True


def _replace(file: WarehouseFile, published: Path, on_step: Callable[[str], None]) -> None:
    make_folder(published.parent)  # analysts may be other users
    copy = published.with_name(published.name + ".publishing")
    _discard(copy)  # of a killed attempt; read-only, so it can't be written over
    try:
        shutil.copyfile(file.path, copy)
        on_step("copied")
        _store_views(file, copy)
        on_step("stored")
        with copy.open("rb+") as written:
            os.fsync(written.fileno())
        copy.chmod(PUBLISHED_MODE)
        on_step("synced")
        # Before the rename: a log of the old file beside the new one makes the new one impossible to open,
        # and a kill between the two steps would leave exactly that. After it too: somebody may have written
        # in between.
        remove_side_files(published)
        on_step("cleared")
        copy.replace(published)
        on_step("replaced")
        remove_side_files(published)
    finally:
        _discard(copy)
    folder = os.open(published.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    on_step("published")


def _store_views(file: WarehouseFile, copy: Path) -> None:
    """Reckon once what everybody will look at, in the copy: the private file changes too often for that."""
    try:
        with file.attached(copy, read_only=False) as connection:
            connection.execute("BEGIN")
            for statement in stored_view_sql():
                connection.execute(statement)
            connection.execute("COMMIT")
            connection.execute("CHECKPOINT")
    except duckdb.Error as error:
        raise in_words(error, copy.name) from error


def _discard(copy: Path) -> None:
    copy.unlink(missing_ok=True)
    remove_side_files(copy)


def published_generation(published_path: Path) -> int | None:
    """Return the generation that analysts read; None when there is none, or none that opens."""
    mark = _mark(published_path)
    return None if mark is None else mark[1]


def _is_out(file: WarehouseFile, published_path: Path, generation: int) -> bool:
    """Whether both files carry the same mark: every change of the private file removes it there."""
    with file.reading() as connection:
        mark = connection.execute("SELECT publication_id, generation FROM published_info").fetchone()
    return mark is not None and mark[1] == generation and mark == _mark(published_path)


def _mark(published_path: Path) -> tuple[str, int] | None:
    if not published_path.exists():
        return None
    try:
        with duckdb.connect(published_path, read_only=True) as connection:
            return connection.execute("SELECT publication_id, generation FROM published_info").fetchone()
    except duckdb.Error:  # damaged, or held by somebody who opened it for writing: publishing again cures both
        return None
