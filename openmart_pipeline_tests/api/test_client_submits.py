"""What a submit reports, for every way in which a real socket can disappoint it."""

import contextlib
import gc
import itertools
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from openmart_pipeline.api import client as client_module
from openmart_pipeline.api.client import OpenmartClient
from openmart_pipeline.api.errors import (
    KeyRefused,
    NotSent,
    OpenmartError,
    OutcomeUnknown,
    OutOfCredits,
    PlanLacksEndpoint,
    Rejected,
    StopAll,
    Throttled,
    WrongAddress,
)
from openmart_pipeline.api.models import InfoAccess, Submission, TaskRequest
from openmart_pipeline_tests.api.scripted_server import (
    ScriptedServer,
    Step,
    Visit,
    closes,
    hangs,
    resets,
    says,
    says_raw,
    then,
    trickles,
)

KEY = "sk-canary-5f2b"
TRACKING_ID = "ledger-1-0"
TASK = TaskRequest(
    domain="bluebottlecoffee.com",
    title="Head of Marketing",
    max_k=3,
    tracking_id=TRACKING_ID,
    info_access=frozenset(InfoAccess),
)
ACCEPTED = {"batch_id": "183219bc", "status": {"processing": 1, "total": 1, "batch_ready": False}}


def submit_to(server: ScriptedServer | str, *, timeout_s: float = 5, connect_timeout_s: float = 5) -> Submission:
    url = server if isinstance(server, str) else server.url
    client = OpenmartClient(url, KEY, submit_timeout_s=timeout_s, connect_timeout_s=connect_timeout_s)
    return client.submit([TASK])


def whole_story(error: BaseException) -> str:
    """Everything any log could show of an error: texts, reprs and fields along the whole chain."""
    texts = []
    while error is not None:
        texts += [str(error), repr(error), repr(error.args), repr(vars(error))]
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


# Accepted


def test_an_accepted_batch_is_one_request_with_what_the_api_documents():
    with ScriptedServer(says(200, ACCEPTED)) as server:
        submission = submit_to(server)
    assert (submission.batch_id, submission.total) == ("183219bc", 1)
    assert submission.evidence.startswith("HTTP 200: ")
    [request] = server.requests
    assert (request.method, request.path) == ("POST", "/api/v1/task/batch/find_people")
    assert request.headers["x-api-key"] == KEY
    assert request.headers["content-type"] == "application/json"
    assert b'"info_access": ["EMAIL", "PHONE"]' in request.body


@pytest.mark.parametrize(
    ("answer", "total"),
    [
        (says(201, ACCEPTED), 1),
        (says(202, {"batch_id": "183219bc"}), None),
        (says(200, {"batch_id": "183219bc", "status": {"total": 7}}), 7),
        (says(200, {"batch_id": "183219bc", "status": "queued"}), None),
        (says(200, {"data": {"batch_id": "183219bc", "total": 1}}), None),
        (says(200, [{"batch_id": "183219bc"}]), None),
        (says(200, ACCEPTED, {"X-Long": "x" * 30_000}), 1),
        (then(says_raw(b"HTTP/1.1 100 Continue\r\n\r\n", keep=True), says(200, ACCEPTED)), 1),
    ],
    ids=["201", "202", "wrong-total", "odd-status", "nested", "in-a-list", "long-header", "100-continue"],
)
def test_a_batch_id_is_kept_however_it_is_wrapped(answer: Step, total: int | None):
    with ScriptedServer(answer) as server:
        submission = submit_to(server)
    assert (submission.batch_id, submission.total) == ("183219bc", total)


def test_a_batch_id_that_arrived_is_kept_when_the_answer_never_ends():
    whole = b'HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{"batch_id":"183219bc"}'
    with ScriptedServer(then(says_raw(whole, keep=True), hangs)) as server:
        assert submit_to(server, timeout_s=1).batch_id == "183219bc"


def test_every_submit_opens_a_connection_of_its_own():
    with ScriptedServer(says(200, ACCEPTED)) as server:
        client = OpenmartClient(server.url, KEY)
        for _ in range(3):
            client.submit([TASK])
    assert server.connections == 3


def test_submits_from_many_threads_do_not_meet():
    numbers = itertools.count()

    def numbered(visit: Visit) -> bool:
        return says(200, {"batch_id": f"b{next(numbers)}"})(visit)

    with ScriptedServer(numbered) as server, ThreadPoolExecutor(8) as threads:
        client = OpenmartClient(server.url, KEY)
        ids = {submission.batch_id for submission in threads.map(client.submit, [[TASK]] * 16)}
    assert len(ids) == len(server.requests) == 16


