"""Every fault of the content makes the answers say what its name says, to whom it is meant for."""

import json
from typing import Any

import pytest

from openmart_pipeline_tests.simulator.caller import Caller, some_tasks, task
from openmart_pipeline_tests.simulator_process import SimulatorProcess

BAD = "bad.com"


def results_under(simulator: SimulatorProcess, caller: Caller, fault: str) -> list[dict[str, Any]]:
    """Buy four tasks, one of them at a company on which the fault falls: that one's answer is the first."""
    simulator.behave(faults={fault: f"domain:{BAD}"})
    asked = [task(BAD, tracking_id="bad"), *(task(f"good{n}.com", tracking_id=f"good{n}") for n in range(3))]
    batch_id = caller.bought(asked)
    answers = [caller.task(task_id) for task_id in caller.task_ids(batch_id).json()]
    good = [answer.json() for answer in answers if b'"good' in answer.content]
    (bad,) = [json.loads(answer.content) for answer in answers if b'"good' not in answer.content]
    assert all(answer["status"] == "COMPLETED" and isinstance(answer["data"], list) for answer in good)
    return [bad, *good]


@pytest.mark.parametrize(
    ("fault", "state", "counts", "is_ready"),
    [
        ("task_errored", "ERRORED", (0, 3, 1), True),
        ("task_cancelled", "CANCELLED", (0, 3, 1), True),
        ("task_failed", "FAILED", (0, 3, 1), True),
        ("task_unknown_state", "QUARANTINED", (0, 3, 0), True),
        ("task_pending", "PENDING", (1, 3, 0), False),
        ("task_processing_forever", "PROCESSING", (1, 3, 0), False),
    ],
)
def test_a_task_comes_to_another_end_and_its_batch_says_the_same(
    simulator: SimulatorProcess, caller: Caller, fault: str, state: str, counts: tuple[int, int, int], is_ready: bool
):
    before = simulator.account()["credits_charged"]
    bad, *good = results_under(simulator, caller, fault)
    assert (bad["status"], bad["data"], bad["tracking_id"]) == (state, None, "bad")
    newest = simulator.batches()[-1]
    status = caller.status(newest["batch_id"]).json()
    assert (status["processing"], status["completed"], status["errored"]) == counts
    assert status["batch_ready"] is is_ready
    emails = sum(bool(person["email"]) for result in good for person in result["data"])
    phones = sum(bool(person["phones"]) for result in good for person in result["data"])
    assert simulator.account()["credits_charged"] - before == 3 * emails + 8 * phones


@pytest.mark.parametrize(
    ("fault", "tracking_id"),
    [("task_tracking_null", None), ("task_tracking_changed", "bad-changed")],
)
def test_a_tracking_id_is_lost_or_changed(
    simulator: SimulatorProcess, caller: Caller, fault: str, tracking_id: str | None
):
    assert results_under(simulator, caller, fault)[0]["tracking_id"] == tracking_id


def test_a_field_can_be_absent(simulator: SimulatorProcess, caller: Caller):
    assert "tracking_id" not in results_under(simulator, caller, "task_tracking_absent")[0]
    simulator.behave(faults=None)
    assert "data" not in results_under(simulator, caller, "task_data_absent")[0]


def test_a_tracking_id_is_doubled(simulator: SimulatorProcess, caller: Caller):
    simulator.behave(faults={"task_tracking_doubled": f"domain:{BAD}"})
    batch_id = caller.bought([task(BAD, tracking_id="mine"), task("good.com", tracking_id="theirs")])
    answers = [caller.task(task_id).json() for task_id in caller.task_ids(batch_id).json()]
    assert [answer["tracking_id"] for answer in answers] == ["theirs", "theirs"]


@pytest.mark.parametrize(
    ("fault", "data"),
    [
        ("task_data_null", None),
        ("task_data_object", {}),
        ("task_data_scalars", [1, "Jane", None, True, [], 0.5]),
    ],
)
def test_data_is_no_list_of_people(simulator: SimulatorProcess, caller: Caller, fault: str, data: object):
    assert results_under(simulator, caller, fault)[0]["data"] == data


def test_people_have_new_fields_and_other_types(simulator: SimulatorProcess, caller: Caller):
    new = results_under(simulator, caller, "task_new_fields")[0]
    assert new["schema_version"] == 7
    assert new["data"][0]["pronouns"] == "she"
    simulator.behave(faults=None)
    person = results_under(simulator, caller, "task_changed_types")[0]["data"][0]
    assert [type(person[name]) for name in ("first_name", "last_name", "title", "email", "phones")] == [
        int, list, dict, str, dict,
    ]  # fmt: skip


