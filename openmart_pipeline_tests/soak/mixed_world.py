"""One world of the mixed soak: files that change, a server in trouble, commands that run at once and are killed.

What may happen, each thing counted; when it happens is drawn in `mixed`, what the person does is in `follower`.
"""

import contextlib
import json
import os
import pty
import random
import re
import shutil
import signal
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from openmart_pipeline_tests.prepared import lay_warehouse
from openmart_pipeline_tests.simulator_process import API_KEY, SimulatorProcess
from openmart_pipeline_tests.soak import witness
from openmart_pipeline_tests.soak.approvals import Approval
from openmart_pipeline_tests.soak.command_line import CommandLine

HUNG_AFTER_S = 120.0
TICK_S = 0.02
QUOTED = "Prices: "  # begins the last line of a quote: a person knows from here on what is in it
ASKED = "[y/N]"
TERMINAL = "terminal"
EXIT_CODES = {0, 2, 3, 4, 5, 6, 130}
LEDGER, JOURNAL = "ledger.sqlite", "submissions.jsonl"
_ERROR = re.compile(r"(?:^|\]: )Error: ", re.MULTILINE)  # behind a question it stands on the same line
_NUMBERS = re.compile(r"\d[\d,.:TZ-]*")
_NAMES = re.compile(r"'[^']*'|\S*/\S+|\b[0-9a-f]{8}[0-9a-f-]*\b|\b[\w-]+\.(?:csv|sqlite|jsonl|duckdb)\b")


@dataclass(slots=True)
class Counts:
    """What happened in all worlds of a soak."""

    commands: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    exit_codes: Counter[int] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    tasks: int = 0
    credits: int = 0
    contacts: int = 0


