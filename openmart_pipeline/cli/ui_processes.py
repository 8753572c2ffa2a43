"""Dagster's three processes on one machine: code server, daemon and our guarded web server; started and stopped.

`dagster dev` starts the same three, with Dagster's own web server, in which any page in a browser can start runs.
"""

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from openmart_pipeline.cli.process_group import ProcessGroup

LOCATION = "openmart_pipeline"
MODULE = "openmart_pipeline.definitions"
# Below a warning they say every 15 seconds that nothing happened; the UI shows each look of each sensor.
QUIETLY = ("--log-level", "warning")
# As `dagster dev` sets them: a file that does not load is said once, without Dagster's own part of the traceback.
AS_DEV = {"DAGSTER_IS_DEV_CLI": "1", "DAGSTER_verbose": ""}
STOP_S = 20  # the web server and the daemon end in five
CODE_SERVER_STOP_S = 3
RESTART_EVERY_S = 5  # a code server that dies at once must not be started without a pause


class DagsterProcesses:
    """Three process groups. Runs are children of the code server, and outlive it until they have recorded their POSTs.

    The code server is started again when it dies, as `dagster dev` does it. The other two are not.
    """

    def __init__(self, environment: Mapping[str, str], home: Path, port: int, folder: Path) -> None:
        """Say what is to be started; `start` starts it.

        Args:
            environment: of all three, with DAGSTER_HOME in it.
            home: the folder they run in.
            port: of the web server, on 127.0.0.1.
            folder: an empty folder that nobody else can enter; the code server's socket is in it.

        """
        self._environment = {**environment, **AS_DEV}
        self._home = home
        self._port = port
        self._socket = folder / "code"
        self._workspace = folder / "workspace.yaml"
        self._code_servers: list[ProcessGroup] = []
        self._others: dict[str, ProcessGroup] = {}
        self._restart_at = 0.0

    def start(self) -> None:
        """Start the code server; `look_after` starts the others once it listens, so that they find it."""
        server = {
            "location_name": LOCATION,
            "socket": str(self._socket),
            "additional_metadata": {"module_name": MODULE},
        }
        self._workspace.write_text(json.dumps({"load_from": [{"grpc_server": server}]}))  # JSON is YAML
        self._start_code_server()

    def look_after(self) -> str | None:
        """Start what is due; return which process ended by itself and how, or None. Call it twice a second."""
        code = self._code_servers[-1].leader.poll()
        if not self._others:
            if code is not None:
                return f"Dagster's code server ended by itself with code {code}"
            if self._socket.exists():
                self._start_others()
        elif code is not None and time.monotonic() > self._restart_at:
            self._start_code_server()
        for name, group in self._others.items():
            if (code := group.leader.poll()) is not None:
                return f"Dagster's {name} ended by itself with code {code}"
        return None

    def interrupt(self) -> bool:
        """End web server and daemon, then tell code server and runs to end; return whether no run is left."""
        for group in self._others.values():
            group.leader.send_signal(signal.SIGINT)
        deadline = time.monotonic() + STOP_S
        for group in self._others.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                group.leader.wait(max(0, deadline - time.monotonic()))
        for group in self._groups:
            group.signal(signal.SIGTERM)  # runs take it as Terminate
        return self.wait(CODE_SERVER_STOP_S)

    def wait(self, timeout_s: float) -> bool:
        """Wait until no process is left; return whether that is so."""
        deadline = time.monotonic() + timeout_s
        return all(group.wait(max(0, deadline - time.monotonic())) for group in self._groups)

    def kill(self) -> None:
        """End whatever is left, at once."""
        for group in self._groups:
            group.kill()

    @property
    def _groups(self) -> list[ProcessGroup]:
        return [*self._others.values(), *self._code_servers]

    def _start_code_server(self) -> None:
        self._restart_at = time.monotonic() + RESTART_EVERY_S
        server = ("code-server", "start", "--socket", str(self._socket), "--module-name", MODULE)
        self._code_servers = [group for group in self._code_servers if group.is_alive()]
        self._code_servers.append(self._start("dagster", *server, "--location-name", LOCATION, *QUIETLY))

    def _start_others(self) -> None:
        where = ("--workspace", str(self._workspace))
        self._others["web server"] = self._start("openmart_pipeline.web", *where, "--port", str(self._port))
        self._others["daemon"] = self._start("dagster._daemon", "run", *where, *QUIETLY)

    def _start(self, *module: str) -> ProcessGroup:
        return ProcessGroup([sys.executable, "-m", *module], self._environment, self._home)
