"""Which words may go to the API as a title, a name or a place: readable, and of a sane length.

One text in, one verdict out. Money is spent on each title, and a text of a megabyte makes the server refuse the whole
batch that it travels in.
"""

import re
import unicodedata

from openmart_pipeline.intake.domains import BLANK_WORDS
from openmart_pipeline.intake.refusals import Rejected, RejectReason

MAX_TITLE_CHARS = 200  # three titles in one, as some people ask, take about 60
MAX_TITLES = 50  # of one row: each is a question that costs
MAX_HINT_CHARS = 200  # of a company's name or a city; the longest registered names have about 160
_SHOWN_CHARS = 40
# Controls that are no white space, halves of signs, signs that nobody has defined, and what turns the reading around.
_UNREADABLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ufffd\ud800-\udfff\ue000-\uf8ff]"
)

# An address, a number with its country code, a person's page: no role at a company, and sent to the API if it stayed.
_NAMES_SOMEBODY = re.compile(r"\S@\S+\.\S|\+\d[\d\s().\-/]{5,22}\d|linkedin\.com/", re.IGNORECASE)


def clean_text(text: str) -> str | None:
    """Return the text on one line without control characters, or None where it stands for nothing."""
    line = one_line(text)
    return None if not line or line.lower() in BLANK_WORDS else line


def one_line(text: str) -> str:
    """Return the text on one line without control characters."""
    printable = text if text.isprintable() else "".join(s if s.isprintable() else " " for s in text)
    return " ".join(printable.split())


def read_titles(text: str) -> tuple[str, ...] | Rejected:
    """Return the titles a cell lists, cut at `;`, `|` and line ends, each once and in order; none where it is blank."""
    once: dict[str, str] = {}
    for part in re.split(r"[;|\r\n]+", text):
        title = read_title(part)
        if isinstance(title, Rejected):
            return title
        if title is not None:
            once.setdefault(title.casefold(), title)
    if len(once) > MAX_TITLES:
        return Rejected(
            RejectReason.TOO_MANY_TITLES,
            f"{len(once):,} titles in one row, where at most {MAX_TITLES} may be asked for (max_titles)",
        )
    return tuple(once.values())


def read_title(text: str) -> str | Rejected | None:
    """Return one title, or None where the text stands for nothing."""
    if not text or text.isspace():
        return None
    title = clean_text(text)
    if _UNREADABLE.search(text) or (title is None and text.strip().lower() not in BLANK_WORDS):
        return Rejected(RejectReason.UNREADABLE_TITLE, "the title has signs that nobody can read: type it again")
    if title is None:
        return None
    if no_role := _why_no_role(title):
        return Rejected(RejectReason.UNREADABLE_TITLE, no_role)
    if len(title) > MAX_TITLE_CHARS:
        return Rejected(
            RejectReason.TITLE_TOO_LONG,
            f"the title has {len(title):,} characters, more than {MAX_TITLE_CHARS} (max_title_chars): is it a title?",
        )
    return title


def _why_no_role(title: str) -> str | None:
    if _NAMES_SOMEBODY.search(title):  # and is not repeated
        return "the title holds an address, a number or a page of a person: ask for a role, such as Owner"
    if not any(unicodedata.category(sign)[0] == "L" for sign in title):
        return f"the title {title[:_SHOWN_CHARS]!r} has no letter in it"
    return None
