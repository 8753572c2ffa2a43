"""What a person or a company is recognised by: e-mail address, phone number, LinkedIn page, name at a company, domain.

Lives here: reading them from what somebody types, from a contact and out of running text, in one form each. No storage,
no lists.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from openmart_pipeline.enrichment.intake.domains import normalise_domain
from openmart_pipeline.enrichment.intake.platforms import PlatformList
from openmart_pipeline.enrichment.people.contact_fields import normal_email, normal_linkedin, normal_phone
from openmart_pipeline.enrichment.people.contacts import Contact
from openmart_pipeline.enrichment.people.names import words_of
from openmart_pipeline.enrichment.refusals import Rejected


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


_EDGES = ".-_/"
_IN_TEXT: tuple[tuple[Kind, re.Pattern[str], Callable[[str], str | None]], ...] = (
    (
        Kind.LINKEDIN,
        re.compile(r"(?:https?://)?(?:[\w-]+\.)*linkedin\.com/(?:in|pub)/[^\s\"'<>\\,;]+", re.IGNORECASE),
        normal_linkedin,
    ),
    (Kind.EMAIL, re.compile(r"[^\s<>\"'(),;:|\\\[\]]+@[^\s<>\"'(),;:|\\\[\]@]+"), normal_email),
    (Kind.PHONE, re.compile(r"\+\d[\d\s().\-/]{5,22}\d"), lambda text: normal_phone(text, None)),
)


def identifiers_in_text(text: str) -> Iterator[tuple[Identifier, str]]:
    """Yield each identifier that stands in a text, and how it is written there; numbers only with a country code."""
    for kind, pattern, normal in _IN_TEXT:
        for match in pattern.finditer(text):
            written = match[0].strip(_EDGES) if kind is not Kind.PHONE else match[0]
            value = normal(written)
            if value is not None:
                yield Identifier(kind, value), written


def without_identifiers(text: str) -> str:
    """Return the text with `[email]`, `[phone]` or `[linkedin]` where one stands: for logs and histories."""
    for identifier, written in list(identifiers_in_text(text)):
        text = text.replace(written, f"[{identifier.kind}]")
    return text
