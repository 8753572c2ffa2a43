"""F10 to F13: answers that never end, that are somebody else's, that hold nonsense, or that cannot be read."""

import datetime as dt
import json
import uuid
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from openmart_pipeline.checks import findings
from openmart_pipeline.collection.poll import StallPolicy
from openmart_pipeline.ledger import loads, queries, schema
from openmart_pipeline.pipeline import steps
from openmart_pipeline_tests.faults.shop import Shop, in_batches, quick_buyer
from openmart_pipeline_tests.ledger.desk import Desk, UntilPutOff
from openmart_pipeline_tests.money import (
    assert_accounts_agree,
    assert_each_task_is_in_one_place,
    at_work,
    bought,
    company_file,
    planned,
    task_states,
    whole_run,
)

STALLED_AT_ONCE = StallPolicy(stalled_after=dt.timedelta(0), stalled_polls=1)  # stalled at the second look


def domains(count: int) -> list[str]:
    of = uuid.uuid4().hex[:8]
    return [f"{of}-{number}.com" for number in range(count)]


def assert_joined_by_tracking_id(desk: Desk) -> None:
    """Every answer that is kept says itself whose it is, but for those that other evidence led to their task."""
    by_tracking_id = sa.and_(schema.tasks.c.raw.is_not(None), schema.tasks.c.matched_by.is_(None))
    with desk.ledger.read() as connection:
        rows = connection.execute(sa.select(schema.tasks).where(by_tracking_id)).all()
    assert rows
    assert [row for row in rows if json.loads(zlib.decompress(row.raw))["tracking_id"] != row.tracking_id] == []


def test_each_task_ends_in_a_named_state_and_the_rest_is_loaded(tmp_path: Path, shop: Shop) -> None:
    """F10: a word for what ended badly, `stalled` for what never ends; what comes later is collected at no cost."""
    named = ["errored", "cancelled", "failed", "unknown_state", "pending", "processing_forever"]
    asked = domains(10)
    shop.fails(**{f"task_{end}": f"domain:{domain}" for end, domain in zip(named, asked, strict=False)})
    key = company_file(tmp_path, "a.csv", asked)
    with at_work(tmp_path, shop.url) as (open_work, _):
        work, session = replace(open_work, stall_policy=STALLED_AT_ONCE), quick_buyer(shop)
        whole_run(work, session, key)
        states = task_states(work)
        assert (states["errored"], states["cancelled"], states["stalled"]) == (1, 1, 4)
        assert states["found"] + states.get("empty", 0) == 4
        loaded = dict(work.warehouse.query("SELECT state, count(*) FROM task_results GROUP BY state"))
        assert loaded == states
        assert work.warehouse.query("SELECT count(*) FROM contacts") > [(0,)]
        assert findings.stuck_batches(work).count == 1
        [batch] = shop.charged
        shop.simulator.end_tasks(batch["batch_id"], "COMPLETED")
        clock = work.ledger.clock
        work.ledger.clock = lambda: clock() + dt.timedelta(hours=25)  # it is asked about daily
        steps.collector(work, session, [key]).run(patience_s=30)
        assert "stalled" not in task_states(work)
        assert_accounts_agree(work, shop.simulator, since=shop.since)
        assert_each_task_is_in_one_place(work)
    assert shop.submits == 1


def test_a_batch_that_never_ends_is_stuck_by_age_and_by_polls(desk: Desk, shop: Shop) -> None:
    """F10, F18: age alone does not do it, nor do polls alone."""
    shop.fails(task_processing_forever="always")
    desk.buy(in_batches(desk, [2]))
    stall_policy = StallPolicy(stalled_after=dt.timedelta(hours=24), stalled_polls=3)
    looks = []
    for _ in range(5):
        desk.clock.move(hours=7)
        desk.look(stall_policy=stall_policy)
        looks += desk.states()
    assert looks == ["submitted"] * 3 + ["stalled"] * 2


