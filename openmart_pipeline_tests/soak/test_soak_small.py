"""The soaks of `make soak`, small: the same functions, so that they can't rot between two long runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from openmart_pipeline_tests.killable import Template
from openmart_pipeline_tests.soak import a_million_tasks, lost_answers


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
