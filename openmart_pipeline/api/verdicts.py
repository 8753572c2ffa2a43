"""What an answer's status means, as one of our errors: one table for submits, one for reads.

Not here: connections, trying again.
"""

from http import HTTPStatus

from openmart_pipeline.api.errors import (
    Gone,
    KeyRefused,
    OpenmartError,
    OutcomeUnknown,
    OutOfCredits,
    PlanLacksEndpoint,
    ReadFailed,
    Rejected,
    StopAll,
    Throttled,
    WrongAddress,
)

_WORDS_IN_A_MESSAGE = 300  # characters of the server's words that fit a sentence; the rest is in the fields
_REJECTED = {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}
_TRANSIENT = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY}  # and every 5xx


class Transient(Exception):  # a judgement
    """One attempt of a read failed in a way that the next one may not; never leaves this layer by itself."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


MAY_BE_PAID = (
    "The batch may exist and cost credits, so it is not sent again by itself: adopt it if Openmart can tell "
    "its id, or release it, knowing that its rows may then be paid twice."
)


def submit_verdict(status: int, *, words: str, evidence: str, retry_after_s: float | None) -> OpenmartError:
    """Return the error that a submit's status other than 2xx means (API sections 1 and 7).

    Whatever is not surely a refusal is an unknown outcome, 5xx above all: the batch may exist.
    """
    if stop := _stop(status, words, is_of_an_id=False):
        return stop
    said = _said(status, words)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Throttled(
            f"Openmart says we send too fast {said}. Nothing was bought; the batch is still owed and can be "
            "sent after a pause.",
            retry_after_s=retry_after_s,
        )
    if status in _REJECTED:
        return Rejected(
            f"Openmart refused this batch as wrong {said}. Nothing was bought and its rows are still owed; "
            "other batches are not affected. Correct what the server names, or send smaller parts.",
            status=status,
            detail=words,
        )
    return OutcomeUnknown(
        f"Openmart answered the submit with neither a batch id nor a refusal {said}. {MAY_BE_PAID}",
        evidence=evidence,
    )


def read_verdict(status: int, what: str, *, words: str, is_of_an_id: bool, retry_after_s: float | None) -> Exception:
    """Return the error that a read's status other than 2xx means; `Throttled` and `Transient` may be retried.

    `is_of_an_id` tells a 404 on an id (gone) from a 404 on an address that always exists (wrong server).
    """
    said = _said(status, words)
    if is_of_an_id and status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        return Gone(
            f"Openmart does not know {what} {said}: it expired, or was bought with another key. "
            "Nothing is bought again by itself.",
        )
    if stop := _stop(status, words, is_of_an_id=is_of_an_id):
        return stop
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Throttled(f"Openmart says we ask too fast {said}", retry_after_s=retry_after_s)
    if status in _TRANSIENT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Transient(f"Openmart could not answer {said}", retry_after_s=retry_after_s)
    return ReadFailed(
        f"Openmart refused the request for {what} {said}. Nothing is lost or bought; asked again at once it would "
        "be refused again.",
        last=Rejected(f"Openmart refused the request {said}", status=status, detail=words),
    )


def _stop(status: int, words: str, *, is_of_an_id: bool) -> StopAll | None:
    said = _said(status, words)
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return KeyRefused(
                f"Openmart refused the API key {said}. This call bought nothing; paid batches can be "
                "collected once the key is right. Check OPENMART_API_KEY, then start again.",
                status=status,
            )
        case HTTPStatus.PAYMENT_REQUIRED:
            return OutOfCredits(
                f"The Openmart account is out of credits {said}. This call bought nothing, its rows stay "
                "owed; paid batches are collected all the same. Top up the account, then start again.",
                status=status,
            )
        case HTTPStatus.FORBIDDEN:
            return PlanLacksEndpoint(
                f"The Openmart plan of this API key lacks this call {said}. It bought nothing. Ask Openmart "
                "about the plan, or set OPENMART_API_KEY to a key that may, then start again.",
                status=status,
            )
    is_redirect = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
    is_unknown_path = status == HTTPStatus.NOT_FOUND and not is_of_an_id
    if is_redirect or is_unknown_path or status == HTTPStatus.METHOD_NOT_ALLOWED:
        return WrongAddress(
            f"The server at the base URL does not answer as Openmart does {said}. Nothing was bought; "
            "redirects are not followed, because the API key would go along. Check OPENMART_BASE_URL, "
            "then start again.",
            status=status,
        )
    return None


def _said(status: int, words: str) -> str:
    shown = words if len(words) <= _WORDS_IN_A_MESSAGE else f"{words[:_WORDS_IN_A_MESSAGE]} ..."
    return f"(HTTP {status}: {shown})" if shown else f"(HTTP {status})"