# Not sent: proved by what the other side has seen


@contextlib.contextmanager
def deaf_port() -> Iterator[int]:
    """A port whose queue of connections is full, so that connecting neither succeeds nor fails."""
    with socket.socket() as listener, contextlib.ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            caller = waiting.enter_context(socket.socket())
            caller.setblocking(False)  # the standard library's signature
            caller.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_refused_connection_is_not_sent():
    with pytest.raises(NotSent, match="Nothing was bought"):
        submit_to(f"http://127.0.0.1:{unused_port()}")


def test_a_connection_that_takes_too_long_is_not_sent():
    with deaf_port() as port, pytest.raises(NotSent):
        submit_to(f"http://127.0.0.1:{port}", connect_timeout_s=0.3)


def test_a_deadline_that_ends_while_connecting_is_not_sent():
    with deaf_port() as port, pytest.raises(NotSent, match="the time was up"):
        submit_to(f"http://127.0.0.1:{port}", timeout_s=0.3)


@pytest.mark.parametrize(
    "on_accept",
    [says_raw(b"HTTP/1.1 400 plain HTTP here\r\n\r\n"), closes, resets, hangs],
    ids=["plain-http", "closes", "resets", "hangs"],
)
def test_a_failed_tls_handshake_is_not_sent(on_accept: Step):
    with ScriptedServer(closes, on_accept=on_accept) as server, pytest.raises(NotSent):
        submit_to(server.url.replace("http:", "https:"), connect_timeout_s=0.5)
    assert TRACKING_ID.encode() not in server.received


def test_a_certificate_nobody_trusts_is_not_sent(tls: ssl.SSLContext):
    with ScriptedServer(says(200, ACCEPTED), tls=tls) as server, pytest.raises(NotSent, match="CERTIFICATE"):
        submit_to(server)
    assert server.requests == []


