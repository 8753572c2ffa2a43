import datetime as dt
import json
import sqlite3

import dagster as dg
import pytest
import sqlalchemy as sa

from openmart_pipeline.defs.readiness_sensor import batch_readiness_sensor
from openmart_pipeline.ledger.coordination import lease
from openmart_pipeline.pipeline import steps
from openmart_pipeline_tests.defs.world import BUY, COLLECT, World

DOMAINS = [f"company-{number}.com" for number in range(6)]


def _tick(world: World) -> dg.SensorResult:
    result = batch_readiness_sensor(dg.build_sensor_context(instance=world.instance), **world.resources)
    assert isinstance(result, dg.SensorResult)
    for event in result.asset_events:
        world.instance.report_runless_asset_event(event)
    return result


def _requested(world: World) -> list[str]:
    requests = _tick(world).run_requests or []
    return [str(request.partition_key) for request in requests if request.job_name == COLLECT]


def _reason(world: World) -> str:
    skipped = _tick(world).skip_reason
    assert skipped is not None
    return str(skipped.skip_message)


@pytest.fixture
def bought(world) -> World:
    """A world in which one file is bought, its batch is ready, and it is time to ask about it."""
    key = world.file("accounts.csv", *DOMAINS)
    world.planned(key)
    assert world.buy(key).success
    with sqlite3.connect(world.folder / "data" / "ledger.sqlite") as ledger:
        ledger.execute("UPDATE batches SET next_poll_at = intent_at")
    return world


def test_without_a_key_the_tick_is_skipped_with_the_variables_name(world):
    del world.environment["OPENMART_API_KEY"]

    assert "OPENMART_API_KEY is not set" in _reason(world)


def test_with_nothing_bought_nobody_is_asked(world):
    assert _reason(world).startswith("No batch is under way")
    assert world.simulator.account()["requests"] == {}


def test_what_is_not_ready_is_told_in_numbers(make_world):
    world = make_world(processing_s=60)
    world.planned(world.file("accounts.csv", *DOMAINS))
    world.buy("accounts.csv")
    with world.work() as work:
        steps.publish(work)
    with sqlite3.connect(world.folder / "data" / "ledger.sqlite") as ledger:
        ledger.execute("UPDATE batches SET next_poll_at = intent_at")

    assert _reason(world) == "Under way: 1 batch (6 tasks); asked about 1: 0 ready, 1 not yet."


def test_what_is_ready_is_collected_for_every_file_that_asks_it(bought):
    copy = bought.file("copy.csv", *DOMAINS)
    bought.planned(copy)

    assert _requested(bought) == ["accounts.csv"]
    bought.collect("accounts.csv")
    assert _requested(bought) == ["copy.csv"]
    bought.collect(copy)
    assert _requested(bought) == []


def _collecting_run(world: World, status: dg.DagsterRunStatus) -> dg.DagsterRun:
    return world.instance.create_run_for_job(
        world.definitions.resolve_job_def(COLLECT), status=status, tags={"dagster/partition": "accounts.csv"}
    )


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED])
def test_a_file_whose_collecting_run_waits_or_has_just_begun_is_not_requested_again(bought, status):
    _collecting_run(bought, status)

    assert _requested(bought) == []


def test_a_ghost_run_does_not_keep_a_file_from_being_collected(bought):
    _collecting_run(bought, dg.DagsterRunStatus.STARTED)
    long_ago = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    with bought.instance.run_storage.connect() as runs:
        runs.execute(sa.text("UPDATE runs SET create_timestamp = :then"), {"then": long_ago.isoformat(" ")})

    assert _requested(bought) == ["accounts.csv"]


def test_a_file_that_somebody_is_collecting_is_left_to_them(bought):
    with bought.work() as work, lease(work.ledger, "accounts.csv", "collect") as is_ours:
        assert is_ours
        assert _requested(bought) == []


def _never_heard(world: World) -> None:
    """As if no answer had come to any submit: the journal knows of no id."""
    journal = world.folder / "data" / "submissions.jsonl"
    sent = [line for line in journal.read_text().splitlines() if json.loads(line)["event"] == "sending"]
    journal.write_text("\n".join(sent) + "\n")


def test_a_batch_whose_sender_died_is_named_and_the_check_turns_red_once(bought):
    _never_heard(bought)
    with sqlite3.connect(bought.folder / "data" / "ledger.sqlite") as ledger:
        ledger.execute("UPDATE batches SET state = 'sending', owner_id = 'gone', vendor_batch_id = NULL")

    events = _tick(bought).asset_events
    assert {event.check_name: event.passed for event in events}["no_submission_left_unknown"] is False
    assert not bought.check("submitted_batches", "no_submission_left_unknown").passed
    assert _tick(bought).asset_events == []


def test_a_check_turns_green_when_the_command_line_settled_it(bought):
    _never_heard(bought)
    with sqlite3.connect(bought.folder / "data" / "ledger.sqlite") as ledger:
        ledger.execute("UPDATE batches SET state = 'unknown'")
    _tick(bought)
    with sqlite3.connect(bought.folder / "data" / "ledger.sqlite") as ledger:
        ledger.execute("UPDATE batches SET state = 'released'")

    assert [event.passed for event in _tick(bought).asset_events] == [True]


def test_a_check_that_a_run_is_about_to_make_is_left_to_that_run_unless_it_died(world):
    config = {"ops": {"submitted_batches": {"config": {"credit_limit": 1, "plan": "none"}}}}
    run = world.instance.create_run_for_job(
        world.definitions.resolve_job_def(BUY),
        run_config=config,
    )
    assert "no_submission_left_unknown" not in {event.check_name for event in _tick(world).asset_events}

    world.instance.report_run_failed(run)
    assert {event.check_name for event in _tick(world).asset_events} == {"no_submission_left_unknown"}


def test_a_ledger_of_another_api_skips_the_tick_with_its_sentence(bought):
    bought.environment["OPENMART_BASE_URL"] = "https://api.example.com"

    assert "belongs to the API 'simulated'" in _reason(bought)
