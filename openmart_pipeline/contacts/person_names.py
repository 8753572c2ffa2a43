"""When two spellings of a name may be one person: case, accents, order, middle names and initials don't count.

Lives here: comparing names. A name alone never proves that two entries are one person: that is decided in `following`.
"""

import re
import unicodedata

_NOT_A_WORD = re.compile(r"[\W_]+")


def words_of(name: str | None) -> frozenset[str]:
    """Return the words of a name in one case and without accents; none of a name that is not there."""
    if not name:
        return frozenset()
    plain = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    return frozenset(filter(None, _NOT_A_WORD.split(plain)))


def may_be_one(name: str | None, other: str | None) -> bool:
    """Whether the names may be the same person's: "Doe, Jane", "J. Doe" and "Jané M. Doe" may be Jane Doe.

    A name that is not there may be anybody's.
    """
    words, others = words_of(name), words_of(other)
    fewer, more = sorted((words, others), key=len)
    return all(any(_is_word_or_initial(word, candidate) for candidate in more) for word in fewer)


def share_a_word(name: str | None, other: str | None) -> bool:
    """Whether one may have become the other, as by marriage; a name that is not there may be anybody's."""
    words, others = words_of(name), words_of(other)
    return not words or not others or bool(words & others)


def _is_word_or_initial(word: str, candidate: str) -> bool:
    if len(word) == 1 or len(candidate) == 1:
        return word[0] == candidate[0]
    return word == candidate
