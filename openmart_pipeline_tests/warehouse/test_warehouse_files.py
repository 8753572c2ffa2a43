"""A file's rows, plan and batches: every row is there, replaced as a whole, in the types they came in."""

import datetime as dt
import shutil
from pathlib import Path

import pandas as pd
import pytest

from openmart_pipeline.warehouse import CompanyCounts, Warehouse, WarehouseError
from openmart_pipeline_tests.warehouse.warehouse_rows import (
    NOON,
    answer,
    batch,
    companies,
    plan,
    rejected,
    warehouse_in,
)

# F27: what people and their tools call files.
FILE_NAMES = [
    "x'; DROP TABLE contacts;--.csv",
    'double "quoted".csv',
    "../../etc/passwd",
    "new\nline.csv",
    "%s $1 ? {}.csv",
    "\u202egnp.csv",
    "n" * 300,
    "客户.xlsx",
]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    warehouse = warehouse_in(tmp_path_factory.mktemp("empty"))
    warehouse.query("SELECT 1")
    return warehouse.path


@pytest.fixture
def warehouse(empty: Path, tmp_path: Path) -> Warehouse:
    warehouse = warehouse_in(tmp_path)
    shutil.copyfile(empty, warehouse.path)
    return warehouse


def test_every_row_of_the_file_is_in_companies_kept_or_set_aside(warehouse: Warehouse) -> None:
    counts = warehouse.replace_companies(
        "a.csv", "sha", [(companies([2, 3]), rejected([4])), (companies([5]), rejected([6], "free_mail"))]
    )
    assert counts == CompanyCounts(
        rows=5, companies=3, set_aside=2, set_aside_by_reason={"blank_domain": 1, "free_mail": 1}
    )
    assert warehouse.query("SELECT source_row, outcome, reason FROM companies ORDER BY source_row") == [
        (2, "kept", None),
        (3, "kept", None),
        (4, "set_aside", "blank_domain"),
        (5, "kept", None),
        (6, "set_aside", "free_mail"),
    ]
    assert warehouse.query("SELECT source_row, reason, \"row\"->>'Company' FROM rejected_rows ORDER BY 1") == [
        (4, "blank_domain", "No Site Ltd"),
        (6, "free_mail", "No Site Ltd"),
    ]


def test_what_planning_reads_is_what_the_intake_gave(warehouse: Warehouse) -> None:
    given = companies([2, 3], titles=[["CEO", "Head of Söund"], []], country=["GB", None])
    warehouse.replace_companies("a.csv", "sha", [(given, rejected([4]))])
    (back,) = warehouse.companies_of("a.csv")
    pd.testing.assert_frame_equal(back[list(given.columns)], given.assign(titles=back["titles"]), check_dtype=False)
    assert list(back["titles"]) == [["CEO", "Head of Söund"], []]
    assert {name: str(back[name].dtype) for name in ("source_row", "max_k", "version", "domain")} == {
        "source_row": "int64",
        "max_k": "Int64",
        "version": "Int64",
        "domain": "str",
    }


def test_chunks_come_in_file_order_and_bounded(warehouse: Warehouse) -> None:
    chunks = [(companies(range(start, start + 10)), rejected()) for start in (32, 2, 22, 12)]
    warehouse.replace_companies("a.csv", "sha", chunks)
    read = list(warehouse.companies_of("a.csv", chunk_rows=16))
    assert [len(frame) for frame in read] == [16, 16, 8]
    assert pd.concat(read)["source_row"].to_list() == list(range(2, 42))


def test_the_companies_stay_as_they_were_while_somebody_reads_them(warehouse: Warehouse) -> None:
    warehouse.replace_companies("a.csv", "old", [(companies([2, 3]), rejected())])
    reading = warehouse.companies_of("a.csv", chunk_rows=1)
    first = next(reading)
    warehouse.replace_companies("a.csv", "new", [(companies([2]), rejected())])
    assert [*first["source_row"], *next(reading)["source_row"]] == [2, 3]


def test_a_file_that_is_not_loaded_has_no_companies_and_no_version(warehouse: Warehouse) -> None:
    assert list(warehouse.companies_of("a.csv")) == []
    assert warehouse.company_file_sha256("a.csv") is None
    assert warehouse.coverage("a.csv") == {}


