"""How reads behave when the server falters, slows down, lies, or asks for patience."""

import asyncio
import json
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TypeVar
from urllib.parse import unquote

import pytest

from openmart_pipeline.api import client as client_module
from openmart_pipeline.api.client import OpenmartClient
from openmart_pipeline.api.errors import (
    Gone,
    KeyRefused,
    OpenmartError,
    OutOfCredits,
    PlanLacksEndpoint,
    ReadFailed,
    Rejected,
    Throttled,
    WrongAddress,
)
from openmart_pipeline.api.models import DenyKind, TaskState
from openmart_pipeline.api.rate_limiter import NO_RATE_LIMIT, RateLimiter
from openmart_pipeline.api.reads import Reader
from openmart_pipeline_tests.api.scripted_server import (
    ScriptedServer,
    Step,
    Visit,
    closes,
    hangs,
    resets,
    says,
    says_raw,
    trickles,
)

T = TypeVar("T")

KEY = "sk-canary-5f2b"
TASK = {"task_id": "t1", "status": "COMPLETED", "tracking_id": "ledger-1-0", "data": []}
STATUS = {"processing": 0, "completed": 1, "errored": 0, "total": 1, "batch_ready": True}


def client_of(
    url: str,
    *,
    rate_limiter: RateLimiter = NO_RATE_LIMIT,
    attempts: int = 3,
    timeout_s: float = 5,
    cap_s: float = 0.2,
    total_s: float = 20,
) -> OpenmartClient:
    return OpenmartClient(
        url,
        KEY,
        rate_limiter=rate_limiter,
        read_timeout_s=timeout_s,
        connect_timeout_s=2,
        read_attempts=attempts,
        read_retry_total_s=total_s,
        first_retry_wait_s=0.01,
        retry_after_cap_s=cap_s,
    )


def read(client: OpenmartClient, use: Callable[[Reader], Awaitable[T]]) -> T:
    async def in_context() -> T:
        async with client.reader() as reader:
            return await use(reader)

    return asyncio.run(in_context())


class _CountedTurns:
    """A pace that makes nobody wait and remembers what it was asked."""

    def __init__(self, wait_s: float = 0.0) -> None:
        self.wait_s = wait_s
        self.turns = 0
        self.pauses_s: list[float] = []

    def acquire(self) -> float:
        self.turns += 1
        return self.wait_s

    def pause(self, seconds: float) -> None:
        self.pauses_s.append(seconds)


# What is asked, and what comes back


def test_each_read_asks_the_documented_address_with_the_key():
    async def everything(reader: Reader) -> None:
        await reader.batch_status("b1")
        await reader.task("t1")
        await reader.credit_balance()

    with ScriptedServer(says(200, STATUS), says(200, TASK), says(200, {"balance": 5})) as server:
        read(client_of(server.url), everything)
    assert [(request.method, request.path) for request in server.requests] == [
        ("GET", "/api/v1/task/batch/b1/status"),
        ("GET", "/api/v1/task/t1"),
        ("GET", "/api/v2/credit-balance"),
    ]
    assert {request.headers["x-api-key"] for request in server.requests} == {KEY}
    assert server.connections == 1


def test_a_result_is_kept_byte_by_byte():
    body = b'{"task_id": "t1",  "status": "completed","tracking_id":null, "data":null, "new": 1e400}\n'
    with ScriptedServer(says(200, body)) as server:
        result = read(client_of(server.url), lambda reader: reader.task("t1"))
    assert (result.raw, result.state, result.tracking_id) == (body, "COMPLETED", None)


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        (["t2", "t1", "t2"], ["t2", "t1", "t2"]),
        ([], []),
        ([7, "t1", None, {}], ["7", "t1"]),
        ({"task_ids": ["t1"]}, ["t1"]),
    ],
)
def test_task_ids_come_in_the_servers_order_and_number(body: object, ids: list[str]):
    with ScriptedServer(says(200, body)) as server:
        assert read(client_of(server.url), lambda reader: reader.task_ids("b1", TaskState.COMPLETED)) == ids
    assert server.requests[0].path == "/api/v1/task/batch/b1/task_ids?status=COMPLETED"


