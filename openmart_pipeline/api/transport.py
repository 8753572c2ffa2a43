"""One request out, one answer in: the key, what has left the machine, and what came back before it broke.

Not here: connections and proxies (`connections.py`), what a status means (`verdicts.py`), trying again, pacing.
"""

import asyncio
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from weakref import WeakKeyDictionary

import httpx

from openmart_pipeline.api.addresses import checked_base_url
from openmart_pipeline.api.connections import (
    EXCHANGE_ERRORS,
    fresh_connection,
    keep_headers_out_of_logs,
    shared_connections,
    tls_context,
    what_broke,
)
from openmart_pipeline.api.decoding import Decoder, UndecodableError
from openmart_pipeline.api.server_time import ServerTime
from openmart_pipeline.api.wire import object_of, one_line, parsed_if_damaged, text_of

MAX_ANSWER_BYTES = 64 * 2**20  # decoded; answers of 10 MB occur, beyond this one answer could exhaust the machine
LARGE_ANSWER_BYTES = 2**20  # an answer that grows beyond this takes one of few places: the others wait with theirs
LARGE_ANSWERS_AT_ONCE = 3
MAX_SUBMIT_ANSWER_BYTES = 2**20  # the documented one has 200 bytes; what comes beyond is not read
_UNDECODED_KEPT = 2_000  # bytes of an answer in a refused encoding, for the evidence: enough for an id
_USER_AGENT = "openmart-pipeline"
_KEY = re.compile("[!-~]+")  # what a header can carry; anything else would surface in an error that quotes it
_JSON = (("Content-Type", "application/json"),)
_ANSWER = "openmart_answer"  # where a request carries the `Answer` it fills


class BrokenExchange(Exception):  # what happened, not what we did
    """The connection failed or broke, or what came is no HTTP or without end; the message is part of a sentence."""


@dataclass(slots=True)
class Answer:
    """As much of an answer as has arrived; status 0 until its head is complete.

    Filled in place, so that what came before a break or a deadline is not lost with the exception.
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)

    @property
    def is_success(self) -> bool:
        """Any 2xx: 201 and 202 say "accepted" as well as 200 does."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


@dataclass(slots=True)
class OutgoingBody:
    """A request body that knows whether the connection has ever asked for it, and leaves once at most.

    This is the proof behind "not sent": name lookup, connecting, TLS and proxies all come before the
    first byte of a body is asked for, and no server can act on a body that never left. It does not
    depend on how a library names its errors, and whatever is unforeseen errs towards "has left".
    """

    content: bytes
    is_withdrawn: bool = False
    on_leaving: Callable[[], None] | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self.is_withdrawn:
            raise RuntimeError("a body that has left was asked for again")
        self.is_withdrawn = True
        if self.on_leaving:
            self.on_leaving()
        yield self.content


