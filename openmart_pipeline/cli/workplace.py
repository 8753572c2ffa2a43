"""Opening the workplace for a command.

Lives here: the command line's use of the wiring. No rules.
Imports `settings` and `wiring`.
"""

import datetime as dt
import getpass
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from openmart_pipeline.cli.exits import Refusal
from openmart_pipeline.cli.screen import harmless, remarks
from openmart_pipeline.enrichment.ledger import audit
from openmart_pipeline.enrichment.ledger.store import LedgerRefused
from openmart_pipeline.enrichment.steps import Workplace
from openmart_pipeline.settings import Settings, read_settings
from openmart_pipeline.wiring import open_workplace

ACTOR = "cli"


@contextmanager
def workplace(environment: Mapping[str, str]) -> Iterator[tuple[Settings, Workplace]]:
    """Open everything this environment names, and close it."""
    settings = read_settings(environment)
    with open_workplace(settings, actor=ACTOR) as work:
        yield settings, work


def _ledger_path(settings: Settings) -> Path:
    return Path(settings.ledger_url.removeprefix("sqlite:///"))


def refuse_without_ledger(settings: Settings) -> None:
    """Raise where there is no ledger: a command that only reads makes none."""
    path = _ledger_path(settings)
    if not path.is_file():
        raise Refusal(
            f"There is no ledger at {path}, so nothing is known. Set OPENMART_DATA_DIR to the data folder, or "
            "OPENMART_LEDGER_URL to the ledger."
        )


def record_reading(environment: Mapping[str, str], kind: str, **counts: Any) -> None:
    """Write into the history that somebody read people's data; a ledger that is not there is not made.

    An analyst may read the published database where the ledger can't be written: that is said, and goes on.
    """
    settings = read_settings(environment)
    if not _ledger_path(settings).exists():
        return
    try:
        with open_workplace(settings, actor=ACTOR) as work:
            audit.note(work.ledger, kind, who=person(), **counts)
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
