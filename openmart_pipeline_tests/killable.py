"""A warm process that forks children which kill themselves: hundreds of real kill -9 in a minute.

Run as `python -m openmart_pipeline_tests.killable`: it reads one JSON order a line and answers each with one.
The template takes no lock and starts no thread: a forked child would keep the one and miss the other.
"""

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpcore  # noqa: F401  with what is below: what each child would otherwise load for itself
import uvloop  # noqa: F401
from anyio._backends import _asyncio  # noqa: F401

from openmart_pipeline.enrichment.domains import plain_suffixes, suffix_set
from openmart_pipeline.enrichment.input_files import DataFolder
from openmart_pipeline.enrichment.ledger.store import Clock
from openmart_pipeline.enrichment.warehouse import Warehouse
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

    def start(self, data_dir: Path, url: str, key: str, **order: Any) -> int:
        """Begin a run in a child that dies at `kill_at=(step, nth)`, after `kill_after_s`, or not at all; return its id."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"data_dir": str(data_dir), "url": url, "key": key, **order}) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def ended(self) -> Ended:
        """Wait for the child that was started."""
        assert self._process.stdout is not None
        answer = json.loads(self._process.stdout.readline())
        return Ended(answer["killed"], answer["exit_code"], answer["steps"])

    def run(self, data_dir: Path, url: str, key: str, **order: Any) -> Ended:
        """Start one and wait for it."""
        self.start(data_dir, url, key, **order)
        return self.ended()


class Steps:
    """Counts what happens in a child, and kills it at the n-th time of one of them."""

    def __init__(self, kill_at: tuple[str, int] | tuple[()]) -> None:
        self.seen: Counter[str] = Counter()
        self._kill_at = kill_at
        self._lock = threading.Lock()

    def __call__(self, step: str, *_: object) -> None:
        with self._lock:
            self.seen[step] += 1
            if (step, self.seen[step]) == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    def in_transactions(self, clock: Clock) -> Clock:
        """A ledger's clock, heard: it is read in the middle of nearly every transaction that writes."""

        def heard() -> dt.datetime:
            self("in_transaction")
            return clock()

        return heard


class HeardWarehouse(Warehouse):
    """A warehouse that says when a load is half done and when it is committed, and each step of publishing."""

    def __init__(self, data: DataFolder, steps: Steps) -> None:
        super().__init__(data.warehouse, data.published)
        self._steps = steps

    def replace_companies(self, input_file: str, file_sha256: str, chunks: Any) -> Any:
        counts = super().replace_companies(input_file, file_sha256, self._half("companies", chunks))
        self._steps("companies_committed")
        return counts

    def replace_plan(self, input_file: str, plan_id: str, chunks: Any) -> None:
        super().replace_plan(input_file, plan_id, self._half("plan", chunks))
        self._steps("plan_committed")

    def replace_answers(self, input_file: str, answers: Any, **more: Any) -> Any:
        counts = super().replace_answers(input_file, self._half("answers", answers), **more)
        self._steps("answers_committed")
        return counts

    def publish(self, generation: int, info: Any, **_: Any) -> bool:
        return super().publish(generation, info, on_step=lambda step: self._steps(f"publish_{step}"))

    def _half(self, what: str, chunks: Any) -> Iterator[Any]:
        for chunk in chunks:
            yield chunk
            self._steps(f"{what}_half")


def _child(order: dict[str, Any], report: int) -> None:
    steps = Steps(tuple(order.get("kill_at") or ()))
    if order.get("kill_after_s") is not None:
        signal.setitimer(signal.ITIMER_REAL, order["kill_after_s"])  # SIGALRM's default action is to die ...
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))  # ... this is no goodbye
    with at_work(Path(order["data_dir"]), order["url"], **order.get("settings", {})) as (work, buyer):
        work.ledger.clock = steps.in_transactions(work.ledger.clock)
        heard = replace(work, warehouse=HeardWarehouse(work.data, steps))
        whole_run(heard, buyer, order["key"], on_event=steps, **order.get("choices", {}))
    os.write(report, json.dumps(steps.seen).encode())


def main() -> None:
    """Fork one child an order."""
    suffix_set()
    plain_suffixes()
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
        print(pid, flush=True)
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
