"""The people in a task's answer, read from its raw bytes (API section 4).

Not here: which answer belongs to which question, cleaning of addresses and numbers.
Imports `wire` only.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from openmart_pipeline.api.wire import JsonValue, parsed, parsed_if_damaged, text_of

_ODDITIES_LIMIT = 20  # enough to see the pattern; a list of a million non-objects must not become a report


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """A phone number as the server wrote it."""

    number: str
    line_type: str | None = None
    is_valid: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person as the server described them; None is "not said"."""

    first_name: str | None = None
    last_name: str | None = None
    full_name: str | None = None
    title: str | None = None
    email: str | None = None
    email_verified: bool | None = None
    phones: tuple[Phone, ...] = ()
    linkedin_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleRead:
    """The people of one answer, and short descriptions of what in it could not be read as documented."""

    people: tuple[Person, ...] = ()
    oddities: tuple[str, ...] = ()


@dataclass(slots=True)
class _Oddities:
    """What was unlike the documentation: shapes and places, never the values, which may be personal data."""

    seen: list[str] = field(default_factory=list)
    further: int = 0

    def note(self, where: str, what: str) -> None:
        if len(self.seen) < _ODDITIES_LIMIT:
            self.seen.append(f"{where}: {what}")
        else:
            self.further += 1

    def report(self) -> tuple[str, ...]:
        return (*self.seen, *([f"and {self.further} more"] if self.further else []))


def read_people(raw: bytes) -> PeopleRead:
    """Everyone the answer names, and what in it could not be read; never raises, whatever the bytes.

    The raw answer stays in the ledger, so an oddity is a reason to look, not a loss. Keys beyond the
    documented ones are expected and not reported.
    """
    oddities = _Oddities()
    people = tuple(_people(_document(raw, oddities), oddities))
    return PeopleRead(people=people, oddities=oddities.report())


def _document(raw: bytes, oddities: _Oddities) -> JsonValue:
    try:
        return parsed(raw)
    except ValueError:
        pass
    try:
        document = parsed_if_damaged(raw)
    except ValueError:
        oddities.note("answer", "not JSON")
        return None
    oddities.note("answer", "not valid UTF-8, damaged characters replaced")
    return document


def _people(document: JsonValue, oddities: _Oddities) -> Iterator[Person]:
    if not isinstance(document, dict):
        if document is not None:
            oddities.note("answer", f"{_shape(document)} instead of an object")
        return
    data = document.get("data")
    if data is None:
        return
    if isinstance(data, dict):
        oddities.note("data", "an object instead of a list")
        data = [data] if data else []
    if not isinstance(data, list):
        oddities.note("data", f"{_shape(data)} instead of a list")
        return
    for position, item in enumerate(data):
        where = f"data[{position}]"
        if not isinstance(item, dict):
            oddities.note(where, f"{_shape(item)} instead of an object")
            continue
        person = _person(item, where, oddities)
        if person == _NOBODY:
            oddities.note(where, "nothing readable about a person")
        else:
            yield person


_NOBODY = Person()


def _person(item: dict[str, JsonValue], where: str, oddities: _Oddities) -> Person:
    email, email_verified = _email(item.get("email"), f"{where}.email", oddities)
    return Person(
        first_name=_text(item, "first_name", where, oddities),
        last_name=_text(item, "last_name", where, oddities),
        full_name=_text(item, "full_name", where, oddities),
        title=_text(item, "title", where, oddities),
        email=email,
        email_verified=email_verified,
        phones=tuple(_phones(item.get("phones"), f"{where}.phones", oddities)),
        linkedin_url=_text(item, "linkedin_url", where, oddities),
    )


def _email(value: JsonValue, where: str, oddities: _Oddities) -> tuple[str | None, bool | None]:
    if isinstance(value, str):
        oddities.note(where, "text instead of an object")
        return text_of(value), None
    if isinstance(value, dict):
        return _text(value, "email", where, oddities), _flag(value, "verified", where, oddities)
    if value is not None:
        oddities.note(where, f"{_shape(value)} instead of an object")
    return None, None


def _phones(value: JsonValue, where: str, oddities: _Oddities) -> Iterator[Phone]:
    if value is None:
        return
    if not isinstance(value, list):
        oddities.note(where, f"{_shape(value)} instead of a list")
        value = [value]
    for position, item in enumerate(value):
        place = f"{where}[{position}]"
        if isinstance(item, dict):
            if number := _text(item, "phone_number", place, oddities):
                yield Phone(
                    number=number,
                    line_type=_text(item, "line_type", place, oddities),
                    is_valid=_flag(item, "valid", place, oddities),
                )
            continue
        oddities.note(place, f"{_shape(item)} instead of an object")
        if number := text_of(item):
            yield Phone(number=number)


def _text(item: dict[str, JsonValue], key: str, where: str, oddities: _Oddities) -> str | None:
    value = item.get(key)
    text = text_of(value)
    if value is not None and not isinstance(value, str):
        oddities.note(f"{where}.{key}", f"{_shape(value)} instead of text")
    elif isinstance(value, str) and text is not None and text != value:
        oddities.note(f"{where}.{key}", "characters no store accepts, replaced")
    return text


def _flag(item: dict[str, JsonValue], key: str, where: str, oddities: _Oddities) -> bool | None:
    value = item.get(key)
    if value is None or isinstance(value, bool):
        return value
    oddities.note(f"{where}.{key}", f"{_shape(value)} instead of true or false")
    return None


def _shape(value: JsonValue) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "an object"
