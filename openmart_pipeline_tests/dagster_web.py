"""Dagster's own web server in this process, with two doors: as Dagster opens it, and behind the guard.

Nothing executes what is launched here: a run stays queued, and shows that somebody could start it. No claims.
"""

import asyncio
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import uvicorn
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster_webserver.app import create_app_from_workspace_process_context
from starlette.types import ASGIApp

from openmart_pipeline.web.guard import Guard

LOOK_EVERY_S = 0.02
OWN_WARNING = "Property `ScheduleDefinition.environment_vars`"  # Dagster reads its own deprecated property
JOB = "buy_planned_contacts_job"
LAUNCH = "mutation($p: ExecutionParams!) { launchPipelineExecution(executionParams: $p) { __typename } }"


class DagsterWeb:
    """`open_port` is Dagster's own door, `guarded_port` ours; both lead to one history."""

    def __init__(self, instance: dg.DagsterInstance, ports: list[int]) -> None:
        self._instance = instance
        self.open_port, self.guarded_port = ports

    def ways(self) -> set[str]:
        """The tag `way` of every run that somebody started."""
        return {run.tags["way"] for run in self._instance.get_runs()}


def execution(way: str, partition: str, config: dict[str, object]) -> dict[str, object]:
    """The variables of LAUNCH for one purchase, tagged with the way it was tried."""
    selector = {
        "repositoryLocationName": "openmart_pipeline",
        "repositoryName": "__repository__",
        "pipelineName": JOB,
    }
    tags = [{"key": "dagster/partition", "value": partition}, {"key": "way", "value": way}]
    metadata = {"tags": tags}
    return {"p": {"selector": selector, "runConfigData": config, "mode": "default", "executionMetadata": metadata}}


@contextmanager
def dagster_web(home: Path, partition: str) -> Iterator[DagsterWeb]:
    """Serve both doors while this lasts; `home` is a prepared DAGSTER_HOME."""
    module = LoadableTargetOrigin(module_name="openmart_pipeline.definitions")
    origin = InProcessCodeLocationOrigin(module, location_name="openmart_pipeline")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        instance.add_dynamic_partitions("input_files", [partition])
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", OWN_WARNING, DeprecationWarning)
            context = WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget(origin))
        with context:
            app = create_app_from_workspace_process_context(context)
            with _served(app, Guard(app)) as ports:
                yield DagsterWeb(instance, ports)


@contextmanager
def _served(*apps: ASGIApp) -> Iterator[list[int]]:
    servers = [uvicorn.Server(_config(app)) for app in apps]

    async def serve() -> None:
        await asyncio.gather(*(server.serve() for server in servers))

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        while thread.is_alive() and not all(server.started for server in servers):
            time.sleep(LOOK_EVERY_S)
        yield [server.servers[0].sockets[0].getsockname()[1] for server in servers]
    finally:
        for server in servers:
            server.should_exit = True
        thread.join()


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="warning", lifespan="off", timeout_graceful_shutdown=1
    )
