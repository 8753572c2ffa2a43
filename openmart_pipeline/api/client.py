"""The way in: one object that submits, reads, and knows the server's clock.

Not here: when to submit, what to read, the environment.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import TypeVar

from openmart_pipeline.api.errors import Throttled
from openmart_pipeline.api.models import DenyKind, Submission, TaskRequest
from openmart_pipeline.api.post import encoded, post_once
from openmart_pipeline.api.rate_limiter import NO_RATE_LIMIT, RateLimiter
from openmart_pipeline.api.reads import Reader, pause_s
from openmart_pipeline.api.retrying import RetryBounds, keep_stamina_quiet
from openmart_pipeline.api.server_time import ServerTime, utc_now
from openmart_pipeline.api.transport import Transport

T = TypeVar("T")

SUBMIT_TIMEOUT_S = 120  # the route answers after 26 s or more, 60 s is the documented least (API section 1)
CONNECT_TIMEOUT_S = 10  # name lookup, connecting and TLS together; a healthy network needs well under 1
READ_TIMEOUT_S = 30  # reads are quick; an answer of 10 MB over a slow line is not
CONNECTIONS = 25  # at most so many reads at once; 20 reads/s of 1 s each keep 20 busy (API section 7)
READ_ATTEMPTS = 6
READ_RETRY_TOTAL_S = 180  # outlasts a restart on their side; a run that collects has a quarter of an hour
FIRST_RETRY_WAIT_S = 0.5
RETRY_AFTER_CAP_S = 60  # longer waits are not slept through: the read fails and is due again later


class OpenmartClient:
    """Talks to one server with one key. Thread-safe, holds no connection, reads no settings."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        rate_limiter: RateLimiter = NO_RATE_LIMIT,
        submit_timeout_s: float = SUBMIT_TIMEOUT_S,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        read_timeout_s: float = READ_TIMEOUT_S,
        connections: int = CONNECTIONS,
        read_attempts: int = READ_ATTEMPTS,
        read_retry_total_s: float = READ_RETRY_TOTAL_S,
        first_retry_wait_s: float = FIRST_RETRY_WAIT_S,
        retry_after_cap_s: float = RETRY_AFTER_CAP_S,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Check address and key; nothing is opened.

        Raises:
            ValueError: the base URL or the key can't be right; the sentence says why, without the key.

        """
        self._server_time = ServerTime(now)
        self._transport = Transport(
            base_url, api_key, connect_timeout_s=connect_timeout_s, server_time=self._server_time
        )
        self._rate_limiter = rate_limiter
        self._submit_timeout_s = submit_timeout_s
        self._read_timeout_s = read_timeout_s
        self._connections = connections
        self._bounds = RetryBounds(
            attempts=read_attempts,
            total_s=read_retry_total_s,
            first_wait_s=first_retry_wait_s,
            retry_after_cap_s=retry_after_cap_s,
        )

    @property
    def base_url(self) -> str:
        """The server's address, without a trailing slash."""
        return self._transport.base_url

    @property
    def clock_skew_s(self) -> float | None:
        """Our clock minus the server's, in seconds, at the last answer that named a date; None before it."""
        return self._server_time.skew_s

    def submit(self, tasks: Sequence[TaskRequest]) -> Submission:
        """Buy one batch of 1 to 100 tasks: send it once and return its id (API section 1).

        For a worker thread, where no event loop runs. Never tries again and takes no turn from the pace:
        the caller took it before it committed its intent. A 429 makes everyone pause.

        Raises:
            ValueError: not 1 to 100 tasks; nothing was sent.
            NotSent: the tasks never left this machine.
            OutcomeUnknown: the batch may exist; sending it again may pay twice.
            Throttled, StopAll, Rejected: nothing was created.

        """
        body = encoded(tasks)
        try:
            return asyncio.run(post_once(self._transport, body, deadline_s=self._submit_timeout_s))
        except Throttled as error:
            with suppress(Exception):  # that nothing was created is known: a pace that fails must not hide it
                self._rate_limiter.pause(pause_s(error, self._bounds))
            raise

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[Reader]:
        """Open shared connections for reads, for as long as the context lasts."""
        keep_stamina_quiet()
        async with self._transport.open_shared(connections=self._connections) as client:
            yield Reader(
                self._transport,
                client,
                self._rate_limiter,
                connections=self._connections,
                timeout_s=self._read_timeout_s,
                bounds=self._bounds,
            )

    def deny(self, kind: DenyKind, values: Sequence[str]) -> None:
        """Keep these addresses or numbers out of every future answer to this key (API section 6)."""
        asyncio.run(self._with_reader(lambda reader: reader.deny(kind, values)))

    def undeny(self, kind: DenyKind, values: Sequence[str]) -> None:
        """Take deny rules back (API section 6)."""
        asyncio.run(self._with_reader(lambda reader: reader.undeny(kind, values)))

    def denied(self, kind: DenyKind, values: Sequence[str]) -> dict[str, bool]:
        """Return which values are denied. A value the server says nothing readable about is left out."""
        return asyncio.run(self._with_reader(lambda reader: reader.denied(kind, values)))

    async def _with_reader(self, use: Callable[[Reader], Awaitable[T]]) -> T:
        async with self.reader() as reader:
            return await use(reader)
