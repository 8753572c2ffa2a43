"""The settings: every environment variable the project reads, its default, and what a wrong value is told.

Lives here: the only place that looks at environment variables, and only when asked to. No other rules.
"""

import datetime as dt
import hashlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from openmart_pipeline.api.addresses import checked_base_url, is_loopback
from openmart_pipeline.collection.poll import StallPolicy
from openmart_pipeline.home import HomeUnknown, data_folder, home_folder, registry_path
from openmart_pipeline.ledger.plans import Lifetimes
from openmart_pipeline.model.prices import CREDITS, USD, Price, PriceTable

SQLITE = "sqlite:///"
SIMULATED_KEY = "simulated"  # the simulator takes any key
SIMULATED = "simulated"  # the API identity of every loopback server, and its folder below the data folder
LEAST_KEY = 8  # characters; something shorter may be part of an address by chance
UNKNOWN_PRICE = "unknown"
MOST_CREDITS = 10**12  # more is a slip of the keyboard
LEAST_PRICE = {CREDITS: 0.01, USD: 0.0001}  # the cheapest look-up that anybody names costs 0.3 credits
MOST_DAYS = 36_500  # a hundred years: beyond some thousand, dates can't be reckoned
T = TypeVar("T")
_PRICE = re.compile(
    r"(?P<amount>[\d.,_]+)\s*(?P<unit>[A-Za-z$]+)\s*;\s*(?P<source>[^;]*[^;\s])\s*;\s*(?P<as_of>[\d-]+)"
)
_DATES = ("%Y-%m-%d", "%Y-%m")


class SettingsRefused(Exception):
    """A setting is missing or wrong; the sentence names it and says what to write."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable, as the README lists it."""

    name: str
    default: str
    meaning: str


