import sqlite3

import duckdb
import pytest

from openmart_pipeline.defs.checks import CHECKS
from openmart_pipeline.ledger import collecting, loads, moves, schema
from openmart_pipeline.pipeline import steps
from openmart_pipeline_tests.defs.world import World, failure, shown
from openmart_pipeline_tests.money import assert_accounts_agree

DOMAINS = [f"company-{number}.com" for number in range(6)]


@pytest.fixture
def unknown(make_world) -> World:
    """A world in which one batch was created and its answer lost, bought through Dagster."""
    world = make_world(faults={"created_then_reset": "next:1"})
    key = world.file("accounts.csv", *DOMAINS)
    world.planned(key)
    assert world.buy(key).success
    return world


def _lost_batch(world: World) -> tuple[int, str]:
    with world.work() as work:
        [batch] = moves.unknown_batches(work.ledger)
    [charged] = world.simulator.never_heard()
    return batch.batch_no, charged["batch_id"]


def test_a_lost_batch_turns_its_check_red_and_names_credits_and_both_ways_out(unknown):
    check = unknown.check("submitted_batches", "no_submission_left_unknown")

    assert not check.passed
    assert check.metadata["openmart/count"].value == 1
    assert check.metadata["openmart/credits_at_stake"].value == 6 * 3 * (3 + 8)
    assert "batch 1 of accounts.csv: 6 tasks" in check.metadata["openmart/sample"].value
    assert all(way in check.description for way in ("adopt", "release"))


def test_adopting_through_the_job_turns_it_green_and_the_answers_are_collected(unknown):
    batch_no, vendor_batch_id = _lost_batch(unknown)

    assert unknown.settle(action="adopt", batches=[batch_no], vendor_batch_id=vendor_batch_id).success

    check = unknown.check("submitted_batches", "no_submission_left_unknown")
    assert check.passed
    [decided] = check.metadata["openmart/last_decisions"].records
    said = {"batch": batch_no, "input_file": "accounts.csv", "what": f"adopted as {vendor_batch_id}"}
    assert said.items() <= decided.data.items()
    assert (decided.data["who"], decided.data["why"]) == ("Ada", "ticket 7")
    assert shown(unknown.collect("accounts.csv"), "task_results")["answers_read"] == 6
    with unknown.work() as work:
        assert_accounts_agree(work, unknown.simulator)


def test_releasing_a_whole_file_turns_it_green_and_its_questions_are_owed_again(unknown):
    with sqlite3.connect(unknown.folder / "data" / "ledger.sqlite") as ledger:  # two minutes go by
        ledger.execute("UPDATE batches SET deadline_at = intent_at")

    assert unknown.settle(action="release", input_file="accounts.csv").success

    assert unknown.check("submitted_batches", "no_submission_left_unknown").passed
    assert "has no unknown batch" in failure(unknown.settle(action="release", input_file="accounts.csv"))
    assert shown(unknown.buy("accounts.csv"), "submitted_batches")["tasks_bought"] == 6


def test_a_batch_whose_sender_may_still_hear_is_not_released(unknown):
    refused = unknown.settle(action="release", batches=[1])

    assert "may still hear the answer" in failure(refused)
    assert not unknown.check("submitted_batches", "no_submission_left_unknown").passed


def test_what_a_person_gets_wrong_changes_nothing(unknown):
    wrong = {
        "write adopt or release": {"action": "forget", "batches": [1]},
        "adopt is for one batch": {"action": "adopt", "batches": [1]},
        "release needs batches": {"action": "release"},
        "must say something": {"action": "release", "batches": [1], "why": " "},
        "does not know the batch": {"action": "adopt", "batches": [1], "vendor_batch_id": "no-such-batch"},
        "There is no batch 77": {"action": "release", "batches": [77]},
    }
    for says, settlement in wrong.items():
        assert says in failure(unknown.settle(**settlement))
    with unknown.work() as work:
        assert [batch.batch_no for batch in moves.unknown_batches(work.ledger)] == [1]


