"""A command with everything it starts, as one thing that can be signalled, waited for and ended without a trace.

Lives here: process groups, orphans included. What the command is, and how it is stopped, is decided in `dev`.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # from linux/prctl.h
LOOK_EVERY_S = 0.2


class ProcessGroup:
    """A process and its descendants, in a group and a session of their own: a terminal's Ctrl-C does not reach them."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        """Start the command in this folder.

        Linux is asked to hand us its orphans: somebody must take note of their death, or they count as alive for ever
        where no init does.
        """
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
        self.leader = subprocess.Popen(  # noqa: S603  the caller's own command, and no shell
            command,
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_as_our_child,  # noqa: PLW1509  no other thread runs yet that a fork could disturb
        )

    def is_alive(self) -> bool:
        """Whether any process of the group still runs."""
        if self.leader.poll() is not None:
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-self.leader.pid, os.WNOHANG)[0]:
                    pass
        try:
            os.killpg(self.leader.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to every process of the group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.leader.pid, number)

    def wait(self, timeout_s: float) -> bool:
        """Wait until no process is left; return whether that is so."""
        deadline = time.monotonic() + timeout_s
        while self.is_alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOK_EVERY_S)
        return True

    def kill(self) -> None:
        """End whatever is left, at once."""
        self.signal(signal.SIGKILL)
        self.leader.wait()
        self.wait(LOOK_EVERY_S)


def _as_our_child() -> None:
    """Listen to signals again, and end when our process ends, by kill -9 too: nothing may go on buying unseen.

    A shell starts a background process with signals ignored, and all its children would ignore them.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
