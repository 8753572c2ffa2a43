"""What a person or a company is recognised by: e-mail address, phone number, LinkedIn page, name at a company, domain.

Lives here: reading them from what somebody types, from a contact and out of running text, in one form each. No storage,
no lists.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import phonenumbers

from openmart_pipeline.contacts.contact_fields import normal_email, normal_linkedin, normal_phone
from openmart_pipeline.contacts.contacts import Contact
from openmart_pipeline.contacts.person_names import words_of
from openmart_pipeline.intake.domains import normalise_domain
from openmart_pipeline.intake.platforms import PlatformList
from openmart_pipeline.intake.refusals import Rejected


class Kind(StrEnum):
    """What an identifier is."""

    EMAIL = "email"
    PHONE = "phone"
    LINKEDIN = "linkedin"
    NAME = "name"  # at a company: for entries that nothing better leads to
    DOMAIN = "domain"


@dataclass(frozen=True, slots=True, order=True)
class Identifier:
    """One identifier in its one form; never written anywhere but where the person is."""

    kind: Kind
    value: str


def name_at(name: str | None, company: str) -> Identifier | None:
    """Return the identifier of everybody of that name at the company; None without a name."""
    words = words_of(name)
    return Identifier(Kind.NAME, f"{' '.join(sorted(words))} at {company}") if words else None


def identifier_of(text: str) -> Identifier:
    """Return what the text names: an address, a page, a number with country code, `NAME at DOMAIN`, else a domain.

    Raises:
        ValueError: none of them; the sentence says what to write, without repeating what was written.

    """
    cleaned = text.strip()
    if "linkedin.com" in cleaned.lower():
        page = normal_linkedin(cleaned)
        if page is None:
            raise ValueError("A LinkedIn address must be a person's page: https://www.linkedin.com/in/NAME.")
        return Identifier(Kind.LINKEDIN, page)
    if "@" in cleaned.strip("@"):
        email = normal_email(cleaned)
        if email is None:
            raise ValueError("An e-mail address is not well-formed: write it as jane@acme.com.")
        return Identifier(Kind.EMAIL, email)
    if re.fullmatch(r"\+?[\d\s().\-/]+", cleaned):
        phone = normal_phone(cleaned, None)
        if phone is None:
            raise ValueError("A phone number needs its country code: write it as +12015550123.")
        return Identifier(Kind.PHONE, phone)
    name, _, company = cleaned.rpartition(" at ")
    domain = normalise_domain(company, platforms=PlatformList.bundled())
    if isinstance(domain, Rejected):
        raise ValueError(  # noqa: TRY004  it is the text that is wrong, not its type
            "Write an e-mail address, a phone number with country code, a LinkedIn page, a domain, or a name as in "
            '"Jane Doe at acme.com".'
        )
    return name_at(name, domain) or Identifier(Kind.DOMAIN, domain)


def identifiers_of(contact: Contact) -> frozenset[Identifier]:
    """Return everything that a contact is reached or recognised by, the company's domain left out."""
    found = {Identifier(Kind.PHONE, phone.e164) for phone in contact.phones if phone.e164}
    if contact.email:
        found.add(Identifier(Kind.EMAIL, contact.email))
    if contact.linkedin_url:
        found.add(Identifier(Kind.LINKEDIN, contact.linkedin_url))
    return frozenset(found)


_COUNTRY_CODE_DIGITS = 3  # at most
_NATIONAL_DIGITS = 7  # of a number without its country code, at least: fewer are an extension or a date


def unread_numbers_of(contact: Contact) -> frozenset[str]:
    """Return the digits of the contact's numbers that nobody said the country of, without zeros in front."""
    unread = (digits_of(phone.number) for phone in contact.phones if phone.e164 is None)
    return frozenset(number for number in unread if len(number) >= _NATIONAL_DIGITS)


def digits_of(number: str) -> str:
    """Return a number's digits, of any script, without a prefix that is dialled before it: `020`, `0044`."""
    return phonenumbers.normalize_digits_only(number).lstrip("0")


def may_be_number(digits: str, identifier: Identifier) -> bool:
    """Whether a number without its country may be this one: with the country's code in front, it is."""
    code = identifier.value.removeprefix("+").removesuffix(digits)
    return len(code) <= _COUNTRY_CODE_DIGITS and f"+{code}{digits}" == identifier.value


_EDGES = ".-_/"
# Each is bounded, and looked for where its sign stands: a word of megabytes costs what as much other text costs.
_LOCAL_PART = re.compile(r"[^\s<>\"'(),;:|\\\[\]@]{1,64}\Z")
_MAIL_DOMAIN = re.compile(r"[^\s<>\"'(),;:|\\\[\]@]{1,255}")
_PAGE = re.compile(r"linkedin\.com/(?:in|pub)/[^\s\"'<>\\,;]{1,300}", re.IGNORECASE)
_PAGE_HOST = re.compile(r"(?:https?://)?(?:[\w-]{1,63}\.){0,3}\Z", re.IGNORECASE)
_PHONE = re.compile(r"\+\d[\d\s().\-/]{5,22}\d")
_LONGEST_BEFORE = 64  # characters of an address before its sign


def identifiers_in_text(text: str) -> Iterator[tuple[Identifier, str]]:
    """Yield each identifier that stands in a text, and how it is written there; numbers only with a country code."""
    for written in map(_trimmed, _pages_in(text)):
        if page := normal_linkedin(written):
            yield Identifier(Kind.LINKEDIN, page), written
    for written in map(_trimmed, _emails_in(text)):
        if email := normal_email(written):
            yield Identifier(Kind.EMAIL, email), written
    for match in _PHONE.finditer(text):
        if phone := normal_phone(match[0], None):
            yield Identifier(Kind.PHONE, phone), match[0]


def _trimmed(written: str) -> str:
    return written.strip(_EDGES)


def _pages_in(text: str) -> Iterator[str]:
    for match in _PAGE.finditer(text):
        host = _PAGE_HOST.search(text, max(0, match.start() - _LONGEST_BEFORE), match.start())
        yield (host[0] if host else "") + match[0]


def _emails_in(text: str) -> Iterator[str]:
    at = text.find("@")
    while at >= 0:
        local = _LOCAL_PART.search(text, max(0, at - _LONGEST_BEFORE), at)
        domain = _MAIL_DOMAIN.match(text, at + 1)
        if local and domain:
            yield f"{local[0]}@{domain[0]}"
        at = text.find("@", at + 1)


def without_identifiers(text: str) -> str:
    """Return the text with `[email]`, `[phone]` or `[linkedin]` where one stands: for logs and histories."""
    found = {written: identifier.kind for identifier, written in identifiers_in_text(text)}
    for written, kind in found.items():
        text = text.replace(written, f"[{kind}]")
    return text
