"""What is said about the quality of contacts is true, on real answers and on spoiled ones."""

import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa

from openmart_pipeline.enrichment import quality, steps
from openmart_pipeline.enrichment.ledger import schema
from openmart_pipeline.enrichment.steps import Workplace
from openmart_pipeline_tests.money import at_work, company_file, whole_run
from openmart_pipeline_tests.simulator_process import SimulatorProcess

FILES = {name: [f"{name[0]}{number}.com" for number in range(30)] for name in ("a.csv", "b.csv", "c.csv")}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """Three files of thirty companies; nobody was found for the last one."""
    data_dir = tmp_path_factory.mktemp("data")
    for name, domains in FILES.items():
        company_file(data_dir, name, domains)
    with (
        SimulatorProcess(tmp_path_factory.mktemp("simulator")) as simulator,
        at_work(data_dir, simulator.url) as (work, buyer),
    ):
        whole_run(work, buyer, *FILES)
        spoil(work, "c.csv", lambda answer: answer | {"data": []})
        yield work


def spoil(work: Workplace, key: str, change) -> None:
    """Answer a file's questions differently, and load them."""
    query = (
        sa.select(schema.tasks.c.task_no, schema.tasks.c.raw)
        .join(schema.batches, schema.batches.c.batch_no == schema.tasks.c.batch_no)
        .where(schema.batches.c.partition_key == key)
    )
    with work.ledger.write() as connection:
        for task_no, raw in connection.execute(query).all():
            answer = change(json.loads(zlib.decompress(raw)))
            values = {
                "raw": zlib.compress(json.dumps(answer).encode()),
                "state": "found" if answer["data"] else "empty",
            }
            connection.execute(schema.tasks.update().where(schema.tasks.c.task_no == task_no).values(**values))
    steps.load_contacts(work, key, run_id="r")


def test_the_numbers_of_a_file_are_those_of_its_tables(work: Workplace) -> None:
    files = {file.input_file: file for file in quality.quality_of_files(work)}
    assert list(files) == list(FILES)
    a, c = files["a.csv"], files["c.csv"]
    assert (a.answered, a.contacts) == (
        30,
        work.warehouse.query("SELECT count(*) FROM contacts WHERE input_file = 'a.csv'")[0][0],
    )
    assert 0.5 < (a.hit_rate or 0) <= 1
    assert 0.5 < (a.verified_rate or 0) <= 1
    assert (a.credits_per_usable_contact or 0) > 3
    assert (c.hit_rate, c.verified_rate, c.credits_per_usable_contact) == (0, None, None)


def test_a_file_far_below_its_siblings_is_named_and_one_below_the_floor_too(work: Workplace) -> None:
    found = quality.low_hit_rates(work, floor=0.0)
    assert found.count == 1
    assert found.sample[0].startswith("c.csv: 0%")
    assert quality.low_hit_rates(work, floor=1.01).count == 3
    assert quality.low_verified_shares(work, floor=0.0).keeps_promise
    assert quality.low_verified_shares(work, floor=1.01).count == 2


def test_too_few_answers_say_nothing(work: Workplace, tmp_path: Path) -> None:
    company_file(tmp_path, "few.csv", ["a.com"])
    with at_work(tmp_path, "http://127.0.0.1:9") as (empty, _buyer):
        steps.take_companies(empty, "few.csv")
        assert quality.low_hit_rates(empty, floor=1.0).keeps_promise
        assert quality.drifted_answers(empty).keeps_promise


def test_every_address_is_well_formed_until_somebody_writes_into_the_table(work: Workplace) -> None:
    assert quality.malformed_emails(work).keeps_promise
    written(work, "UPDATE contacts SET email = 'Not An Address' WHERE email = (SELECT min(email) FROM contacts)")
    assert quality.malformed_emails(work).count == 1
    steps.load_contacts(work, "a.csv", run_id="r")
    assert quality.malformed_emails(work).keeps_promise


def test_a_contact_of_no_task_of_ours_is_found(work: Workplace) -> None:
    assert quality.invented_contacts(work).keeps_promise
    written(
        work, "UPDATE contacts SET tracking_id = 'somebody-elses' WHERE task_no = (SELECT min(task_no) FROM contacts)"
    )
    assert quality.invented_contacts(work).sample == ("somebody-elses",)
    steps.load_contacts(work, "a.csv", run_id="r")


def written(work: Workplace, sql: str) -> None:
    with duckdb.connect(work.warehouse.path) as connection:
        connection.execute(sql)


def test_keys_that_are_not_documented_are_named_with_how_often(work: Workplace) -> None:
    def change(answer: dict) -> dict:
        people = [{**person, "mood": "good"} for person in answer["data"] or []]
        return answer | {"data": people, "engine": 2}

    spoil(work, "b.csv", change)
    said = quality.drifted_answers(work)
    assert any(line.startswith("engine of answer: in 30") for line in said.sample)
    assert any(line.startswith("mood of person: in") for line in said.sample)
    assert not any(line.startswith(("email", "title", "data", "status")) for line in said.sample)
