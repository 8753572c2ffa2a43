"""Other processes at the warehouse: forked from one warm template that holds no lock and has opened no database."""

import multiprocessing
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from openmart_pipeline.warehouse import WarehouseError
from openmart_pipeline_tests.warehouse.warehouse_rows import (
    INFO,
    answer,
    companies,
    plan,
    rejected,
    warehouse_in,
)

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])

PATIENCE_S = 60


def started(work: Callable[..., Any], *args: Any) -> Any:
    child = CONTEXT.Process(target=work, args=args)
    child.start()
    return child


def exit_code_of(work: Callable[..., Any], *args: Any) -> int:
    """Run a function of this module in a child; negative for the signal that killed it."""
    child = started(work, *args)
    child.join(PATIENCE_S)
    assert child.exitcode is not None
    return child.exitcode


def publish(folder: Path, generation: int) -> None:
    warehouse_in(folder).publish(generation, INFO)


def publish_and_die(folder: Path, generation: int, step: str) -> None:
    def on_step(reached: str) -> None:
        if reached == step:
            os.kill(os.getpid(), signal.SIGKILL)

    warehouse_in(folder).publish(generation, INFO, on_step=on_step)


def publish_on_a_disk_that_fills_up(folder: Path, generation: int, heard: Any) -> None:
    def on_step(reached: str) -> None:
        if reached == "checkpointed":
            fill_the_disk()

    try:
        warehouse_in(folder).publish(generation, INFO, on_step=on_step)
    except WarehouseError as error:
        heard.send(str(error))


def fill_the_disk() -> None:
    """No file of this process may grow past 100 kB: the same error as a full disk, without being root."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def load_companies(folder: Path, input_file: str, rows: int, times: int) -> None:
    """Replace a file's rows again and again, each time by rows that all name this round."""
    warehouse = warehouse_in(folder)
    for round_ in range(times):
        numbers = range(2, rows + 2)
        frame = companies(numbers, company_name=[f"Round {round_}"] * rows)
        warehouse.replace_companies(input_file, f"sha-{round_}", [(frame, rejected())])


def load_answers_until_killed(folder: Path, rows: int, ready: Any) -> None:
    """Replace the file's answers for ever, each time by answers from a batch of this round."""
    warehouse = warehouse_in(folder)
    warehouse.replace_plan("a.csv", "plan", [plan({"source_row": n} for n in range(2, rows + 2))])
    round_ = 0
    while True:
        answers = [answer(f"company{n}.com owner", n, batch_id=f"b-{round_}") for n in range(2, rows + 2)]
        warehouse.replace_answers("a.csv", [answers], api_host="h", run_id="r")
        if round_ == 0:
            ready.send(True)
        round_ += 1


def stage_and_wait_to_be_killed(folder: Path, ready: Any) -> None:
    def answers() -> Any:
        yield [answer("company2.com owner")]
        ready.send(True)
        signal.pause()

    warehouse_in(folder).replace_answers("a.csv", answers(), api_host="h", run_id="r")


def hold_open(path: Path, read_only: bool, ready: Any, seconds: float) -> None:
    """An analyst in the wrong file."""
    with duckdb.connect(path, read_only=read_only):
        ready.send(True)
        signal.sigtimedwait([], seconds)


def load_on_a_full_disk(folder: Path, rows: int, heard: Any) -> None:
    fill_the_disk()
    try:
        load_companies(folder, "a.csv", rows, 1)
    except WarehouseError as error:
        heard.send(str(error))
