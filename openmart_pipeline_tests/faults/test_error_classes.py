"""The table of error classes in docs/faults.md, row by row: what each error of a submit does to the money.

Every error comes off a real socket and goes through the whole of buying: three batches, sent one after another, the
first of which meets it. Each case says what becomes of the batches, why buying ended, and how often the server was
asked to sell.
"""

import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from openmart_pipeline.api import errors
from openmart_pipeline.ledger.states import MARK_UNKNOWN
from openmart_pipeline.purchase.rules import RULES, UNEXPECTED, Stop, rule_for
from openmart_pipeline_tests.api.scripted_server import (
    ScriptedServer,
    Step,
    by_method,
    in_turn,
    says,
    says_raw,
    then,
)
from openmart_pipeline_tests.faults.shop import Heard, Shop, in_batches
from openmart_pipeline_tests.ledger.desk import Desk, desk_at
from openmart_pipeline_tests.money import assert_accounts_agree
from openmart_pipeline_tests.simulator_process import SimulatorProcess

BALANCE = says(200, {"balance": 10_000})


def accepted(batch_id: str) -> Step:
    return says(200, {"batch_id": batch_id, "status": {"total": 1}})


@dataclass(frozen=True)
class Row:
    """What an error of the first submit leaves behind."""

    states: str  # of the batches, in the order in which they were claimed
    stop: Stop = Stop.DONE
    submits: int = 3
    submits_again: int = 0  # by a second run, the fault being gone
    says: str = ""  # words of the report


UNKNOWN = Row("unknown submitted submitted")
REJECTED = Row("rejected submitted submitted")
ACCEPTED_ALL = Row("submitted submitted submitted")
STOPPED = Row("not_sent", submits=1, submits_again=3)

ROWS = {
    **dict.fromkeys([f"{status}_before_creating" for status in (500, 502, 503, 504)], UNKNOWN),
    **dict.fromkeys([f"created_then_{status}" for status in (500, 502, 503, 504)], UNKNOWN),
    **dict.fromkeys(["reset_before_creating", "created_then_reset"], UNKNOWN),
    **dict.fromkeys(["closed_before_creating", "created_then_closed", "created_then_cut_off"], UNKNOWN),
    **dict.fromkeys([f"created_then_{what}" for what in ("truncated_json", "html", "empty_body")], UNKNOWN),
    "created_then_no_batch_id": UNKNOWN,
    **dict.fromkeys([f"{status}_before_creating" for status in (408, 409, 418)], UNKNOWN),
    "429_before_creating": Row("not_sent submitted submitted submitted", submits=4),
    "401_before_creating": replace(STOPPED, stop=Stop.KEY, says="OPENMART_API_KEY"),
    "402_before_creating": replace(STOPPED, stop=Stop.CREDITS, says="Top up"),
    "403_before_creating": replace(STOPPED, stop=Stop.KEY, says="OPENMART_API_KEY"),
    **dict.fromkeys(
        [f"{status}_before_creating" for status in (302, 307, 404, 405)],
        replace(STOPPED, stop=Stop.ADDRESS, says="OPENMART_BASE_URL"),
    ),
    **dict.fromkeys([f"{status}_before_creating" for status in (400, 413, 422)], REJECTED),
    **dict.fromkeys(["created_then_201", "created_then_202", "created_then_wrong_total"], ACCEPTED_ALL),
}


@pytest.fixture(scope="module")
def long_desk(tmp_path_factory: pytest.TempPathFactory, _server: SimulatorProcess) -> Iterator[tuple[Desk, int]]:
    """One ledger for all rows, as it would be over the years; and where the server's account stood before."""
    since = Shop(_server).since
    with desk_at(tmp_path_factory.mktemp("desk"), _server.url) as desk:
        yield desk, since


@pytest.mark.parametrize("fault", ROWS)
def test_each_error_of_a_submit_has_its_row(long_desk: tuple[Desk, int], shop: Shop, fault: str) -> None:
    row = ROWS[fault]
    desk, since = long_desk
    before = len(desk.states())
    plan = in_batches(desk, [2, 2, 2], key=fault)
    shop.fails(**{fault: "next:1"})
    report = desk.buy(plan, concurrency=1)
    assert " ".join(desk.states()[before:]) == row.states
    assert (report.stop, shop.submits) == (row.stop, row.submits)
    assert row.says in report.sentence
    assert desk.buy(plan).stop is Stop.DONE
    assert shop.submits == row.submits + row.submits_again
    assert_accounts_agree(desk, shop.simulator, since=since)


def test_a_wrong_total_is_said_and_the_batch_is_collected_under_its_id(desk: Desk, shop: Shop) -> None:
    plan = in_batches(desk, [2])
    shop.fails(created_then_wrong_total="next:1")
    report = desk.buy(plan)
    assert ["the server counts 3 tasks, we sent 2" in warning for warning in report.warnings] == [True]
    assert "the server counts 3 tasks, we sent 2" in (desk.batch(1).evidence or "")
    desk.collect()
    assert desk.states() == ["collected"]


