"""Our own flags: role mailboxes, free mail, and what a number's digits tell."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmart_pipeline.contacts.contact_flags import (
    Numbering,
    email_domain,
    is_free_mail,
    is_role_address,
    numbering,
)


@pytest.mark.parametrize(
    "address",
    [
        "info@a.com",
        "sales.2@a.com",
        "no-reply@a.com",
        "customer_service@a.de",
        "info+x@a.com",
        "vertrieb@a.de",
        "rrhh@a.es",
    ],
)
def test_a_mailbox_of_a_role_is_one_however_it_is_spelled(address: str) -> None:
    assert is_role_address(address)


@pytest.mark.parametrize(
    "address", ["jane@a.com", "infante@a.com", "sales.smith@a.com", "x@info.com", "hr.mueller@a.de"]
)
def test_a_persons_mailbox_is_none(address: str) -> None:
    assert not is_role_address(address)


@pytest.mark.parametrize(
    ("domain", "is_free"),
    [
        ("gmail.com", True),
        ("yahoo.co.uk", True),
        ("web.de", True),
        ("acme.com", False),
        ("mail.acme.com", False),
        ("localhost", False),
    ],
)
def test_free_mail_is_what_company_files_are_read_with(domain: str, is_free: bool) -> None:
    assert is_free_mail(domain) is is_free


def test_a_domain_is_written_as_company_domains_are() -> None:
    assert email_domain("jane@acme.com") == "acme.com"
    assert email_domain("jane@bücher.de") == "xn--bcher-kva.de"


@pytest.mark.parametrize(
    ("e164", "expected"),
    [
        ("+12015550123", Numbering("US", "FIXED_LINE_OR_MOBILE")),
        ("+18005550123", Numbering("US", "TOLL_FREE")),
        ("+14165550123", Numbering("CA", "FIXED_LINE_OR_MOBILE")),
        ("+4915123456789", Numbering("DE", "MOBILE")),
        ("+442079460958", Numbering("GB", "FIXED_LINE")),
        ("+80012345678", Numbering(None, "TOLL_FREE")),
        ("+19995550123", Numbering(None, "UNKNOWN")),
    ],
)
def test_a_number_tells_its_country_and_type(e164: str, expected: Numbering) -> None:
    assert numbering(e164) == expected


@given(st.from_regex(r"\+1[2-9][0-9]{9}", fullmatch=True))
def test_the_verdict_shared_by_an_exchange_is_the_librarys_own(e164: str) -> None:
    number = phonenumbers.parse(e164)
    kind = phonenumbers.PhoneNumberType.to_string(phonenumbers.number_type(number))
    assert numbering(e164) == (phonenumbers.region_code_for_number(number), kind)
