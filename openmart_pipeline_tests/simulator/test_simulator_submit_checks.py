"""A submit is checked as the vendor checks it (API section 1), and a refused one buys nothing."""

from typing import Any

import pytest

from openmart_pipeline_tests.simulator.caller import SUBMIT, Caller, some_tasks, task
from openmart_pipeline_tests.simulator_process import SimulatorProcess

COUNT_REFUSED = "the number of tasks in each batch should be between 1 and 100"


@pytest.mark.parametrize("count", [0, 101, 250])
def test_fewer_than_one_or_more_than_a_hundred_tasks_are_refused(caller: Caller, count: int):
    answer = caller.submit(some_tasks(count))
    assert (answer.status_code, answer.json()) == (400, {"detail": COUNT_REFUSED})


@pytest.mark.parametrize("count", [1, 100])
def test_one_and_a_hundred_tasks_are_taken(caller: Caller, count: int):
    assert caller.submit(some_tasks(count)).json()["status"]["total"] == count


@pytest.mark.parametrize("domain", [None, "", "  ", "@"])
def test_a_missing_domain_is_refused_in_the_vendors_words(caller: Caller, domain: str | None):
    answer = caller.submit([task(), {**task(), "domain": domain}])
    assert (answer.status_code, answer.json()) == (400, {"detail": "Domain is required"})


@pytest.mark.parametrize(
    "change",
    [
        {"domain": 5},
        {"domain": "https://acme.com"},
        {"domain": "acme.com/about"},
        {"title": None},
        {"title": ["Owner"]},
        {"max_k": 0},
        {"max_k": 9},
        {"max_k": "3"},
        {"max_k": 2.5},
        {"max_k": True},
        {"info_access": "EMAIL"},
        {"info_access": ["FAX"]},
        {"version": "one"},
        {"tracking_id": 7},
        {"company_name": {}},
        {"notify_url": "http://acme.com/hook"},
    ],
    ids=str,
)
def test_a_field_of_another_type_or_out_of_range_is_422_and_named(caller: Caller, change: dict[str, Any]):
    answer = caller.submit([task(), task() | change])
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", 1, *change]


@pytest.mark.parametrize("body", [b"", b"{", b'"text"', b"[1]", b"{}", b'[{"domain":"a.com","title":"\\ud800"}]'])
def test_a_body_that_is_no_list_of_objects_is_422(caller: Caller, body: bytes):
    assert caller.post(SUBMIT, content=body).status_code == 422


@pytest.mark.parametrize(
    "change",
    [
        {"domain": "@acme.com"},
        {"domain": "ACME.com"},
        {"title": ""},
        {"max_k": None},
        {"info_access": None},
        {"info_access": ["PHONE", "EMAIL"]},
        {"city": "Oakland", "state": "CA", "country": "US", "version": 1, "company_name": "Acme"},
        {"notify_url": "https://acme.com/hook"},
        {"something": "new"},
        {"tracking_id": "ü\n'; DROP TABLE tasks;--"},
    ],
    ids=str,
)
def test_what_the_docs_allow_is_taken(caller: Caller, change: dict[str, Any]):
    batch_id = caller.bought([task() | change])
    (result,) = caller.results(batch_id).values()
    assert result["tracking_id"] == change.get("tracking_id")


def test_a_refused_submit_buys_nothing(simulator: SimulatorProcess, caller: Caller):
    before = simulator.account()["tasks"]
    caller.submit([task(), task(max_k=9)])
    caller.submit(some_tasks(101))
    assert simulator.account()["tasks"] == before
