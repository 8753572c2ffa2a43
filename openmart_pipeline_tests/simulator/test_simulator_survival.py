"""Killed with SIGKILL and started again, the simulator is as it was: nothing bought is lost or ready too early."""

import threading
from pathlib import Path

import httpx
import pytest

from openmart_pipeline_tests.simulator.caller import SUBMIT, Caller, some_tasks, task
from openmart_pipeline_tests.simulator_process import SimulatorProcess


def test_everything_bought_is_there_after_a_kill(tmp_path: Path):
    with SimulatorProcess(tmp_path, credits=5000) as simulator:
        with Caller(simulator) as caller:
            batch_ids = [caller.bought(some_tasks(20, f"kill{n}")) for n in range(3)]
            results = [caller.results(batch_id) for batch_id in batch_ids]
            caller.post("/api/v2/deny-rules", json={"type": "email", "values": ["a@b.c"]})
            before = simulator.account()
        simulator.kill()
        simulator.start()
        with Caller(simulator) as caller:
            assert [caller.results(batch_id) for batch_id in batch_ids] == results
            check = caller.post("/api/v2/deny-rules/check", json={"type": "email", "values": ["a@b.c"]})
            assert check.json() == {"denied": {"a@b.c": True}}
        after = simulator.account()
        kept = ["batches", "tasks", "balance", "credits_charged", "submits", "batches_never_heard"]
        assert [after[name] for name in kept] == [before[name] for name in kept]


def test_a_batch_goes_on_growing_ready_while_the_simulator_is_dead(tmp_path: Path):
    with SimulatorProcess(tmp_path, processing_s=0.5) as simulator, Caller(simulator) as caller:
        short = caller.bought(some_tasks(2))
        simulator.behave(processing_s=600)
        long = caller.bought(some_tasks(2))
        simulator.kill()
        with pytest.raises(httpx.ConnectError):
            caller.status(short)
        threading.Event().wait(0.5)
        simulator.start()
        assert caller.status(short).json()["batch_ready"] is True
        assert caller.status(long).json()["batch_ready"] is False


def test_behaviour_and_what_is_left_of_the_faults_survive(tmp_path: Path):
    faults = {"poll_503": "next:3", "created_then_reset": "nth:9"}
    with SimulatorProcess(tmp_path, submit_s=0.01, faults=faults) as simulator, Caller(simulator) as caller:
        batch_id = caller.bought([task()])
        assert caller.status(batch_id).status_code == 503
        simulator.kill()
        simulator.start()
        behaviour = simulator.behave()
        assert behaviour["submit_s"] == 0.01
        assert behaviour["faults"] == {"poll_503": {"next": 2}, "created_then_reset": {"nth": 9}}
        assert [caller.status(batch_id).status_code for _ in range(3)] == [503, 503, 200]


def test_a_batch_whose_buyer_waits_when_the_simulator_dies_is_there_and_unheard(tmp_path: Path):
    with SimulatorProcess(tmp_path, submit_s=30) as simulator:
        said: list[object] = []

        def buy() -> None:
            with Caller(simulator) as caller:
                try:
                    said.append(caller.post(SUBMIT, json=[task(tracking_id="waiting")]))
                except httpx.TransportError as error:
                    said.append(error)

        session = threading.Thread(target=buy)
        session.start()
        while not simulator.batches():
            threading.Event().wait(0.01)
        simulator.kill()
        session.join()
        simulator.start()
        assert isinstance(said[0], httpx.TransportError)
        assert [batch["tracking_ids"] for batch in simulator.never_heard()] == [["waiting"]]


def test_kills_amid_submits_lose_no_batch_that_a_client_heard_of(tmp_path: Path):
    with SimulatorProcess(tmp_path) as simulator:
        heard: list[str] = []
        for round_no in range(3):

            def buy(round_no: int = round_no) -> None:
                with Caller(simulator) as caller:
                    for n in range(200):
                        try:
                            heard.append(caller.bought(some_tasks(3, f"amid{round_no}-{n}x")))
                        except httpx.TransportError:
                            return

            session = threading.Thread(target=buy)
            session.start()
            while len(heard) < 15 * (round_no + 1):
                threading.Event().wait(0.005)
            simulator.kill()
            session.join()
            simulator.start()
        batches = {batch["batch_id"]: batch for batch in simulator.batches()}
        assert set(heard) <= set(batches)
        assert all(batches[batch_id]["is_heard"] for batch_id in heard)
        assert len(batches) - len(heard) <= 3  # one in flight at each kill
        assert all(batch["total"] == len(batch["tracking_ids"]) == 3 for batch in batches.values())