def test_an_id_stays_one_part_of_the_address_whatever_it_holds():
    odd = "../a/b?c#d e\u00e9\r\nX: y%2F+&"
    with ScriptedServer(says(200, TASK)) as server:
        read(client_of(server.url), lambda reader: reader.task(odd))
    *before, last = server.requests[0].path.split("/")
    assert ("/".join(before), unquote(last)) == ("/api/v1/task", odd)
    assert not set(last) & set("?# \r\n")


@pytest.mark.parametrize("dots", [".", ".."])
def test_an_id_that_would_step_out_of_the_address_is_not_asked(dots: str):
    with ScriptedServer(says(200, TASK)) as server, pytest.raises(ReadFailed, match="no address can hold"):
        read(client_of(server.url), lambda reader: reader.task(dots))
    assert server.connections == 0


def test_a_result_of_ten_megabytes_arrives_whole():
    body = json.dumps({**TASK, "data": [{"title": "x" * 10_000_000}]}).encode()
    with ScriptedServer(says(200, body)) as server:
        assert read(client_of(server.url), lambda reader: reader.task("t1")).raw == body


# What passes by itself


@pytest.mark.parametrize(
    "fault",
    [
        closes,
        resets,
        hangs,
        says(408),
        says(425),
        says(429),
        says(500),
        says(502, b"<html>"),
        says(503),
        says(504),
        says(599),
        says(200),
        says(200, b"<html>"),
        says(200, []),
        says(200, b"[" * 100_000),
        says(204),
        says_raw(b"garbage\r\n\r\n"),
        says_raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}"),
        says_raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        says_raw(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"),
    ],
)
def test_a_fault_that_passes_is_outlasted(fault: Step):
    with ScriptedServer(fault, fault, says(200, TASK)) as server:
        result = read(
            client_of(server.url, attempts=4, timeout_s=0.4 if fault is hangs else 5), lambda reader: reader.task("t1")
        )
    assert result.tracking_id == "ledger-1-0"


def test_a_fault_that_stays_fails_within_the_attempts_and_loses_nothing(caplog: pytest.LogCaptureFixture):
    rate_limiter = _CountedTurns()
    with (
        ScriptedServer(says(503, b"down")) as server,
        caplog.at_level(logging.WARNING),
        pytest.raises(ReadFailed, match="Nothing is lost") as caught,
    ):
        read(client_of(server.url, rate_limiter=rate_limiter), lambda reader: reader.task("t1"))
    assert len(server.requests) == 3 <= rate_limiter.turns
    assert "HTTP 503: down" in str(caught.value.last)
    assert sum("next attempt in" in message for message in caplog.messages) == 2


def test_a_server_that_is_not_there_fails_within_the_attempts():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(ReadFailed, match="failed 3 times"):
        read(client_of(url), lambda reader: reader.credit_balance())


def test_a_trickled_answer_ends_at_the_deadline_of_the_attempt():
    started = time.monotonic()
    with (
        ScriptedServer(trickles(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"y" * 99, every_s=0.05)) as server,
        pytest.raises(ReadFailed, match="the time was up"),
    ):
        read(client_of(server.url, attempts=2, timeout_s=0.3), lambda reader: reader.task("t1"))
    assert time.monotonic() - started < 2


def test_the_total_time_bounds_the_attempts():
    with (
        ScriptedServer(says(503, headers={"Retry-After": "1"})) as server,
        pytest.raises(ReadFailed, match="failed once"),
    ):
        read(client_of(server.url, total_s=0.5, cap_s=9), lambda reader: reader.task("t1"))
    assert len(server.requests) == 1


# What asks for patience (F7)


def _http_date(seconds_from_now: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds_from_now), usegmt=True)


