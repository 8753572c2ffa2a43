"""A raw answer to typed contact rows: the same bytes always give the same rows.

Lives here: which person becomes a row, its identity, its one best phone. No DuckDB, no pandas, no network.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from openmart_pipeline.api.models import Person, Phone, read_people
from openmart_pipeline.contacts.contact_fields import (
    normal_email,
    normal_linkedin,
    normal_phone,
    storable_text,
)
from openmart_pipeline.contacts.contact_flags import (
    email_domain,
    is_free_mail,
    is_role_address,
    numbering,
)
from openmart_pipeline.model.answers import Answer


@dataclass(frozen=True, slots=True)
class ContactPhone:
    """A phone as received and, where it can be read, as E.164."""

    number: str
    e164: str | None
    region: str | None  # two letters, by the numbering plan
    line_type: str | None  # MOBILE, LANDLINE, VOIP ..., in the vendor's words
    number_type: str | None  # by the numbering plan; None without E.164
    is_valid: bool | None  # the vendor's verdict


@dataclass(frozen=True, slots=True)
class Contact:
    """A person found, each field in its one form; None where the vendor says nothing or nothing readable."""

    first_name: str | None
    last_name: str | None
    full_name: str | None
    title: str | None
    email: str | None
    email_verified: bool | None
    email_domain: str | None
    is_role_address: bool | None
    is_free_mail: bool | None
    phone: str | None  # E.164, the one to call first
    phone_region: str | None
    phone_line_type: str | None
    phone_number_type: str | None
    phones: tuple[ContactPhone, ...]
    linkedin_url: str | None

    @property
    def identity(self) -> str | None:
        """What tells this person from the others of an answer; None when there is nothing to tell by."""
        name = self.full_name.casefold() if self.full_name else None
        return self.linkedin_url or self.email or name or self.phone or next((p.number for p in self.phones), None)


@dataclass(frozen=True, slots=True)
class ContactRow:
    """A person found for a question of a file."""

    contact_id: str  # 32 hex characters
    contact: Contact


@dataclass(frozen=True, slots=True)
class ContactsRead:
    """The rows of one answer, and what in it could not be read: places and shapes, never personal data."""

    rows: tuple[ContactRow, ...] = ()
    parse_warnings: tuple[str, ...] = ()


def contact_rows_of(answer: Answer, *, input_file: str) -> ContactsRead:
    """Return the people of an answer as rows, in its order; never raises, whatever the bytes are (F12).

    The country of the question reads phone numbers without a country code. A person listed twice alike is one row;
    two who share an address, as `info@`, stay two. What gives no row stays in the raw answer.
    """
    if answer.raw is None:
        return ContactsRead()
    read = read_people(answer.raw)
    parse_warnings = list(read.parse_warnings)
    rows: list[ContactRow] = []
    seen: dict[str, list[Contact]] = {}
    for person in read.people:
        contact = contact_of(person, answer.country, parse_warnings)
        identity = contact.identity
        if identity is None:
            parse_warnings.append("a person without name, e-mail, phone or LinkedIn page")
            continue
        sharers = seen.setdefault(identity, [])
        if contact in sharers:
            parse_warnings.append("a person listed twice")
            continue
        sharers.append(contact)
        rows.append(ContactRow(_contact_id(input_file, answer.fingerprint, identity, len(sharers)), contact))
    return ContactsRead(tuple(rows), tuple(parse_warnings))


def contact_of(person: Person, country: str | None, parse_warnings: list[str]) -> Contact:
    """Return the person with each field in its one form; what can't be read is noted in `parse_warnings`."""
    first_name = storable_text(person.first_name)
    last_name = storable_text(person.last_name)
    full_name = storable_text(person.full_name) or " ".join(filter(None, (first_name, last_name))) or None
    email = normal_email(person.email) if person.email else None
    if person.email and email is None:
        parse_warnings.append("an e-mail address that is none")
    linkedin_url = normal_linkedin(person.linkedin_url) if person.linkedin_url else None
    if person.linkedin_url and linkedin_url is None:
        parse_warnings.append("a LinkedIn address that leads to no person")
    phones = tuple(_phone(phone, country) for phone in person.phones)
    if any(phone.e164 is None for phone in phones):
        parse_warnings.append("a phone number that can't be read")
    first = _first_to_call(phones)
    domain = email_domain(email) if email else None
    return Contact(
        first_name,
        last_name,
        full_name,
        storable_text(person.title),
        email,
        person.email_verified if email else None,
        domain,
        is_role_address(email) if email else None,
        is_free_mail(domain) if domain else None,
        first.e164 if first else None,
        first.region if first else None,
        first.line_type if first else None,
        first.number_type if first else None,
        phones,
        linkedin_url,
    )


def _phone(phone: Phone, country: str | None) -> ContactPhone:
    e164 = normal_phone(phone.number, country)
    plan = numbering(e164) if e164 else None
    return ContactPhone(
        storable_text(phone.number) or "",
        e164,
        plan.region if plan else None,
        storable_text(phone.line_type),
        plan.number_type if plan else None,
        phone.is_valid,
    )


def _first_to_call(phones: Iterable[ContactPhone]) -> ContactPhone | None:
    """Return the first of the best kind: valid before not said, mobile before others, never invalid."""
    callable_ = [phone for phone in phones if phone.e164 and phone.is_valid is not False]
    return min(callable_, key=lambda phone: (not phone.is_valid, not _is_mobile(phone)), default=None)


def _is_mobile(phone: ContactPhone) -> bool:
    """Whether it is a mobile, in the vendor's word, or in the numbering plan's where the vendor says nothing."""
    return (phone.line_type or phone.number_type or "").upper() == "MOBILE"


def _contact_id(input_file: str, fingerprint: str, identity: str, ordinal: int) -> str:
    """Return the same id at every reload; `ordinal` tells apart those who share an identity."""
    key = "\x00".join((input_file, fingerprint, identity, str(ordinal)))
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
