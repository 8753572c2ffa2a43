"""Dagster as a person runs it: web server, daemon and code server as real processes, driven through GraphQL.

No claims live here. Imports nothing of the project but the function that prepares its home.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from openmart_pipeline.defs.instance_home import prepare_home

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 300.0  # 20 s on an idle machine
STOP_TIMEOUT_S = 15.0
LOOK_EVERY_S = 1.0  # a look at the web server costs it a tenth of a second of CPU
T = TypeVar("T")

_LAUNCH = """mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on RunConfigValidationInvalid { errors { message } }
  ... on PythonError { message } } }"""
_RUNS = """query { runsOrError { ... on Runs { results { runId jobName status tags { key value } } } } }"""
_LOGS = """query($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events {
  ... on MessageEvent { message } } } } }"""
_TERMINATE = "mutation($id: String!) { terminateRun(runId: $id) { __typename } }"

_without_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def until(what: str, look: Callable[[], T | None], timeout_s: float) -> T:
    """Look again and again until there is something to see; say what was waited for when there is not."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        seen = look()
        if seen:
            return seen
        time.sleep(LOOK_EVERY_S)
    raise AssertionError(f"{what}: not within {timeout_s:.0f} s")


class DagsterService:
    """`with DagsterService(folder, environment) as dagster:`; every process it started is gone afterwards."""

    def __init__(self, folder: Path, home: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.log = folder / "dagster.log"
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "DAGSTER_HOME": str(prepare_home(home)),
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def __enter__(self) -> Self:
        command = ["dagster", "dev", "-w", str(ROOT / "workspace.yaml"), "-h", "127.0.0.1", "-p", str(self.port)]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # in a folder of its own: Dagster reads .env where it is started
                [sys.executable, "-m", *command], cwd=self.folder, env=self._environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            until("Dagster answers", self._answers, START_TIMEOUT_S)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Interrupt it as Ctrl-C would, then end whatever of its session is left."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_TIMEOUT_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def launch(self, job: str, partition: str | None, config: Mapping[str, Any]) -> str:
        """Launch a run as the Launchpad does; return its id, or raise what the Launchpad would show."""
        tags = [] if partition is None else [{"key": "dagster/partition", "value": partition}]
        params = {
            "selector": {
                "repositoryLocationName": "openmart_pipeline",
                "repositoryName": "__repository__",
                "pipelineName": job,
            },
            "runConfigData": config,
            "mode": "default",
            "executionMetadata": {"tags": tags},
        }
        answer = self._ask(_LAUNCH, params=params)["launchPipelineExecution"]
        if answer["__typename"] != "LaunchRunSuccess":
            raise ValueError(json.dumps(answer))
        return str(answer["run"]["runId"])

    def terminate(self, run_id: str) -> None:
        """Press Terminate."""
        assert self._ask(_TERMINATE, id=run_id)["terminateRun"]["__typename"] == "TerminateRunSuccess"

    def runs(self, job: str) -> dict[str, str]:
        """Return every run of a job and its status."""
        found = self._ask(_RUNS)["runsOrError"]["results"]
        return {run["runId"]: run["status"] for run in found if run["jobName"] == job}

    def wait_for(self, run_id: str, job: str, timeout_s: float) -> str:
        """Return the status a run ends with."""
        ends = {"SUCCESS", "FAILURE", "CANCELED"}
        look = lambda: {self.runs(job).get(run_id)} & ends  # noqa: E731  one look
        return str(*until(f"{job} ends", look, timeout_s))

    def worker_pid(self, run_id: str) -> int | None:
        """Return the process that executes a run, once its log names it."""
        events = self._ask(_LOGS, id=run_id)["logsForRun"]["events"]
        pids = [re.search(r"pid: (\d+)", event.get("message") or "") for event in events]
        return next((int(found[1]) for found in pids if found), None)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()[-3000:]
        try:
            return "runsOrError" in self._ask(_RUNS)
        except (OSError, ValueError):
            return False

    def _ask(self, query: str, **variables: Any) -> dict[str, Any]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql",
            data=json.dumps({"query": query, "variables": variables}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with _without_proxy.open(request, timeout=30) as answer:
            result = json.load(answer)
        assert "errors" not in result, result["errors"]
        return dict(result["data"])
