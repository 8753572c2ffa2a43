"""A setting that can't be what it says is refused at start, by its name; nothing is guessed about money."""

import pytest

from openmart_pipeline.settings import SETTINGS, SettingsRefused, read_settings

WRONG = [
    ("OPENMART_CREDITS_PER_RUN", "-1"),
    ("OPENMART_CREDITS_PER_DAY", "-0.01"),
    ("OPENMART_CREDITS_TOTAL", "ten"),
    ("OPENMART_CREDITS_TOTAL", "nan"),
    ("OPENMART_CREDITS_PER_RUN", "inf"),
    ("OPENMART_CREDITS_PER_RUN", "1000 credits"),
    ("OPENMART_BALANCE_FLOOR", "1,000"),
    ("OPENMART_PRICE_PER_EMAIL", "3"),
    ("OPENMART_PRICE_PER_EMAIL", "3 credits"),
    ("OPENMART_PRICE_PER_EMAIL", "3 credits; invoice"),
    ("OPENMART_PRICE_PER_EMAIL", "3; invoice; 2026-11"),
    ("OPENMART_PRICE_PER_EMAIL", "3 USD; invoice; 2026-11"),
    ("OPENMART_PRICE_PER_EMAIL", "-3 credits; invoice; 2026-11"),
    ("OPENMART_PRICE_PER_EMAIL", "3,5 credits; invoice; 2026-11"),
    ("OPENMART_PRICE_PER_PHONE", "eight credits; invoice; 2026-11"),
    ("OPENMART_PRICE_PER_PHONE", "8 credits; invoice; last year"),
    ("OPENMART_PRICE_PER_PHONE", "8 credits; invoice; 2026-13"),
    ("OPENMART_PRICE_PER_EMAIL", "0 credits; invoice; 2026-11"),
    ("OPENMART_PRICE_PER_EMAIL", "0.000000000001 credits; invoice; 2026-11"),
    ("OPENMART_PRICE_PER_PHONE", "0.00 credits; invoice; 2026-11"),
    ("OPENMART_PRICE_PER_PHONE", "0.009 credits; invoice; 2026-11"),
    ("OPENMART_PRICE_PER_CREDIT", "0 USD; contract; 2026-11"),
    ("OPENMART_PRICE_PER_CREDIT", "0.03"),
    ("OPENMART_PRICE_PER_CREDIT", "0.03 credits; contract; 2026-11"),
    ("OPENMART_FOUND_LIFETIME_DAYS", "half a year"),
    ("OPENMART_EMPTY_LIFETIME_DAYS", "-30"),
    ("OPENMART_EMPTY_LIFETIME_DAYS", "30d"),
    ("OPENMART_ERRORED_ASKS", "-1"),
    ("OPENMART_STALLED_AFTER_HOURS", "a day"),
    ("OPENMART_REQUESTS_PER_S", "0"),
    ("OPENMART_SUBMIT_CONCURRENCY", "0"),
    ("OPENMART_SUBMIT_CONCURRENCY", "2.5"),
    ("OPENMART_READ_CONNECTIONS", "65"),
    ("OPENMART_BASE_URL", "http://api.openmart.ai"),
    ("OPENMART_SIMULATOR_URL", "https://api.openmart.ai"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_is_refused_with_the_name_of_its_setting(name: str, value: str) -> None:
    with pytest.raises(SettingsRefused, match=name):
        read_settings({name: value})


def test_the_defaults_listed_are_the_defaults_read() -> None:
    unset = read_settings({})
    written = read_settings({setting.name: setting.default for setting in SETTINGS if "; unlimited" not in setting.default
                             and " folder" not in setting.default})  # fmt: skip
    assert unset == written
    assert (unset.lifetimes.found.days, unset.lifetimes.empty.days, unset.lifetimes.errored_asks) == (180, 30, 1)
    assert (unset.requests_per_s, unset.submit_concurrency) == (15, 8)
    assert unset.credits_per_run is unset.credits_per_day is unset.credits_total is unset.balance_floor is None


def test_the_prices_shipped_are_said_to_be_unconfirmed() -> None:
    assert read_settings({}).prices.source == (
        "an e-mail 3 credits (third-party notes, unconfirmed; 2026-11), "
        "a phone 8 credits (third-party notes, unconfirmed; 2026-11)"
    )


def test_a_price_carries_its_unit_source_and_date() -> None:
    prices = read_settings(
        {
            "OPENMART_PRICE_PER_EMAIL": "2.5 Credits; invoice 2026-118; 2026-11-30",
            "OPENMART_PRICE_PER_PHONE": "unknown",
            "OPENMART_PRICE_PER_CREDIT": "0.03 usd; list price; 2026-10",
        }
    ).prices
    assert prices.source == (
        "an e-mail 2.5 credits (invoice 2026-118; 2026-11-30), a phone unknown, a credit 0.03 USD (list price; 2026-10)"
    )
    assert (prices.cost(emails=2, phones=0), prices.cost(emails=2, phones=1), prices.usd(100)) == (5.0, None, 3.0)
