"""F53: one company asked about with a place in one file and without one in another is two purchases, and is said."""

import uuid
from pathlib import Path

import pytest

from openmart_pipeline.defs.quote_metadata import quote_markdown
from openmart_pipeline.planning.quoting import Quote
from openmart_pipeline.services import Services
from openmart_pipeline_tests.cli.terminal import Terminal
from openmart_pipeline_tests.faults.shop import Shop, quick_buyer
from openmart_pipeline_tests.money import at_work, bought, company_file, planned

COUNTRY, NO_COUNTRY = "Website,Country", "Website"
HEADERS = {"country=US": (COUNTRY, NO_COUNTRY), "none": (NO_COUNTRY, COUNTRY)}  # of the first file and of the second


@pytest.fixture
def of() -> str:
    """What this test's companies are called."""
    return uuid.uuid4().hex[:8]


def two_files(folder: Path, of: str, headers: tuple[str, str]) -> tuple[str, str]:
    """Two files that share seven companies; the second has two of its own."""

    def lines(header: str, numbers: range) -> list[str]:
        return [f"{of}-{number}.com" + (",US" if header == COUNTRY else "") for number in numbers]

    first, second = headers
    return (
        company_file(folder, "first.csv", lines(first, range(7)), first),
        company_file(folder, "second.csv", lines(second, range(9)), second),
    )


@pytest.mark.parametrize("is_bought", [True, False], ids=["bought", "planned"])
@pytest.mark.parametrize("setting", HEADERS)
def test_the_quote_says_what_is_bought_twice_for_another_place_and_how_to_reuse_it(
    tmp_path: Path, shop: Shop, of: str, setting: str, is_bought: bool
) -> None:
    first, second = two_files(tmp_path, of, HEADERS[setting])
    with at_work(tmp_path, shop.url) as (work, _):
        assert planned(work, first).quote.about_other_places is None
        if is_bought:
            bought(work, quick_buyer(shop), first)
        shown = planned(work, second)
        quote = shown.quote
        assert (quote.to_buy, quote.other_places, quote.other_places_credits) == (9, 7, 7 * 33)
        assert (quote.other_places_setting, quote.other_places_reused) == (setting, 7)
        assert Quote.from_json(shown.plan.quote or "") == quote
        said = "7 companies to buy: already owned, on the way or planned with another place"
        assert all(part in quote_markdown(shown) for part in (said, "231 credits", f"location: {setting}"))
        reusing = planned(work, second, location=setting).quote
        assert reusing.about_other_places is None
        assert reusing.to_buy == (2 if is_bought else 9)


def test_the_command_line_says_it_too(tmp_path: Path, shop: Shop, of: str) -> None:
    terminal = Terminal(tmp_path, shop.url)
    with pytest.MonkeyPatch.context() as shell:
        shell.chdir(tmp_path)
        files = (terminal.file("us.csv", COUNTRY, f"{of}.com,US"), terminal.file("any.csv", NO_COUNTRY, f"{of}.com"))
        said = terminal("quote", *files).stdout.replace("\n", " ")
    assert "any.csv: 1 company to buy: already owned, on the way or planned with another place" in said
    assert "--location country=US" in said


def quoted(work: Services, *files: tuple[str, str]) -> Quote:
    """The quote of the last of these files, planned in this order; each is one company with a place."""
    for name, line in files:
        shown = planned(work, company_file(work.data.path, name, [line], "Website,Country,City"))
    return shown.quote


def test_two_real_places_are_counted_and_no_setting_is_named(tmp_path: Path, shop: Shop, of: str) -> None:
    with at_work(tmp_path, shop.url) as (work, _):
        quote = quoted(work, ("us.csv", f"{of}.com,US,"), ("de.csv", f"{of}.com,DE,Berlin"))
        assert (quote.other_places, quote.other_places_setting) == (1, None)
        assert "No setting reuses them" in (quote.about_other_places or "")


def test_another_title_in_another_place_is_another_question_and_not_counted(
    tmp_path: Path, shop: Shop, of: str
) -> None:
    with at_work(tmp_path, shop.url) as (work, _):
        first, second = two_files(tmp_path, of, HEADERS["none"])
        planned(work, first, titles=["Chief  executive"])
        assert planned(work, second, titles=["Janitor"]).quote.other_places == 0
        assert planned(work, second, titles=["CHIEF Executive"]).quote.other_places == 7
