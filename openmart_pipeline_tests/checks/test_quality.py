"""What is said about the quality of contacts is true, on real answers and on spoiled ones."""

import json
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa

from openmart_pipeline.checks import drift, quality
from openmart_pipeline.ledger import schema
from openmart_pipeline.pipeline import steps
from openmart_pipeline.services import Services
from openmart_pipeline_tests.money import at_work, company_file, planned, whole_run
from openmart_pipeline_tests.simulator_process import SimulatorProcess

FILES = {name: [f"{name[0]}{number}.com" for number in range(30)] for name in ("a.csv", "b.csv", "c.csv")}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Three files of thirty companies; nobody was found for the last one."""
    data_dir = tmp_path_factory.mktemp("data")
    for name, domains in FILES.items():
        company_file(data_dir, name, domains)
    with (
        SimulatorProcess(tmp_path_factory.mktemp("simulator")) as simulator,
        at_work(data_dir, simulator.url) as (work, session),
    ):
        whole_run(work, session, *FILES)
        spoil(work, "c.csv", lambda answer: answer | {"data": []})
        yield work


def spoil(work: Services, key: str, change) -> None:
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


def test_the_numbers_of_a_file_are_those_of_its_tables(work: Services) -> None:
    a, c = quality.quality_of_file(work, "a.csv"), quality.quality_of_file(work, "c.csv")
    assert (a.answered, a.people) == (
        30,
        work.warehouse.query("SELECT count(*) FROM contacts WHERE input_file = 'a.csv'")[0][0],
    )
    assert 0.5 < (a.hit_rate or 0) <= 1
    assert 0.5 < (a.verified_rate or 0) <= 1
    assert (a.credits_per_usable_contact or 0) > 3
    assert (c.hit_rate, c.verified_rate, c.credits_per_usable_contact) == (0, None, None)


def test_in_the_total_what_files_share_counts_once(work: Services) -> None:
    files = {name: quality.quality_of_file(work, name) for name in FILES}
    before = quality.quality_in_total(work)
    assert (before.answered, before.found) == (90, sum(file.found for file in files.values()))
    assert before.estimated_credits == pytest.approx(sum(file.estimated_credits or 0 for file in files.values()))
    company_file(work.data.input.parent, "copy.csv", FILES["a.csv"])
    planned(work, "copy.csv")
    steps.load_contacts(work, "copy.csv", run_id="r")
    after = quality.quality_in_total(work)
    work.warehouse.forget_file("copy.csv")
    assert before.people == sum(file.people for file in files.values())
    assert after == before


def test_a_file_far_below_its_siblings_is_named_and_one_below_the_floor_too(work: Services) -> None:
    found = quality.low_hit_rates(replace(work, hit_rate_floor=0.0))
    assert found.count == 1
    assert found.sample[0].startswith("c.csv: 0% (0 of 30); the other files' median is")
    assert quality.low_hit_rates(replace(work, hit_rate_floor=1.01)).count == 3
    assert quality.low_verified_shares(replace(work, verified_rate_floor=0.0)).is_kept
    verified = quality.low_verified_shares(replace(work, verified_rate_floor=1.01))
    assert verified.count == 2
    assert "OPENMART_VERIFIED_RATE_FLOOR" in verified.says


def test_too_few_answers_say_nothing(work: Services, tmp_path: Path) -> None:
    company_file(tmp_path, "few.csv", ["a.com"])
    with at_work(tmp_path, "http://127.0.0.1:9", OPENMART_HIT_RATE_FLOOR="1") as (empty, _buyer):
        steps.ingest_companies(empty, "few.csv")
        assert quality.low_hit_rates(empty).is_kept
        assert drift.drifted_answers(empty).is_kept


def test_every_address_is_well_formed_until_somebody_writes_into_the_table(work: Services) -> None:
    assert quality.malformed_emails(work).is_kept
    written(work, "UPDATE contacts SET email = 'Not An Address' WHERE email = (SELECT min(email) FROM contacts)")
    assert quality.malformed_emails(work).count == 1
    steps.load_contacts(work, "a.csv", run_id="r")
    assert quality.malformed_emails(work).is_kept


def test_a_contact_of_no_task_of_ours_is_found(work: Services) -> None:
    assert quality.invented_contacts(work).is_kept
    written(
        work, "UPDATE contacts SET tracking_id = 'somebody-elses' WHERE task_no = (SELECT min(task_no) FROM contacts)"
    )
    assert quality.invented_contacts(work).sample == ("somebody-elses",)
    steps.load_contacts(work, "a.csv", run_id="r")
    written(work, "UPDATE contacts SET tracking_id = replace(tracking_id, '-1-', '-99-') WHERE input_file = 'a.csv'")
    assert quality.invented_contacts(work).count == quality.quality_of_file(work, "a.csv").people
    steps.load_contacts(work, "a.csv", run_id="r")


def written(work: Services, sql: str) -> None:
    with duckdb.connect(work.warehouse.path) as connection:
        connection.execute(sql)


def long_ago(work: Services) -> None:
    """Let everything that is loaded be older than what counts as lately."""
    written(work, "UPDATE task_results SET fetched_at = fetched_at - INTERVAL 8 DAYS")


def test_the_answers_keep_their_shape_until_keys_come_or_go_and_then_it_is_usual(work: Services) -> None:
    before = drift.drifted_answers(work)
    assert before.is_kept, "the first answers differ from nothing"
    assert "'seniority' of people" in before.all_clear

    def change(answer: dict) -> dict:
        people = [{**{k: v for k, v in person.items() if k != "email"}, "mood": "good"} for person in answer["data"]]
        return answer | {"data": people, "engine": 2}

    long_ago(work)
    spoil(work, "b.csv", change)
    said = drift.drifted_answers(work)
    kinds = {line.split(",")[0] for line in said.sample}
    assert {"new: 'engine' of answers", "new: 'mood' of people", "gone: 'email' of people"} <= kinds
    assert said.count == len(kinds) == 3
    long_ago(work)
    after = drift.drifted_answers(work)
    assert after.is_kept
    assert "'mood' of people" in after.all_clear
