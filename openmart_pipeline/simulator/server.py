"""The process: a listening socket on loopback, connections on it, and an end that is quick and clean.

No rule of the API lives here.
"""

import asyncio
import signal
import socket
import sys
from collections.abc import Callable

from openmart_pipeline.simulator.client_connection import Connection
from openmart_pipeline.simulator.control import PREFIX, Control
from openmart_pipeline.simulator.exchange import Answer, Request
from openmart_pipeline.simulator.vendor import Vendor
from openmart_pipeline.simulator.world import World

HOST = "127.0.0.1"  # loopback only: it hands out people to anyone who asks
BACKLOG = 1024
SAVE_EVERY_S = 1.0  # how much of the request counts a kill may take


def listen(port: int) -> socket.socket:
    """Take a port, any free one for 0.

    Raises:
        OSError: it is taken.

    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # A killed simulator's connections linger for a minute; its successor takes the same port at once.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def serve(world: World, listener: socket.socket, *, when_ready: Callable[[], None]) -> None:
    """Answer requests until SIGINT or SIGTERM; what is under way then is dropped."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(world, listener, when_ready))


async def _serve(world: World, listener: socket.socket, when_ready: Callable[[], None]) -> None:
    vendor, control = Vendor(world), Control(world)

    def answer(request: Request) -> Answer:
        return (control if request.path.startswith(PREFIX) else vendor).answer(request)

    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(lambda: Connection(answer, world.date_header), sock=listener)
    when_ready()
    while not stop.is_set():
        world.traffic.save()
        try:
            await asyncio.wait_for(stop.wait(), SAVE_EVERY_S)
        except TimeoutError:
            continue
    server.close()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop  # noqa: PLC0415  there is no uvloop for Windows

    return uvloop.new_event_loop
