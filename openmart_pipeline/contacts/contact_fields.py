"""One form for each field of a person: e-mail, phone, LinkedIn address, text.

Lives here: what a field looks like once stored, and None for what is none. No rows, no storage, no network.
"""

import re
import unicodedata
from urllib.parse import unquote

import phonenumbers
from email_validator import EmailNotValidError, validate_email

# What the full validator accepts unchanged but for case (a test holds it to that): nine of ten addresses, 20
# times as fast. No underscore in the domain, no leading, trailing or doubled dot, no label over 63
# characters.
PLAIN_EMAIL = r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?:com|net|org|io|co|ai)"
_PLAIN_EMAIL = re.compile(PLAIN_EMAIL)
PLAIN_EMAIL_LENGTH = 64  # characters; longer ones go to the validator, which knows the limit of each part

# Neither a lone surrogate nor NUL nor an escape sequence belongs in a database that people print on
# terminals.
_UNSTORABLE = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff]")
_PLAIN_TEXT = re.compile(r"[!-~]+(?: [!-~]+)*")

# A number of North America with its country code: has no trunk prefix or other second reading, so it needs no parser.
_PLAIN_PHONE = re.compile(r"\+1[ .-]?(?:([2-9][0-9]{2})|\(([2-9][0-9]{2})\))[ .-]?([2-9][0-9]{2})[ .-]?([0-9]{4})")

_LINKEDIN = re.compile(
    r"(?:https?:)?(?://)?(?:[a-z0-9-]+\.)*linkedin\.com/(in|pub)/([^?#\s]+)(?:[?#]\S*)?", re.IGNORECASE
)
_PLAIN_SLUG = re.compile(r"[A-Za-z0-9-]+")
# U+FFFD is what an escape that is not UTF-8 decodes to; the others would end the address where it is shown.
_NOT_IN_A_SLUG = re.compile(r"""[\ufffd\s<>"'`\\{}|^%]""")
# Members without a name of their own have an opaque id there, and its case means something.
_LINKEDIN_OPAQUE_ID = re.compile(r"AC[A-Za-z0-9][A-Za-z0-9_-]{20,}")


def storable_text(text: str | None) -> str | None:
    """Return the text on one line, single-spaced, with U+FFFD for what can't be stored; None when blank.

    A lone surrogate can't be encoded, NUL cuts text short in many readers, other control characters act on a
    terminal.
    """
    if text is None or _PLAIN_TEXT.fullmatch(text):
        return text
    return " ".join(_UNSTORABLE.sub("\ufffd", text).split()) or None


def storable_json(raw: bytes) -> str:
    """Return the answer as text, byte for byte where it is UTF-8 without NUL; U+FFFD stands for the rest."""
    return raw.decode("utf-8", "replace").replace("\x00", "\ufffd")


def normal_email(text: str) -> str | None:
    """Return the address in lower case when its syntax is right, else None. Asks no name server."""
    address = text.strip().lower()
    if len(address) <= PLAIN_EMAIL_LENGTH and "xn--" not in address and _PLAIN_EMAIL.fullmatch(address):
        return address  # a domain in punycode is the same as in its own letters: the validator knows
    try:
        checked = validate_email(address, check_deliverability=False, strict=True)
    except (EmailNotValidError, UnicodeError):
        return None
    return checked.normalized.lower()


def normal_phone(text: str, country: str | None) -> str | None:
    """Return the number as E.164 (`+15551234567`), else None; `country` (two letters) reads national ones.

    An extension is not part of E.164: it stays in the number as received.
    """
    if plain := _PLAIN_PHONE.fullmatch(text):
        return f"+1{plain[1] or plain[2]}{plain[3]}{plain[4]}"
    region = country.upper() if country else None
    try:
        number = phonenumbers.parse(text, region if region in phonenumbers.SUPPORTED_REGIONS else None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def normal_linkedin(text: str) -> str | None:
    """Return `https://www.linkedin.com/in/<name>`, else None for what is no person's page there.

    Country hosts, `http`, tracking parameters, a trailing slash and upper case all lead to the same person.
    """
    match = _LINKEDIN.fullmatch(text.strip())
    if match is None:
        return None
    kind, name = match.group(1).lower(), match.group(2).rstrip("/")
    if kind == "in":
        name = name.split("/")[0]  # `/in/jane/de` is Jane's page in German
    if not _PLAIN_SLUG.fullmatch(name):
        name = unicodedata.normalize("NFC", unquote(name))
        if not name.isprintable() or _NOT_IN_A_SLUG.search(name):
            return None
    if not _LINKEDIN_OPAQUE_ID.fullmatch(name):
        name = name.lower()
    return f"https://www.linkedin.com/{kind}/{name}" if name else None