def test_a_rejected_batch_keeps_the_servers_words(desk: Desk, shop: Shop) -> None:
    plan = in_batches(desk, [2, 2, 2, 2])
    rejections = (400, 413, 422)
    shop.fails(**{f"{status}_before_creating": shop.nth(place) for place, status in enumerate(rejections, start=1)})
    report = desk.buy(plan, concurrency=1)
    assert (report.rejected_batches, desk.states()[3]) == ([1, 2, 3], "submitted")
    for batch_no, status in enumerate(rejections, start=1):
        evidence = desk.batch(batch_no).evidence or ""
        assert evidence.startswith(f"Openmart refused this batch as wrong (HTTP {status}: ")


ODD_ANSWERS: dict[str, tuple[Step, str]] = {
    "100": (then(says_raw(b"HTTP/1.1 100 Continue\r\n\r\n", keep=True), accepted("b100")), "submitted"),
    "101": (says_raw(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), "unknown"),
    "103": (then(says_raw(b"HTTP/1.1 103 Early Hints\r\n\r\n", keep=True), accepted("b103")), "submitted"),
    "204": (says(204), "unknown"),
    "206 with an id": (says(206, {"batch_id": "b206"}), "submitted"),
    "299 without an id": (says(299, {"queued": True}), "unknown"),
    "no HTTP": (says_raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "unknown"),
}


def test_an_odd_status_is_accepted_with_a_batch_id_and_unknown_without(tmp_path: Path) -> None:
    answers = by_method(GET=BALANCE, POST=in_turn(*(step for step, _ in ODD_ANSWERS.values())))
    with ScriptedServer(answers) as server, desk_at(tmp_path, server.url) as desk:
        plan = in_batches(desk, [1] * len(ODD_ANSWERS))
        for _ in range(2):
            assert desk.buy(plan, concurrency=1).stop is Stop.DONE
        assert dict(zip(ODD_ANSWERS, desk.states(), strict=True)) == {
            name: state for name, (_, state) in ODD_ANSWERS.items()
        }
    assert [request.method for request in server.requests].count("POST") == len(ODD_ANSWERS)


UNRESOLVABLE = "https://" + ".".join(["a" * 60] * 5)


@pytest.fixture(params=["name lookup", "connection refused", "TLS"])
def unreachable(request: pytest.FixtureRequest) -> object:
    """An address behind which nobody can be reached."""
    match request.param:
        case "name lookup":
            yield UNRESOLVABLE
        case "connection refused":
            with socket.socket() as taken:  # and nobody listens
                taken.bind(("127.0.0.1", 0))
                yield f"http://127.0.0.1:{taken.getsockname()[1]}"
        case "TLS":
            plain = says_raw(b"HTTP/1.1 400 this is no TLS\r\n\r\n")
            with ScriptedServer(plain, on_accept=plain) as server:
                yield server.url.replace("http:", "https:")
                assert server.requests == []


def test_what_was_surely_not_sent_is_tried_again_then_stays_owed_and_is_paid_once(
    tmp_path: Path, shop: Shop, unreachable: str
) -> None:
    heard = Heard()
    with desk_at(tmp_path, unreachable) as desk:
        plan = in_batches(desk, [2, 2])
        report = desk.buy(plan, concurrency=1, on_event=heard)
        assert (report.stop, report.not_sent_batches) == (Stop.UNREACHABLE, 4)  # and each of three pauses
        assert set(desk.states()) == {"not_sent"}
        assert len([said for said in heard.said("waiting") if "Trying again in" in said]) == 3
    with desk_at(tmp_path, shop.url) as desk:
        desk.buy(plan)
        assert desk.states()[4:] == ["submitted"] * 2
        assert_accounts_agree(desk, shop.simulator, since=shop.since)
    assert shop.submits == 2


def test_a_server_that_comes_back_is_sent_everything_once(tmp_path: Path, shop: Shop) -> None:
    """The same run goes on: it was only waiting."""

    def comes_back(step: str, *_: object) -> None:
        if step == "waiting" and not heard.said("waiting"):
            shop.simulator.start()

    heard = Heard()
    with desk_at(tmp_path, shop.url) as desk:
        plan = in_batches(desk, [2, 2])
        shop.simulator.kill()
        report = desk.buy(
            plan, on_event=lambda *event: (comes_back(*event), heard(*event)), pauses_s=(2, 2, 2), concurrency=1
        )
        assert report.stop is Stop.DONE
        assert desk.states() == ["not_sent", "submitted", "submitted"]
        assert_accounts_agree(desk, shop.simulator, since=shop.since)


def test_every_error_that_a_submit_can_end_in_has_a_rule() -> None:
    of_reads_only = {errors.Gone, errors.ReadFailed}
    kinds = {kind for kind in vars(errors).values() if isinstance(kind, type)} - of_reads_only
    assert set(RULES) == kinds - {errors.OpenmartError}
    assert rule_for(RuntimeError("nobody foresaw this")) is UNEXPECTED
    assert (UNEXPECTED.move, UNEXPECTED.stop) == (MARK_UNKNOWN, Stop.FAILED)
