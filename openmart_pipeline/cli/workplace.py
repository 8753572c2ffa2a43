"""Opening the workplace for a command.

Lives here: the command line's use of the wiring. No rules.
"""

import datetime as dt
import getpass
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from openmart_pipeline.cli.screen import harmless, remarks
from openmart_pipeline.intake.input_files import DataFolder
from openmart_pipeline.ledger import audit, freezes, recovery
from openmart_pipeline.ledger.disks import doubt_about
from openmart_pipeline.ledger.store import LedgerRefused, NoLedger
from openmart_pipeline.services import Services
from openmart_pipeline.settings import Settings, read_settings
from openmart_pipeline.wiring import open_workplace

ACTOR = "cli"


@contextmanager
def workplace(environment: Mapping[str, str], *, makes: bool = False) -> Iterator[tuple[Settings, Services]]:
    """Open everything this environment names, and close it; the folder is said first.

    `makes` is for the commands that may begin something: all others refuse where there is no ledger.
    """
    settings = read_settings(environment)
    say_folder(settings)
    with open_workplace(settings, actor=ACTOR, makes=makes) as work:
        yield settings, work


def ledger_doubts(settings: Settings, work: Services) -> list[str]:
    """Return what is wrong with the ledger and what keeps it from buying, in sentences; nothing when all is well."""
    key_hash = None if settings.api_key is None else settings.key_hash
    holds = freezes.doubts(work.ledger, work.journal.path, key_hash, work.surroundings)
    return [*recovery.verify(work.ledger, work.journal), *holds]


def published(environment: Mapping[str, str]) -> Path:
    """Return where the analysts' database of this environment lies; the folder is said first."""
    settings = read_settings(environment)
    say_folder(settings)
    return DataFolder(settings.data_dir).published


def say_folder(settings: Settings) -> None:
    """Say which folder is used, on stderr: another folder is another ledger."""
    world = ""
    if settings.is_simulated:  # where a purchase costs money, a disk that may vanish is refused instead
        doubt = doubt_about(settings.data_dir)
        world = ", the simulated world" + (f", on {doubt}" if doubt else "")
    remarks().print(harmless(f"Data folder: {settings.data_dir}{world}."))


def record_reading(environment: Mapping[str, str], kind: str, **counts: Any) -> None:
    """Write into the history that somebody read people's data; a ledger that is not there is not made.

    An analyst may read the published database where the ledger can't be written: that is said, and goes on.
    """
    settings = read_settings(environment)
    try:
        with open_workplace(settings, actor=ACTOR, makes=False) as work:
            audit.note(work.ledger, kind, who=person(), **counts)
    except NoLedger:
        return
    except (LedgerRefused, OSError) as error:
        remarks().print(harmless(f"Not written into the history: {error}"))


def new_run_id() -> str:
    """Return an id that is this run's alone and tells when it was."""
    return f"cli-{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"


def person() -> str:
    """Return who is asking, for the history."""
    try:
        return f"{ACTOR}:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user without a name
        return ACTOR
