"""What a browser sends for a page of another site, byte by byte, to Dagster's own web server and to the guarded one."""

import http.client
import json
import logging
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from openmart_pipeline.defs.instance_home import prepare_home
from openmart_pipeline_tests.dagster_web import LAUNCH, DagsterWeb, dagster_web, execution

FILE = "accounts.csv"
CONFIG = {"ops": {"submitted_batches": {"config": {"credit_limit": 100_000, "plan": "p1234abcd"}}}}
EVIL = {"Origin": "http://evil.test", "Sec-Fetch-Site": "cross-site"}
NEIGHBOUR = {"Origin": "http://localhost:4000", "Sec-Fetch-Site": "same-site"}
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
# Each starts a run through Dagster's own web server: method, whether the mutation is in the body, headers.
LIVE = {
    "an image": ("GET", False, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}),
    "an image in a browser without Sec-Fetch headers": ("GET", False, {}),
    "a fetch": ("GET", False, EVIL),
    "a form": ("POST", False, {**FORM, **EVIL}),
    "a form in a window of its own": (
        "POST",
        False,
        {**FORM, **EVIL, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
    ),
    "a form without Origin": ("POST", False, FORM),
    "a form of files": ("POST", False, {"Content-Type": "multipart/form-data; boundary=x", **EVIL}),
    "a beacon": ("POST", False, {"Content-Type": "text/plain", **EVIL}),
    "a beacon without a body": ("POST", False, EVIL),
    "a text that calls itself JSON": ("POST", True, {"Content-Type": "text/plain;x=application/json", **EVIL}),
    "the same without Origin": ("POST", True, {"Content-Type": "text/plain;x=application/json"}),
    "JSON of another site": ("POST", True, {**JSON, **EVIL}),
    "JSON of a sandboxed frame": ("POST", True, {**JSON, "Origin": "null"}),
    "JSON of another server on this machine": ("POST", True, {**JSON, **NEIGHBOUR}),
    "JSON with Origin only": ("POST", True, {**JSON, "Origin": "http://localhost:4000"}),
    "JSON with Sec-Fetch-Site only": ("POST", True, {**JSON, "Sec-Fetch-Site": "cross-site"}),
    "JSON of two origins": ("POST", True, {**JSON, "Origin": "http://localhost, http://evil.test"}),
    "another name for this machine": ("POST", True, {**JSON, "Host": "evil.test", "Origin": "http://evil.test"}),
    "a name that begins well": ("POST", True, {**JSON, "Host": "localhost.evil.test"}),
    "a name that ends well": ("POST", True, {**JSON, "Host": "evil.test@localhost"}),
}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterWeb]:
    """Dagster's web server with its two doors."""
    home = prepare_home(tmp_path_factory.mktemp("web") / "dagster_home")
    with dagster_web(home, FILE) as web:
        yield web


