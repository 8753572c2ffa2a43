"""One form for each field, and the fast paths agree with the libraries they stand in for."""

import phonenumbers
import pytest
from email_validator import validate_email
from hypothesis import given
from hypothesis import strategies as st

from openmart_pipeline.contacts.contact_fields import (
    _PLAIN_EMAIL,
    _PLAIN_PHONE,
    PLAIN_EMAIL_LENGTH,
    normal_email,
    normal_linkedin,
    normal_phone,
    storable_json,
    storable_text,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Jane@Acme.COM ", "jane@acme.com"),
        ("o'brien@acme.com", "o'brien@acme.com"),
        ("jöns@exämple.se", "jöns@exämple.se"),
        ("jane.doe+crm@mail.acme.co.uk", "jane.doe+crm@mail.acme.co.uk"),
        ("jane", None),
        ("jane@", None),
        ("jane@localhost", None),
        ("jane..doe@acme.com", None),
        ("jane@acme..com", None),
        ("jane doe@acme.com", None),
        ("a@b.com, c@d.com", None),
        ("mailto:jane@acme.com", None),
        ("jane@" + "a" * 64 + ".com", None),
        ("j" * 65 + "@acme.com", None),
        ("jane@acme.com\x00", None),
        ("\ud800@acme.com", None),
        ("", None),
    ],
)
def test_an_address_is_lower_case_and_well_formed_or_none(text: str, expected: str | None) -> None:
    assert normal_email(text) == expected


@given(st.from_regex(_PLAIN_EMAIL, fullmatch=True).filter(lambda text: len(text) <= PLAIN_EMAIL_LENGTH))
def test_what_the_fast_path_takes_the_validator_takes_unchanged(address: str) -> None:
    assert validate_email(address, check_deliverability=False).normalized.lower() == address


@pytest.mark.parametrize(
    ("text", "country", "expected"),
    [
        ("+15552345678", None, "+15552345678"),
        ("+1 (555) 234-5678", None, "+15552345678"),
        ("tel:+1-555-234-5678", None, "+15552345678"),
        ("+1 555 234 5678 ext. 9", None, "+15552345678"),
        ("+44 (0)20 7946 0958", None, "+442079460958"),
        ("020 7946 0958", "GB", "+442079460958"),
        ("020 7946 0958", "gb", "+442079460958"),
        ("020 7946 0958", None, None),
        ("020 7946 0958", "Great Britain", None),
        ("555-234-5678", "US", "+15552345678"),
        ("00 44 20 7946 0958", "FR", "+442079460958"),
        ("+999123456789", None, None),
        ("+1555", None, None),
        ("ring twice", "US", None),
        ("\ud800", "US", None),
        ("1" * 5000, "US", None),
        ("", "US", None),
    ],
)
def test_a_number_is_e164_or_none(text: str, country: str | None, expected: str | None) -> None:
    assert normal_phone(text, country) == expected


@given(st.from_regex(_PLAIN_PHONE, fullmatch=True))
def test_what_needs_no_parser_is_what_the_parser_gives(text: str) -> None:
    number = phonenumbers.parse(text, None)
    assert phonenumbers.is_possible_number(number)
    assert normal_phone(text, None) == phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://linkedin.com/in/jane", "https://www.linkedin.com/in/jane"),
        ("http://www.LinkedIn.com/in/Jane-Doe/", "https://www.linkedin.com/in/jane-doe"),
        ("linkedin.com/in/jane?trk=x&y=z", "https://www.linkedin.com/in/jane"),
        ("//uk.linkedin.com/in/jane#top", "https://www.linkedin.com/in/jane"),
        ("https://www.linkedin.com/in/jane/de/", "https://www.linkedin.com/in/jane"),
        ("https://www.linkedin.com/in/j%C3%B6ns", "https://www.linkedin.com/in/jöns"),
        ("https://www.linkedin.com/in/jöns", "https://www.linkedin.com/in/jöns"),
        (
            "https://www.linkedin.com/in/ACoAABcdEFghIJklMNopQRstUVwxYZ012345",
            "https://www.linkedin.com/in/ACoAABcdEFghIJklMNopQRstUVwxYZ012345",
        ),
        ("https://www.linkedin.com/pub/jane-doe/1/2b/3C", "https://www.linkedin.com/pub/jane-doe/1/2b/3c"),
        ("https://www.linkedin.com/company/acme", None),
        ("https://www.linkedin.com/in/", None),
        ("https://linkedin.com.evil.com/in/jane", None),
        ("https://evil.com/linkedin.com/in/jane", None),
        ("javascript:alert('linkedin.com/in/jane')", None),
        ("https://www.linkedin.com/in/<script>", None),
        ("https://www.linkedin.com/in/%00%ff", None),
        ("jane", None),
        ("", None),
    ],
)
def test_a_linkedin_page_has_one_address(text: str, expected: str | None) -> None:
    assert normal_linkedin(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" Head\n of\tMarketing ", "Head of Marketing"),
        ("A\x00B\ud800C\x1b[31m", "A\ufffdB\ufffdC\ufffd[31m"),
        ("Zoë 北京", "Zoë 北京"),
        (" \n ", None),
        ("", None),
        (None, None),
    ],
)
def test_text_is_one_storable_line(text: str | None, expected: str | None) -> None:
    assert storable_text(text) == expected


@given(st.text(st.characters()))
def test_any_text_can_be_stored(text: str) -> None:
    stored = storable_text(text)
    assert stored is None or stored.encode().decode() == stored


def test_raw_json_is_kept_to_the_byte_where_it_can_be() -> None:
    assert storable_json('{"data": ["Zoë\\u0000"]}\n'.encode()) == '{"data": ["Zoë\\u0000"]}\n'
    assert storable_json(b"\xff\x00") == "\ufffd\ufffd"
