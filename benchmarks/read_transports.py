"""What a read costs over each way to use httpx: its own transport, aiohttp's, and the client as it is.

Run it from the root of the project: `python benchmarks/read_transports.py [reads]`. It starts a simulator on
this machine, reads the same tasks with each contender in turns, and prints rates, CPU and ratios to httpx alone.
Imports the client and the tests' handle on the simulator.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from openmart_pipeline.api.client import OpenmartClient
from openmart_pipeline.api.models import InfoAccess, TaskRequest
from openmart_pipeline_tests.simulator_process import SimulatorProcess

READS = 2_000  # a second or more for the fastest contender
ROUNDS = 3  # in turns, so that a busy moment of the machine falls on everyone; the best round counts
CONNECTIONS = (10, 25, 64)

Read = Callable[[str], Awaitable[object]]
Contender = Callable[[str, str, int], AbstractAsyncContextManager[Read]]


@dataclass(frozen=True, slots=True)
class Measured:
    """One contender's best round."""

    reads_per_s: float
    cpu_us: float


@asynccontextmanager
async def _our_client(url: str, key: str, connections: int) -> AsyncIterator[Read]:
    async with OpenmartClient(url, key, connections=connections).reader() as reader:
        yield reader.task


def _over(transport_of: Callable[[httpx.Limits], httpx.AsyncBaseTransport]) -> Contender:
    @asynccontextmanager
    async def contender(url: str, key: str, connections: int) -> AsyncIterator[Read]:
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        async with httpx.AsyncClient(base_url=url, transport=transport_of(limits), timeout=30) as client:

            async def read(task_id: str) -> object:
                answer = await client.get(f"/api/v1/task/{task_id}", headers={"X-API-Key": key})
                return answer.raise_for_status().json()

            yield read

    return contender


@asynccontextmanager
async def _aiohttp_alone(url: str, key: str, connections: int) -> AsyncIterator[Read]:
    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=connections)) as session:

        async def read(task_id: str) -> object:
            async with session.get(f"/api/v1/task/{task_id}", headers={"X-API-Key": key}) as answer:
                answer.raise_for_status()
                return await answer.json()

        yield read


PLAIN = "httpx"
CONTENDERS: dict[str, Contender] = {
    PLAIN: _over(lambda limits: httpx.AsyncHTTPTransport(limits=limits)),
    "httpx over aiohttp": _over(lambda limits: AiohttpTransport(limits=limits)),
    "our client": _our_client,  # httpx over aiohttp, with its checks, deadlines and retries
    "aiohttp, the floor": _aiohttp_alone,
}


async def _round(
    contender: Contender, url: str, key: str, connections: int, ids: Sequence[str], reads: int
) -> Measured:
    waiting = iter(range(reads))

    async def work(read: Read) -> None:
        for number in waiting:
            await read(ids[number % len(ids)])

    async with contender(url, key, connections) as read:
        started_s, started_cpu_s = time.perf_counter(), time.process_time()
        await asyncio.gather(*(work(read) for _ in range(connections)))
        spent_s, spent_cpu_s = time.perf_counter() - started_s, time.process_time() - started_cpu_s
    return Measured(reads_per_s=reads / spent_s, cpu_us=spent_cpu_s / reads * 1e6)


def _bought(url: str, key: str) -> str:
    tasks = [
        TaskRequest(
            domain=f"company{number}.example.com",
            title="Owner",
            max_k=3,
            tracking_id=f"bench-1-{number}",
            info_access=frozenset(InfoAccess),
        )
        for number in range(100)
    ]
    return OpenmartClient(url, key).submit(tasks).batch_id


async def _ids(url: str, key: str, batch_id: str) -> list[str]:
    async with OpenmartClient(url, key).reader() as reader:
        return await reader.task_ids(batch_id)


def main(reads: int) -> None:
    """Print one line per contender and number of connections."""
    with tempfile.TemporaryDirectory() as folder, SimulatorProcess(Path(folder), submit_s=0) as simulator:
        url, key = simulator.url, simulator.api_key
        batch_id = _bought(url, key)
        simulator.make_ready(batch_id)
        ids = asyncio.run(_ids(url, key, batch_id))
        for connections in CONNECTIONS:
            rounds: dict[str, list[Measured]] = {name: [] for name in CONTENDERS}
            for _ in range(ROUNDS):
                for name, contender in CONTENDERS.items():
                    rounds[name].append(asyncio.run(_round(contender, url, key, connections, ids, reads)))
            best = {name: min(done, key=lambda measured: measured.cpu_us) for name, done in rounds.items()}
            plain = best[PLAIN].cpu_us
            for name, measured in best.items():
                print(
                    f"{connections:3} connections  {name:22} {measured.reads_per_s:6.0f} reads/s  "
                    f"{measured.cpu_us:6.0f} us of CPU a read, {plain / measured.cpu_us:4.1f} times less than {PLAIN}",
                )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else READS)
