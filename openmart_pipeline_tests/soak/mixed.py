"""Everything at once: kills, three processes on one ledger, plans and files replaced, restores, forks, lost answers.

`python -m openmart_pipeline_tests.soak.mixed [--minutes 20] [--seed N]` is the soak; the suite plays one small world.
World after world is played for some seconds, brought to an end by a person who does what the refusals say, and
compared with the server's account. The seed is printed; `--worlds 1 --first N` plays one world of it again.
"""

import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from openmart_pipeline.cli.exits import Exit
from openmart_pipeline.cli.screen import harmless, results, table
from openmart_pipeline_tests.soak import witness
from openmart_pipeline_tests.soak.command import folder_of, options_of
from openmart_pipeline_tests.soak.command_line import CommandLine
from openmart_pipeline_tests.soak.faults import mixed
from openmart_pipeline_tests.soak.follower import Follower
from openmart_pipeline_tests.soak.mixed_claims import judge, settle
from openmart_pipeline_tests.soak.mixed_world import (
    JOURNAL,
    LEDGER,
    Counts,
    MixedWorld,
    mixed_world,
)

TITLES = ("Owner", "Head of Marketing")  # a person approves these
NEVER = "Janitor {}"  # planned by a colleague, and approved by nobody
AT_ONCE = 3  # commands
STORM = 0.25  # of the requests of each kind fail while there is one
NAMELESS = {  # of the answers, for good: such a batch is looked at again for a while
    "task_tracking_null": "probability:0.005",
    "task_tracking_absent": "probability:0.002",
    "task_tracking_changed": "probability:0.002",
}
WORLD_S = 14.0
LIVE = 0.25  # of the restores
FORGETS = 0.5  # of the times that both are old copies: the machine remembers how far they had come
COPY_LIVES = 0.5  # of the copied folders; the others are given up

Action: TypeAlias = Callable[["Play"], None]


