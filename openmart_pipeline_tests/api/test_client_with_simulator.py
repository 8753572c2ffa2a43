"""The client and the simulator agree: a batch from its submit to its people, over a real socket."""

import asyncio
from collections.abc import Iterator

import pytest

from openmart_pipeline.api.client import OpenmartClient
from openmart_pipeline.api.errors import Gone, KeyRefused, OutcomeUnknown, Rejected
from openmart_pipeline.api.models import (
    BatchStatus,
    DenyKind,
    InfoAccess,
    TaskRequest,
    TaskState,
    read_people,
)
from openmart_pipeline_tests.simulator_process import SimulatorProcess

TASKS = [
    TaskRequest(
        domain=f"company{number}.example.com",
        title="Owner",
        max_k=3,
        tracking_id=f"ledger-1-{number}",
        info_access=frozenset(InfoAccess),
    )
    for number in range(20)
]


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    with SimulatorProcess(tmp_path_factory.mktemp("simulator"), only_key="key-of-this-test", submit_s=0) as running:
        yield running


@pytest.fixture
def client(simulator: SimulatorProcess) -> OpenmartClient:
    return OpenmartClient(
        simulator.url, simulator.api_key, submit_timeout_s=5, read_attempts=3, first_retry_wait_s=0.01
    )


def test_a_batch_goes_from_submit_to_people(simulator: SimulatorProcess, client: OpenmartClient):
    submission = client.submit(TASKS)
    assert submission.total == len(TASKS)
    assert client.clock_skew_s is not None
    assert abs(client.clock_skew_s) < 60
    simulator.make_ready(submission.batch_id)

    async def collect() -> tuple[BatchStatus, dict[str | None, bytes]]:
        async with client.reader() as reader:
            status = await reader.batch_status(submission.batch_id)
            ids = await reader.task_ids(submission.batch_id)
            results = await asyncio.gather(*(reader.task(task_id) for task_id in ids))
            done = await reader.task_ids(submission.batch_id, TaskState.COMPLETED)
            assert set(done) <= set(ids)
            assert (await reader.credit_balance()).balance is not None
        return status, {result.tracking_id: result.raw for result in results}

    status, answers = asyncio.run(collect())
    assert status.is_ready
    assert status.total == len(TASKS)
    assert set(answers) == {task.tracking_id for task in TASKS}
    read = [read_people(raw) for raw in answers.values()]
    assert any(answer.people for answer in read)
    assert not any(answer.parse_warnings for answer in read)


def test_a_wrong_key_is_told_apart_from_a_wrong_request(simulator: SimulatorProcess, client: OpenmartClient):
    bought = len(simulator.batches())
    with pytest.raises(KeyRefused):
        OpenmartClient(simulator.url, "another-key").submit(TASKS)
    without_domain = TaskRequest(domain="", title="x", max_k=1, tracking_id="l-9-9", info_access=frozenset(InfoAccess))
    with pytest.raises(Rejected, match="Domain is required"):
        client.submit([without_domain])
    assert len(simulator.batches()) == bought


def test_an_id_nobody_knows_is_gone(client: OpenmartClient):
    async def ask() -> None:
        async with client.reader() as reader:
            await reader.batch_status("00000000-0000-0000-0000-000000000000")

    with pytest.raises(Gone):
        asyncio.run(ask())


@pytest.mark.parametrize(
    ("fault", "created"),
    [
        ("created_then_reset", 1),
        ("created_then_timeout", 1),
        ("created_then_503", 1),
        ("created_then_cut_off", 1),
        ("created_then_html", 1),
        ("created_then_no_batch_id", 1),
        ("reset_before_creating", 0),
        ("closed_before_creating", 0),
        ("503_before_creating", 0),
    ],
)
def test_a_submit_that_fails_is_unknown_whether_the_batch_exists_or_not(
    fault: str, created: int, simulator: SimulatorProcess
):
    bought = len(simulator.batches())
    simulator.behave(faults={fault: "next:1"})
    timeout_s = 1 if fault.endswith("timeout") else 10
    with pytest.raises(OutcomeUnknown):
        OpenmartClient(simulator.url, simulator.api_key, submit_timeout_s=timeout_s).submit(TASKS)
    assert len(simulator.batches()) == bought + created


def test_a_wrong_total_keeps_the_batch_id(simulator: SimulatorProcess, client: OpenmartClient):
    simulator.behave(faults={"created_then_wrong_total": "next:1"})
    submission = client.submit(TASKS)
    assert submission.batch_id == simulator.batches()[-1]["batch_id"]
    assert submission.total != len(TASKS)


def test_deny_rules_hold_until_they_are_taken_back(client: OpenmartClient):
    address = "someone@example.com"
    client.deny(DenyKind.EMAIL, [address])
    assert client.denied(DenyKind.EMAIL, [address, "else@example.com"]) == {address: True, "else@example.com": False}
    client.undeny(DenyKind.EMAIL, [address])
    assert client.denied(DenyKind.EMAIL, [address]) == {address: False}
