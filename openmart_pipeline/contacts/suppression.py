"""The suppression list in use: whom to leave out, recognised by keyed hashes, and answers without them.

Lives here: pure decisions on contacts, raw answers and texts. Where the list is kept is `ledger.suppressions`.
"""

import hashlib
import json
from collections.abc import Collection, Iterable

from openmart_pipeline.api.models import JsonValue, read_people
from openmart_pipeline.api.wire import parsed_with_damage
from openmart_pipeline.contacts.contacts import Contact, contact_of
from openmart_pipeline.contacts.identifiers import (
    Identifier,
    Kind,
    identifiers_in_text,
    identifiers_of,
    name_at,
)

REMOVED = "[removed]"  # what stands in a text where an identifier was
REMOVED_PEOPLE = "people_removed_on_request"  # key in a raw answer: how many


class Suppression:
    """A list of hashes and the key they were made with; without the key nobody can tell whom they mean."""

    def __init__(self, key: bytes, hashes: Iterable[str]) -> None:
        """Hold the list; with no hashes everything passes, at no cost."""
        self._key = key
        self._hashes = frozenset(hashes)

    def __bool__(self) -> bool:
        """Whether anybody is on the list."""
        return bool(self._hashes)

    def hash_of(self, identifier: Identifier) -> str:
        """Return the keyed hash: 32 hex characters."""
        text = f"{identifier.kind}\x00{identifier.value}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, key=self._key, digest_size=16).hexdigest()

    def has(self, identifier: Identifier) -> bool:
        """Whether the identifier is on the list."""
        return bool(self._hashes) and self.hash_of(identifier) in self._hashes

    def covers_domain(self, domain: str) -> bool:
        """Whether a company asked to be left alone: its domain, or one that it is below, is on the list."""
        if not self._hashes:
            return False
        labels = domain.split(".")
        return any(self.has(Identifier(Kind.DOMAIN, ".".join(labels[n:]))) for n in range(len(labels) - 1))

    def _covers(self, contact: Contact, companies: Collection[str]) -> bool:
        """Whether the contact is on the list: by address, number or page, by name at the company, or by its domain."""
        named = (name_at(contact.full_name, company) for company in companies)
        return (
            any(map(self.has, identifiers_of(contact)))
            or any(name is not None and self.has(name) for name in named)
            or (contact.email_domain is not None and self.covers_domain(contact.email_domain))
        )

    def without_suppressed(self, raw: bytes, *, companies: Collection[str], countries: Collection[str | None]) -> bytes:
        """Return the answer without the people on the list, and without their traces anywhere in it.

        The same bytes where there are none. An answer to one question has one company and one country, which reads
        phone numbers without a country code. One that can't be assigned has those of every question of its batch.
        """
        if not self._hashes:
            return raw
        try:
            document, damage = parsed_with_damage(raw)
        except ValueError:
            return self._without_traces_in_bytes(raw)
        cleaned = self._without_people(document, companies, countries)
        cleaned = self._without_traces_in(cleaned)
        if cleaned != document:
            return json.dumps(cleaned).encode()
        return self._without_traces_in_bytes(raw) if damage else raw  # what could not be read may name somebody too

    def _without_traces_in_bytes(self, raw: bytes) -> bytes:
        return self.without_traces(raw.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    def without_traces(self, text: str) -> str:
        """Return the text with `[removed]` in place of every identifier on the list."""
        if not self._hashes:
            return text
        listed = {written for identifier, written in identifiers_in_text(text) if self.has(identifier)}
        for written in sorted(listed, key=len, reverse=True):  # one may stand within another
            text = text.replace(written, REMOVED)
        return text

    def _without_people(
        self, document: JsonValue, companies: Collection[str], countries: Collection[str | None]
    ) -> JsonValue:
        if not isinstance(document, dict):
            return document
        data = document.get("data")
        items = data if isinstance(data, list) else [data]
        kept = [item for item in items if not self._is_covered(item, companies, countries)]
        if len(kept) == len(items):
            return document
        before = document.get(REMOVED_PEOPLE)
        removed = len(items) - len(kept) + (before if isinstance(before, int) else 0)
        return {**document, "data": kept, REMOVED_PEOPLE: removed}

    def _is_covered(self, item: JsonValue, companies: Collection[str], countries: Collection[str | None]) -> bool:
        return any(map(self.has, badly_written(item))) or any(
            self._covers(contact, companies)
            for country in countries or (None,)
            for contact in contacts_of_item(item, country)
        )

    def _without_traces_in(self, value: JsonValue) -> JsonValue:
        match value:
            case str():
                return self.without_traces(value)
            case list():
                return [self._without_traces_in(item) for item in value]
            case dict():
                return {self.without_traces(name): self._without_traces_in(item) for name, item in value.items()}
            case _:
                return value


NOBODY = Suppression(b"", ())


def contacts_of_item(item: JsonValue, country: str | None) -> list[Contact]:
    """Return the person that one entry of an answer's `data` describes; none where it describes nobody."""
    if not isinstance(item, dict):
        return []
    read = read_people(json.dumps({"data": [item]}).encode())
    return [contact_of(person, country, []) for person in read.people]


_REACHED_BY = ("email", "phones", "linkedin_url")  # where an entry says how its person is reached (API section 4)


def badly_written(item: JsonValue) -> frozenset[Identifier]:
    """Return what an entry is reached by, also where it is no field of a contact: `Jane Doe <jane@acme.com>`, a list.

    Such a field is no address that anybody could write to, and still leads to the person.
    """
    if not isinstance(item, dict):
        return frozenset()
    written = json.dumps([item.get(name) for name in _REACHED_BY], ensure_ascii=False)
    return frozenset(identifier for identifier, _ in identifiers_in_text(written.replace("mailto:", " ")))