def test_a_certificate_of_the_machines_own_authority_is_accepted(
    tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with ScriptedServer(says(200, ACCEPTED), tls=tls) as server:
        assert submit_to(server).batch_id == "183219bc"
    gc.collect()  # an unclosed connection would warn here, and warnings are errors


def test_over_tls_too_the_deadline_bounds_an_answer_that_does_not_come(
    tls: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with ScriptedServer(hangs, tls=tls) as server, pytest.raises(OutcomeUnknown):
        submit_to(server, timeout_s=0.4)


@pytest.mark.parametrize(
    "step",
    [says(403), says(407), says(502), closes, resets, hangs, says_raw(b"garbage\r\n\r\n")],
    ids=["403", "407", "502", "closes", "resets", "hangs", "garbage"],
)
def test_a_proxy_that_opens_no_tunnel_has_sent_nothing(step: Step, monkeypatch: pytest.MonkeyPatch):
    with ScriptedServer(step) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:proxy-password@127.0.0.1:{proxy.port}")
        with pytest.raises(NotSent) as caught:
            submit_to("https://api.openmart.invalid", connect_timeout_s=0.5 if step is hangs else 5)
    [request] = proxy.requests
    assert (request.method, request.path) == ("CONNECT", "api.openmart.invalid:443")
    assert KEY.encode() not in proxy.received
    assert TRACKING_ID.encode() not in proxy.received
    assert KEY not in whole_story(caught.value)
    assert "proxy-password" not in str(caught.value)


@pytest.mark.parametrize("proxy", ["socks5://user:proxy-password@127.0.0.1:9", "http://user:proxy-password@::bad::"])
def test_a_proxy_that_cannot_be_used_is_refused_without_quoting_it(proxy: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(NotSent, match="HTTPS_PROXY") as caught:
        submit_to("https://api.openmart.invalid")
    assert "proxy-password" not in whole_story(caught.value)


def test_a_proxy_that_is_not_there_has_sent_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:proxy-password@127.0.0.1:{unused_port()}")
    with pytest.raises(NotSent) as caught:
        submit_to("https://api.openmart.invalid")
    assert "proxy-password" not in str(caught.value)


def test_a_name_that_cannot_be_looked_up_is_not_sent():
    too_long = ".".join(["a" * 60] * 5)
    with pytest.raises(NotSent):
        submit_to(f"https://{too_long}")


def test_a_proxy_of_the_environment_is_never_used_for_this_machine(monkeypatch: pytest.MonkeyPatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port()}")
    monkeypatch.setenv("NO_PROXY", "")
    with ScriptedServer(says(200, ACCEPTED)) as server:
        assert submit_to(server).batch_id == "183219bc"


# Unknown: the tasks left, and no batch id came back


@pytest.mark.parametrize(
    ("step", "evidence"),
    [
        (closes, "no answer"),
        (resets, "no answer"),
        (hangs, "no answer"),
        (says_raw(b"HTTP/1.1 2"), "no answer"),
        (says_raw(b"not http at all\r\n\r\n"), "no HTTP answer: "),
        (says(500), "HTTP 500: "),
        (says(502, b"<html>Bad\nGateway</html>"), r"HTTP 502: <html>Bad\nGateway</html>"),
        (says(503), "HTTP 503: "),
        (says(504), "HTTP 504: "),
        (says(408), "HTTP 408: "),
        (says(409), "HTTP 409: "),
        (says(418), "HTTP 418: "),
        (says(200), "HTTP 200: "),
        (says(204), "HTTP 204: "),
        (says(200, b"<html>welcome</html>"), "HTTP 200: <html>welcome</html>"),
        (says(200, {"ok": True}), 'HTTP 200: {"ok": true}'),
        (says(200, {"batch_id": None}), 'HTTP 200: {"batch_id": null}'),
        (says(200, {"batch_id": "  "}), 'HTTP 200: {"batch_id": "  "}'),
        (says(200, {"batch_id": ["b"]}), 'HTTP 200: {"batch_id": ["b"]}'),
        (says(200, b"[" * 100_000), "HTTP 200: [[["),
        (
            says_raw(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"batch_id":"183219bc","su'),
            'HTTP 200: {"batch_id":"183219bc","su',
        ),
        (
            says_raw(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{"batch_i\r\n'),
            'HTTP 200: {"batch_i',
        ),
    ],
)
def test_an_answer_without_batch_id_or_refusal_is_unknown_and_kept(step: Step, evidence: str):
    with ScriptedServer(step) as server, pytest.raises(OutcomeUnknown, match="may exist and cost") as caught:
        submit_to(server, timeout_s=0.5 if step is hangs else 5)
    assert caught.value.evidence.startswith(evidence)
    assert len(caught.value.evidence) < 5_000
    assert "\n" not in str(caught.value)


def test_a_timeout_after_sending_is_never_sent_again():
    with ScriptedServer(hangs, says(200, ACCEPTED)) as server:
        with pytest.raises(OutcomeUnknown, match="the time was up"):
            submit_to(server, timeout_s=0.3)
        time.sleep(0.3)
        assert len(server.requests) == server.connections == 1


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\nX-Slow: yes", b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 99])
def test_one_deadline_bounds_an_answer_that_trickles(answer: bytes):
    started = time.monotonic()
    with (
        ScriptedServer(trickles(answer + b" " * 99, every_s=0.05)) as server,
        pytest.raises(OutcomeUnknown),
    ):
        submit_to(server, timeout_s=1.2)
    assert time.monotonic() - started < 3


def test_a_server_that_never_reads_is_unknown_because_bytes_left():
    with ScriptedServer(closes, on_accept=hangs) as server, pytest.raises(OutcomeUnknown):
        submit_to(server, timeout_s=0.4)


def test_an_endless_answer_does_not_fill_the_memory():
    def pours(visit: Visit) -> bool:
        visit.connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            visit.connection.sendall(b" " * 2**20)

    with ScriptedServer(pours) as server, pytest.raises(OutcomeUnknown, match="more than 1,048,576 bytes"):
        submit_to(server, timeout_s=20)


# Refused: nothing was created


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, Rejected),
        (401, KeyRefused),
        (402, OutOfCredits),
        (403, PlanLacksEndpoint),
        (404, WrongAddress),
        (405, WrongAddress),
        (413, Rejected),
        (422, Rejected),
        (429, Throttled),
        (301, WrongAddress),
        (302, WrongAddress),
        (307, WrongAddress),
        (308, WrongAddress),
    ],
)
def test_each_refusal_has_its_own_type_and_the_servers_words(status: int, expected: type[OpenmartError]):
    with (
        ScriptedServer(says(status, {"detail": "Because of\nthis"})) as server,
        pytest.raises(expected, match=rf"HTTP {status}: Because of\\nthis") as caught,
    ):
        submit_to(server)
    assert type(caught.value) is expected
    if isinstance(caught.value, StopAll):
        assert caught.value.status == status
    if isinstance(caught.value, Rejected):
        assert caught.value.detail == r"Because of\nthis"


def test_a_refusal_counts_even_when_its_body_breaks_off():
    broken = b'HTTP/1.1 402 Pay\r\nContent-Length: 99\r\n\r\n{"detail":"Out'
    with ScriptedServer(says_raw(broken)) as server, pytest.raises(OutOfCredits):
        submit_to(server)


def test_redirects_are_not_followed_with_the_key():
    with (
        ScriptedServer(says(200, ACCEPTED)) as elsewhere,
        ScriptedServer(says(307, headers={"Location": f"{elsewhere.url}/x"})) as server,
        pytest.raises(WrongAddress, match="OPENMART_BASE_URL"),
    ):
        submit_to(server)
    assert elsewhere.connections == 0


class _Pauses:
    def __init__(self) -> None:
        self.asked_s: list[float] = []

    def acquire(self) -> float:
        raise AssertionError("a submit takes no turn: its caller did before it committed the intent")

    def pause(self, seconds: float) -> None:
        self.asked_s.append(seconds)


@pytest.mark.parametrize(
    ("retry_after", "asked_s", "paused_s"), [("7", 7.0, 7.0), ("86400", 86400.0, 60), (None, None, 1.0)]
)
def test_a_throttled_submit_makes_everyone_pause(retry_after: str | None, asked_s: float | None, paused_s: float):
    headers = {"Retry-After": retry_after} if retry_after else {}
    rate_limiter = _Pauses()
    with ScriptedServer(says(429, headers=headers)) as server, pytest.raises(Throttled) as caught:
        OpenmartClient(server.url, KEY, rate_limiter=rate_limiter).submit([TASK])
    assert caught.value.retry_after_s == asked_s
    assert rate_limiter.asked_s == [paused_s]


def test_a_pace_that_fails_does_not_hide_that_nothing_was_created():
    class _Failing(_Pauses):
        def pause(self, seconds: float) -> None:
            raise OSError("the disk is full")

    with ScriptedServer(says(429)) as server, pytest.raises(Throttled):
        OpenmartClient(server.url, KEY, rate_limiter=_Failing()).submit([TASK])


# The key, and what must not even be tried


@pytest.mark.parametrize(
    "step",
    [
        says(401, {"detail": f"Invalid API Key {KEY}"}),
        says(500, f"stack trace with {KEY} in it".encode()),
        says(200, f"<html>{KEY}</html>".encode()),
        says_raw(f"{KEY} is not a status line\r\n\r\n".encode()),
        says_raw(f"HTTP/1.1 200 OK\r\n{KEY}\r\n\r\n".encode()),
        closes,
    ],
    ids=["401", "500", "200", "no-http", "bad-header", "closes"],
)
def test_the_key_is_in_no_part_of_any_error(step: Step):
    with ScriptedServer(step) as server, pytest.raises(OpenmartError) as caught:
        submit_to(server)
    assert KEY not in whole_story(caught.value)


def test_the_key_is_not_in_the_clients_repr():
    client = OpenmartClient("https://api.openmart.ai", KEY)
    assert KEY not in repr(client)
    assert KEY not in repr(vars(client))


@pytest.mark.parametrize("key", ["", " ", "sk-1 ", "sk-1\n", "sk 1", "sk-\u00e9"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_quoted(key: str):
    with pytest.raises(ValueError, match="was it copied whole") as caught:
        OpenmartClient("https://api.openmart.ai", key)
    assert "sk" not in str(caught.value)


@pytest.mark.parametrize("count", [0, 101])
def test_a_batch_of_a_size_the_server_refuses_is_not_sent(count: int):
    with ScriptedServer(says(200, ACCEPTED)) as server, pytest.raises(ValueError, match="1 to 100"):
        OpenmartClient(server.url, KEY).submit([TASK] * count)
    assert server.connections == 0


def test_the_default_deadlines_are_those_the_slow_route_needs():
    assert client_module.SUBMIT_TIMEOUT_S == 120
    assert client_module.CONNECT_TIMEOUT_S == 10
    assert client_module.READ_TIMEOUT_S == 30


def test_a_hundred_tasks_with_any_text_arrive_whole():
    odd = TaskRequest(
        domain="x.com",
        title="Gesch\u00e4ftsf\u00fchrer \U0001f600 \ud800 \x00",
        max_k=8,
        tracking_id=TRACKING_ID,
        info_access=frozenset({InfoAccess.PHONE}),
        company_name="x" * 20_000,
    )
    with ScriptedServer(says(200, ACCEPTED)) as server:
        OpenmartClient(server.url, KEY).submit([odd] * 100)
    assert len(server.requests[0].body) > 2_000_000
    assert threading.active_count() < 50
