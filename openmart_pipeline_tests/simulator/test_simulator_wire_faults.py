"""Every fault of the wire does on the wire what its name says, and buys or does not buy as its name says."""

import json
import time
from typing import Any

import pytest

from openmart_pipeline_tests.simulator.caller import (
    LONG_SILENCE_S,
    SHORT_SILENCE_S,
    SUBMIT,
    Caller,
    Heard,
    request_bytes,
    talk,
    task,
)
from openmart_pipeline_tests.simulator_process import SimulatorProcess

STATUSES = [301, 302, 307, 308, 400, 401, 402, 403, 404, 405, 413, 422, 429, 500, 502, 503, 504]
SUBMIT_ONE = request_bytes("POST", SUBMIT, [task(tracking_id="one")])
BALANCE = request_bytes("GET", "/api/v2/credit-balance")


def silence_under(fault: str) -> float:
    """Wait long for answers and briefly for what will not come."""
    return SHORT_SILENCE_S if "timeout" in fault or "slow" in fault else LONG_SILENCE_S


def submit_under(simulator: SimulatorProcess, fault: str) -> tuple[Heard, list[dict[str, Any]]]:
    """Send one submit under a fault: what came back, and the batches it bought."""
    before = len(simulator.batches())
    simulator.behave(faults={fault: "next:1"})
    heard = talk(simulator, SUBMIT_ONE, silence_s=silence_under(fault))
    return heard, simulator.batches()[before:]


@pytest.mark.parametrize(("fault", "end"), [("reset", "reset"), ("closed", "closed"), ("timeout", "silent")])
def test_an_answer_that_never_comes_is_bought_or_not_as_the_fault_says(
    simulator: SimulatorProcess, fault: str, end: str
):
    heard, bought = submit_under(simulator, f"created_then_{fault}")
    assert heard == Heard(b"", end)
    assert [(batch["tracking_ids"], batch["is_heard"]) for batch in bought] == [(["one"], False)]

    heard, bought = submit_under(simulator, f"{fault}_before_creating")
    assert heard == Heard(b"", end)
    assert bought == []


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_comes_with_the_batch_or_without(simulator: SimulatorProcess, status: int):
    for fault, count in ((f"created_then_{status}", 1), (f"{status}_before_creating", 0)):
        heard, bought = submit_under(simulator, fault)
        assert heard.data.startswith(f"HTTP/1.1 {status} ".encode())
        assert "detail" in json.loads(heard.body)
        assert (b"\r\nlocation: " in heard.data) is (status < 400)
        assert (b"\r\nretry-after: 1\r\n" in heard.data) is (status == 429)
        assert [batch["is_heard"] for batch in bought] == [False] * count


@pytest.mark.parametrize("status", [201, 202])
def test_another_success_still_carries_the_batch(simulator: SimulatorProcess, status: int):
    heard, bought = submit_under(simulator, f"created_then_{status}")
    assert heard.data.startswith(f"HTTP/1.1 {status} ".encode())
    assert json.loads(heard.body)["batch_id"] == bought[0]["batch_id"]
    assert bought[0]["is_heard"]


def test_a_truncated_answer_is_whole_http_and_broken_json(simulator: SimulatorProcess):
    heard, bought = submit_under(simulator, "created_then_truncated_json")
    assert f"content-length: {len(heard.body)}".encode() in heard.data
    assert heard.body.startswith(b'{"batch_id":')
    with pytest.raises(ValueError):
        json.loads(heard.body)
    assert not bought[0]["is_heard"]


def test_a_cut_off_answer_ends_before_its_promised_length(simulator: SimulatorProcess):
    heard, bought = submit_under(simulator, "created_then_cut_off")
    assert heard.end == "closed"
    assert 0 < len(heard.body) < 100
    assert b"content-length: 1" in heard.data  # over a hundred
    assert not bought[0]["is_heard"]


def test_html_and_an_empty_body_are_200_without_a_batch_id(simulator: SimulatorProcess):
    html, bought_html = submit_under(simulator, "created_then_html")
    empty, bought_empty = submit_under(simulator, "created_then_empty_body")
    assert html.data.startswith(b"HTTP/1.1 200 ")
    assert b"text/html" in html.data
    assert html.body.startswith(b"<!DOCTYPE html>")
    assert empty.data.startswith(b"HTTP/1.1 200 ")
    assert empty.body == b""
    assert [batch["is_heard"] for batch in bought_html + bought_empty] == [False, False]


