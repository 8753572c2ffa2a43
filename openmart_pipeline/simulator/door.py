"""Who is let in: a key, and not too many requests in a second (API sections 1 and 7).

No route lives here.
"""

import hashlib
from collections import deque
from http import HTTPStatus

from openmart_pipeline.simulator import damage
from openmart_pipeline.simulator.exchange import Answer, Request, json_answer, refusal
from openmart_pipeline.simulator.world import World

_KEY_REFUSED = refusal(HTTPStatus.UNAUTHORIZED, "Invalid API Key")


class Door:
    """Turns away who has no key or comes too often."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._let_in: deque[float] = deque()

    def turned_away(self, request: Request, now: float) -> Answer | None:
        """Give the refusal a request meets before anybody looks at what it asks, or None."""
        key = _key(request)
        if not key or self._world.only_key not in (None, key):
            return _KEY_REFUSED
        limit = self._world.settings.rate_limit_per_s
        if limit is None:
            return None
        while self._let_in and self._let_in[0] <= now - 1:
            self._let_in.popleft()
        if len(self._let_in) < limit:
            self._let_in.append(now)
            return None
        return damage.with_status(json_answer({}), HTTPStatus.TOO_MANY_REQUESTS, self._world.settings, now)


def key_hash(request: Request) -> str:
    """Give the name the request's key goes by in the account, which never shows the key."""
    return hashlib.sha256(_key(request).encode()).hexdigest()[:12]


def _key(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return request.headers.get("x-api-key", "") or (token.strip() if scheme.lower() == "bearer" else "")
