"""A person who does what the sentences say: runs the command that a refusal names, decides about unknown batches.

What the vendor's support would tell is read from the server's account. Whatever no command is named for is told to
the soak: a refusal that leads nowhere is a claim that failed.
"""

import random
import re
import shutil
from collections.abc import Callable
from typing import TypeAlias

from openmart_pipeline.simulator.made_up_people import people_at
from openmart_pipeline_tests.soak import witness
from openmart_pipeline_tests.soak.mixed_world import JOURNAL, LEDGER, MixedWorld, Said, kind_of

Handler: TypeAlias = Callable[[], None]

_NAMED = re.compile(r"openmart-pipeline ([a-z]+(?: (?!with|and|or|in|to|for)[a-z-]+)?(?: --[a-z-]+)?)")
PUTS_BACK = 0.5  # of the time the right journal is found again, although a new one would do
ADOPTED = "the vendor's account names its tracking ids"
MISTAKEN = 0.5  # of the time a batch of another tool that counts as many tasks is taken for the right one
MISTAKE = "support said so"
MAX_K = 3
RELEASED = "the vendor's account does not know it"


class Follower:
    """Somebody at the command line of one world."""

    def __init__(self, world: MixedWorld, chance: random.Random) -> None:
        """Work in this world; the dice are for where a sentence leaves a choice."""
        self._world = world
        self._chance = chance
        self._ways: dict[str, Handler] = {
            "ledger reconcile": lambda: self._do("ledger", "reconcile"),
            "ledger restored --lift": self._lift,
            "ledger new-journal": self._new_journal,
            "ledger lives": self._say_it_lives,
            "unmatched list": self.assign,
            "unknown list": self.decide,
            "unknown adopt": self.decide,
            "unknown release": self.decide,
            "collect": lambda: self._do("collect", "--patience", "0.05"),
            "rebuild": lambda: self._do("rebuild", "--yes"),
        }

    def follow(self, said: Said) -> bool:
        """Do what a refusal names; return whether it named anything that can be done."""
        named = list(dict.fromkeys(_NAMED.findall(said.sentence)))
        ways = [way for name in named for way in self._ways_of(name)]
        for way in dict.fromkeys(ways):
            way()
        if not ways:
            self._world.counts.events[f"nothing to follow in: {kind_of(said.sentence)}"] += 1
        return bool(ways)

    def _ways_of(self, name: str) -> list[Handler]:
        return [way for start, way in self._ways.items() if name.startswith(start)]

    def _do(self, *words: str) -> None:
        said = self._world.command(*words)
        if said.is_refusal and not said.sentence.startswith("Usage"):
            self._world.counts.events[f"refused when followed: {' '.join(words[:2])}"] += 1

    def decide(self) -> None:
        """Adopt each unknown batch that was sold, release all the others, as the list of them says."""
        world = self._world
        listed = world.command("unknown", "list").text
        tasks = witness.tasks(world.data_dir / LEDGER)
        unknown = {
            number for number, state in witness.batch_states(world.data_dir / LEDGER).items() if state == "unknown"
        }
        ids: dict[int, set[str]] = {number: set() for number in unknown}
        for task in tasks.values():
            if task.batch_no in ids:
                ids[task.batch_no].add(task.tracking_id)
        sold = {tracking_id: batch["batch_id"] for batch in world.sold() for tracking_id in batch["tracking_ids"]}
        for number in sorted(unknown):
            if not re.search(rf"^\s*{number}\s", listed, re.MULTILINE):
                continue  # became unknown since
            known = {sold[tracking_id] for tracking_id in ids[number] if tracking_id in sold}
            others = [one for one in world.strangers if world.strangers[one] == len(ids[number])]
            if others and self._chance.random() < MISTAKEN:
                (batch_id, *_) = others
                said = world.command("unknown", "adopt", str(number), "--batch-id", batch_id, "--why", MISTAKE)
                world.counts.events["adopted by mistake"] += said.exit_code == 0
            elif known:
                (batch_id,) = known
                said = world.command("unknown", "adopt", str(number), "--batch-id", batch_id, "--why", ADOPTED)
                world.counts.events["adopted"] += said.exit_code == 0
            else:
                said = world.command("unknown", "release", str(number), "--vouch-unpaid", "--why", RELEASED)
                world.counts.events["released"] += said.exit_code == 0

    def take_back_mistakes(self) -> None:
        """Notice which batches were adopted under another tool's id, and take those ids back."""
        world = self._world
        for number, batch_id in witness.batch_ids(world.data_dir / LEDGER).items():
            if batch_id in world.strangers:
                said = world.command("unknown", "revoke", str(number), "--why", "that id is another tool's")
                world.counts.events["taken back"] += said.exit_code == 0

    def assign(self) -> None:
        """Give each result without a question to the one whose people it holds, where that is one alone."""
        world = self._world
        ledger = world.data_dir / LEDGER
        asked = {
            tracking_id: (one["domain"], one["title"])
            for batch in world.sold()
            for tracking_id, one in zip(batch["tracking_ids"], batch["questions"], strict=True)
        }
        without = [task for task in witness.tasks(ledger).values() if not task.has_answer]
        for result in witness.unmatched_results(ledger):
            fitting = [
                task.tracking_id
                for task in without
                if task.batch_no == result.batch_no
                and task.tracking_id in asked
                and result.people
                and result.people == people_at(*asked[task.tracking_id], max_k=MAX_K, email=True, phone=True)
            ]
            if len(fitting) == 1:
                words = (str(result.batch_no), result.task_id, fitting[0], "--why", "these are its people")
                said = world.command("unmatched", "assign", *words)
                world.counts.events["assigned"] += said.exit_code == 0

    def _lift(self) -> None:
        """Lift a hold once nothing is missing; the newest ledger and journal are put back first where something is."""
        if self._world.not_in_ledger():
            self._put_newest_back(*self._chance.choice(((JOURNAL,), (LEDGER, JOURNAL))))
        if not self._world.not_in_ledger():
            self._do("ledger", "restored", "--lift")

    def _new_journal(self) -> None:
        """Put the right journal back where it was kept and something is missing, else write a new one."""
        if self._world.not_in_ledger() or self._chance.random() < PUTS_BACK:
            self._put_newest_back(JOURNAL)
        if not self._world.not_in_ledger():
            self._do("ledger", "new-journal", "--why", "the old one is lost")

    def _say_it_lives(self) -> None:
        """Say that this ledger is the one that buys, once it knows all: what is missing is brought back first."""
        world = self._world
        if world.not_in_ledger():
            self._do("ledger", "reconcile")
        if world.not_in_ledger():
            self._put_newest_back(LEDGER, JOURNAL)
        if not world.not_in_ledger():
            self._do("ledger", "lives", "--why", "nobody else buys with this key")

    def _put_newest_back(self, *names: str) -> None:
        """Put back what was kept; where the journal was lost before that, the newest ledger alone knows all."""
        world = self._world
        world.stop(is_kill=False)
        if world.newest.exists():
            world.put_back(world.newest, *(names if (world.newest / JOURNAL).exists() else (LEDGER,)))
            shutil.rmtree(world.newest)  # once: what is bought from now on is not in it
            self._do("ledger", "reconcile")
