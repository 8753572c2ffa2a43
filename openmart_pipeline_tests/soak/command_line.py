"""A warm process that forks a child for each command of the command line: real exit codes, real sentences, many at once.

Run as `python -m openmart_pipeline_tests.soak.command_line`: it reads one JSON order a line, answers each with the
child's process id, and says when a child ended. It takes no lock and starts no thread before it forks.
"""

import contextlib
import functools
import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpcore  # noqa: F401  with what is below: what each child would otherwise load for itself
import pandas as pd  # noqa: F401
import uvloop  # noqa: F401
from anyio._backends import _asyncio  # noqa: F401

from openmart_pipeline import cli, wiring
from openmart_pipeline.api.client import OpenmartClient
from openmart_pipeline.intake.domains import plain_suffixes, suffix_set
from openmart_pipeline.ledger.freezes import Surroundings
from openmart_pipeline.ledger.journal import SubmissionJournal
from openmart_pipeline.pipeline import steps
from openmart_pipeline.purchase.submit import PurchaseOptions
from openmart_pipeline.settings import Settings

PRELOADED = ("run", "quote", "collect", "status", "unknown", "ledger", "rebuild")
SUBMIT_TIMEOUT_S = 2.0  # the product waits for minutes; a batch can be released when this has passed
HASTE = {  # a soak is about what is repeated, not about waiting
    "submit_timeout_s": SUBMIT_TIMEOUT_S,
    "read_timeout_s": 2.0,
    "first_retry_wait_s": 0.05,
    "retry_after_cap_s": 0.25,
}
TRACEBACK_CODE = 70  # an error that no sentence foresaw


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    was_killed: bool
    exit_code: int | None


class CommandLine:
    """The warm process, as a soak holds it."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "openmart_pipeline_tests.soak.command_line"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
        self._ended: dict[int, Ended] = {}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def start(
        self,
        arguments: list[str],
        environment: Mapping[str, str],
        *,
        folder: Path,
        output: Path,
        stdin: str = os.devnull,
        kill_at: tuple[str, int] | None = None,
    ) -> int:
        """Begin a command in a child; return its process id.

        Args:
            arguments: what follows `openmart-pipeline`.
            environment: all its variables.
            folder: where the child stands.
            output: what it says goes there, both streams.
            stdin: a terminal's path, where somebody answers.
            kill_at: dies by SIGKILL right after the n-th line of this kind is in the submission journal:
                `sending`, or `outcome`, which is before the ledger hears of the outcome.

        """
        assert self._process.stdin is not None
        order = {
            "arguments": arguments,
            "environment": dict(environment),
            "folder": str(folder),
            "output": str(output),
            "stdin": stdin,
            "kill_at": kill_at,
        }
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        while (said := self._next())[0] != "pid":
            pass
        return said[1]

    def ended(self, pid: int, *, timeout_s: float = 0.0) -> Ended | None:
        """Return how a command ended, waiting for it so long; None while it goes on."""
        assert self._process.stdout is not None
        while pid not in self._ended:
            if not select.select([self._process.stdout], [], [], timeout_s)[0]:
                return None
            self._next()
        return self._ended.pop(pid)

    def _next(self) -> tuple[str, int]:
        """Read one line of the warm process; return what it is about, and which child."""
        assert self._process.stdout is not None
        # One unbuffered read a line: whatever select sees is all there is.
        raw = bytearray()
        while not raw.endswith(b"\n"):
            byte = os.read(self._process.stdout.fileno(), 1)
            assert byte, "the warm process is gone"
            raw += byte
        said = json.loads(raw)
        if "ended" in said:
            status = said["status"]
            killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
            self._ended[said["ended"]] = Ended(killed, None if killed else os.waitstatus_to_exitcode(status))
            return "ended", said["ended"]
        return "pid", said["pid"]


def _die_in_the_journal(kill_at: tuple[str, int]) -> None:
    """Let this process die behind a line of the journal, before the ledger knows what stands there."""
    kind, nth = kill_at
    seen: Counter[str] = Counter()
    write = getattr(SubmissionJournal, kind)

    @functools.wraps(write)
    def write_and_die(*arguments: Any, **named: Any) -> Any:
        done = write(*arguments, **named)
        seen[kind] += 1
        if seen[kind] == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    setattr(SubmissionJournal, kind, write_and_die)


def _take_the_server_for_the_real_api() -> None:
    """Let what is held at the real API only be held here too: copies, second ledgers, old copies of both files."""
    known = wiring.surroundings

    def real(settings: Settings) -> Surroundings:
        return replace(known(settings), is_real=True, disk_lasts=True)

    vars(wiring)["surroundings"] = real


def _command(order: Mapping[str, Any]) -> int:
    """Do in this process what the command line would do; return the exit code."""
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    stdin = os.open(order["stdin"], os.O_RDWR | os.O_NOCTTY)
    for target, descriptor in enumerate((stdin, output, output)):
        os.dup2(descriptor, target)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  the terminal, or nobody
    sys.stdout = open(1, "w", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    vars(wiring)["OpenmartClient"] = functools.partial(OpenmartClient, **HASTE)
    vars(steps)["Terms"] = functools.partial(PurchaseOptions, submit_timeout_s=SUBMIT_TIMEOUT_S)
    _take_the_server_for_the_real_api()
    if order["kill_at"] is not None:
        _die_in_the_journal(order["kill_at"])
    try:
        cli.main(order["arguments"], prog_name="openmart-pipeline")
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else int(ending.code is not None)
    except BaseException:  # noqa: BLE001  Python itself would show it
        traceback.print_exc()
        return TRACEBACK_CODE
    return 0


def _fork(order: Mapping[str, Any]) -> int:
    pid = os.fork()
    if pid != 0:
        return pid
    code = TRACEBACK_CODE
    try:
        code = _command(order)
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Fork one child an order, until there are no more orders and no more children."""
    for name in PRELOADED:
        importlib.import_module(cli.COMMANDS[name][0].partition(":")[0])
    suffix_set()
    plain_suffixes()
    gc.set_threshold(cli.LOOK_FOR_CYCLES_AFTER)
    gc.freeze()
    children: dict[int, int] = {}  # a handle that becomes readable at the end -> process id
    orders, is_open = bytearray(), True
    while is_open or children:
        ready, _, _ = select.select([*([0] if is_open else []), *children], [], [])
        for handle in ready:
            if handle == 0:
                some = os.read(0, 1 << 16)
                is_open = bool(some)
                orders += some
                continue
            pid = children.pop(handle)
            os.close(handle)
            _, status = os.waitpid(pid, 0)
            print(json.dumps({"ended": pid, "status": status}), flush=True)
        while b"\n" in orders:
            line, _, orders = orders.partition(b"\n")
            pid = _fork(json.loads(line))
            children[os.pidfd_open(pid)] = pid
            print(json.dumps({"pid": pid}), flush=True)
    sys.stdout.flush()
    os._exit(0)  # at a usual end DuckDB's binding says on stderr what it did not give back


if __name__ == "__main__":
    main()
