"""Which connections carry a request: TLS, proxies, and the two httpx clients, one for paying, one for reading.

Not here: the key, what is asked and what the answer means.
"""

import logging
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from openmart_pipeline.api.addresses import is_loopback
from openmart_pipeline.api.errors import NotSent
from openmart_pipeline.api.wire import one_line

OnHead = Callable[[httpx.Response], Awaitable[None]]  # called with an answer's head, whatever becomes of its body

# aiohttp's because its httpx transport lets some through, those about malformed answers above all.
EXCHANGE_ERRORS = (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError, UnicodeError)

_MAX_HEADER_BYTES = 64 * 2**10  # per line: a long header of some gateway must not make an answer unreadable
_QUOTED_BYTES = re.compile(r":?\s*(\n|bytearray\(|\bb['\"])")  # where the libraries begin to quote what was sent


class _NoCookies(httpx.Cookies):
    def extract_cookies(self, response: httpx.Response) -> None:
        pass


_NO_COOKIES = _NoCookies()


class _Client(httpx.AsyncClient):
    """Keeps no cookies: what one answer sets must not shape the next request, and looking for them costs a tenth."""

    @property
    def cookies(self) -> httpx.Cookies:
        return _NO_COOKIES

    @cookies.setter
    def cookies(self, _cookies: object) -> None:
        raise AttributeError("this client keeps no cookies")


def tls_context(base_url: str) -> ssl.SSLContext:
    """Return what every connection to this address trusts.

    The machine's own authorities, for companies that inspect traffic, and httpx's bundled ones, for
    machines whose Python finds none. Built once, because reading them takes longer than a request.
    """
    if not base_url.startswith("https:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # plain http to this machine: nothing to trust, nothing to read
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


@asynccontextmanager
async def fresh_connection(base_url: str, tls: ssl.SSLContext, on_head: OnHead) -> AsyncIterator[httpx.AsyncClient]:
    """Open a client to use once, over httpx's own transport: it asks for a body only when it is connected.

    Its time limits are the caller's, and whatever it opened is closed at the end: left while TLS is being
    negotiated, httpx would forget a connection open.
    """
    opened = AsyncExitStack()

    async def note(event: str, facts: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            opened.push_async_callback(facts["return_value"].aclose)

    async def watch(request: httpx.Request) -> None:
        request.extensions["trace"] = note

    url = _proxy_for(base_url)
    proxy = httpx.Proxy(url, ssl_context=tls if url.scheme == "https" else None) if url else None
    async with (
        opened,
        _Client(
            verify=tls,
            proxy=proxy,
            timeout=httpx.Timeout(None),
            event_hooks={"request": [watch], "response": [on_head]},
            trust_env=False,
        ) as client,
    ):
        yield client


@asynccontextmanager
async def shared_connections(
    base_url: str, tls: ssl.SSLContext, on_head: OnHead, *, connections: int, connect_timeout_s: float
) -> AsyncIterator[httpx.AsyncClient]:
    """Open a client for many requests at once, httpx over aiohttp: a fraction of the CPU of httpx's own transport.

    How the difference grows with the number of connections is what `benchmarks/read_transports.py` measures.
    """
    proxy = _proxy_for(base_url)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, ssl=tls),
        proxy=str(proxy) if proxy else None,  # the httpx transport would hand it on in a way that aiohttp gives up
        cookie_jar=aiohttp.DummyCookieJar(),
        max_line_size=_MAX_HEADER_BYTES,
        max_field_size=_MAX_HEADER_BYTES,
    )
    async with _Client(
        transport=AiohttpTransport(client=session, verify=tls),
        # Every wait before the request leaves; the exchange as a whole is the caller's to bound.
        timeout=httpx.Timeout(None, connect=connect_timeout_s, pool=connect_timeout_s),
        event_hooks={"response": [on_head]},
        trust_env=False,
    ) as client:
        yield client


def what_broke(error: Exception) -> tuple[str, str]:
    """Return an error of an exchange as part of a sentence, and the bytes of the server that it quotes, if any.

    Told by its root: httpx says "all attempts failed" where the system says why, and the transport for
    reads calls a server that hung up a ConnectTimeout. The quoted bytes are apart because they may be personal.
    """
    root = _root(error)
    said = getattr(root, "message", root)  # aiohttp puts a layout of its own around its message
    # And where a server hung up within a head, that is all of it that came.
    text = str(said) if isinstance(said, str | BaseException) else "the head of the answer broke off"
    quoted = _QUOTED_BYTES.search(text)
    reason = text[: quoted.start()] if quoted else text
    sentence = f"the connection failed ({one_line(f'{type(root).__name__}: {reason}'.encode(errors='replace'))})"
    return sentence, text[quoted.start() :].lstrip(": \n") if quoted else ""


def keep_headers_out_of_logs() -> None:
    """Silence the one logger that prints headers, those of answers, where nobody has set its level."""
    logger = logging.getLogger("httpcore")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)


def _root(error: BaseException) -> BaseException:
    """Return the system's own error where there is one beneath, else the deepest that was named as a cause."""
    chain = [error]
    while deeper := _beneath(chain[-1]):
        chain.append(deeper)
    for candidate in reversed(chain):
        if isinstance(candidate, OSError):
            return candidate
    while error.__cause__:
        error = error.__cause__
    return error


def _beneath(error: BaseException) -> BaseException | None:
    if isinstance(error, BaseExceptionGroup):
        return error.exceptions[0]
    return error.__cause__ or error.__context__


def _proxy_for(base_url: str) -> httpx.URL | None:
    """Return the proxy the environment names for an address; never one for this machine.

    Raises:
        NotSent: the environment names one that can't be used; not quoted, it may hold a password.

    """
    host = urlsplit(base_url).hostname or ""
    if is_loopback(base_url) or proxy_bypass(host):
        return None
    proxies = getproxies()
    named = proxies.get("https") or proxies.get("all")
    if not named:
        return None
    try:
        url = httpx.URL(named if "://" in named else f"http://{named}")
        is_usable = url.scheme in {"http", "https"} and bool(url.host) and url.port != 0
    except (ValueError, httpx.InvalidURL):
        is_usable = False
    if not is_usable:
        raise NotSent(
            "Nothing was sent: the proxy that HTTPS_PROXY or ALL_PROXY names can't be used. Name an http:// or "
            "https:// proxy, or exempt Openmart's host with NO_PROXY, then start again."
        )
    return url
