"""What identifies a person: as typed, and out of running text of any size."""

import pytest

from openmart_pipeline.contacts.identifiers import (
    identifier_of,
    identifiers_in_text,
    without_identifiers,
)
from openmart_pipeline.contacts.suppression import Suppression

MB = 1_000_000


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see Jane.Doe@Acme.com, soon", ["jane.doe@acme.com"]),
        ("mailto:bob@acme.co.uk.", ["bob@acme.co.uk"]),
        ('{"a":"x@acme.com","b":"y@acme.com"}', ["x@acme.com", "y@acme.com"]),
        ("at https://de.linkedin.com/in/jane-doe/?x=1;", ["https://www.linkedin.com/in/jane-doe"]),
        ("(+49 30 123456) or +1 212 555 0199", ["+4930123456", "+12125550199"]),
        ("@acme, x@y, 2 + 2, linkedin.com/company/acme", []),
    ],
)
def test_whoever_stands_in_a_text_is_found(text: str, found: list[str]) -> None:
    assert [identifier.value for identifier, _ in identifiers_in_text(text)] == found


@pytest.mark.parametrize(
    "text",
    ["x" * 10 * MB, "x" * MB + "@", "a." * MB, "@" * MB, "+1" * MB, "linkedin.com/" * MB, "www." * MB],
    ids=lambda text: text[:5],
)
def test_a_word_of_megabytes_is_looked_through_like_any_text(text: str) -> None:
    """Read from every character to its end, ten megabytes took days: within the transaction that keeps an answer."""
    assert list(identifiers_in_text(text)) == []


def test_each_is_replaced_however_often_it_stands_there() -> None:
    text = "jane@acme.com, Jane@acme.com, +1 212 555 0199 " * 1_000
    assert without_identifiers(text) == "[email], [email], [phone] " * 1_000


def test_an_answer_of_ten_megabytes_in_one_word_passes_the_list() -> None:
    key = b"k" * 32
    jane = identifier_of("jane@acme.com")
    listed = Suppression(key, [Suppression(key, ()).hash_of(jane)])
    raw = b'{"data": [], "noise": "' + b"x" * 10 * MB + b' jane@acme.com"}'
    cleaned = listed.without_suppressed(raw, companies=("acme.com",), countries=(None,))
    assert cleaned.endswith(b'x [removed]"}')


@pytest.mark.parametrize("text", ["Jane Doe at acme.com", "DOE, Jané at https://www.acme.com/about"])
def test_a_name_at_a_company_is_one_identifier_in_every_spelling(text: str) -> None:
    assert identifier_of(text).value == "doe jane at acme.com"
