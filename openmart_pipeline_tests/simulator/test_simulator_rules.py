"""Faults fall on whom their rules say, and a name or rule that cannot be read is explained."""

import pytest

from openmart_pipeline.simulator.behaviour import Behaviour, BehaviourError
from openmart_pipeline.simulator.exchange import JsonValue
from openmart_pipeline.simulator.faults import (
    CONTENT,
    WIRE,
    Chooser,
    FaultError,
    Route,
    Rule,
    Subject,
    fault_named,
    read_rule,
)
from openmart_pipeline_tests.simulator.caller import Caller, some_tasks, task
from openmart_pipeline_tests.simulator_process import SimulatorProcess, SimulatorRefusedError


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (0.25, Rule(probability=0.25)),
        ("0.25", Rule(probability=0.25)),
        (1.0, Rule(probability=1.0)),
        ("always", Rule(probability=1.0)),
        (3, Rule(next=3)),
        ("3", Rule(next=3)),
        ("next:2", Rule(next=2)),
        ("nth:4", Rule(nth=4)),
        ("domain:acme.com, next:1", Rule(domain="acme.com", next=1)),
        ({"tracking_id": "a:b,c", "probability": 0.5}, Rule(tracking_id="a:b,c", probability=0.5)),
        ("id:123", Rule(id="123")),
    ],
    ids=str,
)
def test_a_rule_is_read_as_it_is_meant_and_reads_back(value: JsonValue, rule: Rule):
    assert read_rule(value) == rule
    assert read_rule(rule.to_json()) == rule


@pytest.mark.parametrize("value", ["", "often", "next:many", "weekday:monday", {}, {"nxt": 1}, None, True, []], ids=str)
def test_a_rule_that_cannot_be_read_is_refused_with_what_there_is(value: JsonValue):
    with pytest.raises(FaultError, match="cannot be read"):
        read_rule(value)


def test_every_fault_has_a_name_that_is_read():
    names = [f"created_then_{effect}" for effect in WIRE | CONTENT[Route.SUBMIT] | {"503", "201"}]
    names += [f"{effect}_before_creating" for effect in WIRE | {"503"}]
    for route in (Route.POLL, Route.IDS, Route.TASK, Route.BALANCE, Route.DENY):
        names += [f"{route}_{effect}" for effect in WIRE | CONTENT[route] | {"503"}]
    assert [fault_named(name).name for name in names] == names
    assert len(names) > 90


@pytest.mark.parametrize(
    "name",
    ["", "reset", "submit_reset", "poll_", "poll_999", "poll_20", "task_never_ready", "no_batch_id_before_creating"],
)
def test_a_name_that_is_none_is_refused_with_those_there_are(name: str):
    with pytest.raises(FaultError, match=r"created_then_X and X_before_creating .* task_errored"):
        fault_named(name)


def test_a_probability_is_a_share_and_the_same_every_time():
    chooser = Chooser({"poll_503": Rule(probability=0.3)}, seed=1)
    falls = [list(chooser.fallen(Route.POLL, Subject(roll=str(n)))) != [] for n in range(1000)]
    again = [list(chooser.fallen(Route.POLL, Subject(roll=str(n)))) != [] for n in range(1000)]
    other = Chooser({"poll_503": Rule(probability=0.3)}, seed=2)
    assert 240 < sum(falls) < 360
    assert falls == again
    assert falls != [list(other.fallen(Route.POLL, Subject(roll=str(n)))) != [] for n in range(1000)]


def test_every_condition_must_be_met():
    chooser = Chooser({"task_500": Rule(domain="a.com", next=1)}, seed=0)
    assert not list(chooser.fallen(Route.TASK, Subject(roll="", domains=["b.com"])))
    assert list(chooser.fallen(Route.TASK, Subject(roll="", domains=["a.com"])))
    assert not list(chooser.fallen(Route.TASK, Subject(roll="", domains=["a.com"])))


def test_a_submit_that_creates_nothing_uses_up_no_other_fault():
    chooser = Chooser({"created_then_reset": Rule(next=1), "reset_before_creating": Rule(next=1)}, seed=0)
    first = next(chooser.fallen(Route.SUBMIT, Subject(roll="")))
    assert first.is_before_creating
    assert chooser.rules["created_then_reset"].next == 1


def test_the_nth_submit_and_the_next_ones_are_hit_and_no_others(simulator: SimulatorProcess, caller: Caller):
    done = simulator.account()["submits"]
    simulator.behave(faults={"503_before_creating": {"nth": done + 2}, "created_then_500": "next:1"})
    statuses = [caller.submit([task()]).status_code for _ in range(4)]
    assert statuses == [500, 503, 200, 200]


def test_a_task_is_hit_by_its_tracking_id(simulator: SimulatorProcess, caller: Caller):
    simulator.behave(faults={"task_errored": "tracking_id:company-3"})
    results = caller.results(caller.bought(some_tasks(5)))
    assert [name for name, result in results.items() if result["status"] == "ERRORED"] == ["company-3"]


def test_a_put_merges_and_null_takes_away(simulator: SimulatorProcess):
    simulator.behave(submit_s=0.5, faults={"poll_503": 1, "ids_reset": "always"})
    behaviour = simulator.behave(read_s=0.1, faults={"poll_503": None, "task_404": 2})
    assert (behaviour["submit_s"], behaviour["read_s"]) == (0.5, 0.1)
    assert behaviour["faults"] == {"ids_reset": {"probability": 1.0}, "task_404": {"next": 2}}
    assert simulator.behave(faults=None)["faults"] == {}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"speed": 1}, "No setting is called speed"),
        ({"submit_s": -1}, "`submit_s` is not negative"),
        ({"submit_s": "fast"}, "`submit_s` is a number"),
        ({"read_s": None}, "`read_s` is a number"),
        ({"read_s": float("inf")}, "finite"),
        ({"retry_after": "soon"}, "`retry_after` is one of"),
        ({"faults": ["poll_503"]}, "an object of names and rules"),
        ({"faults": {"poll_never": 1}}, "no fault 'poll_never'"),
        ({"faults": {"poll_503": "sometimes"}}, "'sometimes' cannot be read"),
    ],
    ids=str,
)
def test_a_setting_that_cannot_be_is_refused_and_changes_nothing(
    simulator: SimulatorProcess, changes: dict[str, JsonValue], words: str
):
    before = simulator.behave()
    with pytest.raises(SimulatorRefusedError, match=words):
        simulator.behave(**changes)
    assert simulator.behave() == before


def test_a_behaviour_reads_back_as_it_was():
    behaviour = Behaviour().merged({"credits": 5, "balance_says": None, "faults": {"poll_503": "domain:a.com"}})
    assert Behaviour().merged(behaviour.to_json()) == behaviour
    with pytest.raises(BehaviourError):
        behaviour.merged({"credits": "5"})
