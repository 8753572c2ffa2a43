"""The simulator says what `openmart-api.md` says the API says."""

import email.utils
import re
import time
import uuid

import pytest

from openmart_pipeline_tests.simulator.caller import SUBMIT, Caller, some_tasks, talk, task
from openmart_pipeline_tests.simulator_process import SimulatorProcess

INVALID_KEY = {"detail": "Invalid API Key"}


def test_a_missing_key_is_refused_in_the_vendors_words(simulator: SimulatorProcess):
    with Caller(simulator, key="") as nobody:
        answers = [nobody.submit([task()]), nobody.get("/api/v2/credit-balance"), nobody.status("x")]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(401, INVALID_KEY)] * 3


def test_a_bearer_token_is_the_same_key(simulator: SimulatorProcess, caller: Caller):
    batch_id = caller.bought([task()])
    with Caller(simulator, key="") as bearer:
        bearer.headers = {"Authorization": f"Bearer {caller.headers['X-API-Key']}"}
        assert bearer.status(batch_id).status_code == 200


def test_a_batch_is_unknown_to_every_other_key(simulator: SimulatorProcess, caller: Caller):
    batch_id = caller.bought([task()])
    (task_id,) = caller.task_ids(batch_id).json()
    with Caller(simulator, key="another") as other:
        answers = [other.status(batch_id), other.task_ids(batch_id), other.task(task_id)]
    assert [answer.status_code for answer in answers] == [404, 404, 404]


@pytest.mark.parametrize("path", ["task/batch/{id}/status", "task/batch/{id}/task_ids", "task/{id}", "nothing"])
def test_an_unknown_id_or_path_is_404(caller: Caller, path: str):
    assert caller.get(f"/api/v1/{path.format(id=uuid.uuid4())}").status_code == 404


def test_a_task_id_is_no_batch_id_and_the_other_way_round(caller: Caller):
    batch_id = caller.bought([task()])
    (task_id,) = caller.task_ids(batch_id).json()
    assert caller.status(task_id).status_code == 404
    assert caller.task(batch_id).status_code == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_wrong_method_is_405(caller: Caller, method: str):
    assert caller.request(method, SUBMIT).status_code == 405


def test_a_submit_answers_an_id_and_the_status_that_a_poll_repeats(caller: Caller):
    answer = caller.submit(some_tasks(3)).json()
    status = {"processing": 0, "completed": 3, "errored": 0, "total": 3, "batch_ready": True}
    assert answer == {"batch_id": answer["batch_id"], "submit_for": "find_people", "status": status}
    assert caller.status(answer["batch_id"]).json() == status


def test_a_batch_grows_ready_bit_by_bit_and_is_ready_when_its_time_has_passed(
    simulator: SimulatorProcess, caller: Caller
):
    simulator.behave(processing_s=0.8)
    batch_id = caller.bought(some_tasks(40))
    bought_at = time.monotonic()
    seen = [caller.status(batch_id).json()]
    while not seen[-1]["batch_ready"]:
        time.sleep(0.02)
        seen.append(caller.status(batch_id).json())
    assert 0.7 < time.monotonic() - bought_at < 5
    assert seen[0]["processing"] == 40
    assert len({status["completed"] for status in seen}) > 2
    assert all(status["processing"] + status["completed"] == status["total"] == 40 for status in seen)


def test_an_unfinished_task_is_processing_and_is_not_among_the_completed(simulator: SimulatorProcess, caller: Caller):
    simulator.behave(processing_s=60)
    batch_id = caller.bought([task(tracking_id="mine")])
    (task_id,) = caller.task_ids(batch_id).json()
    assert caller.task_ids(batch_id, "COMPLETED").json() == []
    assert caller.task_ids(batch_id, "PROCESSING").json() == [task_id]
    assert caller.task(task_id).json() == {
        "task_id": task_id, "status": "PROCESSING", "tracking_id": "mine", "data": None
    }  # fmt: skip
    simulator.make_ready(batch_id)
    assert caller.task_ids(batch_id, "COMPLETED").json() == [task_id]


