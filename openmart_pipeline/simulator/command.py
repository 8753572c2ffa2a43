"""The command `simulate`: options in, a running simulator out, and plain sentences where that cannot be.

No behaviour lives here.
"""

import errno
import socket
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import click

from openmart_pipeline.simulator.behaviour import BehaviourError
from openmart_pipeline.simulator.exchange import JsonObject
from openmart_pipeline.simulator.server import HOST, listen, serve
from openmart_pipeline.simulator.state_file import StateFileError
from openmart_pipeline.simulator.world import World


class CannotStartError(click.ClickException):
    """The simulator cannot start; the message says why and what to do."""

    exit_code = 2


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8321, show_default=True, help="0 takes a free one.")
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("data/simulated/simulator.sqlite"),
    show_default=True,
    help="File with every batch bought, and the behaviour; as it was, after a kill.",
)
@click.option("--key", help="Accept this API key only. Default: any, and a batch belongs to the key that bought it.")
@click.option("--credits", "credit_start", type=int, help="Credits the account starts with. Default: unlimited.")
@click.option("--submit-s", type=float, help="Seconds until a submit is answered. The vendor takes about 26.")
@click.option("--read-s", type=float, help="Seconds until any other request is answered.")
@click.option("--processing-s", type=float, help="Seconds until a batch is ready.")
@click.option("--jitter", type=float, help="Share by which these three vary, 0 to 1.")
@click.option("--rate-limit", "rate_limit_per_s", type=int, help="Requests per second; more are answered 429.")
@click.option("--seed", type=int, help="Of every fault's probability.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME=RULE",
    help="A fault and on whom it falls: created_then_reset=0.05, poll_503=next:3, "
    "created_then_timeout=nth:2, task_errored=domain:acme.com. Repeatable. A wrong name lists all there are.",
)
def simulate(
    port: int,
    state: Path,
    key: str | None,
    credit_start: int | None,
    faults: Sequence[str],
    **settings: float | None,
) -> None:
    """Run a stand-in for the Openmart API on this machine.

    It answers as the API is documented to, finds made-up people, charges nothing, and keeps an account of
    what it would have charged at /simulator/account. Options that are not given stay as the state file has them.
    """
    changes: JsonObject = {name: value for name, value in settings.items() if value is not None}
    if credit_start is not None:
        changes["credits"] = credit_start
    if faults:
        changes["faults"] = dict(_fault(text) for text in faults)
    with _listener(port) as listener, closing(_world(state, changes, key)) as world:
        address = f"http://{HOST}:{listener.getsockname()[1]}"
        serve(world, listener, when_ready=lambda: click.echo(f"Simulator on {address}, state in {state}"))


def _fault(text: str) -> tuple[str, str]:
    name, equals, rule = text.partition("=")
    if not equals or not rule:
        raise CannotStartError(f"--fault {text} says no rule. Write NAME=RULE, such as {name}=next:1.")
    return name, rule


def _listener(port: int) -> socket.socket:
    try:
        return listen(port)
    except OSError as error:
        why = "is taken, perhaps by another simulator"
        if error.errno != errno.EADDRINUSE:
            why = f"cannot be used ({error.strerror})"
        raise CannotStartError(f"Port {port} {why}. Name another --port; 0 takes a free one.") from error


def _world(state: Path, changes: JsonObject, key: str | None) -> World:
    try:
        return World(state, changes=changes, only_key=key)
    except (StateFileError, BehaviourError) as error:
        raise CannotStartError(str(error)) from error
