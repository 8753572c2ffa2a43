from dataclasses import replace

from openmart_pipeline.defs.quote_metadata import quote_markdown
from openmart_pipeline_tests.defs.world import World


def test_a_hostile_name_or_title_stays_text_on_its_line(world: World):
    key = world.file("a`<img src=x>*.csv", "a.com")
    [planned] = world.planned(key, titles=["<script>alert(1)</script>|x"])

    text = quote_markdown(planned)

    assert "\\<script\\>alert(1)\\</script\\>\\|x" in text
    assert "<img" not in text.replace("\\<img", "")
    assert all(line.count("|") - line.count("\\|") == 3 for line in text.splitlines() if line.startswith("| "))


def test_unknown_prices_say_which_setting_to_write(world: World):
    [planned] = world.planned(world.file("accounts.csv", "a.com"))
    unpriced = replace(planned, quote=replace(planned.quote, worst_case_credits=None))

    assert "Set OPENMART_PRICE_PER_EMAIL" in quote_markdown(unpriced)


def test_with_nothing_to_buy_there_is_no_number_to_type(world: World):
    [planned] = world.planned(world.file("accounts.csv", "gmail.com"))

    text = quote_markdown(planned)

    assert text.startswith("**Nothing to buy: 0 credits**")
    assert "every row was set aside" in text
    assert "credit_limit" not in text
