"""A server on a real socket that does exactly what a test tells it to, byte by byte, wrong bytes too.

Not here: the API's behaviour; that is the simulator's.
Imports nothing from the project.
"""

import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

Step = Callable[["Visit"], bool]  # acts on a request that was read; True keeps the connection open


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Visit:
    connection: socket.socket
    closing: threading.Event
    request: Request | None = None  # the one being answered


def says(status: int, body: bytes | object = b"", headers: dict[str, str] | None = None) -> Step:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Because", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return says_raw("\r\n".join(lines).encode() + b"\r\n\r\n" + content, keep=True)


def says_raw(answer: bytes, *, keep: bool = False) -> Step:
    def step(visit: Visit) -> bool:
        visit.connection.sendall(answer)
        return keep

    return step


def closes(visit: Visit) -> bool:
    return False


def resets(visit: Visit) -> bool:
    visit.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def hangs(visit: Visit) -> bool:
    visit.closing.wait()
    return False


def then(*steps: Step) -> Step:
    def step(visit: Visit) -> bool:
        return all(one(visit) for one in steps)

    return step


def by_method(**steps: Step) -> Step:
    """Answer a POST in one way and a GET in another: `by_method(POST=resets, GET=says(200, balance))`."""

    def step(visit: Visit) -> bool:
        assert visit.request is not None
        return steps[visit.request.method](visit)

    return step


def in_turn(*steps: Step) -> Step:
    """Follow the next of these at each request: for one of `by_method`'s answers."""
    left = iter(steps)

    def step(visit: Visit) -> bool:
        return next(left)(visit)

    return step


def trickles(answer: bytes, *, every_s: float) -> Step:
    def step(visit: Visit) -> bool:
        for byte in answer:
            visit.connection.sendall(bytes([byte]))
            if visit.closing.wait(every_s):
                return False
        return False

    return step


def tunnels_to(port: int) -> Step:
    """Play the proxy: pass on whatever comes, both ways, until one side has enough."""

    def step(visit: Visit) -> bool:
        visit.connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(("127.0.0.1", port), timeout=5) as far:
            back = threading.Thread(target=_pour, args=(far, visit.connection), daemon=True)
            back.start()
            _pour(visit.connection, far)
            back.join(5)
        return False

    return step


def _pour(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)


class ScriptedServer:
    """Follows its steps, one per request, and repeats the last; records whatever arrives."""

    def __init__(
        self, *steps: Step, on_accept: Callable[[Visit], bool] | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self._steps = list(steps)
        self._on_accept = on_accept
        self._tls = tls
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self.requests: list[Request] = []
        self.received = b""
        self.connections = 0
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing.set()
        # Wakes the accept, which closing alone doesn't.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            connection.settimeout(5)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            visit = Visit(connection, self._closing)
            going_on = self._on_accept is None or self._on_accept(visit)
            while going_on and not self._closing.is_set():
                request = self._read(connection)
                if request is None:
                    break
                with self._lock:
                    self.requests.append(request)
                    step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
                visit.request = request
                going_on = step(visit)
        connection.close()

    def _read(self, connection: socket.socket) -> Request | None:
        data = b""
        while b"\r\n\r\n" not in data:
            if not (chunk := self._receive(connection)):
                return None
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        while len(body) < int(headers.get("content-length", "0")):
            if not (chunk := self._receive(connection)):
                return None
            body += chunk
        method, path, _ = first.split(" ")
        return Request(method, path, headers, body)

    def _receive(self, connection: socket.socket) -> bytes:
        while not self._closing.is_set():
            connection.settimeout(0.2)
            try:
                chunk = connection.recv(65536)
            except TimeoutError:
                continue
            finally:
                connection.settimeout(5)
            self.received += chunk
            return chunk
        return b""
