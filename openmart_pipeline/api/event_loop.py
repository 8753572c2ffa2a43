"""The event loop that many reads run on: uvloop where there is one, a third less CPU per read; else asyncio's own.

No reads live here.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_reads(main: Coroutine[Any, Any, T]) -> T:
    """Run to its end what reads many results, as `asyncio.run` would."""
    try:
        from uvloop import new_event_loop  # noqa: PLC0415  there is none for Windows
    except ImportError:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(main)