class Play:
    """One world, and the dice."""

    def __init__(self, world: MixedWorld, chance: random.Random) -> None:
        """Play in this world."""
        self.world = world
        self.chance = chance
        self.person = Follower(world, chance)
        self._versions = 0
        self._janitors = 0

    def file(self) -> str:
        """One of the files."""
        return self.chance.choice(sorted(self.world.versions))

    def buy(self) -> None:
        """Let a person buy a file, who looks at the quote for a while or says yes at once; perhaps it is killed."""
        order: dict[str, Any] = {}
        names = [self.file()] if self.chance.random() < 0.8 else sorted(self.world.versions)
        if self.chance.random() < 0.1:
            order["words"] = ("--credit-limit", str(self.chance.choice((0, 100, 3300, 4000))))
        if self.chance.random() < 0.4:
            order["answer_after_s"] = self.chance.uniform(0.0, 1.0)
        luck = self.chance.random()
        if luck < 0.3:
            order["kill_at"] = self.chance.choice(("sending", "outcome")), self.chance.randint(1, 3)
        elif luck < 0.6:
            order["kill_after_s"] = self.chance.uniform(0.05, 2.5)
        self.world.buy(self.chance.choice(TITLES), *names, **order)

    def plan(self) -> None:
        """Let a colleague plan a file for a title that nobody approves."""
        self._janitors += 1
        title = NEVER.format(self._janitors)
        self.world.start("quote", self.world.input_path(self.file()), "--title", title, **self._late())

    def collect(self) -> None:
        """Let the collector look once."""
        self.world.start("collect", "--patience", "0.03", **self._late())

    def _late(self) -> dict[str, float]:
        return {"kill_after_s": self.chance.uniform(0.05, 1.5)} if self.chance.random() < 0.3 else {}

    def change_file(self) -> None:
        """Put a new version: some companies leave, some come."""
        name = self.file()
        self._versions += 1
        stay = [domain for domain in self.world.domains(name) if self.chance.random() < 0.8]
        come = [f"{self.world.name}-v{self._versions}-{number}.com" for number in range(self.chance.randint(5, 60))]
        self.world.write_file(name, stay + come)
        self.world.happened("file versions")

    def storm(self) -> None:
        """Let the server fail in every way for a while, and lose answers of submits."""
        self.world.simulator.behave(faults=mixed(STORM))
        self.world.happened("storms")
        self.world.wait(until_s=self.chance.uniform(0.5, 2.0))
        self.calm()

    def calm(self) -> None:
        """Let only the answers without a name go on."""
        self.world.simulator.behave(faults=None)
        self.world.simulator.behave(faults=NAMELESS)

    def back_up(self) -> None:
        """Copy the ledger, whatever goes on."""
        self.world.back_up()

    def restore(self) -> None:
        """Put the ledger, the journal or both back from a copy made in the middle; the newest are kept elsewhere."""
        backups = self.world.backups()
        if not backups:
            return
        if self.chance.random() < LIVE:  # under the hands of whoever is at work; the other of the two knows all
            names = self.chance.choice(((LEDGER,), (JOURNAL,)))
            self.world.happened("restored while commands were at work" if self.world.running else "restored")
            self.world.put_back(self.chance.choice(backups), *names)
            self._say_that_both_are_old()  # where the other had been damaged before
            return
        self.world.stop(is_kill=self.chance.random() < 0.5)
        self.world.keep_newest()
        names = self.chance.choice(((LEDGER,), (JOURNAL,), (LEDGER, JOURNAL)))
        self.world.put_back(self.chance.choice(backups), *names)
        self._say_that_both_are_old()

    def _say_that_both_are_old(self) -> None:
        """Do what the help of `ledger restored` tells a person who put an old copy of both back, or forget it."""
        if not self.world.forgotten():
            return
        if self.chance.random() < FORGETS:
            self.world.happened("both old, and nobody said so")
        else:
            self.world.command("ledger", "restored", "--hold")

    def damage_journal(self) -> None:
        """Lose the journal, empty it, or have its lines twice."""
        self.world.stop(is_kill=True)
        self.world.keep_newest()
        journal = self.world.data_dir / JOURNAL
        if not journal.exists():
            return
        how = self.chance.choice(("lost", "emptied", "doubled", "cut"))
        lines = journal.read_bytes().splitlines(keepends=True)
        match how:
            case "lost":
                journal.unlink()
            case "emptied":
                journal.write_bytes(b"")
            case "doubled":
                journal.write_bytes(b"".join(lines + lines))
            case _:
                journal.write_bytes(b"".join(lines[: self.chance.randint(0, len(lines))]))
        self.world.happened(f"journal {how}")
        self._say_that_both_are_old()

    def fork(self) -> None:
        """Copy the data folder; both copies try to buy, and a person lets one of them live, as the refusal says."""
        self.world.stop(is_kill=False)
        self.read()
        had_bought = bool(witness.batch_states(self.world.data_dir / LEDGER))
        copy = self.world.fork()
        if self._sells_to(copy) and not had_bought:
            self.world.move_to(copy)  # neither had bought: whichever is first to buy is the one that lives
        elif had_bought and self.chance.random() < COPY_LIVES and not self.world.not_in_ledger():
            said = self.world.command("ledger", "lives", "--why", "the other folder is given up", data_dir=copy)
            if said.exit_code == Exit.ENDED:
                self.world.move_to(copy)
        for given_up in self.world.given_up:
            if self._sells_to(given_up):
                self.world.wrong.append(f"{given_up.name} is a copy, or was given up, and bought")
        self.world.ended.clear()

    def _sells_to(self, data_dir: Path) -> bool:
        """Try to buy from another data folder while nobody else is at work; return whether anything was sold."""
        before = self.world.simulator.account()["batches"]
        name, title = self.file(), self.chance.choice(TITLES)
        words = ("run", self.world.input_path(name, data_dir), "--title", title, "--yes", "--patience", "0.2")
        said = self.world.command(*words, data_dir=data_dir, approval=self.world.approval(title, name))
        if said.exit_code == Exit.STOPPED:
            self.world.happened("copies held")
        return bool(self.world.simulator.account()["batches"] > before)

    def sell_to_stranger(self) -> None:
        """Let another tool buy a batch that counts as many tasks as one of ours may."""
        self.world.sell_to_stranger(self.chance.choice((100, 65)))

    def lose_server(self) -> None:
        """Let the server die and come back: its port refuses connections meanwhile."""
        self.world.simulator.kill()
        self.world.wait(until_s=self.chance.uniform(0.1, 0.6))
        self.world.simulator.start()
        self.world.happened("server killed and back")

    def read(self) -> None:
        """Let the person do what the commands that ended meanwhile say."""
        ended, self.world.ended[:] = list(self.world.ended), []
        for said in ended:
            if said.is_refusal:
                self.person.follow(said)


