"""Company files as a whole: the contract of the frames, formats beside CSV, limits, samples, real tables.

Uses `intake.companies`; files are real, in `tmp_path`.
"""

import csv
import io
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openmart_pipeline.intake.companies import CompanyFile, FileRefused, ReadOptions
from openmart_pipeline.intake.places import country_code, state_code
from openmart_pipeline_tests.intake.workbook_bytes import workbook

SAMPLES = Path(__file__).parents[2] / "data" / "samples"
REAL = sorted(Path(folder).glob("*.csv")) if (folder := os.environ.get("OPENMART_REAL_DATA")) else []


def opened(tmp_path, data, name="x.csv", **options):
    path = tmp_path / "copy"
    path.write_bytes(data)
    return CompanyFile(path, name, ReadOptions(**options))


def read(file):
    chunks = list(file.chunks())
    companies = pd.concat([chunk.companies for chunk in chunks], ignore_index=True)
    rejected = pd.concat([chunk.set_aside for chunk in chunks], ignore_index=True)
    return companies, rejected


def test_the_frames_have_their_columns_and_types_even_when_nothing_is_kept(tmp_path):
    text = {"company_name", "website", "domain", "info_access", "city", "state", "country", "tracking_id", "other"}
    for data in (b"Website\nacme.com\nn/a\n", b"Website\nn/a\n", b"Website\nacme.com\n"):
        companies, rejected = read(opened(tmp_path, data))
        assert list(companies.columns) == [
            "source_row", "line", "company_name", "website", "domain", "titles", "max_k", "info_access",
            "city", "state", "country", "version", "tracking_id", "other",
        ]  # fmt: skip
        assert list(rejected.columns) == ["source_row", "line", "reason", "detail", "row"]
        assert companies["source_row"].dtype == rejected["source_row"].dtype == "int64"
        assert {str(companies[name].dtype) for name in ("line", "max_k", "version")} == {"Int64"}
        assert str(rejected["line"].dtype) == "Int64"
        assert {str(companies[name].dtype) for name in text} == {"str"}
        assert {str(rejected[name].dtype) for name in ("reason", "detail", "row")} == {"str"}


def test_the_report_is_there_before_a_row_is_read(tmp_path):
    report = opened(tmp_path, b"Name;URL;Domain;Age\r\nA;;a.com;3\r\n").report
    assert (report.format, report.encoding, report.delimiter, report.sheet) == ("csv", "utf-8", ";", None)
    assert report.columns == {"domain": "Domain", "company_name": "Name"}
    assert report.unknown_columns == ("URL", "Age")
    assert any("'URL' stays in `other`" in note for note in report.notes)


def test_a_file_can_be_read_again_and_gives_the_same_rows(tmp_path):
    file = opened(tmp_path, b"Website\na.com\nb.com\nc.com\n", chunk_rows=2)
    assert [len(chunk.companies) for chunk in file.chunks()] == [2, 1]
    assert list(read(file)[0]["domain"]) == ["a.com", "b.com", "c.com"]


SHEET = {
    "B3": "Company", "C3": "Website", "D3": "Max Contacts", "E3": "Since",
    "B4": "Acme", "C4": "acme.com", "D4": 3, "E4": 1.5,
    "B6": "Beta", "C6": "#N/A", "B7": "Gam\nma", "C7": "gamma.io", "D7": 2.5, "C8": "delta.io", "E8": True,
}  # fmt: skip


def test_a_sheet_is_read_with_the_row_numbers_it_shows(tmp_path):
    data = workbook({"Old": {"A1": "x"}, "Data": SHEET, "Notes": {"A1": "x"}}, hidden=frozenset({"Old"}))
    file = opened(tmp_path, data, "Targets.XLSX")
    companies, rejected = read(file)
    assert file.report.sheet == "Data"
    assert any("'Notes' not" in note for note in file.report.notes)
    assert list(zip(companies["source_row"], companies["domain"], strict=True)) == [(4, "acme.com"), (8, "delta.io")]
    assert list(companies["other"]) == ['{"Since":"1.5"}', '{"Since":"TRUE"}']
    assert companies["max_k"].tolist() == [3, pd.NA]
    assert companies["line"].isna().all()
    reasons = list(zip(rejected["source_row"], rejected["reason"], strict=True))
    assert reasons == [(6, "blank_domain"), (7, "max_k_out_of_range")]


