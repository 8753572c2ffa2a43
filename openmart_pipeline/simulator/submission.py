"""What a submit's body may say: the vendor's checks, in its order and its words (API section 1).

No state lives here: a body goes in, tasks or a refusal come out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from openmart_pipeline.simulator.exchange import (
    Answer,
    BadBodyError,
    JsonObject,
    JsonValue,
    from_json,
    refusal,
    to_json,
)
from openmart_pipeline.simulator.made_up_people import MOST_PEOPLE, bare_domain, fold_title

MOST_TASKS = 100
DEFAULT_MAX_K = 3  # the docs list max_k as required and leave it out of most examples
COUNT_REFUSED = "the number of tasks in each batch should be between 1 and 100"
DOMAIN_REFUSED = "Domain is required"

_TEXT_FIELDS = ("company_name", "city", "state", "country", "notify_url", "tracking_id")


class RefusedError(Exception):
    """The body is refused with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.body.decode())
        self.answer = answer


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedTask:
    """One task as it was asked for."""

    domain: str
    title: str
    max_k: int
    wants_email: bool
    wants_phone: bool
    tracking_id: str | None
    question: str  # canonical, as JSON: two tasks with the same one are the same question


def read_submission(body: bytes) -> list[AskedTask]:
    """Read the tasks of a submit.

    Raises:
        RefusedError: with the vendor's answer.

    """
    try:
        tasks = from_json(body)
    except BadBodyError as error:
        raise _unprocessable("body", str(error)) from error
    if not isinstance(tasks, list):
        raise _unprocessable("body", "Input should be a valid list")
    asked = [_read_task(task, position) for position, task in enumerate(tasks[: MOST_TASKS + 1])]
    if not 1 <= len(asked) <= MOST_TASKS:
        raise RefusedError(refusal(HTTPStatus.BAD_REQUEST, COUNT_REFUSED))
    return asked


def _read_task(task: JsonValue, position: int) -> AskedTask:
    where = f"body.{position}"
    if not isinstance(task, dict):
        raise _unprocessable(where, "Input should be a valid dictionary")
    texts = {field: _text(task, field, where) for field in _TEXT_FIELDS}
    domain = _text(task, "domain", where)
    if domain is None or not bare_domain(domain):
        raise RefusedError(refusal(HTTPStatus.BAD_REQUEST, DOMAIN_REFUSED))
    if any(sign in domain for sign in ":/ "):
        raise _unprocessable(f"{where}.domain", "Input should be a domain, not an address")
    title = _text(task, "title", where)
    if title is None:
        raise _unprocessable(f"{where}.title", "Field required")
    if texts["notify_url"] is not None and not texts["notify_url"].startswith("https://"):
        raise _unprocessable(f"{where}.notify_url", "Input should be an HTTPS URL")
    version = _integer(task, "version", where)
    access = _info_access(task, where)
    return AskedTask(
        domain=domain,
        title=title,
        max_k=_max_k(task, where),
        wants_email="EMAIL" in access,
        wants_phone="PHONE" in access,
        tracking_id=texts["tracking_id"],
        question=_question(domain, title, texts, version or 0),
    )


def _question(domain: str, title: str, texts: Mapping[str, str | None], version: int) -> str:
    places: JsonObject = {
        field: " ".join(text.casefold().split()) if (text := texts[field]) else None
        for field in ("city", "state", "country")
    }
    question = {"domain": bare_domain(domain), "title": fold_title(title), **places, "version": version}
    return to_json(question).decode()


def _text(task: JsonObject, field: str, where: str) -> str | None:
    text = task.get(field)
    if text is None:
        return None
    if not isinstance(text, str) or not _is_unicode(text):
        raise _unprocessable(f"{where}.{field}", "Input should be a valid string")
    return text


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _integer(task: JsonObject, field: str, where: str) -> int | None:
    number = task.get(field)
    if number is None:
        return None
    if not isinstance(number, int) or isinstance(number, bool):
        raise _unprocessable(f"{where}.{field}", "Input should be a valid integer")
    return number


def _max_k(task: JsonObject, where: str) -> int:
    max_k = _integer(task, "max_k", where)
    if max_k is None:
        return DEFAULT_MAX_K
    if not 1 <= max_k <= MOST_PEOPLE:
        raise _unprocessable(f"{where}.max_k", f"Input should be between 1 and {MOST_PEOPLE}")
    return max_k


def _info_access(task: JsonObject, where: str) -> tuple[str, ...]:
    access = task.get("info_access")
    if access is None:
        return ("EMAIL", "PHONE")
    kinds = tuple(kind for kind in access if kind in ("EMAIL", "PHONE")) if isinstance(access, list) else ()
    if not isinstance(access, list) or len(kinds) != len(access):
        raise _unprocessable(f"{where}.info_access", "Input should be a list of 'EMAIL' and 'PHONE'")
    return tuple(str(kind) for kind in kinds)


def _unprocessable(where: str, message: str) -> RefusedError:
    place: list[JsonValue] = [int(step) if step.isdigit() else step for step in where.split(".")]
    detail: JsonValue = [{"type": "value_error", "loc": place, "msg": message}]
    return RefusedError(refusal(HTTPStatus.UNPROCESSABLE_ENTITY, detail))