SETTINGS = (
    Setting("OPENMART_API_KEY", "", "The key. Needed to buy or collect, never to plan."),
    Setting("OPENMART_BASE_URL", "https://api.openmart.ai", "The API's address; plain http only to this machine."),
    Setting("OPENMART_SIMULATOR_URL", "", "Use this simulator, its own data folder and no key, whatever else is set."),
    Setting(
        "OPENMART_HOME",
        "the project's folder",
        "Absolute folder of .env and data; of an installed package ~/.local/share/openmart_pipeline. Not for .env.",
    ),
    Setting(
        "OPENMART_DATA_DIR",
        "data",
        "Folder of input files, ledger, warehouse and published database; a relative one lies in the home folder.",
    ),
    Setting(
        "OPENMART_LEDGER_URL",
        "ledger.sqlite in the data folder",
        "Another place for the ledger: sqlite:///FILE; a relative FILE lies in the home folder.",
    ),
    Setting(
        "OPENMART_LEDGER_DISK_LASTS",
        "no",
        "`yes`: you know that the ledger's disk lasts, although it is none of the usual local ones.",
    ),
    Setting(
        "OPENMART_CREDITS_PER_RUN", "", "Most estimated credits one run may commit; schedules buy nothing without."
    ),
    Setting("OPENMART_CREDITS_PER_DAY", "", "Most estimated credits per UTC day, over all files."),
    Setting("OPENMART_CREDITS_TOTAL", "", "Most estimated credits in all, for ever."),
    Setting("OPENMART_BALANCE_FLOOR", "", "Buy nothing while the account's balance is below this many credits."),
    Setting(
        "OPENMART_PRICE_PER_EMAIL",
        "3 credits; third-party notes, unconfirmed; 2026-11",
        "Our estimate for an e-mail found: number and unit; source; date. Shown with every quote.",
    ),
    Setting(
        "OPENMART_PRICE_PER_PHONE",
        "8 credits; third-party notes, unconfirmed; 2026-11",
        "The same for a contact with a phone, however many numbers. `unknown` for either: then nothing is bought.",
    ),
    Setting(
        "OPENMART_PRICE_PER_CREDIT",
        "",
        "What a credit costs you, such as `0.03 USD; contract; 2026-11`. Quotes show dollars only where it is set.",
    ),
    Setting("OPENMART_FOUND_LIFETIME_DAYS", "180", "A found answer older than this is due for refresh."),
    Setting("OPENMART_EMPTY_LIFETIME_DAYS", "30", "A nothing-found answer older than this is due for refresh."),
    Setting(
        "OPENMART_PURGE_AFTER_DAYS", "", "Age at which `purge_old_answers_daily`, once switched on, removes answers."
    ),
    Setting("OPENMART_ERRORED_ASKS", "1", "How often a question that ended badly may be asked again."),
    Setting(
        "OPENMART_STALLED_AFTER_HOURS", "24", "A batch not ready after this long is called stalled, and asked daily."
    ),
    Setting("OPENMART_HIT_RATE_FLOOR", "0.3", "A file whose questions find somebody more seldom turns a check yellow."),
    Setting("OPENMART_VERIFIED_RATE_FLOOR", "0.5", "The same for the share of its e-mail addresses that are verified."),
    Setting("OPENMART_REQUESTS_PER_S", "15; unlimited on this machine", "Most requests per second, all processes."),
    Setting("OPENMART_SUBMIT_CONCURRENCY", "8", "Submits under way at a time, 1 to 25."),
    Setting("OPENMART_READ_CONNECTIONS", "25", "Connections for polls and results, 1 to 64."),
    Setting("OPENMART_PURPOSE", "", "What people's data are used for, as `subject` tells them on request."),
    Setting("OPENMART_RECIPIENTS", "", "Who gets people's data, as `subject` tells them."),
    Setting("OPENMART_RETENTION", "", "How long people's data are kept, as `subject` tells them."),
    Setting("OPENMART_SHARED_PLATFORMS", "", "More domains whose pages are no companies, separated by commas."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that is configured, checked. The key is in no text made of it."""

    home: Path  # holds `.env`
    data_dir: Path
    registry_path: Path | None  # which ledger buys with which key on this machine; None: the user has no home
    disk_lasts: bool
    base_url: str
    api_key: str | None
    is_simulated: bool  # chosen by OPENMART_SIMULATOR_URL
    ledger_url: str
    credits_per_run: float | None
    credits_per_day: float | None
    credits_total: float | None
    balance_floor: float | None
    prices: PriceTable
    lifetimes: Lifetimes
    purge_after_days: float | None  # unset: nothing is removed by itself
    stall_policy: StallPolicy
    hit_rate_floor: float
    verified_rate_floor: float
    requests_per_s: float | None
    submit_concurrency: int
    read_connections: int
    shared_platforms: frozenset[str]
    purpose: str | None
    recipients: str | None
    retention: str | None

    def __repr__(self) -> str:
        """Name the world, never the key."""
        return f"Settings({self.base_url!r}, {str(self.data_dir)!r})"

    @property
    def ledger_path(self) -> Path:
        """The ledger's file."""
        return Path(self.ledger_url.removeprefix(SQLITE))

    @property
    def api_identity(self) -> str:
        """What a ledger belongs to: the host and its base path, or `simulated` for any server on this machine."""
        address = urlsplit(self.base_url)
        return SIMULATED if is_loopback(self.base_url) else address.netloc.lower() + address.path.rstrip("/")

    @property
    def key_hash(self) -> str:
        """A short hash of the key, kept with each batch: another key can't ask about it."""
        return hashlib.blake2b((self.api_key or "").encode(), digest_size=4, person=b"openmart-key").hexdigest()

    def key_or_refuse(self) -> str:
        """Return the key.

        Raises:
            SettingsRefused: there is none; the sentence says where to put it.

        """
        if self.api_key is None:
            raise SettingsRefused(
                "OPENMART_API_KEY is not set, so nothing can be bought or collected. Put the key into .env (see "
                ".env.example) or the environment; or try everything without one: make demo."
            )
        return self.api_key


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Return the settings of this environment.

    Raises:
        SettingsRefused: a value is wrong; the sentence names its setting.

    """
    read = _Reader(environment)
    simulator = read.text("OPENMART_SIMULATOR_URL")
    try:
        home, data_dir = home_folder(environment), data_folder(environment)
    except HomeUnknown as error:
        raise SettingsRefused(f"{error} Nothing was read or bought.") from None
    if simulator is not None:
        data_dir = data_dir / SIMULATED
        base_url = read.checked("OPENMART_SIMULATOR_URL", simulator, checked_base_url)
        if not is_loopback(base_url):
            raise SettingsRefused("OPENMART_SIMULATOR_URL must be an address on this machine.")
    else:
        address = read.text("OPENMART_BASE_URL") or "https://api.openmart.ai"
        base_url = read.checked("OPENMART_BASE_URL", address, checked_base_url)
        key = read.text("OPENMART_API_KEY") or ""
        if len(key) >= LEAST_KEY and key in unquote(base_url):
            raise SettingsRefused(
                "OPENMART_BASE_URL holds the key, and addresses are shown and logged. Take it out of the address: it "
                "belongs into OPENMART_API_KEY alone. Nothing was sent."
            )
    requests_per_s = read.number("OPENMART_REQUESTS_PER_S", None, least=0.01, most=10_000)
    return Settings(
        home=home,
        data_dir=data_dir,
        registry_path=registry_path(environment),
        disk_lasts=read.yes("OPENMART_LEDGER_DISK_LASTS"),
        base_url=base_url,
        api_key=SIMULATED_KEY if simulator is not None else read.text("OPENMART_API_KEY"),
        is_simulated=simulator is not None,
        ledger_url=_ledger_url(None if simulator is not None else read.text("OPENMART_LEDGER_URL"), home, data_dir),
        credits_per_run=read.number("OPENMART_CREDITS_PER_RUN", None),
        credits_per_day=read.number("OPENMART_CREDITS_PER_DAY", None),
        credits_total=read.number("OPENMART_CREDITS_TOTAL", None),
        balance_floor=read.number("OPENMART_BALANCE_FLOOR", None),
        prices=PriceTable(
            email=read.price("OPENMART_PRICE_PER_EMAIL", CREDITS),
            phone=read.price("OPENMART_PRICE_PER_PHONE", CREDITS),
            credit=read.price("OPENMART_PRICE_PER_CREDIT", USD),
        ),
        lifetimes=Lifetimes(
            found=dt.timedelta(days=read.number("OPENMART_FOUND_LIFETIME_DAYS", 180.0, most=MOST_DAYS)),
            empty=dt.timedelta(days=read.number("OPENMART_EMPTY_LIFETIME_DAYS", 30.0, most=MOST_DAYS)),
            errored_asks=read.whole("OPENMART_ERRORED_ASKS", 1, least=0, most=10),
        ),
        purge_after_days=read.number("OPENMART_PURGE_AFTER_DAYS", None, least=1, most=MOST_DAYS),
        stall_policy=StallPolicy(
            stalled_after=dt.timedelta(hours=read.number("OPENMART_STALLED_AFTER_HOURS", 24.0, most=24 * MOST_DAYS))
        ),
        hit_rate_floor=read.number("OPENMART_HIT_RATE_FLOOR", 0.3, most=1),
        verified_rate_floor=read.number("OPENMART_VERIFIED_RATE_FLOOR", 0.5, most=1),
        requests_per_s=requests_per_s if requests_per_s is not None else (None if is_loopback(base_url) else 15.0),
        submit_concurrency=read.whole("OPENMART_SUBMIT_CONCURRENCY", 8, least=1, most=25),
        read_connections=read.whole("OPENMART_READ_CONNECTIONS", 25, least=1, most=64),
        shared_platforms=frozenset(
            filter(None, (read.text("OPENMART_SHARED_PLATFORMS") or "").replace(" ", "").split(","))
        ),
        purpose=read.text("OPENMART_PURPOSE"),
        recipients=read.text("OPENMART_RECIPIENTS"),
        retention=read.text("OPENMART_RETENTION"),
    )


def _ledger_url(chosen: str | None, home: Path, data_dir: Path) -> str:
    """Return the ledger's address with a path that holds in any folder; another database's stays as it is."""
    if chosen is None:
        return f"{SQLITE}{data_dir / 'ledger.sqlite'}"
    path = chosen.removeprefix(SQLITE)
    return f"{SQLITE}{home / path}" if path and chosen.startswith(SQLITE) else chosen


class _Reader:
    """Reads single values; an empty variable is an unset one."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str) -> str | None:
        return self._environment.get(name, "").strip() or None

    def checked(self, name: str, value: str, check: Callable[[str], str]) -> str:
        try:
            return check(value)
        except ValueError as error:
            raise SettingsRefused(f"{name}: {error}") from None

    def number(self, name: str, default: T, *, least: float = 0, most: float = MOST_CREDITS) -> float | T:
        """Read a number within bounds."""
        text = self.text(name)
        if text is None:
            return default
        try:
            value = float(text.replace("_", ""))
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise SettingsRefused(
                f"{name} is {text!r}: write a number from {least:,} to {most:,}, without a unit, or leave it unset."
            )
        return value

    def price(self, name: str, unit: str) -> Price | None:
        """Read a price with its unit, source and date; None where it is unknown."""
        text = self.text(name) or next(setting.default for setting in SETTINGS if setting.name == name)
        if text.lower() in ("", UNKNOWN_PRICE):
            return None
        found = _PRICE.fullmatch(text)
        amount = _amount(found["amount"]) if found else None
        if amount is not None and amount < LEAST_PRICE[unit]:
            raise SettingsRefused(
                f"{name} is {text!r}: less than {LEAST_PRICE[unit]} {unit} is no price, and every limit on credits "
                f"would let millions of questions pass. Write what it costs, or `{UNKNOWN_PRICE}`: then nothing is "
                "bought. To leave a kind out, ask for info_access EMAIL or PHONE."
            )
        if found is None or amount is None or not _is_unit(found["unit"], unit) or not _is_date(found["as_of"]):
            raise SettingsRefused(
                f"{name} is {text!r}: write number and unit, where it comes from, and as of when, such as "
                f"`0.5 {unit}; invoice 2026-118; 2026-11-30`, or `{UNKNOWN_PRICE}`."
            )
        return Price(amount=amount, unit=unit, source=found["source"], as_of=found["as_of"])

    def yes(self, name: str) -> bool:
        text = (self.text(name) or "no").lower()
        if text not in ("yes", "no"):
            raise SettingsRefused(f"{name} is {text!r}: write yes or no.")
        return text == "yes"

    def whole(self, name: str, default: int, *, least: int, most: int) -> int:
        text = self.text(name)
        if text is None:
            return default
        if not text.isdecimal() or not least <= int(text) <= most:
            raise SettingsRefused(f"{name} is {text!r}: write a whole number from {least} to {most}.")
        return int(text)


def _amount(text: str) -> float | None:
    try:
        amount = float(text.replace("_", ""))
    except ValueError:
        return None
    return amount if amount <= MOST_CREDITS else None


def _is_unit(written: str, unit: str) -> bool:
    return written.lower().removesuffix("s") == unit.lower().removesuffix("s")


def _is_date(text: str) -> bool:
    for form in _DATES:
        try:
            dt.datetime.strptime(text, form).replace(tzinfo=dt.UTC)
        except ValueError:
            continue
        return True
    return False
