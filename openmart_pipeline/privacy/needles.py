"""Whether an answer may name somebody: a quick no for nearly every answer, so that only the others are read.

Lives here: what of an identifier must stand in any plain text that names it. A yes proves nothing.
"""

import json
import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import unquote

from openmart_pipeline.contacts.identifiers import Identifier, Kind

_LAST_DIGITS = 6  # of a number: whatever its country code and its punctuation, they stand last
_NO_DIGITS = bytes(code for code in range(256) if code not in b"0123456789")
_KEYPAD = bytes.maketrans(b"abcdefghijklmnopqrstuvwxyz", b"22233344455566677778889999")  # 1-800-FLOWERS is a number
_NO_KEYS = bytes(code for code in range(256) if not chr(code).isalnum() or code > 127)  # noqa: PLR2004  ASCII
_NO_ASCII_DIGIT = re.compile(r"(?![0-9])\d")  # phone numbers may be written with the digits of any script
_PLAIN_WORD = re.compile(r"[a-z0-9.+_-]+")


class Needles:
    """What to look for in raw answers."""

    def __init__(self, wanted: Iterable[Identifier]) -> None:
        """Take from each identifier what is written alike in every plain text that names it."""
        self._words: list[bytes] = []
        self._digits: list[bytes] = []
        self._reads_all = False
        for identifier in wanted:
            if identifier.kind is Kind.PHONE:
                self._digits.append(identifier.value[-_LAST_DIGITS:].encode())
            elif _PLAIN_WORD.fullmatch(word := _word_of(identifier)):
                self._words.append(word.encode())
            else:
                self._reads_all = True

    def may_be_in(self, raw: bytes) -> bool:
        """Whether the answer may name one of them; true of an answer that can't be read."""
        if self._reads_all:
            return True
        if raw.isascii() and b"\\u" not in raw and b"%" not in raw:
            return self._stands_in(raw.lower())
        try:
            text = json.dumps(json.loads(raw), ensure_ascii=False)
        except (ValueError, RecursionError):
            return True
        return any(_NO_ASCII_DIGIT.search(form) or self._stands_in(_plain(form)) for form in {text, unquote(text)})

    def _stands_in(self, lower: bytes) -> bool:
        if any(word in lower for word in self._words):
            return True
        if not self._digits:
            return False
        digits = lower.translate(None, _NO_DIGITS), lower.translate(_KEYPAD, _NO_KEYS)
        return any(number in written for number in self._digits for written in digits)


def _plain(text: str) -> bytes:
    """Return the text in lower case and ASCII: without accents, wide letters as narrow ones, other scripts left out."""
    return unicodedata.normalize("NFKD", text).casefold().encode("ascii", "ignore")


def words_and_digits(wanted: Iterable[Identifier]) -> tuple[list[str], list[str]]:
    """Return what to look for in the text of a cell, in lower case; names apart, which no cell is searched for."""
    named = [identifier for identifier in wanted if identifier.kind is not Kind.NAME]
    signs = {Kind.EMAIL: "@", Kind.LINKEDIN: "linkedin.com"}  # where the word itself has several spellings
    words = [
        word if _PLAIN_WORD.fullmatch(word := _word_of(identifier)) else signs[identifier.kind]
        for identifier in named
        if identifier.kind in signs
    ]
    return words, [identifier.value[-_LAST_DIGITS:] for identifier in named if identifier.kind is Kind.PHONE]


def _word_of(identifier: Identifier) -> str:
    match identifier.kind:
        case Kind.EMAIL:
            return identifier.value.partition("@")[0]
        case Kind.LINKEDIN:
            return identifier.value.rpartition("/")[2].lower()
        case Kind.NAME:
            return max(identifier.value.rpartition(" at ")[0].split(), key=len)
        case _:
            return ""
