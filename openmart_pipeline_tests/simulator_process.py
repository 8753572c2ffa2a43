"""The simulator as tests hold it: a child process with a state folder of its own, killable and restartable.

No fixture lives here and no claim; a root conftest makes its fixtures of `SimulatorProcess`.
Imports nothing of the project: the simulator is reached as anyone would, by its command and its socket.
"""

import contextlib
import json
import select
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

API_KEY = "key-of-the-tests"
START_TIMEOUT_S = 20.0  # a second is usual; many workers on few cores are not
STOP_TIMEOUT_S = 10.0
CONTROL_TIMEOUT_S = 120.0  # the account of a million tasks is a matter of seconds, on a busy machine of many

_without_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class SimulatorRefusedError(AssertionError):
    """The simulator would not start or would not do what the test asked; the message is its own."""


class SimulatorProcess:
    """One simulator. `with SimulatorProcess(tmp_path, submit_s=0.1, faults={"poll_503": "next:1"}) as simulator:`.

    The settings are those of `behave`; `api_key` is what clients should send, and any other key is let in
    as well unless `only_key` restricts it.
    """

    def __init__(self, folder: Path, *, only_key: str | None = None, **behaviour: Any) -> None:
        self.api_key = only_key or API_KEY
        self.state = folder / "simulator.sqlite"
        self.log = folder / "simulator.log"
        self.port = 0
        self._options = ["--key", only_key] if only_key else []
        self._behaviour = behaviour
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Base URL, as the client takes it; the same after a restart."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the running simulator."""
        if self._process is None:
            raise SimulatorRefusedError("the simulator is not running")
        return self._process.pid

    def start(self) -> Self:
        """Start it, or start it again: on the same port and state, behaving as it did."""
        is_first = self.port == 0
        self.state.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "openmart_pipeline.simulator", "--port", str(self.port),
                 "--state", str(self.state), *self._options],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        line = self._first_line()
        if not line.startswith("Simulator on http://127.0.0.1:"):
            self.kill()
            raise SimulatorRefusedError(f"{line}{self.log.read_text()}")
        self.port = int(line.split(",")[0].rpartition(":")[2])
        if is_first and self._behaviour:
            self.behave(**self._behaviour)
        return self

    def kill(self) -> None:
        """Kill it with SIGKILL: nothing is said goodbye to. Its port refuses connections from now on."""
        if self._process is not None:
            self._process.kill()
            self._reap()

    def stop(self) -> None:
        """Stop it as a person would."""
        if self._process is not None:
            self._process.terminate()
            self._reap()

    def account(self) -> dict[str, Any]:
        """Credits, counts of batches, tasks and requests, and the densest windows."""
        return self._ask("GET", "account")

    def each_batch(self, since: int = 0) -> Iterator[dict[str, Any]]:
        """Every batch bought after number `since`, oldest first, with tracking ids and questions; page by page."""
        last = since
        while page := self._ask("GET", f"account/batches?after={last}"):
            yield from page
            last = page[-1]["batch_no"]

    def batches(self) -> list[dict[str, Any]]:
        """Every batch bought, in one list."""
        return list(self.each_batch())

    def never_heard(self) -> list[dict[str, Any]]:
        """Batches bought whose answer reached nobody."""
        return [batch for batch in self.batches() if not batch["is_heard"]]

    def questions_charged_twice(self) -> list[dict[str, Any]]:
        """Questions bought more than once: how often, and in which batches."""
        return self._ask("GET", "account/questions_charged_twice")

    def requests(self, route: str | None = None, since: float = 0.0) -> list[dict[str, Any]]:
        """Requests since its start: `submit`, `poll`, `ids`, `task`, `balance`, `deny` or `other`."""
        return self._ask("GET", f"requests?since={since}{f'&route={route}' if route else ''}")

    def behave(self, **changes: Any) -> dict[str, Any]:
        """Change how it behaves from now on; `faults={"NAME": RULE}` merges, None takes away."""
        return self._ask("PUT", "behaviour", changes)

    def make_ready(self, batch_id: str = "all") -> None:
        """Let a batch be as finished as it will ever be."""
        self._ask("POST", f"batches/{batch_id}/ready", {})

    def expire(self, batch_id: str = "all") -> None:
        """Let a batch and its tasks be 404 from now on."""
        self._ask("POST", f"batches/{batch_id}/expire", {})

    def end_tasks(self, batch_id: str, state: str, tracking_ids: list[str] | None = None) -> None:
        """Let tasks of a batch, or all of them, come to another end."""
        order = {"state": state} if tracking_ids is None else {"state": state, "tracking_ids": tracking_ids}
        self._ask("POST", f"batches/{batch_id}/tasks", order)

    def _ask(self, method: str, route: str, order: dict[str, Any] | None = None) -> Any:
        body = None if order is None else json.dumps(order).encode()
        request = urllib.request.Request(f"{self.url}/simulator/{route}", data=body, method=method)
        try:
            with _without_proxy.open(request, timeout=CONTROL_TIMEOUT_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise SimulatorRefusedError(json.load(error)["detail"]) from None

    def _first_line(self) -> str:
        if self._process is None or self._process.stdout is None:
            return ""
        is_there, _, _ = select.select([self._process.stdout], [], [], START_TIMEOUT_S)
        return self._process.stdout.readline() if is_there else f"no line within {START_TIMEOUT_S} s\n"

    def _reap(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            if process.stdout is not None:
                with contextlib.suppress(OSError):
                    process.stdout.close()
