"""`dev`: Dagster's UI, daemon and code server on this machine, with the simulator when there is no key.

A supervisor: what it starts is stopped in order. Dagster first, then the runs it left, which wait for their submits
in flight, then the simulator.
"""

import contextlib
import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from openmart_pipeline.cli.exits import Exit, Refusal, plain_sentences
from openmart_pipeline.cli.interrupts import interruptible
from openmart_pipeline.cli.screen import harmless, remarks
from openmart_pipeline.cli.simulated import bring_samples, simulated_folder, simulator
from openmart_pipeline.cli.ui_processes import DagsterProcesses
from openmart_pipeline.defs.instance_home import HomeUnprepared, prepare_home
from openmart_pipeline.home import data_folder, home_folder
from openmart_pipeline.private_files import make_folder, private_umask
from openmart_pipeline.settings import read_settings

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
LATENCIES = ("--submit-s", "3", "--read-s", "0.05", "--processing-s", "5", "--jitter", "0.5")
RUNS_STOP_S = 150  # a submit in flight may take its whole two minutes
LOOK_EVERY_S = 0.5


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), default=3000, show_default=True, help="Of Dagster's UI.")
@click.option("--simulator-port", type=click.IntRange(0, 65535), default=3101, show_default=True, help="0: a free one.")
@click.pass_obj
def dev(environment: Mapping[str, str], *, port: int, simulator_port: int) -> None:
    """Start Dagster's UI on this machine; without OPENMART_API_KEY in the simulated world, with the samples.

    Ctrl-C stops everything: Dagster, then runs still buying (they wait for what is in flight), then the simulator.
    """
    with plain_sentences():
        _refuse_taken(port, "--port")
        with private_umask(), _world(environment, simulator_port) as chosen:
            settings = read_settings(chosen)
            try:
                home = prepare_home(settings.data_dir / "dagster_home")
            except HomeUnprepared as error:
                raise Refusal(str(error), Exit.STOPPED) from error
            make_folder(settings.data_dir / "input")
            world = f"simulated, by {settings.base_url}" if settings.is_simulated else f"real: {settings.base_url}"
            _say(f"The world is {world}. Files go into {settings.data_dir / 'input'}.")
            _say(f"Dagster's UI will be on http://localhost:{port} in about 10 s. Ctrl-C stops everything.")
            _supervise(_environment_of_dagster(chosen, home), home, port)


def _say(sentence: str) -> None:
    remarks().print(harmless(sentence), style="bold")


@contextmanager
def _world(environment: Mapping[str, str], simulator_port: int) -> Iterator[dict[str, str]]:
    """Yield the environment with the simulator in it, running, when there is neither a key nor another simulator."""
    if environment.get("OPENMART_API_KEY", "").strip() or environment.get("OPENMART_SIMULATOR_URL", "").strip():
        yield dict(environment)
        return
    if simulator_port:
        _refuse_taken(simulator_port, "--simulator-port")
    folder = simulated_folder(environment)
    with simulator(folder, *LATENCIES, port=simulator_port) as url:
        if not any((folder / "input").glob("*")):
            bring_samples(folder)
        yield {**environment, "OPENMART_SIMULATOR_URL": url}


def _environment_of_dagster(chosen: Mapping[str, str], home: Path) -> dict[str, str]:
    """Return the environment of Dagster's processes, with paths that hold in any folder.

    They run in the home: in the current folder Dagster would load `.env` over what was chosen here, and another
    world, folder or limit would be used than the one just shown.
    """
    moved = {
        "DAGSTER_HOME": str(home),
        "OPENMART_HOME": str(home_folder(chosen)),
        "OPENMART_DATA_DIR": str(data_folder(chosen)),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), chosen.get("PYTHONPATH")])),
    }
    return {**chosen, **moved}


def _refuse_taken(port: int, option: str) -> None:
    """Find out before anything is started whether somebody else listens there.

    Raises:
        Refusal: somebody does; the sentence names the port and the option.

    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise Refusal(
                f"Port {port} is taken by another program. Stop that one, or choose another port with {option}. "
                "Nothing was started."
            ) from None


def _supervise(environment: Mapping[str, str], home: Path, port: int) -> None:
    """Run Dagster until it ends or a person interrupts; leave no process behind."""
    with TemporaryDirectory(prefix="openmart-dev-") as folder:
        dagster = DagsterProcesses(environment, home, port, Path(folder))
        try:
            with interruptible(lambda _times: None), contextlib.suppress(KeyboardInterrupt):
                dagster.start()
                is_ready = False
                while (ended := dagster.look_after()) is None:
                    if not is_ready and (is_ready := _answers(port)):
                        _say(f"Ready: http://localhost:{port}")
                    time.sleep(LOOK_EVERY_S)
                raise Refusal(f"{ended}; its last lines say why.", Exit.STOPPED)
        finally:
            _stop(dagster)


def _answers(port: int) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{HOST}:{port}/server_info", timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


def _stop(dagster: DagsterProcesses) -> None:
    """End Dagster in order; a Ctrl-C meanwhile ends whatever is left at once."""
    _say("Stopping Dagster ...")
    try:
        with interruptible(lambda _times: None):
            if not dagster.interrupt():
                _say("Waiting for runs to record what they have in flight. Ctrl-C again abandons them.")
                dagster.wait(RUNS_STOP_S)
    except KeyboardInterrupt:
        _say("Abandoned: batches that were being sent become unknown (openmart-pipeline unknown list).")
    finally:
        dagster.kill()
    _say("Stopped.")
