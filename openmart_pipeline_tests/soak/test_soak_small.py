"""The soaks of `make soak`, small: the same functions, so that they can't rot between two long runs."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from openmart_pipeline_tests.killable import Template
from openmart_pipeline_tests.soak import a_million_tasks, lost_answers
from openmart_pipeline_tests.soak.command_line import CommandLine
from openmart_pipeline_tests.soak.follower import Follower
from openmart_pipeline_tests.soak.mixed_claims import judge, settle
from openmart_pipeline_tests.soak.mixed_world import ASKED, LEDGER, Counts, MixedWorld, mixed_world


@pytest.fixture(scope="module")
def template() -> Iterator[Template]:
    with Template() as template:
        yield template


def test_kills_and_faults_of_every_kind_lose_nothing_and_pay_once(tmp_path: Path, template: Template) -> None:
    figures = a_million_tasks.soak(
        tmp_path, template, batches=5, kills=3, files=1, submit_s=0.05, patience_s=2.0, failing=0.1, seed=349
    )  # whose luck makes the first submit lose its answer, and the third fail before anything is created
    assert figures.failed == []
    assert len(figures.claims) == 10
    assert (figures.kills, figures.batches, figures.tasks) == (3, 5, 500)
    assert figures.adopted > 0 < figures.released
    assert len(figures.faults) > 5


def test_a_storm_of_lost_answers_is_named_and_never_sent_again(tmp_path: Path, template: Template) -> None:
    figures = lost_answers.soak(
        tmp_path,
        template,
        batches=10,
        files=1,
        submit_s=0.02,
        patience_s=1.0,
        losing=0.6,
        failing_before=0.15,
        seed=560,
    )  # whose luck lets the first twelve submits fail: the breaker trips in whatever order they end
    assert figures.failed == []
    assert len(figures.claims) == 13
    assert figures.breaker_trips > 0
    assert figures.adopted > 0 < figures.released


@pytest.fixture(scope="module")
def command_line() -> Iterator[CommandLine]:
    with CommandLine() as command_line:
        yield command_line


@pytest.fixture
def world(tmp_path: Path, command_line: CommandLine) -> Iterator[MixedWorld]:
    with mixed_world(
        tmp_path, command_line, "small", Counts(), random.Random(1), files=2, companies=90, submit_s=0.02
    ) as world:
        yield world


def test_who_does_what_the_refusals_say_pays_once_and_loses_nothing(world: MixedWorld) -> None:
    person = Follower(world, random.Random(1))
    world.buy("Owner", "file-0.csv", kill_at=("outcome", 1))  # its id is in the journal, and not in the ledger
    world.wait()
    world.back_up()
    looked_at = world.buy("Owner", "file-1.csv", answer_after_s=0.0)
    looked_at.wait_for(ASKED)
    world.command("quote", world.input_path("file-1.csv"), "--title", "Janitor")
    world.wait()  # says yes to the plan that was shown
    world.buy("Owner", "file-1.csv")
    world.wait()
    world.keep_newest()
    world.put_back(world.backups()[0], LEDGER)
    world.ended.clear()
    world.write_file("file-1.csv", [*world.domains("file-1.csv")[10:], "small-new.com"])
    world.buy("Owner", "file-1.csv")
    world.wait()
    (refused,) = world.ended
    assert "is older than its journal" in refused.sentence
    assert person.follow(refused)
    settle(world, person, {"file-0.csv": "Owner", "file-1.csv": "Owner"})
    assert list(judge(world)) == []
    assert world.counts.events["killed with kill -9"] == 1
    assert world.counts.tasks == 99 + 90 + 1  # nine companies are in both files, and one came with the new version
