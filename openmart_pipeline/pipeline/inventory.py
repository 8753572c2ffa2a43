"""The input folder as a whole: which files there are, which can't be used, which are not planned as they are now.

Lives here: questions that several files raise at once, for the sensor, the schedule and the checks. Nothing is read
of a file but its bytes.
"""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from openmart_pipeline.intake.companies import SUFFIXES
from openmart_pipeline.intake.input_files import DataFolder, FileVersion, path_of
from openmart_pipeline.intake.refusals import FileRefused
from openmart_pipeline.ledger import plans
from openmart_pipeline.ledger.ledger_errors import from_json
from openmart_pipeline.ledger.retirement import retired_files
from openmart_pipeline.ledger.schema import events
from openmart_pipeline.ledger.states import FileState
from openmart_pipeline.ledger.store import Ledger
from openmart_pipeline.model.prices import PriceTable

REFUSED = "refuse_file"  # the word of the ledger's history for a file that is no table of companies


@dataclass(frozen=True, slots=True)
class Inventory:
    """What lies in the input folder now."""

    stamps: dict[str, str] = field(default_factory=dict)  # partition key -> changes whenever the file may have
    refused: dict[str, str] = field(default_factory=dict)  # name as found -> a sentence for its owner


def look(data: DataFolder) -> Inventory:
    """Return the files in the input folder by partition key, and those that can't become a partition."""
    inventory = Inventory()
    for path in data.listed():
        try:
            key, status = data.key(path), data.status(path)
            inventory.stamps[_usable(key, path)] = _stamp(status)
        except FileRefused as refused:
            inventory.refused[str(path.relative_to(data.input))] = str(refused)
        except OSError as error:
            inventory.refused[str(path.relative_to(data.input))] = f"It can't be read: {error.strerror or error}."
    return inventory


def _usable(key: str, path: Path) -> str:
    if not path.name.lower().endswith(SUFFIXES):
        raise FileRefused(f"{key!r} is no kind of file that can be read: save the table as CSV or .xlsx.")
    if not os.access(path, os.R_OK):
        raise FileRefused(f"{key!r} may not be read by this program: change its permissions.")
    return key


def _stamp(status: os.stat_result) -> str:
    seen = f"{status.st_ino} {status.st_size} {status.st_mtime_ns}"
    return hashlib.blake2b(seen.encode(), digest_size=5).hexdigest()


def is_planned(data: DataFolder, partition: plans.Partition | None) -> bool:
    """Whether the file's current plan was made from the file as it is now."""
    if partition is None or partition.file_sha256 is None:
        return False
    return data.current_sha256(partition.partition_key) == partition.file_sha256


def is_quoted_with(ledger: Ledger, partition_key: str, prices: PriceTable) -> bool:
    """Whether the file's current plan was quoted with these prices; a plan quoted with others is not bought."""
    plan = plans.current_plan(ledger, partition_key)
    return plan is not None and plan.prices == prices.key


def missing(ledger: Ledger, inventory: Inventory) -> list[str]:
    """Return the files that the ledger knows, that are not retired, and that are not in the input folder."""
    return [
        row.partition_key
        for row in plans.all_partitions(ledger)
        if row.state != FileState.RETIRED
        and row.partition_key not in inventory.stamps
        and str(path_of(row.partition_key)) not in inventory.refused
    ]


def mark_missing(ledger: Ledger, inventory: Inventory) -> list[str]:
    """Mark the files that left the input folder, and those that came back; return what is missing now.

    What is in flight for a missing file goes on, and its answers stay.
    """
    gone = missing(ledger, inventory)
    states = {row.partition_key: row.state for row in plans.all_partitions(ledger)}
    back = {key for key, state in states.items() if state == FileState.MISSING} - set(gone)
    left = {key for key in gone if states[key] == FileState.ACTIVE}
    plans.set_partition_states(
        ledger, {**dict.fromkeys(left, FileState.MISSING), **dict.fromkeys(back, FileState.ACTIVE)}
    )
    return gone


def record_refusal(ledger: Ledger, version: FileVersion, why: str) -> None:
    """Note that this version of a file is no table of companies; said once for each version."""
    if newest_refusals(ledger).get(version.partition_key, ("", ""))[0] == version.sha256:
        return
    with ledger.write() as connection:
        ledger.record(connection, REFUSED, reason=why, partition_key=version.partition_key, file_sha256=version.sha256)


def newest_refusals(ledger: Ledger) -> dict[str, tuple[str, str]]:
    """Return the newest refused version of each file, and why: partition key -> (hash, sentence)."""
    query = sa.select(events.c.detail, events.c.reason).where(events.c.move == REFUSED).order_by(events.c.seq)
    with ledger.read() as connection:
        rows = connection.execute(query).all()
    refusals = {}
    for detail, reason in rows:
        about = from_json(detail)
        refusals[about["partition_key"]] = (about["file_sha256"], reason)
    return refusals


def unreadable(data: DataFolder, ledger: Ledger) -> dict[str, str]:
    """Return every file in the folder that can't be used as it is now, with the sentence for its owner."""
    inventory, retired = look(data), retired_files(ledger)
    found = dict(inventory.refused)
    for key, (sha256, why) in newest_refusals(ledger).items():
        if key in inventory.stamps and key not in retired and data.current_sha256(key) == sha256:
            found[key] = why
    return found
