"""The analysts' page says what is so: every query gives what stands under it, every word and command exists."""

import re
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from openmart_pipeline.cli import COMMANDS
from openmart_pipeline.ledger.outstanding import AskStatus
from openmart_pipeline.ledger.states import TaskState
from openmart_pipeline.planning.quoting import BEYOND_LIMIT, DUPLICATE, SUPPRESSED
from openmart_pipeline.report.numbers import STATUSES
from openmart_pipeline_tests.documented_queries import PAGE, demo_world, documented, output_of

QUERIES = documented()


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo_world(tmp_path_factory.mktemp("demo"))


def test_there_are_fifteen_queries() -> None:
    assert len(QUERIES) == 15


@pytest.mark.parametrize(("sql", "output"), QUERIES, ids=[str(number) for number in range(1, len(QUERIES) + 1)])
def test_a_documented_query_gives_what_stands_under_it(data_dir: Path, sql: str, output: str) -> None:
    assert output_of(data_dir, sql) == output, "run: python -m openmart_pipeline_tests.documented_queries"


def test_in_python_a_view_is_a_frame_of_pandas(data_dir: Path) -> None:
    assert '.sql("FROM best_contacts").df()' in PAGE.read_text(encoding="utf-8")
    with duckdb.connect(data_dir / "published" / "contacts.duckdb", read_only=True) as published:
        frame = published.sql("FROM best_contacts").df()
    assert isinstance(frame, pd.DataFrame)
    assert {"company_domain", "full_name", "email"} <= set(frame.columns)
    assert frame["company_domain"].is_unique
    assert len(frame) > 20


def test_every_word_of_an_outcome_is_explained_and_no_other() -> None:
    page = PAGE.read_text(encoding="utf-8")
    tables = page[page.index("## What the words mean") : page.index("`email_verified` and")].split("\n\n")[1:]
    explained = [
        set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`[^|]+)\|", table, re.MULTILINE)))) for table in tables
    ]
    assert explained[0] == {"company_coverage", "status", *STATUSES} - {"company_coverage", "status"}
    assert explained[1] == {*(standing.value for standing in AskStatus), DUPLICATE, BEYOND_LIMIT, SUPPRESSED}
    assert explained[2] == {state.value for state in TaskState} - {"not_sent"}


def test_every_command_on_the_page_exists() -> None:
    named = set(re.findall(r"openmart-pipeline (\w+)", PAGE.read_text(encoding="utf-8")))
    assert named <= set(COMMANDS)
    assert named >= {"query", "export", "report", "subject", "forget", "suppress"}
