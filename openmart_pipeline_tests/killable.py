"""A warm process that forks children which kill themselves: hundreds of real kill -9 in a minute.

Run as `python -m openmart_pipeline_tests.killable`: it reads one JSON order a line and answers each with one.
The template takes no lock and starts no thread: a forked child would keep the one and miss the other.
"""

import datetime as dt
import gc
import json
import logging
import os
import select
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpcore  # noqa: F401  with what is below: what each child would otherwise load for itself
import pandas as pd  # noqa: F401  Arrow looks for it at the first array it makes
import uvloop  # noqa: F401
from anyio._backends import _asyncio  # noqa: F401

from openmart_pipeline.cli import LOOK_FOR_CYCLES_AFTER
from openmart_pipeline.intake.domains import plain_suffixes, suffix_set
from openmart_pipeline.intake.input_files import DataFolder
from openmart_pipeline.ledger.store import Clock
from openmart_pipeline.warehouse import Warehouse
from openmart_pipeline_tests.money import at_work, whole_run
from openmart_pipeline_tests.prepared import lay_warehouse


@dataclass(frozen=True)
class Ended:
    """How a child ended: killed, or well, having seen so many of each step; and why buying ended, file by file."""

    was_killed: bool
    exit_code: int | None
    steps: dict[str, int]
    stops: list[str]
    peak_mb: float


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

    def start(self, data_dir: Path, url: str, *keys: str, **order: Any) -> int:
        """Begin a run in a child that dies at `kill_at=(step, nth)`, after `kill_after_s`, or not at all; return its id.

        `or_kill_at` is another step, should it come first; `kill_delay_s` moves both off the step's own boundary.
        `settings`, `client` and `choices` are those of `money.at_work` and `money.whole_run`.
        """
        lay_warehouse(data_dir)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"data_dir": str(data_dir), "url": url, "keys": keys, **order}) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def ended(self) -> Ended:
        """Wait for the child that was started."""
        assert self._process.stdout is not None
        answer = json.loads(self._process.stdout.readline())
        return Ended(**answer)

    def run(self, data_dir: Path, url: str, *keys: str, **order: Any) -> Ended:
        """Start one and wait for it."""
        self.start(data_dir, url, *keys, **order)
        return self.ended()


class Steps:
    """Counts what happens in a child, and kills it when the first of some (step, nth) comes, or so long after."""

    def __init__(self, kill_at: Collection[tuple[str, int]], kill_delay_s: float) -> None:
        self.seen: Counter[str] = Counter()
        self._kill_at = kill_at
        self._kill_delay_s = kill_delay_s
        self._lock = threading.Lock()

    def __call__(self, step: str, *_: object) -> None:
        with self._lock:
            self.seen[step] += 1
            if (step, self.seen[step]) not in self._kill_at:
                return
        if self._kill_delay_s:
            threading.Timer(self._kill_delay_s, os.kill, (os.getpid(), signal.SIGKILL)).start()
        else:
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

    def replace_companies(self, input_file: str, file_sha256: str, chunks: Any, **more: Any) -> Any:
        counts = super().replace_companies(input_file, file_sha256, self._half("companies", chunks), **more)
        self._steps("companies_committed")
        return counts

    def replace_plan(self, input_file: str, plan_id: str, chunks: Any, **more: Any) -> None:
        super().replace_plan(input_file, plan_id, self._half("plan", chunks), **more)
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
    kill_at = {(step, nth) for step, nth in filter(None, (order.get("kill_at"), order.get("or_kill_at")))}
    steps = Steps(kill_at, order.get("kill_delay_s", 0.0))
    settings, client = order.get("settings", {}), order.get("client")
    with at_work(Path(order["data_dir"]), order["url"], client=client, **settings) as (work, session):
        work.ledger.clock = steps.in_transactions(work.ledger.clock)
        heard = replace(work, warehouse=HeardWarehouse(work.data, steps))
        done = whole_run(heard, session, *order["keys"], on_event=steps, **order.get("choices", {}))
    stops = [bought.stop for bought in done.bought.values()]
    os.write(report, json.dumps({"steps": steps.seen, "stops": stops}).encode())


def _awaited(pid: int, kill_after_s: float | None) -> tuple[int, float]:
    """Wait for a child, killing it when its time is up; return its status and the most memory it had, in MB.

    From here, because a process in the middle of a long statement would hear no timer of its own.
    """
    if kill_after_s is not None:
        handle = os.pidfd_open(pid)
        if not select.select([handle], [], [], kill_after_s)[0]:
            os.kill(pid, signal.SIGKILL)
        os.close(handle)
    _, status, usage = os.wait4(pid, 0)
    return status, usage.ru_maxrss / 1024


def main() -> None:
    """Fork one child an order."""
    logging.getLogger("openmart_pipeline").addHandler(logging.NullHandler())  # of each read that is repeated, a line
    suffix_set()
    plain_suffixes()
    gc.set_threshold(LOOK_FOR_CYCLES_AFTER)  # as the commands do
    gc.freeze()  # children share what is there, and need not look through it
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
        status, peak_mb = _awaited(pid, order.get("kill_after_s"))
        with os.fdopen(reading, "rb") as pipe:
            said = pipe.read()
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        answer = {
            "was_killed": killed,
            "exit_code": None if killed else os.waitstatus_to_exitcode(status),
            "peak_mb": peak_mb,
            **(json.loads(said) if said else {"steps": {}, "stops": []}),
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
