"""F32: whatever the balance route says: one stated policy, seen by the person, and never a crash.

The floor binds where there is a number below it. The sentinel of unlimited keys is no number; where none can be read,
buying goes on, since the account itself refuses what it can't pay, and the report says that no floor binds.
"""

import click
import pytest

from openmart_pipeline.purchase.rules import Stop
from openmart_pipeline_tests.cli.terminal import Terminal
from openmart_pipeline_tests.faults.shop import Shop, in_batches
from openmart_pipeline_tests.ledger.desk import Desk
from openmart_pipeline_tests.money import assert_accounts_agree

FLOOR = 50_000  # above the sentinel, which must not be taken for an amount


@pytest.mark.parametrize(
    ("balance", "stop", "says"),
    [
        (10_000, Stop.DONE, ""),
        (9_999, Stop.BUDGET, "9,999 credits, below the floor of 50,000"),
        (-5, Stop.BUDGET, "-5 credits, below the floor"),
        (None, Stop.DONE, "no floor binds"),
        ("plenty", Stop.DONE, "no floor binds"),
    ],
)
def test_the_floor_binds_where_there_is_a_number_below_it(
    desk: Desk, shop: Shop, balance: object, stop: Stop, says: str
) -> None:
    plan = in_batches(desk, [2])
    shop.behave(balance_says=balance)
    report = desk.buy(plan, balance_floor=FLOOR)
    assert (report.stop, shop.submits) == (stop, int(stop is Stop.DONE))
    said = [report.sentence, *report.warnings]
    assert any(says in sentence for sentence in said)
    assert len(report.warnings) == int("no floor binds" in says)
    assert_accounts_agree(desk, shop.simulator, since=shop.since)


@pytest.mark.parametrize("fault", ["503", "404", "429", "reset", "html"])
def test_a_balance_that_can_not_be_read_is_said_and_stops_nothing(desk: Desk, shop: Shop, fault: str) -> None:
    plan = in_batches(desk, [2])
    shop.fails(**{f"balance_{fault}": "always"})
    report = desk.buy(plan, balance_floor=FLOOR)
    assert (report.stop, shop.submits) == (Stop.DONE, 1)
    assert ["no floor binds" in warning for warning in report.warnings] == [True]


def test_without_a_floor_no_balance_matters(desk: Desk, shop: Shop) -> None:
    for balance in (10_000, -5, None):
        shop.behave(balance_says=balance)
        report = desk.buy(in_batches(desk, [2]))
        assert (report.stop, report.warnings) == (Stop.DONE, [])
    assert shop.submits == 3


def test_check_says_what_the_balance_is(terminal: Terminal, shop: Shop) -> None:
    terminal.environment["OPENMART_BASE_URL"] = shop.url
    said = {}
    for balance in (10_000, 700, -5, None):
        shop.behave(balance_says=balance)
        [line] = [click.unstyle(line) for line in terminal("check").stdout.splitlines() if "balance" in line]
        said[balance] = line.split("balance")[1].strip()
    assert said == {
        10_000: "unlimited (the server says 10000, which is a sentinel)",
        700: "700 credits",
        -5: "-5 credits",
        None: "not readable",
    }
