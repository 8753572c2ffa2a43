"""Everything that can go wrong between us and Openmart, as few types as callers need to tell apart.

Not here: how an httpx error or a status becomes one of these (`verdicts.py`), what the ledger does about it.
"""


class OpenmartError(Exception):
    """Base of every error this layer raises on purpose."""


class NotSent(OpenmartError):  # named as the ledger's moves speak: a fact, not a failure
    """The tasks never left this machine: name lookup, connecting, TLS or a proxy failed before."""


class OutcomeUnknown(OpenmartError):  # a fact about money, not a failure
    """The tasks left this machine and no readable batch id came back: the batch may exist and cost money.

    `evidence` is what the server said, if anything, as one line of capped length.
    """

    def __init__(self, message: str, *, evidence: str) -> None:
        super().__init__(message)
        self.evidence = evidence


class Throttled(OpenmartError):  # a fact about pace, not a failure
    """429. `retry_after_s` is how long the server asked us to wait; None where it did not say so readably."""

    def __init__(self, message: str, *, retry_after_s: float | None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class StopAll(OpenmartError):  # an order to the caller
    """Nothing was created, and every further call would end the same way until a person acts."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class KeyRefused(StopAll):
    """401: the key is wrong or missing."""


class OutOfCredits(StopAll):
    """402: the account is empty, possibly in the middle of a run (API section 7)."""


class PlanLacksEndpoint(StopAll):
    """403: the key is known, its plan does not include this call."""


class WrongAddress(StopAll):
    """A redirect, or a 404 or 405 on an address that every Openmart server has: check the base URL."""


class Rejected(OpenmartError):  # the server's verdict
    """The server refused this one request as wrong; `detail` is its words, as one line of capped length."""

    def __init__(self, message: str, *, status: int, detail: str) -> None:
        super().__init__(message)
        self.status = status
        self.detail = detail


class Gone(OpenmartError):  # a fact about an id
    """404 on an id that was ours: expired, or bought with another key (API section 7)."""


class ReadFailed(OpenmartError):  # a read is free: named by what happened
    """A read that failed, mostly until its attempts or its time ran out. Nothing is lost: reading later is free.

    `last` is the last attempt's error.
    """

    def __init__(self, message: str, *, last: Exception) -> None:
        super().__init__(message)
        self.last = last
