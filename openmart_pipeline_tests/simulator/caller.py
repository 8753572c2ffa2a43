"""Callers of the simulator for its own tests: one that reads HTTP, one that sees what is on the wire.

No claim lives here. Imports the test handle and httpx.
"""

import json
import socket
from dataclasses import dataclass
from typing import Any, Self

import httpx

from openmart_pipeline_tests.simulator_process import API_KEY, SimulatorProcess

SUBMIT = "/api/v1/task/batch/find_people"
SHORT_SILENCE_S = 0.2  # where silence is what is waited for
LONG_SILENCE_S = 5.0  # where an answer is: a busy machine takes its time


def task(domain: str = "acme.com", title: str = "Head of Marketing", **more: Any) -> dict[str, Any]:
    return {"domain": domain, "title": title, "max_k": 3, **more}


def some_tasks(count: int, stem: str = "company") -> list[dict[str, Any]]:
    return [task(f"{stem}{n}.com", tracking_id=f"{stem}-{n}") for n in range(count)]


class Caller(httpx.Client):
    """Speaks to the simulator as a customer with one key."""

    def __init__(self, simulator: SimulatorProcess, key: str = API_KEY) -> None:
        super().__init__(base_url=simulator.url, headers={"X-API-Key": key}, trust_env=False, timeout=10)

    def __enter__(self) -> Self:
        super().__enter__()
        return self

    def submit(self, tasks: Any) -> httpx.Response:
        return self.post(SUBMIT, json=tasks)

    def bought(self, tasks: Any) -> str:
        """Buy and give the batch id."""
        answer = self.submit(tasks)
        assert answer.status_code == 200, answer.text
        return answer.json()["batch_id"]

    def status(self, batch_id: str) -> httpx.Response:
        return self.get(f"/api/v1/task/batch/{batch_id}/status")

    def task_ids(self, batch_id: str, status: str | None = None) -> httpx.Response:
        return self.get(f"/api/v1/task/batch/{batch_id}/task_ids", params={"status": status} if status else None)

    def task(self, task_id: str) -> httpx.Response:
        return self.get(f"/api/v1/task/{task_id}")

    def results(self, batch_id: str) -> dict[str, Any]:
        """Read every task of a batch, by tracking id."""
        answers = [self.task(task_id).json() for task_id in self.task_ids(batch_id).json()]
        return {answer["tracking_id"]: answer for answer in answers}


@dataclass(frozen=True, slots=True)
class Heard:
    """Every byte that came back, and how it ended: `closed`, `reset` or `silent` (the connection still open)."""

    data: bytes
    end: str

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]


def request_bytes(method: str, path: str, body: Any = None) -> bytes:
    """Write a request after whose whole answer the connection is to end."""
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {API_KEY}\r\nConnection: close\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


def talk(simulator: SimulatorProcess, sent: bytes, *, silence_s: float = LONG_SILENCE_S) -> Heard:
    """Send bytes and listen until the connection ends or nothing came for `silence_s`."""
    data = b""
    with socket.create_connection(("127.0.0.1", simulator.port), timeout=5) as connection:
        connection.settimeout(silence_s)
        connection.sendall(sent)
        try:
            while piece := connection.recv(65536):
                data += piece
        except TimeoutError:
            return Heard(data, "silent")
        except ConnectionResetError:
            return Heard(data, "reset")
    return Heard(data, "closed")
