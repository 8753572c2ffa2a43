"""What the mixed soak claims of a world at its end, by the server's own account.

First everything is brought to an end, by commands and by the person; then what must hold is compared.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from openmart_pipeline.simulator.made_up_people import people_at
from openmart_pipeline_tests.soak import witness
from openmart_pipeline_tests.soak.approvals import never_approved
from openmart_pipeline_tests.soak.follower import Follower
from openmart_pipeline_tests.soak.mixed_world import LEDGER, MixedWorld

MOST_ROUNDS = 30
MOST_S = 600.0  # to bring a world to its end: only for one that hangs, since a busy machine says nothing of an end
MAX_K = 3
EXAMPLES = 3


def settle(world: MixedWorld, person: Follower, titles: dict[str, str]) -> None:
    """Buy the rest of each file under its title, collect, decide, until nothing is open."""
    world.stop(is_kill=False)
    world.ended.clear()
    last: list[str] = []
    states: Counter[str] = Counter()
    begin, rounds = time.monotonic(), 0
    while rounds < MOST_ROUNDS and time.monotonic() < begin + MOST_S:
        rounds += 1
        ends = [
            world.command(
                "run", world.input_path(name), "--title", title, "--yes", "--patience", "0.2",
                approval=world.approval(title, name),
            )
            for name, title in titles.items()
        ]  # fmt: skip
        ends.append(world.command("collect", "--patience", "0.1"))
        ends.append(world.command("ledger", "verify"))  # a run with nothing to buy does not look at the journal
        person.take_back_mistakes()
        states = Counter(witness.batch_states(world.data_dir / LEDGER).values())
        is_open = set(states) - set(witness.SETTLED)
        if not is_open and {said.exit_code for said in ends} <= {0}:
            person.assign()
            return
        last = [f"{said.exit_code}: {said.sentence[:400]}" for said in ends if said.exit_code]
        for said in ends:
            if said.is_refusal:
                person.follow(said)
        if "unknown" in is_open:
            time.sleep(1)
    took = f"{rounds} rounds and {time.monotonic() - begin:.0f} s"
    world.wrong.append(f"a person who does what is said comes to no end in {took} ({dict(states)}): {' | '.join(last)}")


def judge(world: MixedWorld) -> Iterator[str]:
    """Yield what speaks against the claims; nothing where all of them hold."""
    account = world.simulator.account()
    batches = world.sold()
    charged = sum(batch["credits"] for batch in batches)
    ledger = world.data_dir / LEDGER
    tasks = witness.tasks(ledger)
    world.counts.tasks += sum(batch["total"] for batch in batches)
    world.counts.credits += charged
    world.counts.faults.update(account["faults"])
    yield from _some("paid twice", world.simulator.questions_charged_twice(), lambda one: _question(one["question"]))
    yield from _some("not to be reached", _unreachable(world, batches, tasks), str)
    yield from _some("bought and never approved", never_approved(world.approvals, batches), str)
    settled = witness.settled_credits(ledger)
    if settled != charged:
        yield f"{settled:,.0f} credits settled, {charged:,} charged"
    said = world.command("ledger", "verify")
    if said.exit_code != 0:
        yield f"`ledger verify` at the end: {said.sentence}"
    yield from _people(world, batches, tasks)
    yield from world.wrong


def _some(what: str, found: list[Any], name: Callable[[Any], str]) -> Iterator[str]:
    if found:
        yield f"{what}: {len(found):,}, as {'; '.join(map(name, found[:EXAMPLES]))}"


def _question(asked: dict[str, Any]) -> str:
    return f"{asked['title']} at {asked['domain']}"


def _unreachable(world: MixedWorld, batches: list[dict[str, Any]], tasks: dict[str, witness.Task]) -> list[str]:
    """Name each task that was sold and is neither collected nor among what a person is told of."""
    unmatched = Counter(one.batch_no for one in witness.unmatched_results(world.data_dir / LEDGER))
    lost = []
    for batch in batches:
        open_: list[str] = []
        for tracking_id in batch["tracking_ids"]:
            task = tasks.get(tracking_id)
            if task is None:
                open_.append(f"{tracking_id} is in no ledger")
            elif task.batch_id != batch["batch_id"]:
                open_.append(f"{tracking_id} is {task.batch_state} under {task.batch_id}")
            elif not task.has_answer:
                open_.append(f"{tracking_id} is {task.state} in a batch {task.batch_state}")
        named = [tasks[one].batch_no for one in batch["tracking_ids"] if one in tasks]
        spare = unmatched.get(named[0], 0) if named else 0
        lost += open_[spare:]  # each answer without a name stands for one of them: a person is told of it
    return lost


def _people(world: MixedWorld, batches: list[dict[str, Any]], tasks: dict[str, witness.Task]) -> Iterator[str]:
    """Yield contacts that are at a company where nobody asked for them, and those that are missing."""
    path = world.data_dir / "published" / "contacts.duckdb"
    if not path.exists():
        yield "nothing was published"
        return
    found = witness.published(path)
    world.counts.contacts += len(found)
    now = {domain for name in world.versions for domain in world.domains(name)}
    possible: set[tuple[str | None, ...]] = set()
    expected: set[tuple[str | None, ...]] = set()
    for batch in batches:
        for tracking_id, asked in zip(batch["tracking_ids"], batch["questions"], strict=True):
            people = {_person(asked["domain"], one) for one in _answer(asked)}
            possible |= people
            task = tasks.get(tracking_id)
            is_wanted = asked["domain"] in now and asked["title"] == world.last_title.get(asked["domain"])
            if is_wanted and task is not None and task.state == "found":
                expected |= people
    yield from _some("contacts where nobody asked for them", sorted(map(str, found - possible)), str)
    yield from _some("contacts missing", sorted(map(str, expected - found)), str)


def _answer(asked: dict[str, Any]) -> list[dict[str, Any]]:
    return people_at(asked["domain"], asked["title"], max_k=MAX_K, email=True, phone=True)


def _person(domain: str, person: dict[str, Any]) -> tuple[str | None, ...]:
    email, page = person["email"] or {}, person.get("linkedin_url")
    page = page and page.replace("https://linkedin.com", "https://www.linkedin.com")
    return domain, person["first_name"], person["last_name"], person["title"], email.get("email"), page
