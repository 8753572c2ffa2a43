"""Requests as the API takes them, answers as it may give them."""

import pytest

from openmart_pipeline.api.models import (
    BatchStatus,
    CreditBalance,
    InfoAccess,
    TaskRequest,
    TaskResult,
    TaskState,
)
from openmart_pipeline.api.wire import JsonValue, one_line

TASK = TaskRequest(
    domain="bluebottlecoffee.com", title="Owner", max_k=3, tracking_id="l-1-0", info_access=frozenset(InfoAccess)
)


def test_a_task_leaves_out_what_nobody_said():
    assert TASK.to_wire() == {
        "domain": "bluebottlecoffee.com",
        "title": "Owner",
        "max_k": 3,
        "tracking_id": "l-1-0",
        "info_access": ["EMAIL", "PHONE"],
    }


def test_a_task_says_everything_it_was_given_zero_too():
    task = TaskRequest(
        domain="x.com",
        title="",
        max_k=8,
        tracking_id="l-1-1",
        info_access=frozenset({InfoAccess.PHONE}),
        company_name="X",
        city="Oakland",
        state="CA",
        country="US",
        version=0,
        notify_url="https://hooks.example.com",
    )
    assert task.to_wire() == {
        "domain": "x.com",
        "title": "",
        "max_k": 8,
        "tracking_id": "l-1-1",
        "info_access": ["PHONE"],
        "company_name": "X",
        "city": "Oakland",
        "state": "CA",
        "country": "US",
        "version": 0,
        "notify_url": "https://hooks.example.com",
    }


@pytest.mark.parametrize("nested", [False, True])
def test_a_status_is_read_at_top_level_and_nested(nested: bool):
    status: dict[str, JsonValue] = {
        "processing": 1,
        "completed": 2,
        "errored": 0,
        "total": 3,
        "batch_ready": False,
    }
    read = BatchStatus.from_wire({"batch_id": "b", "status": status} if nested else status)
    assert read == BatchStatus(processing=1, completed=2, errored=0, total=3, is_ready=False)


@pytest.mark.parametrize(
    "odd", [{}, {"processing": "many", "total": None, "errored": [], "completed": True}, {"status": "done"}]
)
def test_counts_that_cannot_be_read_are_unknown_and_not_ready(odd: dict[str, JsonValue]):
    unknown = BatchStatus(processing=None, completed=None, errored=None, total=None, is_ready=False)
    assert BatchStatus.from_wire(odd) == unknown


@pytest.mark.parametrize("said", ["true", 1, None, "yes", [True]])
def test_only_true_is_ready(said: JsonValue):
    assert not BatchStatus.from_wire({"completed": 1, "total": 1, "batch_ready": said}).is_ready


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("COMPLETED", TaskState.COMPLETED),
        (" errored ", TaskState.ERRORED),
        ("PENDING", "PENDING"),
        (None, ""),
        (["COMPLETED"], ""),
    ],
)
def test_a_state_is_the_servers_word_known_or_not(said: JsonValue, state: str):
    assert TaskResult.from_wire("t1", {"status": said}, b"").state == state


@pytest.mark.parametrize(
    ("said", "tracking_id"),
    [("l-1-0", "l-1-0"), (42, "42"), (None, None), ("", None), ({}, None), ("\ud800\x00", "\ufffd\ufffd")],
)
def test_a_tracking_id_can_always_be_stored(said: JsonValue, tracking_id: str | None):
    assert TaskResult.from_wire("t1", {"tracking_id": said}, b"").tracking_id == tracking_id


@pytest.mark.parametrize(
    ("said", "balance", "is_unlimited"),
    [
        (4999, 4999, False),
        (10_000, 10_000, True),
        (0, 0, False),
        (-3, -3, False),
        (12.9, 12, False),
        (None, None, False),
        ("10000", None, False),
        (True, None, False),
        (float("inf"), None, False),
        (float("nan"), None, False),
    ],
)
def test_a_balance_is_a_number_a_sentinel_or_unknown(said: JsonValue, balance: int | None, is_unlimited: bool):
    read = CreditBalance.from_wire({"balance": said, "period_start": "2026-01-01"})
    assert (read.balance, read.is_unlimited) == (balance, is_unlimited)
    assert (read.period_start, read.period_end) == ("2026-01-01", None)


def test_what_a_server_says_becomes_one_harmless_line():
    line = one_line(b"a\nb\x1b[31m\x00 \xff <b> " + "\u202egnp".encode())
    assert line == "a\\nb\\x1b[31m\\x00 \ufffd <b> \\u202egnp"


def test_what_a_server_says_is_cut_with_a_note():
    line = one_line(b"x" * 1_000_000)
    assert line.endswith(" [cut: 1000000 bytes in all]")
    assert len(line) < 4_100
