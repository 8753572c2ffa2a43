"""F58: titles, names and places that no person typed, and prices that no vendor asks."""

import json
from pathlib import Path

import pytest

from openmart_pipeline.intake.companies import CompanyFile
from openmart_pipeline.intake.readable import MAX_HINT_CHARS, MAX_TITLE_CHARS, MAX_TITLES
from openmart_pipeline.planning.question_settings import QuestionSettings, merged_over
from openmart_pipeline.settings import SettingsRefused, read_settings

UNREADABLE = {
    "a control sign": "Ow\x07ner",
    "a zero byte": "Owner\0",
    "turned around": "Owner\u202egnp",
    "isolated": "\u2067Owner\u2069",
    "nothing that shows": "\u200b\u200d\ufeff",
    "signs only": "***!!",
    "digits only": "12345",
    "signs of nobody": "\ue000\ue001",
    "a lost sign": "Gesch\ufffdftsf\ufffdhrer",
}
READABLE = {
    "Head of Marketing": "Head of Marketing",
    "  VP,\u00a0Sales\t(EMEA) ": "VP, Sales (EMEA)",
    "\u7dcf\u7d4c\u7406": "\u7dcf\u7d4c\u7406",
    "G\u00e9rant\u00b7e": "G\u00e9rant\u00b7e",
    "\u05de\u05e0\u05db\u05f4\u05dc": "\u05de\u05e0\u05db\u05f4\u05dc",
    "x" * MAX_TITLE_CHARS: "x" * MAX_TITLE_CHARS,
    "CEO;ceo| Owner": "CEO",
}


def reasons(tmp_path: Path, *titles: str, header: str = "Website\tTitle") -> list[tuple[str | None, list[str]]]:
    """What became of each row: the reason why it is rejected, or none and the titles it asks for."""
    lines = [f"acme{number}.com\t{title}" for number, title in enumerate(titles)]
    (tmp_path / "x.tsv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    [chunk] = CompanyFile(tmp_path / "x.tsv", "x.tsv").chunks()
    rejected = dict(zip(chunk.rejected["source_row"].to_pylist(), chunk.rejected["reason"].to_pylist(), strict=True))
    kept = dict(zip(chunk.kept["source_row"].to_pylist(), chunk.kept["titles"].to_pylist(), strict=True))
    return [(rejected.get(row), kept.get(row, [])) for row in range(2, len(titles) + 2)]


def test_a_title_that_nobody_can_read_is_asked_of_nobody(tmp_path: Path) -> None:
    assert reasons(tmp_path, *UNREADABLE.values()) == [("unreadable_title", [])] * len(UNREADABLE)


@pytest.mark.parametrize("who", ["jane@acme.com", "+44 20 7946 0958", "linkedin.com/in/jane-doe"])
def test_a_title_that_names_a_person_is_asked_of_nobody_and_not_repeated(tmp_path: Path, who: str) -> None:
    """It would go to the API and stay in the ledger, where `forget` finds no words."""
    assert reasons(tmp_path, f"Owner {who}") == [("unreadable_title", [])]
    with pytest.raises(ValueError, match="ask for a role") as refused:
        merged_over(QuestionSettings(), titles=[f"Owner {who}"])
    assert who not in str(refused.value)


def test_a_title_in_any_script_is_asked_as_it_is(tmp_path: Path) -> None:
    read = reasons(tmp_path, *(f'"{title}"' if "\t" in title else title for title in READABLE))
    assert [(reason, titles[0]) for reason, titles in read] == [(None, title) for title in READABLE.values()]
    assert reasons(tmp_path, "", "n/a", " ", "\u00a0") == [(None, [])] * 4


def test_a_title_as_long_as_a_page_and_titles_without_end_are_asked_of_nobody(tmp_path: Path) -> None:
    many = ";".join(f"Role {number}" for number in range(MAX_TITLES + 1))
    assert reasons(tmp_path, "x" * (MAX_TITLE_CHARS + 1), f"Owner;{'y' * 100_000}", many) == [
        ("title_too_long", []), ("title_too_long", []), ("too_many_titles", []),
    ]  # fmt: skip


@pytest.mark.parametrize("title", [*UNREADABLE.values(), "Ow\udc80ner", "z" * (MAX_TITLE_CHARS + 1)], ids=ascii)
def test_such_a_title_is_refused_in_the_settings_too(title: str) -> None:
    with pytest.raises(ValueError, match="title") as refused:
        merged_over(QuestionSettings(), titles=["Owner", title])
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 200
    with pytest.raises(ValueError, match="titles"):
        merged_over(QuestionSettings(), titles=[f"Role {number}" for number in range(MAX_TITLES + 1)])


def test_a_hint_that_is_no_hint_is_kept_and_not_sent(tmp_path: Path) -> None:
    """A hundred names of a megabyte in one batch would have the server refuse it, sound questions included."""
    long = "n" * (MAX_HINT_CHARS + 1)
    (tmp_path / "x.csv").write_text(f"Website,Company,City\nacme.com,{long},{long}\nbeta.io,Beta,Bonn\n")
    [chunk] = CompanyFile(tmp_path / "x.csv", "x.csv").chunks()
    assert chunk.kept["company_name"].to_pylist() == [None, "Beta"]
    assert chunk.kept["city"].to_pylist() == [None, "Bonn"]
    assert json.loads(chunk.kept["other"].to_pylist()[0]) == {"company_name_as_read": long, "city_as_read": long}


@pytest.mark.parametrize("location", ["city=" + "x" * 201, "city=\u200b", "state=\x07"])
def test_a_place_that_is_none_is_refused_in_the_settings(location: str) -> None:
    with pytest.raises(ValueError, match="location"):
        merged_over(QuestionSettings(), location=location)


def test_an_address_to_call_back_is_bounded() -> None:
    with pytest.raises(ValueError, match="characters"):
        merged_over(QuestionSettings(), notify_url="https://hooks.acme.com/" + "x" * 3_000)


@pytest.mark.parametrize("price", ["0", "0.000000000001", "0.00999"])
def test_a_price_that_makes_every_limit_void_is_refused(price: str) -> None:
    """With it a million questions cost nothing, and no credit limit and no budget ever binds."""
    for name in ("OPENMART_PRICE_PER_EMAIL", "OPENMART_PRICE_PER_PHONE"):
        with pytest.raises(SettingsRefused, match=f"{name}.*is no price"):
            read_settings({name: f"{price} credits; contract; 2026-11"})
    read_settings({"OPENMART_PRICE_PER_EMAIL": "0.01 credits; contract; 2026-11"})
