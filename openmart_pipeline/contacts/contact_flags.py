"""What we say of an e-mail address or a phone number ourselves, beside the vendor's verdict.

Lives here: role addresses, free mail, and what a number's own digits tell. No rows, no storage, no network.
"""

import re
from functools import lru_cache
from typing import NamedTuple

import idna
import phonenumbers

from openmart_pipeline.intake.domains import normalise_domain
from openmart_pipeline.intake.platforms import PlatformList
from openmart_pipeline.intake.refusals import Rejected, RejectReason

_DOMAINS_REMEMBERED = 65_536  # most answers of a run are about fewer companies; a miss takes some 20 us
_NORTH_AMERICAN_LENGTH = 12  # +1, area code, exchange, four digits
_NUMBERS_REMEMBERED = 65_536  # there are about as many exchanges in use in North America

# Mailboxes that several people read, in the languages of the files people bring. A mail there reaches a company,
# not the person it was found for.
_ROLES = frozenset(
    {
        *("abuse", "accounting", "accounts", "admin", "administration", "advertising", "all", "billing", "booking"),
        *("bookings", "business", "careers", "ceo", "company", "compliance", "contact", "contactus", "customercare"),
        *("customerservice", "customersupport", "dataprotection", "enquiries", "enquiry", "events", "everyone"),
        *("feedback", "finance", "frontdesk", "gdpr", "general", "hello", "help", "helpdesk", "hi", "hostmaster", "hr"),
        *("info", "information", "inquiries", "inquiry", "investors", "invoice", "invoices", "ir", "it", "itsupport"),
        *("jobs", "legal", "mail", "mailbox", "management", "marketing", "media", "newsletter", "noc", "noreply"),
        *("donotreply", "office", "operations", "orders", "partners", "partnerships", "payments", "people", "post"),
        *("postmaster", "pr", "press", "privacy", "procurement", "purchasing", "reception", "recruiting"),
        *("recruitment", "reservations", "root", "sales", "salesteam", "security", "service", "services", "shop"),
        *("staff", "store", "subscribe", "support", "sysadmin", "team", "tech", "techsupport", "unsubscribe"),
        *("usenet", "webmaster", "welcome", "www"),
        *("anfrage", "anfragen", "bewerbung", "bewerbungen", "buchhaltung", "buero", "einkauf", "empfang"),
        *("geschaeftsfuehrung", "kontakt", "kundenservice", "personal", "poststelle", "presse", "rechnung"),
        *("rechnungen", "sekretariat", "service", "verkauf", "vertrieb", "verwaltung", "zentrale"),
        *("accueil", "bonjour", "commercial", "comptabilite", "contabilidad", "contabilita", "contacto", "contatti"),
        *("contato", "correo", "empleo", "facturacion", "hola", "informacion", "informazioni", "prensa"),
        *("recrutement", "recepcion", "reservas", "rh", "rrhh", "secretariat", "segreteria", "ventas", "ventes"),
        *("biuro", "sekretariat", "sprzedaz", "administratie", "verkoop", "receptie", "inkoop", "forsaljning"),
    }
)
_NOT_IN_A_ROLE = re.compile(r"[0-9._-]+")


def email_domain(address: str) -> str:
    """Return the domain of a well-formed address, lower case and in punycode, as `company_domain` is written."""
    domain = address.rpartition("@")[2]
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError:
        return domain


def is_role_address(address: str) -> bool:
    """Whether the mailbox is a role's, as `info@`, `sales.2@` or `no-reply@`: dots, dashes and digits don't count."""
    mailbox = address.rpartition("@")[0].partition("+")[0]
    return _NOT_IN_A_ROLE.sub("", mailbox) in _ROLES


@lru_cache(_DOMAINS_REMEMBERED)
def is_free_mail(domain: str) -> bool:
    """Whether anybody can have an address at this domain, by the list that company files are read with."""
    platforms = PlatformList.bundled()
    labels = domain.split(".")
    # No part of the domain is on the list, as for nearly every company: the list needs no closer look.
    if not any(label in platforms.by_name for label in labels) and not any(
        ".".join(labels[start:]) in platforms.by_host for start in range(len(labels))
    ):
        return False
    verdict = normalise_domain(domain, platforms=platforms)
    return isinstance(verdict, Rejected) and verdict.reason is RejectReason.FREE_MAIL


class Numbering(NamedTuple):
    """What the numbering plans say of a number, without asking anybody."""

    region: str | None  # two letters; None where the number belongs to no country, or to none of them yet
    number_type: str  # MOBILE, FIXED_LINE, FIXED_LINE_OR_MOBILE, TOLL_FREE ..., or UNKNOWN


def numbering(e164: str) -> Numbering:
    """Return region and type of a number in E.164."""
    if e164.startswith("+1") and len(e164) == _NORTH_AMERICAN_LENGTH:
        # Area code and exchange decide in North America, where most numbers come from: ten thousand share a verdict.
        return _north_american(e164[:8])
    return _looked_up(e164)


@lru_cache(_NUMBERS_REMEMBERED)
def _north_american(exchange: str) -> Numbering:
    return _looked_up(exchange + "0100")


def _looked_up(e164: str) -> Numbering:
    try:
        number = phonenumbers.parse(e164)
    except phonenumbers.NumberParseException:
        return Numbering(None, "UNKNOWN")
    kind = phonenumbers.PhoneNumberType.to_string(phonenumbers.number_type(number))
    region = phonenumbers.region_code_for_number(number)
    return Numbering(None if region == "001" else region, kind)