def test_task_ids_come_in_another_order_than_asked_and_always_in_the_same(caller: Caller):
    batch_id = caller.bought(some_tasks(50))
    ids = caller.task_ids(batch_id).json()
    tracking_ids = [caller.task(task_id).json()["tracking_id"] for task_id in ids]
    assert ids == caller.task_ids(batch_id).json()
    assert tracking_ids != [f"company-{n}" for n in range(50)]
    assert sorted(tracking_ids) == sorted(f"company-{n}" for n in range(50))


def test_a_result_carries_people_in_the_vendors_shape(caller: Caller):
    people = [person for result in caller.results(caller.bought(some_tasks(60))).values() for person in result["data"]]
    assert len(people) > 40
    for person in people:
        assert {"first_name", "last_name", "title", "email"} <= set(person)
        assert person["email"] is None or set(person["email"]) == {"email", "verified"}
        assert all(set(phone) == {"phone_number", "line_type", "valid"} for phone in person["phones"])


def test_a_tracking_id_that_was_not_sent_comes_back_null(caller: Caller):
    (result,) = caller.results(caller.bought([task()])).values()
    assert result["tracking_id"] is None


def test_what_is_not_asked_for_is_not_looked_up(caller: Caller):
    tasks = [
        {**row, "info_access": access, "tracking_id": f"{access}{n}"}
        for access in (["EMAIL"], ["PHONE"])
        for n, row in enumerate(some_tasks(30))
    ]
    results = caller.results(caller.bought(tasks))
    by_email = [p for n in range(30) for p in results[f"['EMAIL']{n}"]["data"]]
    by_phone = [p for n in range(30) for p in results[f"['PHONE']{n}"]["data"]]
    assert any(person["email"] for person in by_email)
    assert any(person["phones"] for person in by_phone)
    assert not any(person.get("phones") for person in by_email)
    assert not any(person["email"] for person in by_phone)


def test_an_unlimited_key_says_the_sentinel_and_a_limited_one_what_is_left(simulator: SimulatorProcess, caller: Caller):
    assert caller.get("/api/v2/credit-balance").json()["balance"] == 10_000
    simulator.behave(credits=500)
    charged = simulator.account()["credits_charged"]
    balance = caller.get("/api/v2/credit-balance").json()
    assert balance["balance"] == 500 - charged
    assert balance["period_start"] < balance["period_end"]


@pytest.mark.parametrize("said", [10_000, -7, None, "lots"])
def test_the_balance_can_be_made_to_say_anything(simulator: SimulatorProcess, caller: Caller, said: object):
    simulator.behave(balance_says=said)
    assert caller.get("/api/v2/credit-balance").json()["balance"] == said


def test_denied_people_are_left_out_until_the_rule_is_taken_back(simulator: SimulatorProcess, caller: Caller):
    tasks = some_tasks(60, "denied")
    people = [p for result in caller.results(caller.bought(tasks)).values() for p in result["data"]]
    emails = [p["email"]["email"] for p in people if p["email"]][:3]
    phone = next(phone["phone_number"] for p in people for phone in p["phones"])
    rules = [{"type": "email", "values": emails}, {"type": "phone", "values": [phone]}]

    for rule in rules:
        assert caller.post("/api/v2/deny-rules", json=rule).status_code == 200
        assert caller.post("/api/v2/deny-rules", json=rule).status_code == 200
    checked = caller.post("/api/v2/deny-rules/check", json={"type": "email", "values": [*emails, "a@b.c"]}).json()
    assert checked == {"denied": {**dict.fromkeys(emails, True), "a@b.c": False}}
    shown = str(caller.results(caller.bought(tasks)))
    assert not any(denied in shown for denied in [*emails, phone])
    with Caller(simulator, key="somebody-else") as other:
        assert emails[0] in str(other.results(other.bought(tasks)))

    for rule in rules:
        assert caller.request("DELETE", "/api/v2/deny-rules", json=rule).status_code == 200
    shown = str(caller.results(caller.bought(tasks)))
    assert all(denied in shown for denied in [*emails, phone])


