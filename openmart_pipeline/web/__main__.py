"""`python -m openmart_pipeline.web`: Dagster's web server behind the guard, on this machine only.

Dagster's own command has no place for a guard, so its few lines stand here. A test holds that what `dev` starts
is guarded.
"""

import logging
from pathlib import Path

import click
import uvicorn
from dagster import DagsterInstance, __version__
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_webserver.app import create_app_from_workspace_process_context

from openmart_pipeline.web.guard import Guard

HOST = "127.0.0.1"
# As Dagster's own command sets them.
STATEMENT_TIMEOUT_MS, POOL_RECYCLE_S, POOL_MAX_OVERFLOW = 15_000, 3600, 20
LIVE_DATA_POLL_MS = 2000
GOODBYE_S = 3  # an open page would hold the server up for ever


@click.command()
@click.option("--workspace", type=click.Path(path_type=Path), required=True, help="Where the code server is.")
@click.option("--port", type=int, required=True, help="On 127.0.0.1.")
def serve(workspace: Path, port: int) -> None:
    """Serve Dagster's UI to this machine until SIGINT."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    with DagsterInstance.get() as instance:
        instance.optimize_for_webserver(STATEMENT_TIMEOUT_MS, POOL_RECYCLE_S, POOL_MAX_OVERFLOW)
        target = WorkspaceFileTarget([str(workspace)])
        with WorkspaceProcessContext(instance, target, version=__version__) as context:
            app = create_app_from_workspace_process_context(context, live_data_poll_rate=LIVE_DATA_POLL_MS)
            uvicorn.run(
                Guard(app),
                host=HOST,
                port=port,
                log_level="warning",
                lifespan="off",
                proxy_headers=False,
                timeout_graceful_shutdown=GOODBYE_S,
            )


if __name__ == "__main__":
    serve()