class Transport:
    """Where and as whom we talk. Holds no connection; clients are opened from it, one per use."""

    def __init__(self, base_url: str, api_key: str, *, connect_timeout_s: float, server_time: ServerTime) -> None:
        self.base_url = checked_base_url(base_url)
        self.server_time = server_time
        if not _KEY.fullmatch(api_key):
            raise ValueError(
                "The API key is empty or has spaces, line breaks or special characters: was it copied whole, and alone?"
            )
        self._api_key = api_key
        # Of each request, never of a client: what belongs to a connection may be shown to a proxy in the clear.
        self._headers = httpx.Headers(
            {
                "X-API-Key": api_key,
                "Accept": "application/json",
                # Uncompressed, so that an answer that breaks off can still be read as far as it came.
                "Accept-Encoding": "identity",
                "User-Agent": _USER_AGENT,
            }
        )
        self._connect_timeout_s = connect_timeout_s
        self._tls = tls_context(self.base_url)
        self._large: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
        keep_headers_out_of_logs()

    def open_shared(self, *, connections: int) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        """Return a client for many exchanges at once, to be used as an async context manager."""
        return shared_connections(
            self.base_url, self._tls, self._hear, connections=connections, connect_timeout_s=self._connect_timeout_s
        )

    async def exchange(
        self,
        client: httpx.AsyncClient,
        method: str,
        path: str,
        answer: Answer,
        body: OutgoingBody | bytes | None = None,
        *,
        limit: int = MAX_ANSWER_BYTES,
    ) -> None:
        """Send one request, once, and fill `answer` as its parts arrive, up to `limit` decoded bytes.

        Raises:
            BrokenExchange: the connection failed or broke, or what came is no HTTP, or too long.

        """
        try:
            request = self._request(method, path, answer, body)
            response = await client.send(request, stream=True)
            try:
                await self._read_body(response, answer, limit)
            finally:
                await response.aclose()
                # httpx's response and its stream name each other: what they hold would wait for the garbage collector.
                request.extensions = {}
        except UndecodableError as error:
            problem = str(error)
        except EXCHANGE_ERRORS as error:
            problem, quoted = what_broke(error)
            if not answer.status:
                answer.body += quoted.encode(errors="replace")
        else:
            if len(answer.body) <= limit:
                return
            problem = f"an answer of more than {limit:,} bytes came"
        # Out here so that the library's error is not kept as context: it quotes the server, who may quote the key.
        raise BrokenExchange(self._without_key(problem))

    async def _read_body(self, response: httpx.Response, answer: Answer, limit: int) -> None:
        """Fill the answer; undone here, not by httpx, which decodes as many layers and bytes as come."""
        try:
            decoder = Decoder(response.headers)
        except UndecodableError:
            async for chunk in response.aiter_raw():
                answer.body += b"undecoded, in base64: " + b64encode(chunk[:_UNDECODED_KEPT])
                break
            raise
        async with AsyncExitStack() as places:
            is_large = False
            async for chunk in response.aiter_raw():
                for piece in decoder.pieces(chunk):
                    answer.body += piece
                    if len(answer.body) > limit:
                        return
                    if not is_large and len(answer.body) > LARGE_ANSWER_BYTES:
                        is_large = True
                        await places.enter_async_context(self._large_answers())

    def _large_answers(self) -> asyncio.Semaphore:
        """Return the places for large answers, of the loop that runs: a submit has a loop of its own."""
        loop = asyncio.get_running_loop()
        if loop not in self._large:
            self._large[loop] = asyncio.Semaphore(LARGE_ANSWERS_AT_ONCE)
        return self._large[loop]

    async def exchange_alone(
        self, method: str, path: str, answer: Answer, body: OutgoingBody, *, deadline_s: float
    ) -> None:
        """Do one exchange over a connection of its own, and leave it when the deadline has passed.

        One deadline for everything, because a server that sends a byte now and then never lets a timeout
        between bytes expire; until the body is asked for, that of connecting, if it is the earlier one.

        Raises:
            TimeoutError: the deadline has passed; `answer` and `body` say how far it came.
            BrokenExchange: as `exchange`.

        """
        ends_at_s = asyncio.get_running_loop().time() + deadline_s
        async with (
            asyncio.timeout(min(deadline_s, self._connect_timeout_s)) as idle_timeout,
            fresh_connection(self.base_url, self._tls, self._hear) as client,
        ):
            body.on_leaving = lambda: idle_timeout.reschedule(ends_at_s)
            await self.exchange(client, method, path, answer, body, limit=MAX_SUBMIT_ANSWER_BYTES)

    def retry_after_s(self, answer: Answer) -> float | None:
        """Return how long the answer asks to wait, None where it doesn't say so readably."""
        return self.server_time.retry_after_s(answer.headers)

    def words(self, answer: Answer) -> str:
        """Return what the server said as one line of capped length: its `detail` if it gave one."""
        try:
            detail = text_of(object_of(parsed_if_damaged(bytes(answer.body))).get("detail"))
        except ValueError:
            detail = None
        return self._without_key(one_line(detail.encode() if detail else bytes(answer.body)))

    def evidence(self, answer: Answer) -> str:
        """Return status and body as one line of capped length, to be kept with a payment."""
        said = self._without_key(one_line(bytes(answer.body).strip()))
        if answer.status:
            return f"HTTP {answer.status}: {said}"
        return f"no HTTP answer: {said}" if said else "no answer"

    def _without_key(self, text: str) -> str:
        # A server may echo the key it refuses.
        return text.replace(self._api_key, "[API key]")

    def _request(self, method: str, path: str, answer: Answer, body: OutgoingBody | bytes | None) -> httpx.Request:
        headers = self._headers
        if body is not None:
            length = len(body.content if isinstance(body, OutgoingBody) else body)
            headers = httpx.Headers([*headers.items(), *_JSON, ("Content-Length", str(length))])
        return httpx.Request(
            method, f"{self.base_url}{path}", headers=headers, content=body, extensions={_ANSWER: answer}
        )

    async def _hear(self, response: httpx.Response) -> None:
        # In a hook, because a redirect to a malformed address makes httpx raise before it returns the answer.
        answer: Answer = response.request.extensions[_ANSWER]
        answer.status, answer.headers = response.status_code, response.headers
        self.server_time.note(response.headers)


def how_it_ended(error: Exception) -> str:
    """Return an error of an exchange as part of a sentence, on one printable line."""
    if isinstance(error, BrokenExchange):
        return str(error)
    return "the time was up" if isinstance(error, TimeoutError) else what_broke(error)[0]
