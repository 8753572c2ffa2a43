"""The guard in front of Dagster's web server: a page of another site can neither start anything nor read anything.

Dagster executes mutations by GET and checks neither Host nor Origin, so any page in a browser on this machine could
buy. The guard looks at every request and every websocket before Dagster does. It knows HTTP and nothing of Dagster.
"""

import logging
import re
from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

GRAPHQL = "/graphql"
READING = ("GET", "HEAD")
# Any port: a tunnel may listen on another one. A page of another site can't send these names, whatever its DNS says.
THIS_MACHINE = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)
# The types that no form and no request without a preflight can send.
JSON_TYPES = ("application/json", "application/graphql")
OWN_PAGE = ("same-origin", "none")  # of Sec-Fetch-Site; none: typed, or a bookmark
MOST_SHOWN = 100  # characters of what a stranger wrote
# No other site may frame the UI (a click there could buy), embed its answers, or keep a handle on its window.
HEADERS = (
    (b"content-security-policy", b"frame-ancestors 'self'"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
)
_log = logging.getLogger(__name__)


class Guard:
    """Passes on what this machine's own pages and programs ask; refuses everything else with 403.

    A refusal is one sentence in the answer and one line in the log (of a websocket, in the log only).

    A program without Origin and Sec-Fetch headers (curl, a script) passes when it posts JSON: it is no browser, and
    whoever runs programs here needs no page to spend.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or one websocket."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        reason = refusal(scope)
        if reason is None:
            await self._app(scope, receive, _with_headers(send))
            return
        method = scope.get("method", "websocket")
        _log.warning("Refused %s %s: %s", _shown(method), _shown(scope["path"]), reason)
        await _refuse(scope, send, f"Refused: {reason} Nothing was read or started.\n")


def refusal(scope: Scope) -> str | None:
    """Return why this request is refused, in one sentence, or None where it may pass."""
    host = _only(_values(scope, b"host"))
    if host is None or not THIS_MACHINE.fullmatch(host):
        return f"Dagster's UI answers to the names localhost and 127.0.0.1 only, not to {_shown(host or 'no name')}."
    foreign = [origin for origin in _values(scope, b"origin") if origin.lower() != f"http://{host.lower()}"]
    if foreign:
        return f"a page of {_shown(foreign[0])} may not use Dagster's UI."
    if not set(_values(scope, b"sec-fetch-site")) <= set(OWN_PAGE) and not _is_navigation(scope):
        return "a page of another site may not use Dagster's UI."
    return None if scope["type"] == "websocket" else _refusal_of_method(scope)


def _refusal_of_method(scope: Scope) -> str | None:
    if scope["method"] in READING:
        if scope["path"].rstrip("/\n") == GRAPHQL:  # a route's pattern also fits before a line's end
            return "GraphQL is answered by POST only, since Dagster would execute mutations by GET too."
        return None
    if scope["method"] != "POST":
        return "only GET, HEAD and POST are answered."
    types = [value.partition(";")[0].strip().lower() for value in _values(scope, b"content-type")]
    if _only(types) not in JSON_TYPES:
        return "a POST needs the header Content-Type: application/json."
    return None


def _is_navigation(scope: Scope) -> bool:
    """Whether a person follows a link to the UI: the whole window, and by GET."""
    return (
        scope["type"] == "http"
        and scope["method"] in READING
        and _values(scope, b"sec-fetch-mode") == ["navigate"]
        and _values(scope, b"sec-fetch-dest") == ["document"]
    )


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1").strip() for key, value in scope["headers"] if key.lower() == name]


def _only(values: Sequence[str]) -> str | None:
    return values[0] if len(values) == 1 else None


def _shown(text: str) -> str:
    """Return what a stranger wrote, as one short word of plain characters."""
    return re.sub(r"[^!-~]", "?", text)[:MOST_SHOWN]


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
        await send(message)

    return send_with_headers


async def _refuse(scope: Scope, send: Send, sentence: str) -> None:
    if scope["type"] == "websocket":  # the server answers 403; no page could read a sentence
        await send({"type": "websocket.close", "code": 1008})
        return
    body = sentence.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode()), *HEADERS]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
