"""`check`: is everything in order to buy? Settings, ledger, folders, disk, key, balance, clock; one line each.

Lives here: the questions, in the order in which a person would mend them. Free; spends nothing.
"""

import asyncio
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from openmart_pipeline.api.client import OpenmartClient
from openmart_pipeline.api.errors import OpenmartError, StopAll, WrongAddress
from openmart_pipeline.api.models import CreditBalance
from openmart_pipeline.cli.exits import Exit, Refusal, plain_sentences
from openmart_pipeline.cli.screen import harmless, results
from openmart_pipeline.cli.workplace import ledger_doubts, workplace
from openmart_pipeline.intake.input_files import DataFolder
from openmart_pipeline.ledger.store import NoLedger
from openmart_pipeline.private_files import written_by_others
from openmart_pipeline.purchase.submit import CLOCK_SKEW_LIMIT_S, FREE_DISK_BYTES
from openmart_pipeline.settings import Settings, SettingsRefused, read_settings
from openmart_pipeline.wiring import make_client

CheckResult = tuple[str, bool, str]  # what was looked at, whether it is in order, what was seen


@click.command()
@click.pass_obj
def check(environment: Mapping[str, str]) -> None:
    """Check settings, ledger, folders, disk, key, balance and clock. Free; spends nothing."""
    screen = results()
    wrong = 0
    with plain_sentences():
        for name, is_fine, seen in _findings(environment):
            wrong += not is_fine
            screen.print(harmless(f"{'ok     ' if is_fine else 'PROBLEM'}  {name:<9}  {seen}"))
    if wrong:
        raise Refusal(f"{wrong} of these must be mended before anything is bought.", Exit.STOPPED)
    screen.print("Everything is in order.")


def _findings(environment: Mapping[str, str]) -> Iterator[CheckResult]:
    settings = read_settings(environment)
    world = "simulated" if settings.is_simulated else settings.api_identity
    yield "settings", True, f"{world} at {settings.base_url}; data in {settings.data_dir}"
    dotenv = settings.home / ".env"
    if (others := written_by_others(dotenv)) is not None:
        yield ".env", False, f"{others}: they could choose your limits and your server. Mend it: chmod 600 {dotenv}"
    yield _ledger(environment, settings)
    data = DataFolder(settings.data_dir)
    for folder in (data.input, data.path):
        is_writable = os.access(_there(folder), os.W_OK)
        yield "folder", is_writable, f"{folder}" if is_writable else f"{folder} can't be written: mend its permissions."
    free = shutil.disk_usage(_there(data.path)).free
    yield "disk", free >= FREE_DISK_BYTES, f"{free >> 20:,} MB free, {FREE_DISK_BYTES >> 20} MB needed to buy"
    yield from _schedules(environment, settings)
    yield from _account(settings)


def _ledger(environment: Mapping[str, str], settings: Settings) -> CheckResult:
    """Hold the ledger against its journal; none is made where none is."""
    try:
        with workplace(environment) as (_settings, work):
            doubts = ledger_doubts(settings, work)
    except NoLedger:
        return "ledger", True, f"none yet at {settings.ledger_path}: the first quote or run makes it"
    return "ledger", not doubts, " ".join(doubts) or str(settings.ledger_path)


def _there(folder: Path) -> Path:
    """Return the folder, or the nearest above it that exists: nothing is made to be looked at."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


def _account(settings: Settings) -> Iterator[CheckResult]:
    try:
        client = make_client(settings)
    except SettingsRefused as error:
        yield "key", False, str(error)
        return
    try:
        balance = asyncio.run(_balance(client))
    except StopAll as error:
        yield ("server" if isinstance(error, WrongAddress) else "key"), False, str(error)
        return
    except OpenmartError as error:
        yield "server", False, f"{error} Is it up, and is its address right (OPENMART_BASE_URL)?"
        return
    yield "key", True, "accepted"
    floor = settings.balance_floor
    is_enough = floor is None or balance.is_unlimited or balance.balance is None or balance.balance >= floor
    yield "balance", is_enough, _balance_text(balance, floor)
    skew_s = client.clock_skew_s
    if skew_s is not None:
        yield "clock", abs(skew_s) <= CLOCK_SKEW_LIMIT_S, f"{abs(skew_s):.0f} s from the server's"


def _schedules(environment: Mapping[str, str], settings: Settings) -> Iterator[CheckResult]:
    """Say of the schedules that spend whether they are on, where Dagster was ever started for this data folder."""
    home = Path(environment.get("DAGSTER_HOME") or DataFolder(settings.data_dir).dagster_home)
    if not (home / "dagster.yaml").is_file():
        return
    from openmart_pipeline.defs.switched_on import spending_schedules  # noqa: PLC0415  two seconds, for who has Dagster

    try:
        running = spending_schedules(home)
    except Exception as error:  # noqa: BLE001  whatever Dagster raises: the other questions are asked all the same
        yield "schedules", False, f"Dagster in {home} could not be asked which are on ({type(error).__name__}: {error})"
        return
    on = ", ".join(running) or "none that spends is on"
    if running and settings.credits_per_run is not None and settings.credits_per_day is None:
        each = f"each may spend {settings.credits_per_run:,.0f} credits for every file"
        yield "schedules", False, f"{on}: {each}, and nothing bounds all files together. Set OPENMART_CREDITS_PER_DAY."
    else:
        yield "schedules", True, on


def _balance_text(balance: CreditBalance, floor: float | None) -> str:
    if balance.is_unlimited:
        return "unlimited (the server says 10000, which is a sentinel)"
    said = "not readable" if balance.balance is None else f"{balance.balance:,} credits"
    return said if floor is None else f"{said}, floor {floor:,.0f} (OPENMART_BALANCE_FLOOR)"


async def _balance(client: OpenmartClient) -> CreditBalance:
    async with client.reader() as reader:
        return await reader.credit_balance()
