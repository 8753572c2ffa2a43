"""A warm process that forks children which kill themselves: hundreds of real kill -9 in a minute.

Run as `python -m openmart_pipeline_tests.killable`: it reads one JSON order a line and answers each with one.
The template takes no lock and starts no thread: a forked child would keep the one and miss the other.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from openmart_pipeline_tests.money import at_work, whole_run


@dataclass(frozen=True)
class Ended:
    """How a child ended: by its own kill, or well, having seen so many of each step."""

    was_killed: bool
    exit_code: int | None
    steps: dict[str, int]


class Template:
    """The warm process, as a test holds it."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "openmart_pipeline_tests.killable"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def start(self, data_dir: Path, url: str, key: str, **order: Any) -> None:
        """Begin a run in a child that dies at `kill_at=(step, nth)`, after `kill_after_s`, or not at all."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"data_dir": str(data_dir), "url": url, "key": key, **order}) + "\n")
        self._process.stdin.flush()

    def ended(self) -> Ended:
        """Wait for the child that was started."""
        assert self._process.stdout is not None
        answer = json.loads(self._process.stdout.readline())
        return Ended(answer["killed"], answer["exit_code"], answer["steps"])

    def run(self, data_dir: Path, url: str, key: str, **order: Any) -> Ended:
        """Start one and wait for it."""
        self.start(data_dir, url, key, **order)
        return self.ended()


def _child(order: dict[str, Any], report: int) -> None:
    seen: Counter[str] = Counter()
    kill_at = tuple(order.get("kill_at") or ())
    lock = threading.Lock()

    def on_event(step: str, _batch_no: int, _tasks: int, _detail: str) -> None:
        with lock:
            seen[step] += 1
            if (step, seen[step]) == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    if order.get("kill_after_s") is not None:
        signal.setitimer(signal.ITIMER_REAL, order["kill_after_s"])  # SIGALRM's default action is to die ...
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))  # ... this is no goodbye
    with at_work(Path(order["data_dir"]), order["url"], **order.get("settings", {})) as (work, buyer):
        whole_run(work, buyer, order["key"], on_event=on_event, **order.get("choices", {}))
    os.write(report, json.dumps(seen).encode())


def main() -> None:
    """Fork one child an order."""
    for line in sys.stdin:
        order = json.loads(line)
        reading, report = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            code = 1
            try:
                _child(order, report)
                code = 0
            except BaseException as error:
                print(f"child: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
                raise
            finally:
                os._exit(code)
        os.close(report)
        _, status = os.waitpid(pid, 0)
        with os.fdopen(reading, "rb") as pipe:
            seen = pipe.read()
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        answer = {
            "killed": killed,
            "exit_code": None if killed else os.waitstatus_to_exitcode(status),
            "steps": json.loads(seen) if seen else {},
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