@pytest.mark.parametrize(
    ("retry_after", "said_s", "paused_s"),
    [
        ("0.1", 0.1, 0.1),
        ("0", 0.0, 0.0),
        ("-5", 0.0, 0.0),
        ("86400", 86400.0, 0.2),
        pytest.param(_http_date(-3600), 0.0, 0.0, id="an-hour-ago"),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0, 0.0),
        ("soon", None, 0.2),
        ("nan", None, 0.2),
        ("inf", None, 0.2),
        ("Wed, 99 Oct 99999 99:99:99 GMT", None, 0.2),
        (None, None, 0.2),
    ],
)
def test_a_429_storm_ends_in_few_calls_whatever_retry_after_says(
    retry_after: str | None, said_s: float | None, paused_s: float
):
    headers = {"Retry-After": retry_after} if retry_after is not None else {}
    rate_limiter = _CountedTurns()
    with ScriptedServer(says(429, headers=headers)) as server, pytest.raises(ReadFailed) as caught:
        read(client_of(server.url, rate_limiter=rate_limiter), lambda reader: reader.task("t1"))
    assert len(server.requests) == 3
    assert rate_limiter.pauses_s == [paused_s] * 3
    assert isinstance(caught.value.last, Throttled)
    assert caught.value.last.retry_after_s == said_s


def test_retry_after_as_a_date_is_measured_by_the_servers_own_clock():
    headers = {"Date": "Wed, 21 Oct 2015 07:28:00 GMT", "Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT"}
    with ScriptedServer(says(429, headers=headers)) as server, pytest.raises(ReadFailed) as caught:
        read(client_of(server.url, attempts=1), lambda reader: reader.task("t1"))
    assert isinstance(caught.value.last, Throttled)
    assert caught.value.last.retry_after_s == 30


def test_the_wait_the_server_asks_for_is_kept():
    started = time.monotonic()
    with ScriptedServer(says(429, headers={"Retry-After": "0.3"}), says(200, TASK)) as server:
        read(client_of(server.url, cap_s=5), lambda reader: reader.task("t1"))
    assert time.monotonic() - started >= 0.3


def test_every_attempt_waits_for_its_turn():
    rate_limiter = _CountedTurns(wait_s=0.1)
    started = time.monotonic()
    with ScriptedServer(says(503), says(200, TASK)) as server:
        read(client_of(server.url, rate_limiter=rate_limiter), lambda reader: reader.task("t1"))
    assert rate_limiter.turns >= 2  # one that was overslept on a busy machine is given up for another
    assert time.monotonic() - started >= 0.2


# What does not pass by itself


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, KeyRefused),
        (402, OutOfCredits),
        (403, PlanLacksEndpoint),
        (404, Gone),
        (410, Gone),
        (405, WrongAddress),
        (301, WrongAddress),
        (307, WrongAddress),
        (400, ReadFailed),
        (422, ReadFailed),
        (418, ReadFailed),
    ],
)
def test_what_will_not_pass_is_asked_once(status: int, expected: type[OpenmartError]):
    with (
        ScriptedServer(says(status, {"detail": f"words and {KEY}"})) as server,
        pytest.raises(expected, match=rf"HTTP {status}: words and \[API key\]") as caught,
    ):
        read(client_of(server.url), lambda reader: reader.batch_status("b1"))
    assert type(caught.value) is expected
    if isinstance(caught.value, ReadFailed):
        assert isinstance(caught.value.last, Rejected)
    assert len(server.requests) == 1


def test_an_address_that_always_exists_and_is_missing_means_a_wrong_server():
    with ScriptedServer(says(404)) as server, pytest.raises(WrongAddress):
        read(client_of(server.url), lambda reader: reader.credit_balance())


# Many at once


def test_no_more_reads_run_at_once_than_there_are_connections():
    with ScriptedServer(says(200, TASK)) as server:
        client = OpenmartClient(server.url, KEY, connections=3, read_timeout_s=5)

        async def many(reader: Reader) -> list[object]:
            return list(await asyncio.gather(*(reader.task(f"t{n}") for n in range(60))))

        assert len(read(client, many)) == 60
    assert server.connections <= 3
    assert {request.path for request in server.requests} == {f"/api/v1/task/t{n}" for n in range(60)}