def test_an_unreadable_file_is_named_until_it_is_mended(world):
    bad = world.file("notes.csv", "bring milk", header="to do")
    assert not world.plan(bad).success

    red = world.check_now("every_input_file_is_readable")
    world.file("notes.csv", *DOMAINS)
    mended = world.check_now("every_input_file_is_readable")

    assert (red.passed, red.metadata["openmart/count"].value) == (False, 1)
    assert "notes.csv" in red.metadata["openmart/sample"].value
    assert mended.passed


def test_a_reached_limit_leaves_the_asset_green_and_its_check_says_what_waits(world):
    key = world.file("accounts.csv", *DOMAINS)
    world.planned(key)

    assert shown(world.buy(key, credit_limit=70), "submitted_batches")["tasks_bought"] == 2
    short = world.check("submitted_batches", "budgets_leave_nothing_waiting")
    world.buy(key, credit_limit=1_000)
    whole = world.check("submitted_batches", "budgets_leave_nothing_waiting")

    assert (short.passed, short.metadata["openmart/count"].value) == (False, 4)
    assert (
        "accounts.csv: 4 questions waiting; approved up to 70 credits of 198 quoted"
        in short.metadata["openmart/sample"].value
    )
    assert whole.passed


def test_a_batch_that_never_ends_is_named_as_stuck(make_world):
    world = make_world(faults={"poll_never_ready": "always"})
    key = world.file("accounts.csv", *DOMAINS)
    world.planned(key)
    world.buy(key)
    assert world.check_now("no_batch_is_stuck").passed

    with world.work() as work:
        [batch] = collecting.open_batches(work.ledger)
        collecting.age(work.ledger, batch, next_poll_s=60, reason="not ready for 24.0 h")

    check = world.check_now("no_batch_is_stuck")
    assert not check.passed
    assert batch.vendor_batch_id in check.metadata["openmart/sample"].value


def test_a_request_the_server_calls_wrong_is_shown_with_the_servers_words(make_world):
    world = make_world(faults={"422_before_creating": "next:1"})
    key = world.file("accounts.csv", *DOMAINS)
    world.planned(key)

    assert world.buy(key).success

    check = world.check("submitted_batches", "every_batch_was_accepted")
    assert (check.passed, check.metadata["openmart/count"].value) == (False, 1)
    assert "reask: errored" in check.description
    assert (
        "6 questions rejected: the server called the request wrong"
        in shown(world.collect(key), "contacts")["what_waits"]
    )

    world.planned(key, reask="errored")
    world.buy(key)
    assert world.check("submitted_batches", "every_batch_was_accepted").passed


def test_odd_answers_load_and_are_counted(make_world):
    world = make_world(faults={"task_changed_types": "always"})
    key = world.file("accounts.csv", *DOMAINS)
    world.planned(key)
    world.buy(key)

    assert world.collect(key).success

    check = world.check("contacts", "answers_are_readable")
    assert not check.passed
    assert check.metadata["openmart/count"].value > 0


@pytest.fixture
def complete(world) -> World:
    """A world with one file whose every question is answered and loaded."""
    key = world.file("accounts.csv", *DOMAINS)
    world.planned(key)
    world.buy(key)
    collected = world.collect(key)
    assert all(evaluation.passed for evaluation in collected.get_asset_check_evaluations()
               if evaluation.check_name != "answers_are_readable")  # fmt: skip
    return world


def _tampered(world: World, sql: str) -> None:
    with duckdb.connect(world.folder / "data" / "warehouse.duckdb") as connection:
        connection.execute(sql)


