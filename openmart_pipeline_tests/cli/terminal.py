"""A person at a shell: types commands, in this process or as a process of its own, and reads what comes back.

No claims live here. Imports the command line only.
"""

import os
import re
import subprocess
import sys
import uuid
from pathlib import Path
from types import TracebackType

from click.testing import CliRunner, Result

from openmart_pipeline.cli import main
from openmart_pipeline_tests.simulator_process import API_KEY

ROOT = Path(__file__).resolve().parents[2]
PROCESS_TIMEOUT_S = 60


class Command(subprocess.Popen[str]):
    """A command as a process; killed at the end of its `with` if a failed test left it running."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.kill()
        super().__exit__(kind, error, trace)


class Terminal:
    """`terminal("run", "a.csv", "--yes")`; the folder is the current one, `data` in it the data folder."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.environment: dict[str, str | None] = {
            "OPENMART_HOME": str(folder),
            "OPENMART_BASE_URL": url,
            "OPENMART_API_KEY": API_KEY,
        }

    def __call__(self, *words: object, stdin: str | None = None, **environment: str | None) -> Result:
        """Type a command in this process; a variable of None is unset."""
        return CliRunner().invoke(
            main, [str(word) for word in words], input=stdin, env={**self.environment, **environment}
        )

    def start(self, *words: object, screen: int | None = None, **environment: str) -> Command:
        """Start a command as a process, to be interrupted or killed; `screen` is a terminal for stdin and stderr."""
        shell = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        own = {name: value for name, value in self.environment.items() if value is not None}
        return Command(
            [sys.executable, "-m", "openmart_pipeline", *(str(word) for word in words)],
            cwd=self.folder,
            env={**shell, "PYTHONPATH": str(ROOT), **own, **environment},
            stdin=subprocess.DEVNULL if screen is None else screen,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if screen is None else screen,
            text=True,
            start_new_session=True,
        )

    def companies(self, name: str, count: int, *, domain: str | None = None) -> Path:
        """Write a file of so many companies that nobody has asked about before."""
        unique = domain or f"{uuid.uuid4().hex[:12]}"
        return self.file(name, "Website", *(f"{unique}-{number}.com" for number in range(count)))

    def file(self, name: str, *lines: str) -> Path:
        """Write a file with these lines into the current folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path


def number(text: str, label: str) -> int:
    """The last number on the line of a table that begins with this label."""
    line = next(line for line in text.splitlines() if line.strip().startswith(label.strip()))
    found = re.findall(r"[\d,]+|-", line.split(label.strip(), 1)[1])
    return 0 if found[-1] == "-" else int(found[-1].replace(",", ""))


FOLDER = re.compile(r"\AData folder: .*\n")  # what every command that reads or spends says first


def remarks(result: Result) -> str:
    """What was said on stderr, but for the folder that is used."""
    return FOLDER.sub("", result.stderr)


def sentence(result: Result) -> str:
    """What was said on stderr, when it was one sentence or two and nothing else but the folder."""
    said = remarks(result).strip()
    assert said.startswith("Error: "), result.output
    assert "\n" not in said, said
    assert "Traceback" not in result.output
    return said
