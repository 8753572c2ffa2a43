"""`openmart-pipeline run` against the plain script, and against the time that the limits alone dictate.

`python benchmarks/whole_run.py [--companies 10000] [--rounds 3] [--paced 10000]`. Whole processes, in turn, on
simulators of their own; the ratio is what counts, the seconds are this machine's.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from openmart_pipeline_tests.simulator_process import SimulatorProcess

SUBMIT_S, READ_S, REQUESTS_PER_S = 2.6, 0.1, 20.0


@dataclass(frozen=True)
class Measured:
    """A process that ended."""

    seconds: float
    cpu_s: float
    peak_mb: float


def measured(command: Sequence[str], environment: dict[str, str], log: Path) -> Measured:
    """Run a command to its end; what it prints goes to `log`."""
    begun = time.monotonic()
    pid = os.fork()
    if pid == 0:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.execve(command[0], command, {**os.environ, **environment})
    _, status, usage = os.wait4(pid, 0)
    seconds = time.monotonic() - begun
    if status:
        sys.exit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}:\n{log.read_text()}")
    return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def company_file(folder: Path, companies: int) -> Path:
    """Write a file of so many companies."""
    path = folder / "companies.csv"
    path.write_text("Website\n" + "".join(f"company-{number}.com\n" for number in range(companies)))
    return path


def ours(url: str, file: Path, data_dir: Path, **settings: str) -> Measured:
    """Time the command line, whole."""
    command = [sys.executable, "-m", "openmart_pipeline", "run", str(file), "--yes"]
    environment = {
        "OPENMART_BASE_URL": url,
        "OPENMART_API_KEY": "bench",
        "OPENMART_DATA_DIR": str(data_dir),
        "DAGSTER_HOME": "",
        **settings,
    }
    return measured(command, environment, data_dir.with_suffix(".log"))


def plain(url: str, file: Path, folder: Path, *more: str) -> Measured:
    """Time the plain script, whole."""
    script = str(Path(__file__).with_name("plain_script.py"))
    return measured(
        [sys.executable, script, url, str(file), str(folder / "plain.csv"), *more], {}, folder / "plain.log"
    )


def unpaced(folder: Path, companies: int, rounds: int) -> None:
    """No latency and no limit: our overhead."""
    file = company_file(folder, companies)
    ratios = []
    print(f"{companies:,} companies, no latency, no limit, in turn:")
    for number in range(rounds):
        with SimulatorProcess(folder / f"plain-{number}") as simulator:
            bar = plain(simulator.url, file, folder)
        with SimulatorProcess(folder / f"ours-{number}") as simulator:
            run = ours(simulator.url, file, folder / f"data-{number}")
        ratios.append(bar.seconds / run.seconds)
        print(
            f"  plain {bar.seconds:6.1f} s ({bar.cpu_s:5.1f} s CPU, {bar.peak_mb:4.0f} MB)   "
            f"run {run.seconds:6.1f} s ({run.cpu_s:5.1f} s CPU, {run.peak_mb:4.0f} MB)   rate {ratios[-1]:.2f}"
        )
    print(f"  run's rate over the script's: median {statistics.median(ratios):.2f}\n")


def paced(folder: Path, companies: int) -> None:
    """The API's own limits: how much of their time is ours."""
    file = company_file(folder, companies)
    batches = -(-companies // 100)
    # The first submit has nothing to overlap with, nor the last result's latency; between them the rate binds.
    limits_s = SUBMIT_S + READ_S + (companies + 3 * batches) / REQUESTS_PER_S
    with SimulatorProcess(folder / "paced", submit_s=SUBMIT_S, read_s=READ_S) as simulator:
        run = ours(simulator.url, file, folder / "paced-data", OPENMART_REQUESTS_PER_S=str(REQUESTS_PER_S))
        account = simulator.account()
    polls = sum(account["requests"]["poll"].values())
    everything = sum(sum(counts.values()) for counts in account["requests"].values())
    print(
        f"{companies:,} companies, submit {SUBMIT_S} s, reads {READ_S * 1000:.0f} ms, {REQUESTS_PER_S:.0f} requests/s:"
    )
    print(f"  limits alone {limits_s:.1f} s   run {run.seconds:.1f} s   {run.seconds / limits_s:.3f} times")
    print(f"  polls {polls} of {everything} requests ({polls / everything:.1%}), busiest second "
          f"{account['busiest_second']}, peak memory {run.peak_mb:.0f} MB")  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--companies", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--paced", type=int, default=10_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if given.companies:
            unpaced(Path(name), given.companies, given.rounds)
        if given.paced:
            paced(Path(name), given.paced)