def test_rows_that_get_lost_between_two_tables_turn_their_checks_red(complete):
    tampering = {
        "every_company_has_one_outcome": "DELETE FROM enrichment_plan WHERE source_row = 3",
        "contacts_trace_to_a_row": "DELETE FROM companies WHERE source_row = (SELECT min(source_rows[1]) FROM contacts)",
        "ledger_and_warehouse_agree": "DELETE FROM task_results WHERE position = 0",
        "contacts_come_from_our_own_tasks": "UPDATE contacts SET tracking_id = 'somebody-elses-0'",
        "email_addresses_are_well_formed": "UPDATE contacts SET email = 'no address' WHERE email IS NOT NULL",
    }
    for name, sql in tampering.items():
        assert complete.check_now(name).passed
        _tampered(complete, sql)
        assert not complete.check_now(name).passed, name


def test_contacts_past_their_lifetime_are_counted_and_nothing_is_asked_again(complete):
    assert complete.check_now("contacts_within_their_lifetime").passed

    complete.environment["OPENMART_FOUND_LIFETIME_DAYS"] = "0"

    check = complete.check_now("contacts_within_their_lifetime")
    assert not check.passed
    assert "reask: stale" in check.description
    questions = int(check.metadata["openmart/questions_to_refresh"].value)
    assert f"It would ask {questions} questions again, for at most {33 * questions:,} credits" in check.description
    assert complete.simulator.account()["tasks"] == 6


def test_rates_below_the_floors_of_the_settings_name_the_file_and_the_setting(world):
    key = world.file("accounts.csv", *[f"company-{number}.com" for number in range(60)])
    world.planned(key)
    world.buy(key)
    world.collect(key)
    for name, setting in {
        "files_find_people_as_usual": "OPENMART_HIT_RATE_FLOOR",
        "addresses_are_verified_as_usual": "OPENMART_VERIFIED_RATE_FLOOR",
    }.items():
        green = world.check_now(name)
        world.environment[setting] = "1"
        red = world.check_now(name)
        assert (green.passed, red.passed) == (True, False), name
        assert green.description.startswith("1 file with 20 or more to judge by; the median")
        assert setting in red.description
        assert red.metadata["openmart/sample"].value.startswith("accounts.csv: ")


def test_what_waits_is_told_while_it_is_attended_and_turns_yellow_when_nobody_is_there(make_world):
    world = make_world(processing_s=60)
    world.planned(world.file("accounts.csv", *DOMAINS))
    world.buy("accounts.csv")
    attended = world.check_now("nothing_waits_unattended")
    with sqlite3.connect(world.folder / "data" / "ledger.sqlite") as ledger:
        ledger.execute("UPDATE batches SET next_poll_at = strftime('%Y-%m-%d %H:%M:%f000', next_poll_at, '-4 hours')")
    alone = world.check_now("nothing_waits_unattended")

    assert (attended.passed, alone.passed) == (True, False)
    assert "6 questions of 1 file waiting for an answer, the oldest since 20" in attended.description
    assert "6 questions in 1 batch, since 20" in attended.metadata["openmart/sample"].value
    assert "Openmart was to be asked again at" in alone.metadata["openmart/sample"].value
    assert "openmart-pipeline collect" in alone.description


def test_what_was_loaded_hours_ago_and_is_not_published_is_named(complete):
    with complete.work() as work:
        steps.load_contacts(work, "accounts.csv", run_id="r")
    assert complete.check_now("nothing_waits_unattended").passed
    with sqlite3.connect(complete.folder / "data" / "ledger.sqlite") as ledger:
        ledger.execute("DROP TRIGGER events_refuse_UPDATE")
        ledger.execute("UPDATE events SET at = strftime('%Y-%m-%d %H:%M:%f000', at, '-4 hours')")
        ledger.execute(next(trigger for trigger in schema.APPEND_ONLY if "UPDATE" in trigger))

    red = complete.check_now("nothing_waits_unattended")

    assert not red.passed
    assert "published database lacks" in red.metadata["openmart/sample"].value


def test_the_checks_change_nothing(complete):
    with complete.work() as work:
        before = work.warehouse.path.read_bytes(), loads.unpublished_since(work.ledger)
        for promise in CHECKS:
            promise.find(work)
        assert (work.warehouse.path.read_bytes(), loads.unpublished_since(work.ledger)) == before
