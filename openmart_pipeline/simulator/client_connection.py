"""One client's connection: bytes in, requests out, answers back in order, each in the way it asks for.

No rule of the API lives here, only HTTP/1.1 and the ways a connection can fail a client.
Imports `exchange`; `server` makes one of these for each connection.

A server of our own on httptools rather than a general one, because the faults that cost money are made of
resets, half answers and silence, and because "was this answer heard?" has to be known here, exactly.
"""

import asyncio
import contextlib
import itertools
import socket
import struct
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import cast

import httptools

from openmart_pipeline.simulator.exchange import Answer, Delivery, Request, refusal

MAX_BODY_BYTES = 8 * 2**20  # 100 tasks are some 30 kB; beyond this the answer is 413
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: closing sends RST instead of FIN

_REASONS = {status.value: status.phrase for status in HTTPStatus}
_connection_numbers = itertools.count(1)


class Connection(asyncio.Protocol):
    """Answers the requests of one connection, one at a time."""

    def __init__(self, answer: Callable[[Request], Answer], date: Callable[[], str]) -> None:
        self._answer = answer
        self._date = date
        self._number = next(_connection_numbers)
        self._waiting: deque[tuple[Request, bool]] = deque()
        self._under_way: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to read."""
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        """Read on; what is no HTTP is answered 400."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._transport.close()
        except httptools.HttpParserCallbackError:
            self._transport.abort()
            raise  # a fault of the simulator itself, for its log: never dressed as the client's
        except httptools.HttpParserError:
            self._write(refusal(HTTPStatus.BAD_REQUEST, "Invalid HTTP request"), keep_alive=False)

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop what is under way: nobody is there to hear it."""
        del exc
        self._waiting.clear()
        if self._under_way is not None:
            self._under_way.cancel()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._url = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Take a piece of the address."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Ask for the body where the client waits to be asked."""
        if self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body, as far as it may go."""
        self._body_bytes += len(body)
        if self._body_bytes <= MAX_BODY_BYTES:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """Answer the request, or let it wait for the one before it."""
        path, _, query = self._url.decode("latin-1").partition("?")
        request = Request(
            method=self._parser.get_method().decode("latin-1"),
            path=path,
            query=query,
            headers=self._headers,
            body=b"".join(self._body),
            connection_no=self._number,
        )
        keep_alive = self._parser.should_keep_alive() and request.method != "HEAD"
        if self._body_bytes > MAX_BODY_BYTES:
            self._write(refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Body too large"), keep_alive=False)
        elif self._under_way is not None:
            self._waiting.append((request, keep_alive))
        else:
            self._begin(request, keep_alive=keep_alive)

    def _begin(self, request: Request, *, keep_alive: bool) -> None:
        answer = self._answer(request)
        if answer.delay_s <= 0 and answer.delivery is Delivery.WHOLE:
            self._finish(answer, keep_alive=keep_alive)
        else:
            self._under_way = asyncio.ensure_future(self._deliver(answer, keep_alive=keep_alive))

    async def _deliver(self, answer: Answer, *, keep_alive: bool) -> None:
        """Let the answer's delay pass, then do with it what it asks for; cancelled when the client leaves."""
        await asyncio.sleep(answer.delay_s)
        match answer.delivery:
            case Delivery.WHOLE:
                self._finish(answer, keep_alive=keep_alive)
            case Delivery.RESET:
                self._reset()
            case Delivery.CLOSED:
                self._transport.close()
            case Delivery.CUT_OFF:
                head = self._head(answer, keep_alive=keep_alive)
                self._transport.write(head + answer.body[: len(answer.body) // 2])
                self._transport.close()
            case Delivery.TRICKLED:
                *others, last = self._head(answer, keep_alive=keep_alive) + answer.body
                for byte in others:
                    self._transport.write(bytes((byte,)))
                    await asyncio.sleep(answer.trickle_s)
                self._heard(answer)
                self._transport.write(bytes((last,)))
                if not keep_alive:
                    self._transport.close()
            case Delivery.HELD:
                await asyncio.Event().wait()
        self._under_way = None
        while self._waiting and self._under_way is None and not self._transport.is_closing():
            request, keep_alive = self._waiting.popleft()
            self._begin(request, keep_alive=keep_alive)

    def _finish(self, answer: Answer, *, keep_alive: bool) -> None:
        # Noted before the bytes leave: killed in between, the account may say heard of an answer that was
        # not, and so never names a batch as lost that the client holds.
        self._heard(answer)
        self._write(answer, keep_alive=keep_alive)

    def _heard(self, answer: Answer) -> None:
        if answer.on_heard is not None and not self._transport.is_closing():
            answer.on_heard()

    def _write(self, answer: Answer, *, keep_alive: bool) -> None:
        self._transport.write(self._head(answer, keep_alive=keep_alive) + answer.body)
        if not keep_alive:
            self._transport.close()

    def _head(self, answer: Answer, *, keep_alive: bool) -> bytes:
        lines = [
            f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Unknown')}",
            f"date: {self._date()}",
            f"content-type: {answer.content_type}",
            f"content-length: {len(answer.body)}",
            *(f"{name}: {value}" for name, value in answer.headers),
        ]
        if not keep_alive:
            lines.append("connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _reset(self) -> None:
        """End the connection with RST, as a crashed server or a firewall does."""
        with contextlib.suppress(OSError):
            client = cast("socket.socket", self._transport.get_extra_info("socket"))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._transport.abort()
