"""A real Chromium without a window, and the server of a page of another site that it opens. No claims live here."""

import contextlib
import http.client
import json
import queue
import shutil
import subprocess
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from websockets.sync.client import connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SCRIPT = Path(__file__).with_name("hostile_page.js")
PATIENCE_S = 120
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-popup-blocking",
    "--disable-dev-shm-usage", "--remote-debugging-port=0", "--no-proxy-server",
)  # fmt: skip


class Browser:
    """One running Chromium; `port` is that of its debugging interface."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def page(self, url: str) -> str:
        """Open a page in a tab of its own; return the address of its debugger."""
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}/json/new?{url}", method="PUT")
        with self._open(request, timeout=PATIENCE_S) as answer:
            return str(json.load(answer)["webSocketDebuggerUrl"])

    @staticmethod
    def evaluate(page: str, script: str) -> Any:
        """Return what a script gives in a page; a promise is waited for."""
        asked = {"expression": script, "awaitPromise": True, "returnByValue": True}
        with connect(page, proxy=None, max_size=None) as debugger:
            debugger.send(json.dumps({"id": 1, "method": "Runtime.evaluate", "params": asked}))
            answer = json.loads(debugger.recv(timeout=PATIENCE_S))
        return answer.get("result", {}).get("result", {}).get("value")  # an error: the page is being loaded


@contextmanager
def browser(folder: Path, mapped: Mapping[str, int]) -> Iterator[Browser]:
    """Start Chromium; `mapped` says which host and port lead to which port of this machine."""
    assert CHROMIUM is not None
    rules = ", ".join(f"MAP {name} 127.0.0.1:{port}" for name, port in mapped.items())
    profile = folder / "chromium"
    process = subprocess.Popen(
        [CHROMIUM, *OPTIONS, f"--user-data-dir={profile}", f"--host-resolver-rules={rules}", "about:blank"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert process.stderr is not None
    try:
        line = next((line for line in process.stderr if "DevTools listening on" in line), "")
        assert line, "Chromium did not start"
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield Browser(int(line.split("127.0.0.1:")[1].partition("/")[0]))
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
        process.stderr.close()
        shutil.rmtree(profile, ignore_errors=True)


class HostilePage:
    """Serves the page that attacks these targets; `report` is what it said at its end."""

    def __init__(self, targets: list[dict[str, object]], relay_to: int | None = None) -> None:
        script = f"const TARGETS = {json.dumps(targets)};\n{SCRIPT.read_text(encoding='utf-8')}"
        html = f"<!doctype html><meta charset=utf-8><title>Cats</title><body><script>{script}</script>".encode()
        reports: queue.Queue[dict[str, Any]] = queue.Queue()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(200, "text/html", html) if self.path.endswith(".html") else self._relay()

            def do_POST(self) -> None:
                if self.path != "/report":
                    self._relay()
                    return
                reports.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self._answer(204, "text/plain", b"")

            def log_message(self, *words: object) -> None:
                """Say nothing."""

            def _relay(self) -> None:
                """Pass it on as the browser wrote it: what a name does that suddenly leads to this machine."""
                if relay_to is None:
                    self._answer(404, "text/plain", b"")
                    return
                target = http.client.HTTPConnection("127.0.0.1", relay_to, timeout=PATIENCE_S)
                with contextlib.closing(target):
                    length = int(self.headers.get("Content-Length") or 0)
                    target.request(self.command, self.path, self.rfile.read(length), dict(self.headers))
                    answer = target.getresponse()
                    self._answer(answer.status, answer.headers["Content-Type"], answer.read())

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._reports = reports
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def report(self) -> dict[str, Any]:
        """Wait for the page's last word."""
        return self._reports.get(timeout=PATIENCE_S)