def test_the_daemon_reads_what_of_a_stuck_batch_has_ended(desk: Desk, shop: Shop) -> None:
    """F10: its sensor calls the batch stalled and asks for a run; the next one is a day later."""
    plan = in_batches(desk, [3])
    forever, *others = desk.asked_of(plan)
    shop.fails(task_processing_forever=f"domain:{forever}")
    desk.buy(plan)
    for _ in range(2):
        desk.clock.move(minutes=2)
        desk.poll(stall_policy=STALLED_AT_ONCE)
    assert desk.states() == ["stalled"]
    assert queries.due_for_collecting(desk.ledger) == ["a.csv"]
    desk.collect(stall_policy=STALLED_AT_ONCE)
    ended = desk.tasks()
    assert (ended.pop("stalled"), sum(ended.values())) == (1, len(others))
    assert queries.due_for_collecting(desk.ledger) == ["a.csv"]  # to be loaded
    loads.note_answers_loaded(desk.ledger, "a.csv", plan.plan_id, queries.newest_end(desk.ledger, "a.csv"))
    assert queries.due_for_collecting(desk.ledger) == []
    desk.clock.move(hours=25)
    assert queries.due_for_collecting(desk.ledger) == ["a.csv"]


def test_counts_that_do_not_add_up_change_nothing(desk: Desk, shop: Shop) -> None:
    """F10: only `batch_ready` is believed."""
    shop.fails(poll_wrong_counts="always")
    desk.buy(in_batches(desk, [3]))
    desk.collect()
    assert desk.states() == ["collected"]
    assert_accounts_agree(desk, shop.simulator, since=shop.since)


@pytest.mark.parametrize("fault", ["ids_repeated", "ids_reshuffled", "ids_foreign"])
def test_ids_in_any_order_repeated_or_foreign_change_no_answer(desk: Desk, shop: Shop, fault: str) -> None:
    """F11: `foreign` is an id nobody knows and one of another batch of ours."""
    shop.fails(**{fault: "always"})
    desk.buy(in_batches(desk, [5, 5]))
    desk.collect()
    assert set(desk.tasks()) <= {"found", "empty"}
    assert_joined_by_tracking_id(desk)
    assert_accounts_agree(desk, shop.simulator, since=shop.since)


def test_an_id_that_is_missing_is_waited_for(desk: Desk, shop: Shop) -> None:
    """F11: the list may be whole at the next look; until then its task is not given up."""
    shop.fails(ids_missing="next:1")
    desk.buy(in_batches(desk, [5]))
    desk.look()
    assert desk.tasks()["in_flight"] == 1
    desk.clock.move(minutes=2)
    desk.collect()
    assert desk.states() == ["collected"]
    assert_joined_by_tracking_id(desk)


@pytest.mark.parametrize("fault", ["task_tracking_null", "task_tracking_absent", "task_tracking_changed"])
def test_a_result_that_names_no_task_of_ours_is_kept_and_read_again_before_anything_is_made_of_it(
    desk: Desk, shop: Shop, fault: str
) -> None:
    """F11: what becomes of it then is F44's business."""
    desk.buy(in_batches(desk, [5]))
    shop.fails(**{fault: f"domain:{desk.asked_in(1)[0]}"})
    assert desk.look().unmatched == 1
    assert desk.tasks()["in_flight"] == 1
    assert_joined_by_tracking_id(desk)
    with desk.ledger.read() as connection:
        assert connection.execute(sa.select(sa.func.count(schema.unmatched_results.c.raw))).scalar() == 1
    assert shop.submits == 1


def test_of_two_answers_with_one_tracking_id_one_is_kept_and_the_other_unmatched(desk: Desk, shop: Shop) -> None:
    """F11."""
    desk.buy(in_batches(desk, [5]))
    shop.fails(task_tracking_doubled=f"domain:{desk.asked_in(1)[0]}")
    assert desk.look().unmatched == 1
    assert_joined_by_tracking_id(desk)