def test_no_batch_id_and_a_wrong_total_are_said_of_a_batch_that_was_bought(simulator: SimulatorProcess):
    nameless, bought = submit_under(simulator, "created_then_no_batch_id")
    assert json.loads(nameless.body)["submit_for"] == "find_people"
    assert "batch_id" not in json.loads(nameless.body)
    assert not bought[0]["is_heard"]

    miscounted, bought = submit_under(simulator, "created_then_wrong_total")
    assert json.loads(miscounted.body)["batch_id"] == bought[0]["batch_id"]
    assert json.loads(miscounted.body)["status"]["total"] == 2
    assert bought[0]["is_heard"]


def test_a_trickled_answer_comes_byte_by_byte_and_is_heard_when_whole(simulator: SimulatorProcess):
    simulator.behave(trickle_s=0.001)
    started = time.monotonic()
    heard, bought = submit_under(simulator, "created_then_trickle")
    assert time.monotonic() - started >= 0.001 * len(heard.data)
    assert json.loads(heard.body)["batch_id"] == bought[0]["batch_id"]
    assert bought[0]["is_heard"]


def test_a_client_that_gives_up_on_a_trickle_has_not_heard(simulator: SimulatorProcess):
    simulator.behave(trickle_s=30, faults={"created_then_trickle": "next:1"})
    assert talk(simulator, SUBMIT_ONE, silence_s=SHORT_SILENCE_S) == Heard(b"H", "silent")
    assert not simulator.batches()[-1]["is_heard"]


def test_a_slow_answer_is_right_after_a_while(simulator: SimulatorProcess, caller: Caller):
    simulator.behave(slow_s=0.3, faults={"created_then_slow": "next:1"})
    started = time.monotonic()
    caller.bought([task()])
    assert time.monotonic() - started >= 0.3


def test_a_client_that_gives_up_before_the_answer_has_not_heard_it_when_it_is_due(simulator: SimulatorProcess):
    simulator.behave(submit_s=2 * SHORT_SILENCE_S)
    assert talk(simulator, SUBMIT_ONE, silence_s=SHORT_SILENCE_S) == Heard(b"", "silent")
    time.sleep(2 * SHORT_SILENCE_S)
    assert not simulator.batches()[-1]["is_heard"]


@pytest.mark.parametrize("route", ["poll", "ids", "task", "balance", "deny"])
def test_every_read_can_fail_in_every_way(simulator: SimulatorProcess, caller: Caller, route: str):
    batch_id = caller.bought([task(domain=f"{route}.com")])
    (task_id,) = caller.task_ids(batch_id).json()
    sent = {
        "poll": request_bytes("GET", f"/api/v1/task/batch/{batch_id}/status"),
        "ids": request_bytes("GET", f"/api/v1/task/batch/{batch_id}/task_ids"),
        "task": request_bytes("GET", f"/api/v1/task/{task_id}"),
        "balance": BALANCE,
        "deny": request_bytes("POST", "/api/v2/deny-rules", {"type": "email", "values": []}),
    }[route]

    def under(wire: str) -> Heard:
        simulator.behave(faults={f"{route}_{wire}": "next:1"})
        return talk(simulator, sent, silence_s=silence_under(wire))

    assert under("reset") == Heard(b"", "reset")
    assert under("closed") == Heard(b"", "closed")
    assert under("timeout") == Heard(b"", "silent")
    assert under("cut_off").end == "closed"
    assert under("empty_body").body == b""
    assert under("html").body.startswith(b"<!DOCTYPE")
    assert under("slow") == Heard(b"", "silent")
    with pytest.raises(ValueError):
        json.loads(under("truncated_json").body)
    for status in (404, 429, 500, 503):
        assert under(str(status)).data.startswith(f"HTTP/1.1 {status} ".encode())
    simulator.behave(trickle_s=0.0001)
    assert under("trickle").data.startswith(b"HTTP/1.1 200 ")
    assert talk(simulator, sent).data.startswith(b"HTTP/1.1 200 ")


def test_who_follows_a_redirect_is_seen(simulator: SimulatorProcess, caller: Caller):
    simulator.behave(faults={"307_before_creating": "next:1"})
    caller.post(SUBMIT, json=[task()], follow_redirects=True)
    assert simulator.requests("other")[-1]["path"] == "/api/v1/redirected"
