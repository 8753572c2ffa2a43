"""From settings to the objects that do the work: opened here, closed here.

Lives here: one context manager for everything that plans, one function for what buys. No rules.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa

from openmart_pipeline.api.client import OpenmartClient
from openmart_pipeline.api.rate_limiter import NO_RATE_LIMIT, RateLimiter
from openmart_pipeline.intake.input_files import DataFolder
from openmart_pipeline.ledger.coordination import SharedRateLimiter
from openmart_pipeline.ledger.freezes import Surroundings
from openmart_pipeline.ledger.journal import SubmissionJournal
from openmart_pipeline.ledger.key_registry import KeyRegistry
from openmart_pipeline.ledger.owners import Owner
from openmart_pipeline.ledger.store import Ledger, NoLedger
from openmart_pipeline.ledger.suppressions import SuppressionList
from openmart_pipeline.model.prices import Budget
from openmart_pipeline.private_files import close_to_others, make_folder, private_umask
from openmart_pipeline.services import ApiSession, Services
from openmart_pipeline.settings import SIMULATED, Settings, SettingsRefused
from openmart_pipeline.warehouse import Warehouse


@contextmanager
def open_workplace(settings: Settings, *, actor: str, makes: bool = True) -> Iterator[Services]:
    """Open the ledger and everything beside it; needs neither a key nor the network.

    Args:
        settings: checked.
        actor: who moves, for the history: `cli` or `dagster`.
        makes: a ledger and folders that are missing are made. Whoever only reads makes none: an empty ledger in a
            wrong folder would answer that nothing was bought and that nobody is known.

    Raises:
        NoLedger: there is none, and none is to be made.
        LedgerRefused: the ledger can't be used as it is.

    """
    _refuse_out_of_reach(settings)
    if not makes:
        refuse_without_ledger(settings)
    # Arrow's own pool keeps what it was lent: a fifth of a run's memory.
    pa.set_memory_pool(pa.system_memory_pool())
    data = DataFolder(settings.data_dir, private=(settings.home / ".env", settings.ledger_path))
    with private_umask():
        try:
            if makes:
                make_folder(data.input)
            close_to_others(
                folders=(data.files, data.owners, data.dagster_home),
                files=(settings.ledger_path, data.journal, data.suppression_key, data.warehouse),
            )
            owner = Owner(data.owners)
        except OSError as error:
            raise _out_of_reach(settings.data_dir, error) from error
        try:
            ledger = Ledger(settings.ledger_url, owner, api_identity=settings.api_identity, actor=actor)
            try:
                yield Services(
                    data=data,
                    ledger=ledger,
                    journal=SubmissionJournal(data.journal, ledger),
                    surroundings=surroundings(settings),
                    suppressions=SuppressionList(ledger, data.suppression_key),
                    warehouse=Warehouse(data.warehouse, data.published),
                    prices=settings.prices,
                    lifetimes=settings.lifetimes,
                    stall_policy=settings.stall_policy,
                    budget=Budget(
                        approved=0.0,
                        per_run=settings.credits_per_run,
                        per_day=settings.credits_per_day,
                        in_total=settings.credits_total,
                    ),
                    balance_floor=settings.balance_floor,
                    hit_rate_floor=settings.hit_rate_floor,
                    verified_rate_floor=settings.verified_rate_floor,
                    requests_per_s=settings.requests_per_s,
                    submit_concurrency=settings.submit_concurrency,
                    read_connections=settings.read_connections,
                    api_host=urlsplit(settings.base_url).netloc,
                    key_hash=settings.key_hash,
                    shared_platforms=settings.shared_platforms,
                )
            finally:
                ledger.close()
        finally:
            owner.close()


def surroundings(settings: Settings) -> Surroundings:
    """Return what is known of other ledgers, and of the disk."""
    registry = None if settings.registry_path is None else KeyRegistry(settings.registry_path)
    is_real = settings.api_identity != SIMULATED
    return Surroundings(is_real=is_real, registry=registry, disk_lasts=settings.disk_lasts)


def refuse_without_ledger(settings: Settings) -> None:
    """Look whether there is a ledger; nothing is made.

    Raises:
        NoLedger: there is none.

    """
    path = settings.ledger_path
    if path.is_file() and path.stat().st_size:
        return
    raise NoLedger(
        f"There is no ledger at {path}, so nothing was searched and nothing is known here about anybody or anything. "
        "Nothing was made. Is OPENMART_DATA_DIR the right folder? The first quote or run makes a ledger there."
    )


def open_session(settings: Settings, work: Services) -> ApiSession:
    """Return the API client, paced together with every other process on this ledger.

    Raises:
        SettingsRefused: no key, or one that can't be one.

    """
    rate_limiter = (
        NO_RATE_LIMIT if settings.requests_per_s is None else SharedRateLimiter(work.ledger, settings.requests_per_s)
    )
    return ApiSession(client=make_client(settings, rate_limiter), rate_limiter=rate_limiter)


def make_client(settings: Settings, rate_limiter: RateLimiter = NO_RATE_LIMIT) -> OpenmartClient:
    """Return the API client alone: for one free question, where there is no ledger to pace it by.

    Raises:
        SettingsRefused: no key, or one that can't be one.

    """
    key = settings.key_or_refuse()
    try:
        return OpenmartClient(settings.base_url, key, rate_limiter=rate_limiter, connections=settings.read_connections)
    except ValueError as error:  # a space or a line break in it: nothing that a server would take
        raise SettingsRefused(f"OPENMART_API_KEY can't be used: {error} Nothing was bought.") from None


def _refuse_out_of_reach(settings: Settings) -> None:
    """Refuse what lies behind a link that leads to itself: it would be taken for something that is not made yet."""
    for path in (settings.data_dir, settings.ledger_path):
        try:
            path.stat()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise _out_of_reach(path, error) from error


def _out_of_reach(path: Path, error: OSError) -> SettingsRefused:
    return SettingsRefused(
        f"{path} can't be used ({error.strerror or error}). Nothing was read or bought. Is it a link that leads to "
        "itself, or may this program not write there?"
    )