def test_a_sheet_is_read_by_name_and_a_wrong_name_lists_the_sheets(tmp_path):
    data = workbook({"One": {"A1": "x"}, "Two": {"A1": "Website", "A2": "acme.com"}})
    assert list(read(opened(tmp_path, data, "x.xlsx", sheet="Two"))[0]["domain"]) == ["acme.com"]
    with pytest.raises(FileRefused, match="'One', 'Two'"):
        opened(tmp_path, data, "x.xlsx", sheet="Three")


def test_a_workbook_without_a_cell_is_refused(tmp_path):
    with pytest.raises(FileRefused, match="sheet is empty"):
        opened(tmp_path, workbook({"One": {}}), "x.xlsx")


def test_a_title_above_the_header_of_a_sheet_is_left_out_and_said(tmp_path):
    cells = {"B1": "Targets of 2026", "A3": "Company", "B3": "Website", "A4": "Acme", "B4": "acme.com"}
    file = opened(tmp_path, workbook({"One": cells}), "x.xlsx")
    assert file.report.notes == ("The header is row 3; what stands above it is not read.",)
    assert list(read(file)[0]["source_row"]) == [4]


@pytest.mark.parametrize("cell", ["XFD1048576", "A1048576", "AAA60000"])
def test_a_stray_cell_far_from_the_table_is_refused_before_its_rectangle_is_held(tmp_path, cell):
    data = workbook({"One": {"A1": "Website", "A2": "acme.com", cell: "x"}})
    with pytest.raises(FileRefused, match="max_sheet_cells"):
        opened(tmp_path, data, "x.xlsx", max_sheet_cells=20_000_000)
    assert list(
        read(opened(tmp_path, workbook({"One": {"A1": "Website", "A2": "acme.com", "B90": "x"}}), "x.xlsx"))[0][
            "domain"
        ]
    )


@pytest.mark.parametrize("name", ["x.xlsx", "x.parquet"])
def test_a_cell_over_the_limit_costs_its_own_row_only(tmp_path, name):
    cells = {"A1": "Website", "B1": "Note", "A2": "acme.com", "B2": "x" * 101, "A3": "beta.io", "B3": "x" * 100}
    pq.write_table(pa.table({"Website": ["acme.com", "beta.io"], "Note": ["x" * 101, "x" * 100]}), tmp_path / "table")
    data = workbook({"One": cells}) if name == "x.xlsx" else (tmp_path / "table").read_bytes()
    companies, rejected = read(opened(tmp_path, data, name, max_cell_chars=100))
    assert list(companies["domain"]) == ["beta.io"]
    assert rejected["detail"].tolist() == ["row 2: a cell is longer than 100 characters (max_cell_chars)"]


def test_a_workbook_that_unpacks_to_too_much_is_refused_by_the_limits_name(tmp_path):
    data = workbook({"One": {"A1": "Website", **{f"A{n}": "acme.com" for n in range(2, 500)}}})
    with pytest.raises(FileRefused, match="max_workbook_bytes"):
        opened(tmp_path, data, "x.xlsx", max_workbook_bytes=5_000)


def test_a_parquet_file_is_read_as_text_would_be(tmp_path):
    table = pa.table({
        "Company": pa.array(["Acme", None, "Gamma"]).dictionary_encode(),
        "Website": ["acme.com", None, "n/a"],
        "Max Contacts": pa.array([3.0, None, 4.0]),
        "Tags": [["a"], None, []],
    })  # fmt: skip
    pq.write_table(table, tmp_path / "copy")
    file = CompanyFile(tmp_path / "copy", "x.parquet")
    (chunk,) = file.chunks()
    assert file.report.format == "parquet"
    (row,) = chunk.companies[["source_row", "domain", "max_k", "other"]].itertuples(index=False, name=None)
    assert row == (2, "acme.com", 3, '{"Tags":"[\'a\']"}')
    assert list(chunk.set_aside["source_row"]) == [4]
    assert chunk.blank_rows == 1


def test_ten_thousand_columns_are_served_in_small_batches(tmp_path):
    header = "Website," + ",".join(f"c{n}" for n in range(9_999))
    data = "\n".join([header, *("acme.com," + "," * 9_998 for _ in range(150))]).encode()
    chunks = list(opened(tmp_path, data).chunks())
    assert [len(chunk.companies) for chunk in chunks] == [100, 50]


