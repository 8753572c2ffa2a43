"""What travels, on which connection, and who gets to see it: proxies, TLS, cookies, logs."""

import asyncio
import base64
import gzip
import logging
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from openmart_pipeline.api.client import OpenmartClient
from openmart_pipeline.api.errors import NotSent, OpenmartError, ReadFailed, WrongAddress
from openmart_pipeline.api.models import InfoAccess, TaskRequest
from openmart_pipeline.api.reads import Reader
from openmart_pipeline.api.transport import OutgoingBody
from openmart_pipeline_tests.api.scripted_server import (
    ScriptedServer,
    Visit,
    says,
    says_raw,
    tunnels_to,
)

KEY = "sk-canary-5f2b"
HOST = "https://api.openmart.invalid"
TASK = TaskRequest(domain="x.com", title="Owner", max_k=1, tracking_id="l-1-0", info_access=frozenset(InfoAccess))
BALANCE = {"balance": 5}
MALFORMED_REDIRECT = says(302, headers={"Location": "http://[:elsewhere"})


def client_of(url: str) -> OpenmartClient:
    return OpenmartClient(
        url, KEY, submit_timeout_s=5, read_timeout_s=5, connect_timeout_s=2, read_attempts=2, first_retry_wait_s=0.01
    )


def submit(client: OpenmartClient) -> None:
    client.submit([TASK])


def read_balance(client: OpenmartClient, times: int = 1) -> None:
    async def ask() -> None:
        async with client.reader() as reader:
            for _ in range(times):
                await reader.credit_balance()

    asyncio.run(ask())


BOTH = pytest.mark.parametrize(
    ("call", "answer"), [(submit, {"batch_id": "b1"}), (read_balance, BALANCE)], ids=["submit", "read"]
)


# Proxies


@BOTH
def test_through_a_proxy_the_key_travels_inside_the_tunnel_only(
    call: Callable[[OpenmartClient], None],
    answer: object,
    tls: ssl.SSLContext,
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with ScriptedServer(says(200, answer), tls=tls) as server, ScriptedServer(tunnels_to(server.port)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:p%40ss@127.0.0.1:{proxy.port}")
        call(client_of(HOST))
    [asked] = proxy.requests
    assert (asked.method, asked.path) == ("CONNECT", "api.openmart.invalid:443")
    assert base64.b64decode(asked.headers["proxy-authorization"].removeprefix("Basic ")) == b"user:p@ss"
    assert KEY.encode() not in proxy.received
    [request] = server.requests
    assert request.headers["x-api-key"] == KEY
    assert "proxy-authorization" not in request.headers


def test_a_read_that_a_proxy_refuses_names_neither_key_nor_password(monkeypatch: pytest.MonkeyPatch):
    with ScriptedServer(says(407)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:proxy-password@127.0.0.1:{proxy.port}")
        with pytest.raises(ReadFailed, match="Nothing is lost") as caught:
            read_balance(client_of(HOST))
    assert len(proxy.requests) == 2
    assert KEY.encode() not in proxy.received
    assert "proxy-password" not in str(caught.value)


@BOTH
def test_a_host_exempt_from_the_proxy_is_asked_directly(
    call: Callable[[OpenmartClient], None], answer: object, monkeypatch: pytest.MonkeyPatch
):
    with ScriptedServer(says(200, answer)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "openmart.invalid")
        with pytest.raises(OpenmartError):
            call(client_of(HOST))
    assert proxy.connections == 0


# Connections and bodies


def test_a_connection_left_while_tls_is_negotiated_is_closed():
    closed = threading.Event()

    def negotiates_until_left(visit: Visit) -> bool:
        while visit.connection.recv(4096):
            pass
        closed.set()
        return False

    with ScriptedServer(says(200), on_accept=negotiates_until_left) as server:
        client = OpenmartClient(server.url.replace("http:", "https:"), KEY, connect_timeout_s=0.3)
        with pytest.raises(NotSent, match="the time was up"):
            submit(client)
        assert closed.wait(2)


def test_a_body_leaves_once_at_most():
    async def twice() -> None:
        body = OutgoingBody(b"[]")
        assert [chunk async for chunk in body] == [b"[]"]
        assert body.is_withdrawn
        with pytest.raises(RuntimeError, match="asked for again"):
            [chunk async for chunk in body]

    asyncio.run(twice())


def test_an_answer_compressed_unasked_is_read():
    packed = gzip.compress(b'{"balance": 7}')
    with ScriptedServer(says(200, packed, {"Content-Encoding": "gzip"})) as server:

        async def ask() -> int | None:
            async with client_of(server.url).reader() as reader:
                return (await reader.credit_balance()).balance

        assert asyncio.run(ask()) == 7


def test_cookies_are_not_sent_back():
    with ScriptedServer(says(200, BALANCE, {"Set-Cookie": "session=1; Path=/"})) as server:
        read_balance(client_of(server.url.replace("127.0.0.1", "localhost")), times=2)  # no jar keeps an address's
    assert len(server.requests) == 2
    assert not any("cookie" in request.headers for request in server.requests)


@pytest.mark.parametrize("call", [submit, read_balance])
def test_a_redirect_to_a_malformed_address_is_a_redirect(call: Callable[[OpenmartClient], None]):
    with ScriptedServer(MALFORMED_REDIRECT) as server, pytest.raises(WrongAddress, match="HTTP 302"):
        call(client_of(server.url))
    assert len(server.requests) == 1


def test_a_refused_read_counts_even_when_its_body_breaks_off():
    broken = b"HTTP/1.1 301 Moved\r\nContent-Length: 99\r\n\r\nMov"
    with ScriptedServer(says_raw(broken)) as server, pytest.raises(WrongAddress):
        read_balance(client_of(server.url))
    assert len(server.requests) == 1


# Messages and logs


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nX-Who: jane@x.com\r\n",
        b"HTTP/1.1 200 OK\r\nX-Who jane@x.com\r\n\r\n",
        b"jane@x.com is no status line\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\njane@x.com\r\n",
    ],
    ids=["half-a-head", "bad-header", "no-http", "bad-chunk"],
)
@pytest.mark.parametrize("call", [submit, read_balance])
def test_what_a_broken_answer_held_is_in_no_message(call: Callable[[OpenmartClient], None], answer: bytes):
    with ScriptedServer(says_raw(answer)) as server, pytest.raises(OpenmartError) as caught:
        call(client_of(server.url))
    assert "jane" not in f"{caught.value} {getattr(caught.value, 'last', '')}"


def test_a_message_names_the_systems_own_reason():
    with pytest.raises(NotSent, match="ConnectionRefusedError"):
        submit(client_of("http://127.0.0.1:1"))


def test_no_log_shows_a_header_and_nothing_is_printed(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    canary = {"X-Canary": "header-canary"}
    with (
        caplog.at_level(logging.DEBUG),
        ScriptedServer(says(503, headers=canary), says(200, {**BALANCE, "batch_id": "b1"}, canary)) as server,
    ):
        client = client_of(server.url)
        read_balance(client)
        submit(client)
    assert [request.method for request in server.requests] == ["GET", "GET", "POST"]
    assert "next attempt in" in caplog.text
    assert KEY not in caplog.text
    assert "header-canary" not in caplog.text
    assert capfd.readouterr().out == ""


def test_a_reader_that_is_not_used_leaves_nothing_open():
    async def open_only() -> Reader:
        async with client_of("http://127.0.0.1:1").reader() as reader:
            return reader

    assert asyncio.run(open_only())
