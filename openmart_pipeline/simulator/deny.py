"""Opt-outs at the source: whom a key never wants to see again (API section 6)."""

import sqlite3
from collections.abc import Iterable

from openmart_pipeline.simulator.exchange import JsonObject
from openmart_pipeline.simulator.state_file import transaction

EMAIL = "email"
PHONE = "phone"
KINDS = (EMAIL, PHONE)


class DenyRules:
    """The deny rules of every key, on disk and at hand."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._denied: set[tuple[str, str, str]] = set(
            connection.execute("SELECT key_hash, kind, value FROM deny_rules")
        )

    def add(self, key_hash: str, kind: str, values: Iterable[str]) -> None:
        """Leave matching contacts out of future answers to this key; repeating changes nothing."""
        rules = {(key_hash, kind, _folded(kind, value)) for value in values}
        with transaction(self._connection):
            self._connection.executemany("INSERT OR IGNORE INTO deny_rules VALUES (?, ?, ?)", rules)
        self._denied |= rules

    def remove(self, key_hash: str, kind: str, values: Iterable[str]) -> None:
        """Take rules back; those that are not there are no trouble."""
        rules = {(key_hash, kind, _folded(kind, value)) for value in values}
        with transaction(self._connection):
            self._connection.executemany("DELETE FROM deny_rules WHERE key_hash = ? AND kind = ? AND value = ?", rules)
        self._denied -= rules

    def is_denied(self, key_hash: str, kind: str, value: str) -> bool:
        """Say whether the value is denied for this key."""
        return (key_hash, kind, _folded(kind, value)) in self._denied

    def allows(self, key_hash: str, person: JsonObject) -> bool:
        """Say whether a person may be shown to this key: none of their addresses or numbers is denied."""
        if not self._denied:
            return True
        return not any(self.is_denied(key_hash, kind, value) for kind, value in _reached_at(person))


def _reached_at(person: JsonObject) -> Iterable[tuple[str, str]]:
    email = person.get("email")
    if isinstance(email, dict):
        yield EMAIL, str(email["email"])
    phones = person.get("phones")
    for phone in phones if isinstance(phones, list) else ():
        if isinstance(phone, dict):
            yield PHONE, str(phone["phone_number"])


def _folded(kind: str, value: str) -> str:
    """However a number is written it is the same number: only its digits count."""
    return value.strip().casefold() if kind == EMAIL else "".join(c for c in value if c.isdigit())