def test_waiting_for_a_connection_is_not_the_servers_slowness():
    def slow(visit: Visit) -> bool:
        time.sleep(0.15)
        return says(200, TASK)(visit)

    with ScriptedServer(slow) as server:
        client = OpenmartClient(server.url, KEY, connections=1, read_timeout_s=0.8, read_attempts=1)

        async def many(reader: Reader) -> list[object]:
            return list(await asyncio.gather(*(reader.task(f"t{n}") for n in range(6))))

        assert len(read(client, many)) == 6


def test_one_read_that_fails_does_not_disturb_the_others():
    def by_path(visit: Visit) -> bool:
        return says(500)(visit) if server.requests[-1].path.endswith("bad") else says(200, TASK)(visit)

    with ScriptedServer(by_path) as server:
        client = OpenmartClient(server.url, KEY, connections=1, read_attempts=2, first_retry_wait_s=0.01)

        async def many(reader: Reader) -> list[object]:
            reads = (reader.task(task_id) for task_id in ("a", "bad", "b"))
            return list(await asyncio.gather(*reads, return_exceptions=True))

        first, failed, last = read(client, many)
    assert isinstance(failed, ReadFailed)
    assert not isinstance(first, Exception)
    assert not isinstance(last, Exception)


# The server's clock (F18)


@pytest.mark.parametrize(
    ("date", "skew_s"),
    [
        ("Thu, 01 Jan 2026 12:00:00 GMT", 0.0),
        ("Thu, 01 Jan 2026 11:40:00 GMT", 1200.0),
        ("Fri, 02 Jan 2026 12:00:00 -0000", -86400.0),
        ("yesterday", None),
        (None, None),
    ],
)
def test_the_servers_date_tells_how_wrong_our_clock_is(date: str | None, skew_s: float | None):
    headers = {"Date": date} if date else {}
    with ScriptedServer(says(200, {"balance": 1}, headers)) as server:
        client = OpenmartClient(server.url, KEY, now=lambda: datetime(2026, 1, 1, 12, tzinfo=UTC))
        assert client.clock_skew_s is None
        read(client, lambda reader: reader.credit_balance())
        assert client.clock_skew_s == skew_s


# Deny rules (API section 6)


def test_deny_rules_are_added_checked_and_taken_back():
    told = {"denied": {"a@x.com": True, "b@x.com": False, "c@x.com": "perhaps"}}
    with ScriptedServer(says(200, {}), says(200, told), says(204)) as server:
        client = client_of(server.url)
        client.deny(DenyKind.EMAIL, ["a@x.com"])
        assert client.denied(DenyKind.EMAIL, ["a@x.com", "b@x.com", "c@x.com"]) == {"a@x.com": True, "b@x.com": False}
        client.undeny(DenyKind.EMAIL, ["a@x.com"])
    assert [(request.method, request.path) for request in server.requests] == [
        ("POST", "/api/v2/deny-rules"),
        ("POST", "/api/v2/deny-rules/check"),
        ("DELETE", "/api/v2/deny-rules"),
    ]
    assert json.loads(server.requests[0].body) == {"type": "email", "values": ["a@x.com"]}


def test_many_deny_rules_go_in_parts_and_a_failed_part_is_repeated():
    with ScriptedServer(says(503), closes, says(200, {})) as server:
        client_of(server.url, attempts=4).deny(DenyKind.PHONE, [f"+1555{n:07}" for n in range(250)])
    parts = [json.loads(request.body)["values"] for request in server.requests]
    assert [len(part) for part in parts] == [100, 100, 100, 100, 50]
    assert parts[0] == parts[1] == parts[2]


def test_a_check_of_deny_rules_that_cannot_be_read_is_not_a_no():
    with ScriptedServer(says(200, {"denied": None})) as server, pytest.raises(ReadFailed):
        client_of(server.url).denied(DenyKind.EMAIL, ["a@x.com"])


def test_the_default_bounds_of_a_read_outlast_a_restart_and_end_before_a_run_does():
    assert client_module.RETRY_AFTER_CAP_S < client_module.READ_RETRY_TOTAL_S < 15 * 60
