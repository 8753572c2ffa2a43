"""What SQL can do to the published database and to the machine it is on: read it, and nothing else."""

import datetime as dt
from pathlib import Path
from typing import Any

import duckdb
import pytest

from openmart_pipeline.warehouse import WarehouseBusy
from openmart_pipeline.warehouse.published import (
    CHUNK_ROWS,
    NothingPublished,
    QueryRefused,
    reading_published,
)
from openmart_pipeline_tests.warehouse.warehouse_rows import (
    INFO,
    NOON,
    answer,
    companies,
    plan,
    rejected,
    warehouse_in,
)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    warehouse = warehouse_in(tmp_path_factory.mktemp("published"))
    warehouse.replace_companies("a.csv", "sha", [(companies([2]), rejected())])
    warehouse.replace_plan("a.csv", "plan", [plan([{"source_row": 2}])])
    warehouse.replace_answers("a.csv", [[answer("company2.com owner")]], api_host="h", run_id="r")
    warehouse.publish(1, INFO)
    return warehouse.published_path


def rows(published: Path, sql: str, params: list[object] | None = None) -> list[dict[str, Any]]:
    with reading_published(published, sql, params or []) as result:
        return [row for chunk in result.chunks for row in chunk.to_pylist()]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT full_name FROM contacts",
        "FROM contacts SELECT full_name",
        "WITH c AS (FROM contacts) SELECT full_name FROM c;",
        "SELECT full_name FROM contacts WHERE input_file = 'a.csv' -- ; and a comment",
    ],
)
def test_a_select_is_answered(published: Path, sql: str) -> None:
    assert rows(published, sql) == [{"full_name": "Jane Doe"}]


@pytest.mark.parametrize(
    "sql",
    [
        "DESCRIBE contacts",
        "SHOW TABLES",
        "SUMMARIZE contacts",
        "EXPLAIN SELECT 1",
        "PIVOT contacts ON email_verified USING count(*)",
    ],
)
def test_looking_around_is_answered(published: Path, sql: str) -> None:
    assert rows(published, sql)


def test_values_can_be_bound(published: Path) -> None:
    assert rows(published, "SELECT count(*) AS n FROM contacts WHERE input_file = ?", ["a.csv"]) == [{"n": 1}]


def test_instants_come_as_utc_without_extra_packages(published: Path) -> None:
    found = rows(published, "SELECT fetched_at, fetched_at AT TIME ZONE 'UTC' AS zoned FROM contacts")
    assert found == [{"fetched_at": NOON.replace(tzinfo=None), "zoned": NOON}]
    assert found[0]["zoned"].utcoffset() == dt.timedelta()


def test_a_large_result_comes_in_chunks(published: Path) -> None:
    with reading_published(published, "SELECT range AS n FROM range(?)", [3 * CHUNK_ROWS]) as result:
        assert max(chunk.num_rows for chunk in result.chunks) <= CHUNK_ROWS


FORBIDDEN = {
    "reads a file": "SELECT * FROM read_text('{secret}')",
    "reads a file by its name": "SELECT * FROM '{secret}'",
    "reads a file as a table": "SELECT * FROM read_csv('{secret}')",
    "lists files": "SELECT * FROM glob('{folder}/*')",
    "writes a file": "COPY contacts TO '{folder}/stolen.csv'",
    "writes a database": "EXPORT DATABASE '{folder}/stolen'",
    "makes a database": "ATTACH '{folder}/other.duckdb'",
    "reaches the network": "SELECT * FROM read_csv('https://127.0.0.1:9/x.csv')",
    "installs": "INSTALL httpfs",
    "loads": "LOAD httpfs",
    "changes a setting": "SET memory_limit = '100GB'",
    "changes a setting by pragma": "PRAGMA threads = 64",
    "lets the settings go": "SET lock_configuration = false",
    "opens the outside": "SET enable_external_access = true",
    "keeps a secret": "CREATE PERSISTENT SECRET s (TYPE http)",
    "makes a table": "CREATE TABLE mine AS SELECT 1",
    "makes a temporary table": "CREATE TEMP TABLE mine AS SELECT 1",
    "changes rows": "UPDATE contacts SET email = NULL",
    "deletes rows": "DELETE FROM contacts",
    "smuggles a second statement": "SELECT 1; DELETE FROM contacts",
    "reads a variable of the program": "SELECT * FROM sql",
    "calls": "CALL enable_logging()",
    "is nothing": "  ",
    "is wrong": "SELEC 1",
    "fails in the middle": "SELECT CASE WHEN range > 50000 THEN error('no') END FROM range(100000)",
}


@pytest.mark.parametrize("sql", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_sql_that_does_anything_else_is_refused_and_did_nothing(published: Path, tmp_path: Path, sql: str) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\nthe secret\n")
    before = published.stat()
    with pytest.raises(QueryRefused) as refused:
        rows(published, sql.format(secret=secret, folder=tmp_path))
    assert "the secret" not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["secret.csv"]
    assert [path.name for path in published.parent.iterdir()] == [published.name]
    assert published.stat().st_mtime_ns == before.st_mtime_ns
    assert rows(published, "SELECT count(email) AS n FROM contacts") == [{"n": 1}]


def test_a_query_too_large_for_its_memory_fails_without_a_file(published: Path) -> None:
    sql = "SELECT a.range, b.range FROM range(3000) a, range(3000) b ORDER BY hash(a.range + b.range)"
    with (
        pytest.raises(QueryRefused, match="Out of Memory"),
        reading_published(published, sql, memory_limit="50MB") as result,
    ):
        list(result.chunks)
    assert [path.name for path in published.parent.iterdir()] == [published.name]


def test_without_a_published_database_it_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(NothingPublished, match="openmart-pipeline run"):
        rows(tmp_path / "contacts.duckdb", "SELECT 1")


def test_a_file_held_by_a_writer_is_named_as_that(published: Path, tmp_path: Path) -> None:
    held = tmp_path / "contacts.duckdb"
    held.write_bytes(published.read_bytes())
    script = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(flush=True); sys.stdin.read()"
    import subprocess
    import sys

    with subprocess.Popen(
        [sys.executable, "-c", script, str(held)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout
        writer.stdout.readline()
        with pytest.raises(WarehouseBusy, match="read-only"):
            rows(held, "SELECT 1")
        writer.kill()
    with duckdb.connect(held, read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM contacts").fetchall() == [(1,)]