def test_strings_no_database_likes_come_along(simulator: SimulatorProcess, caller: Caller):
    assert "\x00" in results_under(simulator, caller, "task_nul")[0]["data"][0]["first_name"]
    simulator.behave(faults=None)
    assert "\ud83d" in results_under(simulator, caller, "task_lone_surrogate")[0]["data"][0]["last_name"]


def test_bytes_that_are_no_utf8_and_ten_megabytes_come_along(simulator: SimulatorProcess, caller: Caller):
    simulator.behave(faults={"task_invalid_utf8": f"domain:{BAD}", "task_huge": "domain:huge.com"})
    batch_id = caller.bought([task(BAD, tracking_id="bad"), task("huge.com", tracking_id="huge")])
    answers = [caller.task(task_id).content for task_id in caller.task_ids(batch_id).json()]
    with pytest.raises(UnicodeDecodeError):
        min(answers, key=len).decode()
    assert len(max(answers, key=len)) > 10 * 2**20


def test_a_task_read_again_says_the_same_again(simulator: SimulatorProcess, caller: Caller):
    simulator.behave(faults={"task_tracking_null": 0.5, "task_data_null": 0.5})
    ids = caller.task_ids(caller.bought(some_tasks(30, "again"))).json()
    first, second = ([caller.task(task_id).content for task_id in ids] for _ in range(2))
    assert first == second
    assert 5 < sum(b'"tracking_id":null' in body for body in first) < 25


def test_one_task_fails_for_good_while_the_others_are_read(simulator: SimulatorProcess, caller: Caller):
    ids = caller.task_ids(caller.bought(some_tasks(3, "forgood"))).json()
    simulator.behave(faults={"task_500": f"id:{ids[1]}"})
    for _ in range(3):
        assert [caller.task(task_id).status_code for task_id in ids] == [200, 500, 200]


def test_a_batch_is_never_ready_or_miscounted(simulator: SimulatorProcess, caller: Caller):
    batch_id = caller.bought(some_tasks(3))
    simulator.behave(faults={"poll_never_ready": "always"})
    assert caller.status(batch_id).json()["batch_ready"] is False
    simulator.behave(faults=None)
    simulator.behave(faults={"poll_wrong_counts": f"id:{batch_id}"})
    status = caller.status(batch_id).json()
    assert status["processing"] + status["completed"] + status["errored"] != status["total"]


def test_task_ids_are_repeated_missing_foreign_or_shuffled_anew(simulator: SimulatorProcess, caller: Caller):
    elsewhere = caller.task_ids(caller.bought(some_tasks(1, "elsewhere"))).json()
    batch_id = caller.bought(some_tasks(30, "ids"))
    right = caller.task_ids(batch_id).json()

    def under(fault: str) -> list[str]:
        simulator.behave(faults={fault: "next:1"})
        return caller.task_ids(batch_id).json()

    repeated = under("ids_repeated")
    assert len(repeated) > len(set(repeated)) == 30
    assert set(under("ids_missing")) < set(right)
    foreign = set(under("ids_foreign")) - set(right)
    assert len(foreign) == 2
    assert sorted(caller.task(task_id).status_code for task_id in foreign) == [200, 404]
    assert elsewhere
    reshuffled = under("ids_reshuffled")
    assert reshuffled != right
    assert sorted(reshuffled) == sorted(right)
    assert caller.task_ids(batch_id).json() == right


def test_a_batch_expires_for_good(simulator: SimulatorProcess, caller: Caller):
    batch_id = caller.bought(some_tasks(2))
    (task_id, _) = caller.task_ids(batch_id).json()
    simulator.expire(batch_id)
    answers = (caller.status(batch_id), caller.task_ids(batch_id), caller.task(task_id))
    assert [answer.status_code for answer in answers] == [404, 404, 404]


def test_tasks_can_be_made_to_end_otherwise_after_the_purchase(simulator: SimulatorProcess, caller: Caller):
    batch_id = caller.bought(some_tasks(3, "later"))
    simulator.end_tasks(batch_id, "ERRORED", ["later-0"])
    assert caller.results(batch_id)["later-0"]["status"] == "ERRORED"
    assert caller.status(batch_id).json()["errored"] == 1
    simulator.end_tasks(batch_id, "CANCELLED")
    assert {result["status"] for result in caller.results(batch_id).values()} == {"CANCELLED"}
