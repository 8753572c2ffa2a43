"""The people in a task's answer, read from its raw bytes (API section 4).

Not here: which answer belongs to which question, cleaning of addresses and numbers.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from openmart_pipeline.api.wire import JsonValue, parsed_with_damage, text_of

MAX_PEOPLE = 1_000  # read of one answer, which is asked for 8 at most; further ones stay in the raw answer
MAX_PHONES = 50  # read of one person
MAX_TEXT = 1_000  # characters of a field; a name or a title of megabytes would be in every copy of the tables
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
    """The people of one answer, and short descriptions of what in it could not be read as documented.

    `failure` says why an answer is not "nobody was found", though nobody can be read in it.
    """

    people: tuple[Person, ...] = ()
    parse_warnings: tuple[str, ...] = ()
    failure: str | None = None


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
    parse_warnings = _Oddities()
    document = _document(raw, parse_warnings)
    people = tuple(_people(document, parse_warnings))
    return PeopleRead(
        people=people, parse_warnings=parse_warnings.report(), failure=None if people else _failure(document)
    )


def _document(raw: bytes, parse_warnings: _Oddities) -> JsonValue:
    try:
        document, damage = parsed_with_damage(raw)
    except ValueError:
        parse_warnings.note("answer", "not JSON")
        return None
    for what in damage:
        parse_warnings.note("answer", what)
    return document


def _failure(document: JsonValue) -> str | None:
    """Say why an answer in which nobody can be read does not mean that nobody was found.

    Documented for that are `[]` and null. An error in place of people must not count as an answer.
    """
    if not isinstance(document, dict):
        return "the answer is no JSON object"
    data = document.get("data")
    if data in (None, [], {}):
        return "the answer names an error" if document.get("error") else None
    if isinstance(data, dict) and _is_error(data):
        return "data is an error object"
    if isinstance(data, dict | list):
        return "nobody can be read in data, which is not empty"
    return f"data is {_shape(data)}"


def _is_error(item: dict[str, JsonValue]) -> bool:
    """Whether an object tells of an error and describes nobody; `title` alone is in descriptions of errors too."""
    return any(item.get(name) for name in _ERROR_KEYS) and not any(item.get(name) for name in _PERSON_KEYS)


_ERROR_KEYS = ("error", "errors", "detail", "message")
_PERSON_KEYS = ("first_name", "last_name", "full_name", "email", "phones", "linkedin_url")


def _people(document: JsonValue, parse_warnings: _Oddities) -> Iterator[Person]:
    if not isinstance(document, dict):
        if document is not None:
            parse_warnings.note("answer", f"{_shape(document)} instead of an object")
        return
    data = document.get("data")
    if data is None:
        return
    if isinstance(data, dict):
        parse_warnings.note("data", "an object instead of a list")
        data = [data] if data else []
    if not isinstance(data, list):
        parse_warnings.note("data", f"{_shape(data)} instead of a list")
        return
    if len(data) > MAX_PEOPLE:
        parse_warnings.note("data", f"more than {MAX_PEOPLE:,} entries, the others left out")
    for position, item in enumerate(data[:MAX_PEOPLE]):
        if person := _entry(item, f"data[{position}]", parse_warnings):
            yield person


def _entry(item: JsonValue, where: str, parse_warnings: _Oddities) -> Person | None:
    if not isinstance(item, dict):
        parse_warnings.note(where, f"{_shape(item)} instead of an object")
        return None
    if _is_error(item):
        parse_warnings.note(where, "an error instead of a person")
        return None
    person = _person(item, where, parse_warnings)
    if person == _NOBODY:
        parse_warnings.note(where, "nothing readable about a person")
        return None
    return person


_NOBODY = Person()


def _person(item: dict[str, JsonValue], where: str, parse_warnings: _Oddities) -> Person:
    email, email_verified = _email(item.get("email"), f"{where}.email", parse_warnings)
    return Person(
        first_name=_text(item, "first_name", where, parse_warnings),
        last_name=_text(item, "last_name", where, parse_warnings),
        full_name=_text(item, "full_name", where, parse_warnings),
        title=_text(item, "title", where, parse_warnings),
        email=email,
        email_verified=email_verified,
        phones=tuple(_phones(item.get("phones"), f"{where}.phones", parse_warnings)),
        linkedin_url=_text(item, "linkedin_url", where, parse_warnings),
    )


def _email(value: JsonValue, where: str, parse_warnings: _Oddities) -> tuple[str | None, bool | None]:
    if isinstance(value, str):
        parse_warnings.note(where, "text instead of an object")
        return _cut(text_of(value), where, parse_warnings), None
    if isinstance(value, dict):
        return _text(value, "email", where, parse_warnings), _flag(value, "verified", where, parse_warnings)
    if value is not None:
        parse_warnings.note(where, f"{_shape(value)} instead of an object")
    return None, None


def _phones(value: JsonValue, where: str, parse_warnings: _Oddities) -> Iterator[Phone]:
    if value is None:
        return
    if not isinstance(value, list):
        parse_warnings.note(where, f"{_shape(value)} instead of a list")
        value = [value]
    if len(value) > MAX_PHONES:
        parse_warnings.note(where, f"more than {MAX_PHONES} entries, the others left out")
    for position, item in enumerate(value[:MAX_PHONES]):
        place = f"{where}[{position}]"
        if isinstance(item, dict):
            if number := _text(item, "phone_number", place, parse_warnings):
                yield Phone(
                    number=number,
                    line_type=_text(item, "line_type", place, parse_warnings),
                    is_valid=_flag(item, "valid", place, parse_warnings),
                )
            continue
        parse_warnings.note(place, f"{_shape(item)} instead of an object")
        if number := _cut(text_of(item), place, parse_warnings):
            yield Phone(number=number)


def _text(item: dict[str, JsonValue], key: str, where: str, parse_warnings: _Oddities) -> str | None:
    value = item.get(key)
    text = text_of(value)
    if value is not None and not isinstance(value, str):
        parse_warnings.note(f"{where}.{key}", f"{_shape(value)} instead of text")
    elif isinstance(value, str) and text is not None and text != value:
        parse_warnings.note(f"{where}.{key}", "characters no store accepts, replaced")
    return _cut(text, f"{where}.{key}", parse_warnings)


def _cut(text: str | None, where: str, parse_warnings: _Oddities) -> str | None:
    if text is None or len(text) <= MAX_TEXT:
        return text
    parse_warnings.note(where, f"more than {MAX_TEXT:,} characters, the rest left out")
    return text[:MAX_TEXT]


def _flag(item: dict[str, JsonValue], key: str, where: str, parse_warnings: _Oddities) -> bool | None:
    value = item.get(key)
    if value is None or isinstance(value, bool):
        return value
    parse_warnings.note(f"{where}.{key}", f"{_shape(value)} instead of true or false")
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