LIMITS = {
    "max_columns": (b"Website,A,B,C\nacme.com,1,2,3\n", {"max_columns": 3}),
    "max_line_bytes": (b"Website\n" + b"x" * 5_000_000 + b"\nacme.com\n", {"max_line_bytes": 1_000_000}),
    "max_text_bytes": (b"Website\n" + b"acme.com\n" * 200, {"max_text_bytes": 1_000}),
}


@pytest.mark.parametrize(("name", "data", "options"), [(n, *v) for n, v in LIMITS.items()], ids=LIMITS)
def test_a_file_over_a_limit_is_refused_by_the_limits_name(tmp_path, name, data, options):
    with pytest.raises(FileRefused, match=name):
        opened(tmp_path, data, **options)


def test_a_huge_cell_of_many_lines_costs_no_other_row(tmp_path):
    data = b'Company,Website\n"' + b"x" * 100 + b"\n" * 140_000 + b'",acme.com\nBeta,beta.io\n'
    companies, rejected = read(opened(tmp_path, data))
    assert list(companies["domain"]) == ["beta.io"]
    assert set(rejected["reason"]) == {"bad_line"}
    assert rejected["line"].iloc[0] == 2


NAMES = ["x'; DROP TABLE contacts;--.csv", "../../etc/passwd.csv", "a\nb.csv", "x" * 300 + ".csv", "\u202egnp.csv"]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_hostile_file_name_only_decides_the_format(tmp_path, name):
    assert list(read(opened(tmp_path, b"Website\nacme.com\n", name))[0]["domain"]) == ["acme.com"]
    with pytest.raises(FileRefused) as refused:
        CompanyFile(tmp_path / "missing", name)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 400


def test_an_unreadable_file_is_refused_with_the_systems_reason(tmp_path):
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    with pytest.raises(FileRefused, match=r"no longer there|can't be read"):
        CompanyFile(tmp_path / "loop.csv", "loop.csv")


# Without control characters: a small file with many of them is refused as binary.
CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\n\t"), max_size=12)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.lists(st.tuples(CELLS, CELLS), max_size=6),
    delimiter=st.sampled_from(",;\t|"),
    ends=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_a_spreadsheet_writes_comes_back_cell_by_cell(tmp_path, rows, delimiter, ends, encoding):
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=ends, quoting=csv.QUOTE_ALL)
    writer.writerows([("Website", "Note 1", "Note 2"), *(("acme.com", *row) for row in rows)])
    file = opened(tmp_path, text.getvalue().encode(encoding))
    found = [json.loads(other) for chunk in file.chunks() for other in chunk.kept["other"].to_pylist()]
    assert [(other["Note 1"], other["Note 2"]) for other in found] == rows


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(lines=st.lists(st.text('"ab,;\n', max_size=12), max_size=8), chunk_rows=st.integers(1, 3))
def test_a_broken_line_never_costs_a_sound_row_beside_it(tmp_path, lines, chunk_rows):
    data = "Website,Note\n" + "".join(f"{line}\nsound{number}.com,x\n" for number, line in enumerate(lines))
    chunks = list(opened(tmp_path, data.encode(), delimiter=",", chunk_rows=chunk_rows).chunks())
    kept = [domain for chunk in chunks for domain in chunk.kept["domain"].to_pylist()]
    assert kept == [f"sound{number}.com" for number in range(len(lines))]