def test_an_empty_file_is_loaded_and_known(warehouse: Warehouse) -> None:
    assert warehouse.replace_companies("a.csv", "sha", []).rows == 0
    assert warehouse.company_file_sha256("a.csv") == "sha"


def test_a_new_version_takes_the_old_ones_plan_along_and_the_same_version_keeps_it(warehouse: Warehouse) -> None:
    warehouse.replace_companies("a.csv", "old", [(companies([2]), rejected())])
    warehouse.replace_plan("a.csv", "plan", [plan([{"source_row": 2}])])
    warehouse.replace_companies("a.csv", "old", [(companies([2]), rejected())])
    assert warehouse.outcome_counts("a.csv") == {"to_buy": 1}
    warehouse.replace_companies("a.csv", "new", [(companies([2]), rejected())])
    assert warehouse.outcome_counts("a.csv") == {}
    assert warehouse.coverage("a.csv") == {"not_planned": 1}


def test_two_companies_with_one_row_number_are_refused_and_nothing_changes(warehouse: Warehouse) -> None:
    warehouse.replace_companies("a.csv", "old", [(companies([2]), rejected())])
    with pytest.raises(ValueError, match="source_row 3"):
        warehouse.replace_companies("a.csv", "new", [(companies([3]), rejected()), (companies([3]), rejected())])
    assert warehouse.company_file_sha256("a.csv") == "old"


def test_a_missing_column_is_named(warehouse: Warehouse) -> None:
    with pytest.raises(ValueError, match="domain, titles"):
        warehouse.replace_companies("a.csv", "sha", [(companies([2]).drop(columns=["domain", "titles"]), rejected())])


def test_any_file_name_is_data(warehouse: Warehouse) -> None:
    for name in FILE_NAMES:
        warehouse.replace_companies(name, "sha", [(companies([2]), rejected([3]))])
        warehouse.replace_plan(name, "plan", [plan([{"source_row": 2}])])
        warehouse.replace_batches(name, [batch(1)])
        warehouse.replace_answers(name, [[answer("company2.com owner")]], api_host="h", run_id="r")
    names = [(name,) for name in FILE_NAMES]
    assert sorted(warehouse.query("SELECT DISTINCT input_file FROM contacts")) == sorted(names)
    for name in FILE_NAMES:
        assert warehouse.coverage(name) == {"found": 1, "set_aside": 1}
        warehouse.forget_file(name)
        assert (name,) not in warehouse.query("SELECT DISTINCT input_file FROM companies")
    assert warehouse.query("SELECT count(*) FROM input_files") == [(0,)]


def test_titles_and_names_are_stored_as_they_are(warehouse: Warehouse) -> None:
    """F28: what a spreadsheet would run is escaped on export, and nowhere else."""
    names = ["=cmd|' /C calc'!A0", "+1+1", "-1", "@x", "\tx", "<script>"]
    warehouse.replace_companies("a.csv", "sha", [(companies(range(2, 8), company_name=names), rejected())])
    assert [row[0] for row in warehouse.query("SELECT company_name FROM companies ORDER BY source_row")] == names


def test_batches_are_replaced_and_their_instants_are_utc(warehouse: Warehouse) -> None:
    somewhere_else = NOON.astimezone(dt.timezone(dt.timedelta(hours=9)))
    warehouse.replace_batches("a.csv", [batch(1), batch(2)])
    warehouse.replace_batches(
        "a.csv", [batch(2, state="collected", tasks_found=60, intent_at=somewhere_else, run_id="run-1")]
    )
    warehouse.replace_batches("b.csv", [])
    assert warehouse.query("SELECT batch_no, state, tasks_found, intent_at, run_id FROM submitted_batches") == [
        (2, "collected", 60, NOON.replace(tzinfo=None), "run-1")
    ]


def test_a_query_can_not_write(warehouse: Warehouse) -> None:
    warehouse.replace_companies("a.csv", "sha", [(companies([2]), rejected())])
    with pytest.raises(WarehouseError):
        warehouse.query("DELETE FROM companies")
    assert warehouse.query("SELECT count(*) FROM companies WHERE input_file = $f", {"f": "a.csv"}) == [(1,)]