@pytest.mark.parametrize("body", [b"", b"[]", b'{"type":"name","values":[]}', b'{"type":"email","values":[1]}'])
def test_a_deny_rule_that_is_none_is_422(caller: Caller, body: bytes):
    assert caller.post("/api/v2/deny-rules", content=body).status_code == 422


def test_more_requests_in_a_second_than_the_limit_are_429(simulator: SimulatorProcess, caller: Caller):
    simulator.behave(rate_limit_per_s=5)
    assert [caller.status("x").status_code for _ in range(8)] == [404] * 5 + [429] * 3
    time.sleep(1)
    assert caller.status("x").status_code == 404


@pytest.mark.parametrize(
    ("named", "header"),
    [("seconds", "1"), ("day", "86400"), ("garbage", "in a while"), ("absent", None)],
)
def test_a_429_says_when_to_come_back_in_the_way_chosen(
    simulator: SimulatorProcess, caller: Caller, named: str, header: str | None
):
    simulator.behave(rate_limit_per_s=0, retry_after=named)
    assert caller.status("x").headers.get("retry-after") == header


@pytest.mark.parametrize(("named", "ahead"), [("http_date", True), ("past", False)])
def test_retry_after_can_be_a_date_before_or_behind(
    simulator: SimulatorProcess, caller: Caller, named: str, ahead: bool
):
    simulator.behave(rate_limit_per_s=0, retry_after=named)
    at = email.utils.parsedate_to_datetime(caller.status("x").headers["retry-after"])
    assert (at.timestamp() > time.time()) is ahead


def test_the_date_header_can_be_of_another_time(simulator: SimulatorProcess, caller: Caller):
    simulator.behave(date_offset_s=-86_400)
    said = email.utils.parsedate_to_datetime(caller.get("/api/v2/credit-balance").headers["date"])
    assert said.timestamp() == pytest.approx(time.time() - 86_400, abs=5)


def test_latencies_are_waited_for(simulator: SimulatorProcess, caller: Caller):
    simulator.behave(submit_s=0.2, read_s=0.1)
    started = time.monotonic()
    assert caller.submit("not a list").status_code == 422  # slow as well (API section 1)
    submitted = time.monotonic()
    caller.get("/api/v2/credit-balance")
    assert submitted - started >= 0.2
    assert time.monotonic() - submitted >= 0.1


def test_requests_sent_in_one_breath_are_answered_in_order(simulator: SimulatorProcess):
    slow = b"GET /api/v2/credit-balance HTTP/1.1\r\nHost: x\r\nX-API-Key: k\r\n\r\n"
    quick = b"GET /nothing HTTP/1.1\r\nHost: x\r\nX-API-Key: k\r\n\r\n"
    last = b"PUT /api/v2/credit-balance HTTP/1.1\r\nHost: x\r\nX-API-Key: k\r\nConnection: close\r\n\r\n"
    simulator.behave(read_s=0.05)
    heard = talk(simulator, slow + quick + quick + slow + last)
    assert re.findall(rb"HTTP/1.1 (\d+)", heard.data) == [b"200", b"404", b"404", b"200", b"405"]
    assert heard.end == "closed"


def test_a_chunked_body_and_one_that_waits_to_be_asked_are_read(simulator: SimulatorProcess):
    head = f"POST {SUBMIT} HTTP/1.1\r\nHost: x\r\nX-API-Key: k\r\nConnection: close\r\nExpect: 100-continue\r\n"
    body = b'[{"domain":"acme.com","title":"Owner"}]'
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:])) + b"0\r\n\r\n"
    heard = talk(simulator, f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks)
    assert heard.data.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_what_is_no_http_is_400_and_what_is_too_large_413(simulator: SimulatorProcess, caller: Caller):
    assert talk(simulator, b"\x16\x03\x01\x02\x00\r\n\r\n").data.startswith(b"HTTP/1.1 400 ")
    assert caller.post(SUBMIT, content=b" " * (9 * 2**20)).status_code == 413