def test_a_million_rows_would_fit_because_memory_does_not_grow_with_the_file(tmp_path):
    """Measured in a child process: ten times the rows may cost a few more megabytes, not ten times as many."""
    script = (
        "import sys, resource; from pathlib import Path\n"
        "from openmart_pipeline.intake.companies import CompanyFile, ReadOptions\n"
        "file = CompanyFile(Path(sys.argv[1]), 'x.csv', ReadOptions(chunk_rows=2_000))\n"
        "print(sum(len(chunk.companies) for chunk in file.chunks()), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    peaks = []
    for count in (5_000, 50_000):
        path = tmp_path / f"{count}"
        path.write_text("Company,Website,Note\n" + "".join(f"C {n},c{n}.com,{'x' * 50}\n" for n in range(count)))
        out = subprocess.run(
            [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
        ).stdout
        rows, peak = map(int, out.split())
        assert rows == count
        peaks.append(peak)
    assert peaks[1] < peaks[0] * 1.5


def test_nothing_is_fetched_to_know_a_public_suffix(tmp_path):
    """In a child process, with every way to a network closed before the first import."""
    script = (
        "import socket, sys\n"
        "def closed(*args, **kwargs): raise AssertionError('a connection was tried')\n"
        "socket.socket.connect = closed; socket.getaddrinfo = closed\n"
        "from openmart_pipeline.intake.domains import normalise_domain\n"
        "from openmart_pipeline.intake.platforms import PlatformList\n"
        "print(normalise_domain('shop.acme.co.uk', platforms=PlatformList.bundled()))\n"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert out.stdout.strip() == "acme.co.uk"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "kept", "reasons"),
    [
        ("accounts.csv", 60, {}),
        ("messe_kontakte.csv", 27, {"shared_platform": 3, "blank_domain": 2, "bad_line": 2, "free_mail": 1, "local_host": 1, "ip_address": 1, "several_domains": 1, "link_shortener": 1, "not_a_domain": 1}),
        ("partner_targets.xlsx", 22, {"shared_platform": 1, "free_mail": 1}),
    ],
)  # fmt: skip
def test_the_samples_read_as_the_readme_may_say(name, kept, reasons):
    companies, rejected = read(CompanyFile(SAMPLES / name, name))
    assert len(companies) == kept
    assert Counter(rejected["reason"]) == reasons


def test_the_samples_ask_some_of_the_same_questions():
    asked = []
    for path in sorted(SAMPLES.iterdir()):
        companies, _ = read(CompanyFile(path, path.name))
        places = companies[["domain", "country", "state", "city"]].fillna("").itertuples(index=False, name=None)
        asked.append({(*place, tuple(titles)) for place, titles in zip(places, companies["titles"], strict=True)})
    accounts, fair, partners = asked
    assert len(accounts & fair) >= 4
    assert len(accounts & partners) >= 4


if REAL:  # collected only where tables are given: an empty list would show as a skipped test

    @pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
    def test_real_tables_lose_no_row_and_keep_nearly_all(path):
        file = CompanyFile(path, path.name)
        companies, rejected = read(file)
        with path.open(encoding=file.report.encoding, newline="") as stream:
            rows = sum(1 for row in csv.reader(stream) if any(row)) - 1
        assert len(companies) + len(rejected) == rows
        assert len(companies) >= 0.98 * rows
        if path.stem == "fortune500":
            assert len(companies) == 500


@pytest.mark.parametrize(
    ("text", "code"),
    [("USA", "US"), ("U.S.A.", "US"), ("united states of america", "US"), ("UK", "GB"), ("Deutschland", "DE"), ("Österreich", "AT"), ("Korea, Republic of", "KR"), ("NA", None), ("Namibia", "NA"), ("Narnia", None), ("London, England, United Kingdom", None), ("", None)],
)  # fmt: skip
def test_a_country_is_a_code_only_where_it_is_certain(text, code):
    assert country_code(text) == code


@pytest.mark.parametrize(
    ("text", "country", "code"),
    [("California", "US", "CA"), ("ca", "US", "CA"), ("Québec", "CA", "QC"), ("quebec", "CA", "QC"), ("NSW", "AU", "NSW"), ("Redwood City", "GB", None), ("TX", "GB", None), ("WA", None, None), ("Washington", None, "WA"), ("Bayern", "DE", None), ("", "US", None), ("D.C.", "US", "DC")],
)  # fmt: skip
def test_a_state_is_a_code_only_in_a_country_that_has_it(text, country, code):
    assert state_code(text, country) == code


@pytest.mark.parametrize(
    "options", [{"chunk_rows": 0}, {"max_cell_chars": 10**9}, {"delimiter": ""}, {"delimiter": '"'}]
)
def test_options_that_no_file_could_be_read_with_are_refused(options):
    with pytest.raises(ValueError, match="must be"):
        ReadOptions(**options)


@pytest.mark.parametrize(("columns", "says"), [({"websit": "A"}, "no field"), ({"domain": "C"}, "no column 'C'")])
def test_a_wrong_choice_of_columns_says_what_there_is(tmp_path, columns, says):
    with pytest.raises(FileRefused, match=says):
        opened(tmp_path, b"A,B\n1,2\n", columns=columns)
