"""How a soak is called and how it ends: options, a folder for its files, the table, the exit code.

No soak lives here.
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from openmart_pipeline_tests.soak.figures import Figures, show


@contextmanager
def folder_of(keep: Path | None) -> Iterator[Path]:
    """A folder for the files of a soak: `keep`, which stays, or one that is removed at the end, however that comes."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # the server is stopped on the way out
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def options_of(about: str | None, **defaults: float | str) -> dict[str, Any]:
    """Read the command line: one option for each default, and where to leave the files."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave all files in this new folder")
    return vars(parser.parse_args())


def end(title: str, figures: Figures) -> None:
    """Show the table and end the process: 0 where every claim holds, else 1."""
    show(title, figures)
    sys.exit(bool(figures.failed))
