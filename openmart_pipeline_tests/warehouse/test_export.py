"""Exports: every row arrives, no text becomes a formula, numbers to call stay numbers to call."""

import csv
import io
import re
import zipfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from python_calamine import load_workbook

from openmart_pipeline.warehouse import exporting
from openmart_pipeline.warehouse.exporting import (
    NAMES,
    Exported,
    ExportRefused,
    Selection,
    export,
    known_files,
)
from openmart_pipeline.warehouse.published import QueryRefused
from openmart_pipeline.warehouse.spreadsheet_cells import guarded
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

TITLES = ["=cmd|' /C calc'!A0", "+1+1", "-1", "@SUM(A1)", "=1+1", "CEO", " =1", "\uff1d1"]
PHONE = "+12015550123"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files; in the first, people whose titles are formulas."""
    warehouse = warehouse_in(tmp_path_factory.mktemp("published"))
    phones = [{"phone_number": PHONE, "line_type": "MOBILE", "valid": True}]
    people = [{"full_name": f"Person {n}", "title": title, "phones": phones} for n, title in enumerate(TITLES)]
    for number, (input_file, found) in enumerate({"a.csv": people, "b.csv": people[5:6]}.items()):
        warehouse.replace_companies(input_file, "sha", [(companies([2]), rejected([3]))])
        warehouse.replace_plan(input_file, "plan", [plan([{"source_row": 2}])])
        only = answer("company2.com owner", number + 1, raw=body(*found))
        warehouse.replace_answers(input_file, [[only]], api_host="h", run_id="r")
        warehouse.replace_batches(input_file, [batch(number + 1)])
    warehouse.publish(1, INFO)
    return warehouse.published_path


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def read_xlsx(path: Path) -> list[dict[str, Any]]:
    header, *rows = load_workbook(str(path)).get_sheet_by_index(0).to_python()
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_csv_marks_what_a_spreadsheet_would_run_and_leaves_phones_alone(published: Path, tmp_path: Path) -> None:
    target = tmp_path / "contacts.csv"
    done = export(published, target, Selection(input_file="a.csv"))
    assert done == Exported(path=target, rows=8, guarded_cells=7, shortened_cells=0)
    rows = read_csv(target)
    assert [row["title"] for row in rows] == [title if title == "CEO" else f"'{title.strip()}" for title in TITLES]
    assert {row["phone"] for row in rows} == {PHONE}
    assert target.read_bytes().startswith(b"\xef\xbb\xbf"), "Excel needs the mark to read umlauts"


def test_xlsx_holds_the_texts_unchanged_and_not_one_formula(published: Path, tmp_path: Path) -> None:
    target = tmp_path / "contacts.xlsx"
    assert export(published, target, Selection(input_file="a.csv")).rows == 8
    rows = read_xlsx(target)
    assert [row["title"] for row in rows] == [title.strip() for title in TITLES]
    assert {row["phone"] for row in rows} == {PHONE}
    with zipfile.ZipFile(target) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
        styles = book.read("xl/styles.xml").decode()
    assert not re.search(r"<f[ >]", sheet)
    assert 'quotePrefix="1"' in styles, "a text stays a text when somebody edits its cell"
    assert not list(tmp_path.glob(".*")), "rows on their way are gone"


def test_parquet_keeps_values_and_types(published: Path, tmp_path: Path) -> None:
    target = tmp_path / "contacts.parquet"
    assert export(published, target, Selection(input_file="a.csv")).guarded_cells == 0
    table = pq.read_table(target)
    assert table.column("title").to_pylist() == [title.strip() for title in TITLES]
    assert table.column("phones").to_pylist()[0][0]["e164"] == PHONE
    assert table.column("source_rows").to_pylist()[0] == [2]


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".parquet"])
@pytest.mark.parametrize("name", NAMES)
def test_every_table_and_view_can_be_exported(published: Path, tmp_path: Path, name: str, suffix: str) -> None:
    export(published, tmp_path / f"{name}{suffix}", Selection(name=name))


def test_one_file_of_the_directory_is_whom_it_found(published: Path, tmp_path: Path) -> None:
    everybody = export(published, tmp_path / "all.csv", Selection(name="contact_directory"))
    of_b = export(published, tmp_path / "b.csv", Selection(name="contact_directory", input_file="b.csv"))
    assert (everybody.rows, of_b.rows) == (8, 1)
    assert known_files(published) == ["a.csv", "b.csv"]


def test_a_select_of_ones_own_is_exported(published: Path, tmp_path: Path) -> None:
    sql = "SELECT input_file, count(*) AS people, [1, 2] AS numbers, {'a': 1} AS thing FROM contacts GROUP BY ALL ORDER BY 1"
    export(published, tmp_path / "counts.csv", Selection(sql=sql))
    assert read_csv(tmp_path / "counts.csv") == [
        {"input_file": "a.csv", "people": "8", "numbers": "1; 2", "thing": '{"a": 1}'},
        {"input_file": "b.csv", "people": "1", "numbers": "1; 2", "thing": '{"a": 1}'},
    ]


def test_a_column_named_like_a_formula_is_marked_too(published: Path, tmp_path: Path) -> None:
    export(published, tmp_path / "x.csv", Selection(sql='SELECT 1 AS "=1+1"'))
    assert list(read_csv(tmp_path / "x.csv")[0]) == ["'=1+1"]


def test_a_text_too_long_for_a_cell_is_shortened_and_counted(published: Path, tmp_path: Path) -> None:
    done = export(published, tmp_path / "x.xlsx", Selection(sql="SELECT repeat('x', 40000) AS long"))
    assert done.shortened_cells == 1
    assert len(read_xlsx(tmp_path / "x.xlsx")[0]["long"]) == exporting.XLSX_TEXT


REFUSED = {
    "no format": ("contacts.txt", Selection(), "names no format"),
    "no such view": ("x.csv", Selection(name="contacts; DROP TABLE contacts"), "no table or view"),
    "a view without files": ("x.csv", Selection(name="published_info", input_file="a.csv"), "no single file"),
    "a select with a file": ("x.csv", Selection(sql="SELECT 1", input_file="a.csv"), "leave --file and"),
    "a folder that is not there": ("no/where/x.csv", Selection(), "could not be written"),
    "a file in the way": ("taken.csv", Selection(), "is there already"),
}


@pytest.mark.parametrize(("name", "selection", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_what_can_not_be_exported_is_refused_in_a_sentence(
    published: Path, tmp_path: Path, name: str, selection: Selection, says: str
) -> None:
    (tmp_path / "taken.csv").write_text("mine")
    with pytest.raises(ExportRefused, match=says):
        export(published, tmp_path / name, selection)
    assert (tmp_path / "taken.csv").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".parquet"])
def test_a_query_that_fails_leaves_the_earlier_file_and_nothing_else(
    published: Path, tmp_path: Path, suffix: str
) -> None:
    target = tmp_path / f"x{suffix}"
    target.write_text("mine")
    sql = "SELECT CASE WHEN range > 50000 THEN error('no') ELSE 'x' END AS x FROM range(100000)"
    with pytest.raises(QueryRefused):
        export(published, target, Selection(sql=sql), replace=True)
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
    assert target.read_text() == "mine"


def test_a_file_is_written_over_only_when_told(published: Path, tmp_path: Path) -> None:
    target = tmp_path / "x.csv"
    target.write_text("mine")
    export(published, target, Selection(), replace=True)
    assert len(read_csv(target)) == 9


def test_more_rows_than_a_sheet_holds_are_refused(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert exporting.XLSX_ROWS == 1_048_576  # Excel's own limit, too many to write here
    monkeypatch.setattr(exporting, "XLSX_ROWS", 5_000)
    export(published, tmp_path / "most.xlsx", Selection(sql="SELECT 1 AS x FROM range(4999)"))
    with pytest.raises(ExportRefused, match="4,999 rows"):
        export(published, tmp_path / "more.xlsx", Selection(sql="SELECT 1 AS x FROM range(5000)"))
    assert [path.name for path in tmp_path.iterdir()] == ["most.xlsx"]


def test_more_contacts_than_a_sheet_holds_are_refused_before_one_is_written(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "XLSX_ROWS", 5)
    monkeypatch.setattr(exporting.xlsxwriter, "Workbook", None)  # whoever began one would fail
    for selection in (Selection(), Selection(with_columns=True)):
        with pytest.raises(ExportRefused, match="4 rows"):
            export(published, tmp_path / "x.xlsx", selection)


SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"
CELLS = st.text(f'{SIGNS};,\t\r\n" a1|', max_size=12) | st.text(max_size=12)


@given(st.lists(CELLS, min_size=1, max_size=3))
@example(["a;=cmd|' /C calc'!A0", "x"])
@example(["x", 'a;"=1+1"', "b\n@SUM(A1)"])
@example(["x", "+12015550123; +12015550124;=1", "\uff1d1"])
@example(["sep=a", "ba=1"])
def test_no_text_becomes_a_formula_wherever_a_spreadsheet_cuts_the_line(row: list[str]) -> None:
    file = io.StringIO(newline="")
    csv.writer(file).writerow([guarded(text) for text in row])
    assert not file.getvalue().lower().startswith("sep=")
    for delimiter in ",;\t":
        for cells in csv.reader(io.StringIO(file.getvalue(), newline=""), delimiter=delimiter):
            begun = [cell for cell in cells if cell.lstrip()[:1] in tuple(SIGNS)]
            assert [cell for cell in begun if not re.match(r"\s*\+[1-9]\d{5,14}", cell, re.ASCII)] == []


@given(CELLS)
def test_a_guarded_text_is_the_text_and_apostrophes(text: str) -> None:
    left = iter(str(guarded(text)))
    assert all(sign in left for sign in text)  # in this order
    assert set(str(guarded(text))) - set(text) <= {"'"}


@given(st.lists(st.from_regex(r"\+[1-9][0-9]{5,14}", fullmatch=True), min_size=1))
def test_numbers_in_e164_are_never_touched_however_many_stand_in_a_cell(numbers: list[str]) -> None:
    assert guarded("; ".join(numbers)) == "; ".join(numbers)


@given(st.from_regex(r"\+[1-9][0-9]{5,14}", fullmatch=True))
def test_a_number_in_e164_is_never_touched(number: str) -> None:
    assert guarded(number) == number
