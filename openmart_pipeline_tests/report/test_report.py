"""The report: one page that needs nothing else, names no person, and says what the database says."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest

from openmart_pipeline.report import numbers as report_numbers
from openmart_pipeline.report import read_numbers, report_page
from openmart_pipeline.report.charts import safe, shortened
from openmart_pipeline.warehouse import Warehouse
from openmart_pipeline_tests.warehouse.warehouse_rows import (
    INFO,
    answer,
    batch,
    body,
    companies,
    plan,
    rejected,
    warehouse_in,
)

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)>&\u202e\n'
JANE = {
    "full_name": "Jane Secret",
    "title": EVIL,
    "email": {"email": "jane@company2.com", "verified": True},
    "phones": [{"phone_number": "+12015550123", "line_type": "MOBILE", "valid": True}],
}


def load_file(warehouse: Warehouse, name: str, number: int = 1, title: str = "Owner") -> None:
    """Four rows: one found, one empty, one waiting, one set aside."""
    warehouse.replace_companies(name, "sha", [(companies([2, 3, 4]), rejected([5], reason=EVIL))])
    warehouse.replace_plan(name, "plan", [plan([{"source_row": row, "title": title} for row in (2, 3, 4)])])
    folded = title.casefold()
    answers = [
        answer(f"company2.com {folded}", 10 * number, batch_no=number, raw=body(JANE), estimated_credits=11.0),
        answer(
            f"company3.com {folded}", 10 * number + 1, batch_no=number, state="empty", raw=body(), estimated_credits=0.0
        ),
    ]
    warehouse.replace_answers(name, [answers], api_host="127.0.0.1:1", run_id="r")
    warehouse.replace_batches(name, [batch(number)])


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    warehouse = warehouse_in(tmp_path_factory.mktemp("published"))
    load_file(warehouse, f"{EVIL}.csv", 1, title=EVIL)
    load_file(warehouse, "b.csv", 2)
    warehouse.publish(1, INFO)
    return warehouse.published_path


class Page(HTMLParser):
    """What a browser would make of it: elements with their attributes, and the text between."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_nothing_else_and_runs_nothing(published: Path) -> None:
    page = Page(report_page(read_numbers(published)))
    tags = {tag for tag, _ in page.elements}
    attributes = {name for _, attrs in page.elements for name in attrs}
    assert not tags & {"script", "img", "link", "iframe", "object", "a", "form", "use", "image"}
    assert not attributes & {"src", "href", "xlink:href", "style", "srcset"}
    assert not [name for name in attributes if name.startswith("on")]
    assert "url(" not in page.text
    policy = [attrs["content"] for tag, attrs in page.elements if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_names_out_of_files_are_shown_as_text(published: Path) -> None:
    text = report_page(read_numbers(published))
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text
    assert "\u202e" not in text
    for drawing in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        ET.fromstring(drawing)


def test_the_page_names_no_person(published: Path) -> None:
    text = report_page(read_numbers(published))
    for trace in ("Jane", "Secret", "jane@company2.com", "2015550123"):
        assert trace not in text


def test_the_numbers_are_those_of_the_database(published: Path) -> None:
    numbers = read_numbers(published)
    head = numbers.headline
    assert (head.people, head.with_verified_email, head.with_phone, head.contacts, head.usable_bought) == (
        1,
        1,
        1,
        2,
        2,
    )
    assert (head.answered, head.found, head.estimated_credits, head.companies) == (4, 2, 22.0, 1)
    for line in numbers.files:
        assert line.by_status == {"found": 1, "nothing_found": 1, "waiting": 1, "set_aside": 1}
        assert (line.rows, line.contacts, line.answered, line.found, line.estimated_credits) == (4, 1, 2, 1, 11.0)
    assert [(line.answered, line.found) for line in numbers.titles] == [(2, 1), (2, 1)]
    assert numbers.reach == {"e-mail and phone": 1}
    assert [(line.month, line.purchases, line.usable_contacts) for line in numbers.months] == [("2026-11", 4, 2)]
    assert numbers.addresses == {"all": 1, "verified": 1, "at another domain": 0, "free mail": 0, "of a role": 0}
    assert "Simulated data" in report_page(numbers)


def test_more_files_than_fit_are_one_line_and_all_are_counted(tmp_path: Path) -> None:
    warehouse = warehouse_in(tmp_path)
    count = report_numbers.FILES_SHOWN + 3
    for number in range(count):
        warehouse.replace_companies(f"{number}.csv", "sha", [(companies([2]), rejected())])
    warehouse.publish(1, INFO)
    numbers = read_numbers(warehouse.published_path)
    assert len(numbers.files) == report_numbers.FILES_SHOWN + 1
    assert numbers.files[-1].files == 3
    assert sum(line.rows for line in numbers.files) == count
    assert "3 smaller files" in report_page(numbers)


def test_an_empty_database_has_a_page_too(tmp_path: Path) -> None:
    warehouse = warehouse_in(tmp_path)
    warehouse.publish(1, INFO)
    assert "Nothing to show yet" in report_page(read_numbers(warehouse.published_path))


@pytest.mark.parametrize(
    ("text", "limit", "expected"), [("short.csv", 20, "short.csv"), ("a" * 10 + "b" * 10, 10, "aaaaaa\u2026bbb")]
)
def test_long_names_keep_both_ends(text: str, limit: int, expected: str) -> None:
    assert shortened(text, limit) == expected
    assert len(shortened(text, limit)) <= limit


def test_control_characters_are_shown_as_one_sign() -> None:
    assert safe("a\x1b[31m\u200b<") == "a\ufffd[31m\ufffd&lt;"