@dataclass(slots=True)
class Running:
    """A command under way."""

    pid: int
    words: tuple[str, ...]
    output: Path
    began_s: float
    approval: Approval | None = None
    kill_at_s: float | None = None
    terminal: int | None = None
    answer_at_s: float | None = None

    def said(self) -> str:
        """Everything it has said so far."""
        return self.output.read_text(encoding="utf-8", errors="replace") if self.output.exists() else ""

    def wait_for(self, words: str) -> None:
        """Wait until it has said these words."""
        while words not in self.said():
            time.sleep(TICK_S)


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended and what it said; a killed one has no exit code."""

    words: tuple[str, ...]
    exit_code: int | None
    text: str

    @property
    def is_refusal(self) -> bool:
        """Whether it did not do what it was asked, for a reason that a person can act on."""
        return self.exit_code in (2, 4, 6)

    @property
    def sentence(self) -> str:
        """The refusal, or the last line."""
        *_, refusal = _ERROR.split(self.text)
        lines = [line for line in self.text.splitlines() if line.strip()]
        return " ".join(refusal.split()) if refusal != self.text else (lines or [""])[-1].strip()


def kind_of(sentence: str) -> str:
    """Return the sentence without its numbers and names, short: the kind of a refusal."""
    plain = _NUMBERS.sub("N", _NAMES.sub("X", sentence))
    return plain[:100]


class MixedWorld:
    """A data folder, a server, a home folder for what the product keeps about this machine, and commands at work."""

    def __init__(
        self, folder: Path, command_line: CommandLine, simulator: SimulatorProcess, name: str, counts: Counts
    ) -> None:
        """Begin with an empty data folder in `folder`; names of companies begin with `name`."""
        self.folder = folder
        self.name = name
        self.simulator = simulator
        self.counts = counts
        self.data_dir = folder / "data"
        self.newest = folder / "newest"  # ledger and journal before the last restore, kept by a careful person
        self.approvals: list[Approval] = []
        self.running: list[Running] = []
        self.ended: list[Said] = []  # by commands that ran beside others; whoever reads them takes them out
        self.strangers: dict[str, int] = {}  # batches of another tool with the same key -> tasks
        self.given_up: list[Path] = []  # data folders that must buy no more
        self.wrong: list[str] = []  # what a person should never see
        self.versions: dict[str, list[list[str]]] = {}
        self.last_title: dict[str, str] = {}  # of each company: what was asked about it at the end
        self._command_line = command_line
        self._outputs = 0
        self._began_s = time.monotonic()
        (folder / "home").mkdir(parents=True)
        (folder / "said").mkdir()
        (folder / "backups").mkdir()
        lay_warehouse(self.data_dir)
        (self.data_dir / "input").mkdir(exist_ok=True)

    def note(self, what: str) -> None:
        """Write down that something happened, for whoever wants to know how a world came to its end."""
        with (self.folder / "history.txt").open("a", encoding="utf-8") as history:
            history.write(f"{time.monotonic() - self._began_s:7.2f}  {what}\n")

    def happened(self, event: str) -> None:
        """Count something that happened, and write it down."""
        self.counts.events[event] += 1
        self.note(event)

    # ---- files

    def write_file(self, name: str, domains: list[str]) -> None:
        """Put a new version of a file into the input folder, in one step."""
        for one in self.running:  # whoever has shown no quote yet may show this version's
            if one.approval is not None and name in one.approval.files and QUOTED not in one.said():
                one.approval.domains.update(domains)
        self.versions.setdefault(name, []).append(domains)
        new = self.folder / f"{name}.new"
        new.write_text("\n".join(["Website", *domains]) + "\n", encoding="utf-8")
        new.replace(self.data_dir / "input" / name)
        self.note(f"version {len(self.versions[name])} of {name}")

    def domains(self, name: str) -> list[str]:
        """The companies of a file, as it is now."""
        return self.versions[name][-1]

    # ---- commands

    def environment(self, data_dir: Path) -> dict[str, str]:
        """All variables of a command: this world's, and nothing of the machine's but where programs are."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder / "home"),
            "COLUMNS": "250",
            "OPENMART_BASE_URL": self.simulator.url,
            "OPENMART_API_KEY": API_KEY,
            "OPENMART_DATA_DIR": str(data_dir),
        }

    def start(
        self,
        *words: str,
        approval: Approval | None = None,
        kill_after_s: float | None = None,
        kill_at: tuple[str, int] | None = None,
        answer_after_s: float | None = None,
        data_dir: Path | None = None,
    ) -> Running:
        """Begin a command beside the others.

        `answer_after_s` gives it a terminal, where a person says yes so long after the question.
        """
        self._outputs += 1
        output = self.folder / "said" / f"{self._outputs:05}-{words[0]}.txt"
        terminal, path = None, os.devnull
        if answer_after_s is not None:
            terminal, theirs = pty.openpty()
            path = os.ttyname(theirs)
        pid = self._command_line.start(
            list(words),
            self.environment(data_dir or self.data_dir),
            folder=self.folder,
            output=output,
            stdin=path,
            kill_at=kill_at,
        )
        if answer_after_s is not None:
            os.close(theirs)
        now = time.monotonic()
        running = Running(pid, words, output, now, approval, terminal=terminal, answer_at_s=answer_after_s)
        if kill_after_s is not None:
            running.kill_at_s = now + kill_after_s
        if approval is not None:
            self.approvals.append(approval)
        self.running.append(running)
        self.note(f"{output.stem}: {' '.join(words)}{f', to die at {kill_at}' if kill_at else ''}")
        self.counts.commands[words[0] if words[0] not in ("ledger", "unknown") else " ".join(words[:2])] += 1
        return running

    def tick(self) -> None:
        """Look at the commands under way: answer, kill, take note of who ended."""
        for one in list(self.running):
            ended = self._command_line.ended(one.pid)
            now = time.monotonic()
            if ended is not None:
                self._note_end(one, None if ended.was_killed else ended.exit_code)
            elif one.kill_at_s is not None and now >= one.kill_at_s:
                self._kill(one)
            elif one.terminal is not None and one.answer_at_s is not None and ASKED in one.said():
                if one.answer_at_s < HUNG_AFTER_S:  # not yet a moment of the clock, but a wait
                    one.answer_at_s = HUNG_AFTER_S + now + one.answer_at_s
                elif now >= one.answer_at_s - HUNG_AFTER_S:
                    os.write(one.terminal, b"y\n")
                    one.answer_at_s = None
            elif now - one.began_s > HUNG_AFTER_S:
                self.wrong.append(f"{' '.join(one.words)} went on for more than {HUNG_AFTER_S:.0f} s")
                self._kill(one)

    def _kill(self, one: Running) -> None:
        one.kill_at_s = None
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGKILL)

    def _note_end(self, one: Running, exit_code: int | None) -> Said:
        self.running.remove(one)
        if one.terminal is not None:
            os.close(one.terminal)
        if one.approval is not None:
            one.approval.ended_at = time.time()
        said = Said(one.words, exit_code, one.said())
        self.ended.append(said)
        what = f"{' '.join(one.words)} ({one.output.name})"
        if exit_code is None:
            self.counts.events["killed with kill -9"] += 1
        else:
            self.counts.exit_codes[exit_code] += 1
            if exit_code not in EXIT_CODES:
                self.wrong.append(f"{what} ended with exit code {exit_code}")
        self.note(f"{one.output.stem} ended: {'killed' if exit_code is None else exit_code}; {said.sentence[:150]}")
        if "Traceback (most recent call last)" in said.text:
            last = [line for line in said.text.splitlines() if line.strip()][-1]
            self.wrong.append(f"{what} ended in a traceback: {last[:300]}")
        if said.is_refusal:
            self.counts.refusals[kind_of(said.sentence)] += 1
        self._open_published()
        return said

    def _open_published(self) -> None:
        path = self.data_dir / "published" / "contacts.duckdb"
        if not path.exists():
            return
        try:
            with duckdb.connect(str(path), read_only=True) as connection:
                connection.execute("SELECT count(*) FROM contacts").fetchone()
            self.counts.events["published database opened"] += 1
        except duckdb.Error as error:
            self.wrong.append(f"the published database does not open: {error}")

    def wait(self, *, until_s: float | None = None) -> None:
        """Let the commands go on until so many seconds passed, or until all of them have ended."""
        end = None if until_s is None else time.monotonic() + until_s
        while self.running if end is None else time.monotonic() < end:
            self.tick()
            time.sleep(TICK_S)

    def stop(self, *, is_kill: bool) -> None:
        """Let every command end, or kill it now."""
        for one in self.running if is_kill else ():
            self._kill(one)
        self.wait()

    def command(self, *words: str, data_dir: Path | None = None, approval: Approval | None = None) -> Said:
        """Do one command to its end, whatever else goes on."""
        one = self.start(*words, data_dir=data_dir, approval=approval)
        while one in self.running:
            self.tick()
            time.sleep(TICK_S / 4)
        (said,) = [said for said in self.ended if said.words is one.words]
        self.ended.remove(said)
        return said

    # ---- buying, planning, collecting

    def input_path(self, name: str, data_dir: Path | None = None) -> str:
        """Where a file lies."""
        return str((data_dir or self.data_dir) / "input" / name)

    def approval(self, title: str, *names: str) -> Approval:
        """What a person approves who buys these files now."""
        return Approval(title, frozenset(names), {domain for name in names for domain in self.domains(name)})

    def buy(self, title: str, *names: str, words: tuple[str, ...] = (), **order: Any) -> Running:
        """Begin a run on files beside the others; `order` as `start` takes it, `words` are more of the command's."""
        paths = [self.input_path(name) for name in names]
        said_yes = () if order.get("answer_after_s") is not None else ("--yes",)
        return self.start(
            "run", *paths, "--title", title, "--patience", "0.2", *said_yes, *words,
            approval=self.approval(title, *names), **order,
        )  # fmt: skip

    def sell_to_stranger(self, tasks: int) -> None:
        """Let another tool with the same key buy a batch, whose answers carry no tracking id."""
        number = len(self.strangers)
        asked = [
            {"domain": f"{self.name}-stranger-{number}-{task}.com", "title": "Owner", "max_k": 3}
            for task in range(tasks)
        ]
        request = urllib.request.Request(
            f"{self.simulator.url}/api/v1/task/batch/find_people",
            data=json.dumps(asked).encode(),
            headers={"X-API-Key": API_KEY, "Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=10) as answer:
                self.strangers[json.load(answer)["batch_id"]] = tasks
        except (OSError, ValueError, KeyError):
            return
        self.happened("batches of another tool")

    # ---- copies

    def back_up(self) -> None:
        """Copy the ledger with the product's own command while others write, and the journal as it is then."""
        number = len(list((self.folder / "backups").iterdir()))
        target = self.folder / "backups" / str(number)
        target.mkdir()
        said = self.command("ledger", "backup", str(target / LEDGER))
        journal = self.data_dir / JOURNAL
        if said.exit_code != 0:
            shutil.rmtree(target)
            return
        if journal.exists():
            shutil.copyfile(journal, target / JOURNAL)
        self.happened("backups")

    def backups(self) -> list[Path]:
        """All backups, oldest first."""
        return sorted((self.folder / "backups").iterdir(), key=lambda path: int(path.name))

    def keep_newest(self) -> None:
        """Keep ledger and journal where the person finds them again, if together they know all. Nothing may run."""
        if self.forgotten():
            return
        shutil.rmtree(self.newest, ignore_errors=True)
        self.newest.mkdir()
        for name in (LEDGER, JOURNAL):
            for path in self.data_dir.glob(f"{name}*"):
                shutil.copyfile(path, self.newest / path.name)

    def put_back(self, source: Path, *names: str) -> None:
        """Replace the ledger, the journal or both by what lies in `source`, each in one step."""
        for name in names:
            for beside in self.data_dir.glob(f"{name}-*"):
                beside.unlink(missing_ok=True)
            if (source / name).exists():
                new = self.folder / f"{name}.new"
                shutil.copyfile(source / name, new)
                new.replace(self.data_dir / name)
            else:
                (self.data_dir / name).unlink(missing_ok=True)
            for beside in source.glob(f"{name}-*"):
                shutil.copyfile(beside, self.data_dir / beside.name)
        self.happened(f"restored: {' and '.join('ledger' if name == LEDGER else 'journal' for name in names)}")

    def fork(self) -> Path:
        """Copy the whole data folder; return the copy, which is given up unless `move_to` says otherwise."""
        copy = self.folder / f"fork-{len(self.given_up)}"
        shutil.copytree(self.data_dir, copy)
        self.given_up.append(copy)
        self.happened("forks")
        return copy

    def move_to(self, copy: Path) -> None:
        """Work in this copy from now on, and give the folder up that it was made from."""
        self.given_up.remove(copy)
        self.given_up.append(self.data_dir)
        self.data_dir = copy
        self.happened("forks that live")

    # ---- what the vendor's account says

    def sold(self) -> list[dict[str, Any]]:
        """Every batch that the server sold to us, by its own account; not those of another tool with the same key."""
        return [batch for batch in self.simulator.each_batch() if None not in batch["tracking_ids"]]

    def not_in_ledger(self) -> list[str]:
        """The batches that the server sold and that this ledger has no task of: what a person must not forget."""
        return self._sold_without(set(witness.tasks(self.data_dir / LEDGER)))

    def forgotten(self) -> list[str]:
        """The batches that were sold and that neither ledger nor journal knows: only a person can say that they exist."""
        known = set(witness.tasks(self.data_dir / LEDGER)) | witness.journaled(self.data_dir / JOURNAL)
        return self._sold_without(known)

    def _sold_without(self, known: set[str]) -> list[str]:
        return [batch["batch_id"] for batch in self.sold() if known.isdisjoint(batch["tracking_ids"])]


@contextmanager
def mixed_world(
    folder: Path,
    command_line: CommandLine,
    name: str,
    counts: Counts,
    chance: random.Random,
    *,
    files: int,
    companies: int,
    submit_s: float = 0.15,
) -> Iterator[MixedWorld]:
    """Make the files and start the server, which is stopped at the end."""
    seed = chance.randrange(1 << 30)
    with SimulatorProcess(
        folder / "server", jitter=1.0, submit_s=submit_s, processing_s=0.2, read_s=0.002, seed=seed
    ) as simulator:
        world = MixedWorld(folder, command_line, simulator, name, counts)
        shared = [f"{name}-shared-{number}.com" for number in range(companies // 10)]
        for number in range(files):
            own = [f"{name}-f{number}-{company}.com" for company in range(companies)]
            world.write_file(f"file-{number}.csv", own + shared)
        try:
            yield world
        finally:
            world.stop(is_kill=True)
