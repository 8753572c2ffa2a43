"""How often the file is copied when many files finish together, and that nothing loaded stays unpublished."""

import os
import sqlite3
import time
from collections.abc import Iterator

import dagster as dg
import pytest

from openmart_pipeline.defs.publishing import PUBLISH_EVERY_S, is_left_undone, left_to_others
from openmart_pipeline.defs.readiness_sensor import batch_readiness_sensor
from openmart_pipeline.ledger import loads
from openmart_pipeline.pipeline import steps
from openmart_pipeline.services import Services
from openmart_pipeline_tests.defs.world import COLLECT, PLAN, World, shown

PUBLISH = "publish_contacts_job"
KEYS = ["a.csv", "b.csv"]


@pytest.fixture
def planned(world) -> World:
    """Two files, planned and published; nothing is bought."""
    for key in KEYS:
        world.planned(world.file(key, f"company-{key[0]}.com"))
    with world.work() as work:
        steps.publish(work)
    return world


@pytest.fixture
def work(planned) -> Iterator[Services]:
    with planned.work() as work:
        yield work


def run_of(world: World, job: str = COLLECT) -> dg.DagsterRun:
    """A run that has not begun."""
    return world.instance.create_run_for_job(world.definitions.resolve_job_def(job))


def published_ago(work: Services, seconds: float) -> None:
    at = time.time() - seconds
    os.utime(work.warehouse.published_path, (at, at))


def test_of_files_that_finish_together_the_last_copies_for_all(planned, work):
    other = run_of(planned)
    published_ago(work, 0)
    before = work.warehouse.published_generation()
    first = shown(planned.collect(KEYS[0]), "published_database")["published"]
    assert first.startswith("left to 1 run ending later")
    assert work.warehouse.published_generation() == before
    planned.instance.report_run_canceled(other)  # its place is taken by a run of ours
    assert shown(planned.collect(KEYS[1]), "published_database")["published"] == "now"
    assert loads.unpublished_since(work.ledger) is None


def test_runs_that_end_one_after_the_other_copy_once_a_minute_and_at_the_end(planned, work):
    runs = [run_of(planned) for _ in range(6)]
    since_s = 0.0
    copies = 0
    for run in runs:
        published_ago(work, since_s := since_s + 36)
        if left_to_others(planned.instance, run, work) is None:
            copies, since_s = copies + 1, 0.0
        planned.instance.report_run_failed(run)  # it ended
    assert copies == 3


def test_whoever_asks_for_the_published_database_alone_gets_it_at_once(planned, work):
    run_of(planned)
    published_ago(work, 0)
    assert left_to_others(planned.instance, run_of(planned), work) is not None
    assert left_to_others(planned.instance, run_of(planned, PUBLISH), work) is None


def test_a_clock_that_went_back_does_not_keep_the_file_from_being_published(planned, work):
    run_of(planned)
    published_ago(work, -86_400)
    assert left_to_others(planned.instance, run_of(planned), work) is None


def test_what_was_left_to_a_run_that_died_is_published_by_the_sensor(planned, work):
    others = run_of(planned, PLAN)
    steps.load_contacts(work, KEYS[0], run_id="r")
    assert requested(planned) == [], "another run will"
    planned.instance.report_run_failed(others)
    assert requested(planned) == [PUBLISH]
    del planned.environment["OPENMART_API_KEY"]
    assert requested(planned) == [PUBLISH], "publishing needs no key"
    steps.publish(work)
    assert requested(planned) == []


def requested(world: World) -> list[str | None]:
    tick = batch_readiness_sensor(dg.build_sensor_context(instance=world.instance), **world.resources)
    assert isinstance(tick, dg.SensorResult)
    return [request.job_name for request in tick.run_requests or []]


def test_what_others_do_not_publish_for_minutes_the_sensor_does(planned, work):
    run_of(planned, PLAN)
    steps.load_contacts(work, KEYS[0], run_id="r")
    assert not is_left_undone(planned.instance, work)
    with sqlite3.connect(work.ledger.path) as ledger:
        ledger.execute("DROP TRIGGER events_refuse_UPDATE")
        ledger.execute(
            "UPDATE events SET at = strftime('%Y-%m-%d %H:%M:%f000', at, ?)", [f"-{2 * PUBLISH_EVERY_S + 1} seconds"]
        )
    assert is_left_undone(planned.instance, work)
    run_of(planned, PUBLISH)
    assert not is_left_undone(planned.instance, work), "one such run is enough"