def ask(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, {"Host": f"localhost:{port}", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers
    finally:
        connection.close()


def launch(port: int, tag: str, method: str, is_in_body: bool, headers: dict[str, str]) -> tuple[int, str]:
    variables = execution(tag, FILE, CONFIG)
    if is_in_body:
        path, body = "/graphql", json.dumps({"query": LAUNCH, "variables": variables}).encode()
    else:
        path = f"/graphql?{urlencode({'query': LAUNCH, 'variables': json.dumps(variables)})}"
        body = b"" if method == "POST" else None
    host = headers.get("Host", f"localhost:{port}")
    return ask(port, method, path, body, **{**headers, "Host": host})[:2]


@pytest.mark.parametrize("way", LIVE)
def test_no_page_of_another_site_can_start_a_run(web: DagsterWeb, way: str, caplog: pytest.LogCaptureFixture) -> None:
    assert launch(web.open_port, f"open: {way}", *LIVE[way])[0] == 200
    status, said = launch(web.guarded_port, f"guarded: {way}", *LIVE[way])
    assert f"open: {way}" in web.ways()  # the way is live where nobody guards
    assert f"guarded: {way}" not in web.ways()
    assert status == 403
    assert said.startswith("Refused: ")
    assert said.count("\n") == 1
    [line] = [record.getMessage() for record in caplog.records if record.name.startswith("openmart_pipeline")]
    assert line.startswith(f"Refused {LIVE[way][0]} /graphql: ")
    assert "executionParams" not in line


def test_a_page_of_the_ui_and_a_program_on_this_machine_may_start_runs(web: DagsterWeb) -> None:
    port = web.guarded_port
    allowed = {
        "page": {"Origin": f"http://localhost:{port}", "Sec-Fetch-Site": "same-origin"},
        "page by number": {"Host": f"127.0.0.1:{port}", "Origin": f"http://127.0.0.1:{port}"},
        "page through a tunnel": {"Host": "localhost:8080", "Origin": "http://localhost:8080"},
        "program": {},
    }
    for name, headers in allowed.items():
        assert launch(port, name, "POST", True, {**JSON, **headers})[0] == 200
    assert allowed.keys() <= web.ways()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_other_methods_are_not_answered(web: DagsterWeb, method: str) -> None:
    assert ask(web.guarded_port, method, "/graphql")[0] == 403


@pytest.mark.parametrize("path", ["/graphql", "/graphql/", "/%67raphql", "/graphql%0a", "/graphql?query={__typename}"])
def test_graphql_is_not_answered_by_get_even_to_a_page_of_its_own(web: DagsterWeb, path: str) -> None:
    for method in ("GET", "HEAD"):
        assert ask(web.guarded_port, method, path, **{"Sec-Fetch-Site": "same-origin"})[0] == 403


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/server_info", EVIL),
        ("/", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}),
        ("/logs/x/out", {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}),
        ("/server_info", {"Host": "evil.test"}),
        ("/server_info", {"Host": ""}),
    ],
)
def test_no_page_of_another_site_can_read(web: DagsterWeb, path: str, headers: dict[str, str]) -> None:
    status, said, _ = ask(web.guarded_port, "GET", path, **headers)
    assert (status, said.partition(" ")[0]) == (403, "Refused:")


def test_a_link_leads_to_the_ui_and_no_other_site_may_frame_it(web: DagsterWeb) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    status, page, headers = ask(web.guarded_port, "GET", "/assets", **link)
    assert (status, "<html" in page.lower()) == (200, True)
    assert "frame-ancestors 'self'" in headers.get_all("Content-Security-Policy")
    assert any("script-src" in policy for policy in headers.get_all("Content-Security-Policy"))  # Dagster's own stays
    assert headers["X-Frame-Options"] == "SAMEORIGIN"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.parametrize("headers", [EVIL, {"Host": "evil.test"}, {"Sec-Fetch-Site": "same-site"}])
def test_a_websocket_of_another_site_is_refused(web: DagsterWeb, headers: dict[str, str]) -> None:
    assert acknowledged(web.open_port, headers)
    with pytest.raises(InvalidStatus) as refused:
        acknowledged(web.guarded_port, headers)
    assert refused.value.response.status_code == 403


def test_a_websocket_of_the_ui_is_served(web: DagsterWeb) -> None:
    own = {"Origin": f"http://localhost:{web.guarded_port}", "Sec-Fetch-Site": "same-origin"}
    assert acknowledged(web.guarded_port, own)
    assert acknowledged(web.guarded_port, {})


def acknowledged(port: int, headers: dict[str, str]) -> bool:
    more = {name: value for name, value in headers.items() if name not in ("Origin", "Host")}
    name = headers.get("Host", "localhost")
    with connect(
        f"ws://{name}:{port}/graphql",
        sock=None if name == "localhost" else _socket_to(port),
        origin=headers.get("Origin"),
        additional_headers=more,
        subprotocols=["graphql-ws"],
        proxy=None,
    ) as websocket:
        websocket.send('{"type": "connection_init"}')
        return json.loads(websocket.recv(timeout=60))["type"] == "connection_ack"


def _socket_to(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port))


def test_what_a_stranger_writes_stays_short_and_on_its_line(web: DagsterWeb, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        ask(web.guarded_port, "GET", "/" + "a" * 900 + "%0aERROR%1b[2J", Origin="http://x\x9b" + "y" * 900)
    [line] = [record.getMessage() for record in caplog.records if record.name.startswith("openmart_pipeline")]
    assert line.isascii()
    assert line.isprintable()
    assert len(line) < 400