OFTEN: dict[Action, int] = {
    Play.buy: 10, Play.plan: 6, Play.collect: 5, Play.change_file: 3, Play.storm: 3, Play.back_up: 4, Play.restore: 3,
    Play.damage_journal: 1, Play.fork: 2, Play.sell_to_stranger: 1, Play.lose_server: 1,
}  # fmt: skip
TAKES_A_PLACE = {Play.buy, Play.plan, Play.collect}


def play(world: MixedWorld, chance: random.Random, *, seconds: float, without: str = "") -> list[str]:
    """Let everything happen for so long, bring it to an end, and return what speaks against the claims."""
    at_play = Play(world, chance)
    at_play.calm()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        (action,) = chance.choices(list(OFTEN), list(OFTEN.values()))
        if action.__name__ in without.split(","):
            continue
        if action not in TAKES_A_PLACE or len(world.running) < AT_ONCE:
            action(at_play)
        world.wait(until_s=chance.uniform(0.02, 0.25))
        at_play.read()
    at_play.calm()
    titles = {name: chance.choice(TITLES) for name in world.versions}
    for name, title in titles.items():
        world.last_title.update(dict.fromkeys(world.domains(name), title))
    settle(world, at_play.person, titles)
    return list(judge(world))


def soak(
    folder: Path,
    *,
    seed: int,
    minutes: float,
    worlds: int,
    first: int,
    without: str = "",
    files: int = 3,
    companies: int = 150,
) -> tuple[Counts, dict[int, list[str]]]:
    """Play world after world; return what happened, and what spoke against the claims in which world."""
    counts, wrong = Counts(), {}
    end = time.monotonic() + 60 * minutes
    number = first
    with CommandLine() as command_line:
        while number < first + worlds and time.monotonic() < end:
            chance = random.Random(f"{seed}/{number}")
            place = folder / f"world-{number}"
            with mixed_world(
                place, command_line, f"m{seed}w{number}", counts, chance, files=files, companies=companies
            ) as world:
                found = play(world, chance, seconds=WORLD_S, without=without)
            if found:
                wrong[number] = found
            say = "; ".join(found) if found else "all claims hold"
            print(f"world {number}: {say}", file=sys.stderr, flush=True)
            number += 1
    counts.events["worlds"] = number - first
    return counts, wrong


def show(counts: Counts, wrong: dict[int, list[str]], seed: int) -> None:
    """Print the figures and the claims."""
    screen = results()
    for title, rows in (
        (f"Everything at once, seed {seed}", {"tasks sold": counts.tasks, "credits": counts.credits, "contacts": counts.contacts}),
        ("What happened", counts.events),
        ("Commands", counts.commands),
        ("Exit codes", {str(code): number for code, number in sorted(counts.exit_codes.items())}),
        ("Refusals by kind", counts.refusals),
        ("Faults by kind", counts.faults),
    ):  # fmt: skip
        made = table(title, ("", ""))
        for name, number in sorted(rows.items()):
            made.add_row(harmless(name), f"{number:,}")
        screen.print(made)
    for number, found in wrong.items():
        for sentence in found:
            screen.print(harmless(f"FAILS in world {number} of seed {seed}: {sentence}"))
    if not wrong:
        screen.print(
            "Every claim holds: nothing paid twice, nothing out of reach, nothing bought that nobody approved."
        )


def main() -> None:
    chosen = options_of(
        __doc__, minutes=20.0, seed=random.SystemRandom().randrange(10_000), worlds=100_000, first=1, without=""
    )
    with folder_of(chosen.pop("keep")) as folder:
        counts, wrong = soak(folder, **chosen)
    show(counts, wrong, chosen["seed"])
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
