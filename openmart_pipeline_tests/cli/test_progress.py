import io

from rich.console import Console

from openmart_pipeline.cli.progress_display import Watcher
from openmart_pipeline.pipeline.buying_run import RunReport


def test_why_it_waits_is_said_once_and_then_only_for_how_long() -> None:
    screen = io.StringIO()
    watcher = Watcher(Console(file=screen, width=200), RunReport(run_id="run"), to_buy=1, to_collect=0)
    for seconds in (1, 2, 2):
        watcher("waiting", 0, 0, f"The server is away. Trying again in {seconds} s.")
    assert screen.getvalue().splitlines() == [
        "The server is away. Trying again in 1 s.",
        "No better yet. Trying again in 2 s.",
    ]
