"""What is asked of the API: a question, its fingerprint, and how much of an answer is wanted.

Lives here: the words that the plan, the ledger and the submit share. No input or output.
"""

import enum
import hashlib
import json
import unicodedata
from dataclasses import dataclass
from typing import NamedTuple

from openmart_pipeline.api.models import InfoAccess

# Raised when `folded`, the fields of `Question.fingerprint` or the forms that `domains` writes change: a ledger with
# fingerprints of another version is refused, since what it owns would not be recognised and would be bought again.
FINGERPRINT_VERSION = 1

MAX_K_LIMIT = 8  # (API section 1)
BATCH_LIMIT = 100  # tasks in one POST (API section 1)


class Access(enum.IntFlag):
    """What to look up for each person, as bits, so that "at least as wide" is one comparison in SQL."""

    EMAIL = 1
    PHONE = 2

    @classmethod
    def named(cls, name: str) -> "Access":
        """Return the bits for `EMAIL`, `PHONE` or `EMAIL_AND_PHONE` (also `EMAIL,PHONE`, in any case).

        Raises:
            ValueError: a sentence that names the three accepted words.

        """
        words = {word.strip() for word in name.upper().replace("_AND_", ",").split(",")} - {""}
        if not words or not words <= {"EMAIL", "PHONE"}:
            raise ValueError(f"info_access is {name!r}: write EMAIL, PHONE or EMAIL_AND_PHONE.")
        access = cls(0)
        for word in words:
            access |= cls[word]
        return access

    @property
    def label(self) -> str:
        """`EMAIL`, `PHONE` or `EMAIL_AND_PHONE`: the word used in settings, tables and the UI."""
        return "_AND_".join(flag.name or "" for flag in Access if flag in self)

    @property
    def on_the_wire(self) -> frozenset[InfoAccess]:
        """The values of the task's `info_access` array (API section 1)."""
        return frozenset(InfoAccess(flag.name or "") for flag in Access if flag in self)


BOTH = Access.EMAIL | Access.PHONE


def folded(text: str) -> str:
    """Return the text in one case and spacing, so that "Head of  marketing" asks what "Head of Marketing" asks."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Who holds this role at this company? The company's name is a hint and no part of it."""

    domain: str
    title: str
    city: str | None = None
    state: str | None = None
    country: str | None = None
    version: int | None = None

    @property
    def fingerprint(self) -> str:
        """32 hex characters; equal exactly when two questions are one purchase.

        Pipeline 0 is the vendor's default (API section 1), so a version left out and 0 are the same question.
        """
        fields = [
            self.domain,
            folded(self.title),
            folded(self.country or ""),
            folded(self.state or ""),
            folded(self.city or ""),
            self.version or 0,
        ]
        canonical = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
        return hashlib.blake2b(canonical.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A plan that wants a question answered, so wide."""

    question: Question
    max_k: int
    access: Access
    company_name: str | None = None

    @property
    def row(self) -> "AskRow":
        """The ask as the ledger writes it."""
        question = self.question
        return AskRow(
            question.fingerprint,
            question.domain,
            question.title,
            question.city,
            question.state,
            question.country,
            question.version,
            self.max_k,
            int(self.access),
            self.company_name,
            None,
        )


class AskRow(NamedTuple):
    """An ask in the columns of the ledger, its fingerprint reckoned already: a plan may have a million."""

    fingerprint: str
    domain: str
    title: str
    city: str | None
    state: str | None
    country: str | None
    version: int | None
    max_k: int
    info_access: int
    company_name: str | None
    source_row: int | None  # the first row of the file that asks it
