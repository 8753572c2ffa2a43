"""The simulated world of `demo` and `dev`: its data folder, its simulator as a child, the samples as its input.

Lives here: one context manager and one copy. The simulator itself is in `api.simulator`.
"""

import ctypes
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from openmart_pipeline.cli.exits import Exit, Refusal
from openmart_pipeline.home import HomeUnknown, data_folder
from openmart_pipeline.private_files import make_folder

SAMPLES = Path(__file__).resolve().parents[2] / "data" / "samples"
STOP_TIMEOUT_S = 10
PR_SET_PDEATHSIG = 1  # from linux/prctl.h


def simulated_folder(environment: Mapping[str, str]) -> Path:
    """Return the data folder of the simulated world, as the settings choose it.

    Raises:
        Refusal: no folder can be named.

    """
    try:
        return data_folder(environment) / "simulated"
    except HomeUnknown as error:
        raise Refusal(str(error)) from error


@contextmanager
def simulator(folder: Path, *options: str, port: int = 0) -> Iterator[str]:
    """Run the simulator with its state in `folder` while this lasts; yields its address.

    In a process group of its own: a Ctrl-C at the terminal must not stop the server before its clients.

    Raises:
        Refusal: it did not start; its own sentence.

    """
    make_folder(folder)
    command = [sys.executable, "-m", "openmart_pipeline.simulator", "--port", str(port)]
    process = subprocess.Popen(  # noqa: S603  our own module, and no shell
        [*command, "--state", str(folder / "simulator.sqlite"), *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=_die_with_parent,  # noqa: PLW1509  nothing else runs yet that a fork could disturb
    )
    assert process.stdout is not None
    drain = threading.Thread(target=process.stdout.read, daemon=True)  # a full pipe would hold it up
    try:
        line = process.stdout.readline()
        if not line.startswith("Simulator on "):
            raise Refusal(f"The simulator did not start: {line}{process.stdout.read()}".strip(), Exit.STOPPED)
        drain.start()
        yield line.removeprefix("Simulator on ").split(",")[0]
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if drain.ident is not None:
            drain.join()
        process.stdout.close()


def _die_with_parent() -> None:
    """Ask Linux to end this child when its parent dies, by kill -9 too: it would hold its state file for ever."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def bring_samples(folder: Path) -> None:
    """Copy the sample files into the input folder of the simulated world; what is there stays as it is.

    Raises:
        Refusal: this is an installation without the samples.

    """
    samples = [path for path in sorted(SAMPLES.glob("*")) if not path.name.startswith(".")] if SAMPLES.is_dir() else []
    if not samples:
        raise Refusal(
            f"The sample files are not in {SAMPLES}: start this from a checkout of the project, or run your own file "
            "against a simulator (openmart-pipeline simulate)."
        )
    target = folder / "input"
    make_folder(target)
    for sample in samples:
        if not (target / sample.name).exists():
            shutil.copyfile(sample, target / sample.name)
