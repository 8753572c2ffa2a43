"""Tables that contradict themselves never reach an analyst, and the file before stays."""

from pathlib import Path

import duckdb
import pytest

from openmart_pipeline.warehouse import Warehouse
from openmart_pipeline.warehouse.integrity_check import Nonsense
from openmart_pipeline_tests.warehouse.warehouse_rows import (
    INFO,
    answer,
    companies,
    plan,
    rejected,
    warehouse_in,
)

CONTRADICTIONS = {
    "INSERT INTO contacts FROM contacts": "1 contacts share their id",
    "UPDATE contacts SET task_no = NULL": "1 contacts have no id, file, question or task",
    "DELETE FROM task_results": "1 contacts come from an answer that is not there",
    "INSERT INTO companies FROM companies": "2 rows of company files are there twice",
    "DELETE FROM input_files": "1 tables hold a file",
}


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    """A published file with one contact, and a private one that says what will be published next."""
    warehouse = warehouse_in(tmp_path)
    warehouse.replace_companies("a.csv", "sha", [(companies([2]), rejected([3]))])
    warehouse.replace_plan("a.csv", "plan", [plan([{"source_row": 2}])])
    warehouse.replace_answers("a.csv", [[answer("company2.com owner")]], api_host="h", run_id="r")
    warehouse.publish(1, INFO)
    return warehouse


@pytest.mark.parametrize(("sql", "says"), CONTRADICTIONS.items(), ids=CONTRADICTIONS.values())
def test_a_contradiction_is_refused_counted_and_cured_by_loading_again(
    warehouse: Warehouse, sql: str, says: str
) -> None:
    with duckdb.connect(warehouse.path) as connection:
        connection.execute(sql)
    with pytest.raises(Nonsense, match=says) as refused:
        warehouse.publish(2, INFO)
    assert "openmart-pipeline rebuild" in str(refused.value)
    assert warehouse.published_generation() == 1
    warehouse.discard()
    assert warehouse.publish(2, INFO) is True
