"""What a row says about its own question: how many, which information, which pipeline.

One cell in, one value out, or a `Rejected`; no frames, no files.
"""

import re

from openmart_pipeline.intake.readable import clean_text
from openmart_pipeline.intake.refusals import Rejected, RejectReason

MAX_K = 8  # per task (API section 1)
VERSIONS = {"0": 0, "1": 1}  # default pipeline, all-in-one variant (API section 1)
_WORDS_FOR_BOTH = frozenset({"both", "all", "any"})


def read_max_k(text: str) -> int | Rejected | None:
    """Return how many contacts the row wants at most, 1 to 8, or None where it leaves that open."""
    written = clean_text(text)
    if written is None:
        return None
    if re.fullmatch(r"\d{1,3}(?:[.,]0+)?", written):
        number = int(re.split(r"[.,]", written)[0])
        if 1 <= number <= MAX_K:
            return number
    return Rejected(
        RejectReason.MAX_K_OUT_OF_RANGE,
        f"{written[:40]!r} contacts can't be asked for: give a whole number from 1 to {MAX_K}, or leave it blank",
    )


def read_info_access(text: str) -> str | Rejected | None:
    """Return EMAIL, PHONE or EMAIL_AND_PHONE, or None where the row leaves that open."""
    written = clean_text(text)
    if written is None:
        return None
    words = set(re.findall(r"[a-z]+", written.lower().replace("e-mail", "email")))
    words -= {"and", "or", "only", "address", "number"}
    has_email = bool(words & ({"email", "emails", "mail"} | _WORDS_FOR_BOTH))
    has_phone = bool(words & ({"phone", "phones", "telephone", "mobile"} | _WORDS_FOR_BOTH))
    strange = words - {"email", "emails", "mail", "phone", "phones", "telephone", "mobile"} - _WORDS_FOR_BOTH
    if strange or not (has_email or has_phone):
        return Rejected(
            RejectReason.UNKNOWN_INFO_ACCESS,
            f"{written[:40]!r} is neither EMAIL, PHONE nor EMAIL_AND_PHONE: phones cost more, so none is guessed",
        )
    return "EMAIL_AND_PHONE" if has_email and has_phone else "EMAIL" if has_email else "PHONE"


def read_version(text: str) -> int | Rejected | None:
    """Return the API's pipeline, 0 or 1, or None where the row leaves that open (API section 1)."""
    written = clean_text(text)
    if written is None:
        return None
    version = VERSIONS.get(written.removesuffix(".0"))
    if version is None:
        return Rejected(
            RejectReason.UNKNOWN_VERSION,
            f"{written[:40]!r} is no version of the API (0 or 1): rename the column if it means something else",
        )
    return version