DATA_FAULTS = [
    "data_null", "data_absent", "data_object", "data_scalars", "new_fields", "changed_types", "huge", "nul",
    "lone_surrogate", "invalid_utf8",
]  # fmt: skip


def test_answers_of_any_content_load_and_stay_readable_as_received(tmp_path: Path, shop: Shop) -> None:
    """F12: each oddity in one answer of a file, and two answers without."""
    asked = domains(len(DATA_FAULTS) + 2)
    shop.fails(**{f"task_{fault}": f"domain:{domain}" for fault, domain in zip(DATA_FAULTS, asked, strict=False)})
    key = company_file(tmp_path, "a.csv", asked)
    with at_work(tmp_path, shop.url) as (work, _):
        whole_run(work, quick_buyer(shop), key)
        assert set(task_states(work)) <= {"found", "empty", "errored"}
        rows = work.warehouse.query(
            "SELECT company_domain, people, parse_warnings, length(raw) FROM task_results "
            "JOIN (SELECT DISTINCT fingerprint, domain AS company_domain FROM enrichment_plan) USING (fingerprint)"
        )
        by_fault = {DATA_FAULTS[asked.index(row[0])]: row[1:] for row in rows if row[0] in asked[: len(DATA_FAULTS)]}
        assert by_fault.keys() == set(DATA_FAULTS)
        assert by_fault["huge"][2] is None  # in the ledger alone: F46
        assert by_fault["changed_types"][1]
        odd = findings.odd_answers(work)
        assert odd.count >= 4
        assert "something that could not be read" in odd.says
        assert work.warehouse.published_path.exists()
        assert_accounts_agree(work, shop.simulator, since=shop.since)


def test_a_result_that_can_not_be_read_keeps_only_its_own_task_waiting(tmp_path: Path, shop: Shop) -> None:
    """F13: the others load; it is read again later, at no cost."""
    asked = domains(6)
    shop.fails(task_500=f"domain:{asked[2]}")
    key = company_file(tmp_path, "a.csv", asked)
    with at_work(tmp_path, shop.url) as (work, _):
        session, look = quick_buyer(shop), UntilPutOff()
        planned(work, key)
        bought(work, session, key)
        steps.collector(work, session, [key], look).run(stop=look.stop)
        steps.load_contacts(work, key, run_id="run")
        states = task_states(work)
        assert states.pop("in_flight") == 1
        assert sum(states.values()) == 5
        assert work.warehouse.query("SELECT count(*) FROM task_results WHERE state IN ('found', 'empty')") == [(5,)]
        assert work.warehouse.coverage(key)["waiting"] == 1
        shop.fails(task_500=None)
        clock = work.ledger.clock
        work.ledger.clock = lambda: clock() + dt.timedelta(minutes=2)
        steps.collector(work, session, [key]).run(patience_s=30)
        steps.load_contacts(work, key, run_id="run")
        assert "in_flight" not in task_states(work)
        assert "waiting" not in work.warehouse.coverage(key)
        assert_accounts_agree(work, shop.simulator, since=shop.since)
    assert shop.submits == 1


def test_a_batch_the_server_forgot_is_expired_only_after_three_answers_over_a_day(desk: Desk, shop: Shop) -> None:
    """Never "empty", and never owed again by itself; with another key it is left alone."""
    plan = in_batches(desk, [2])
    desk.buy(plan)
    shop.simulator.expire(shop.charged[0]["batch_id"])
    desk.clock.move(minutes=1)
    assert desk.look(key_hash="another key").polls.other_key == [1]
    seen = []
    for _ in range(5):
        desk.clock.move(hours=25 if not seen else 9)
        desk.look()
        seen += desk.states()
    assert seen == ["submitted"] * 3 + ["expired"] * 2
    assert set(desk.tasks()) == {"expired"}
    desk.buy(plan)
    assert shop.submits == 1
