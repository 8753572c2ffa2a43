"""F36: what is bought is what was approved; another plan of the file is refused, with its quote."""

import io
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pytest
from click.testing import CliRunner

from openmart_pipeline.cli import main
from openmart_pipeline.ledger import sending
from openmart_pipeline.ledger.sending import PlanStale
from openmart_pipeline.pipeline import steps
from openmart_pipeline.planning.question_settings import QuestionSettings
from openmart_pipeline.purchase.rules import Stop
from openmart_pipeline.services import Services
from openmart_pipeline.warehouse import Warehouse
from openmart_pipeline_tests.cli.terminal import Terminal
from openmart_pipeline_tests.faults.shop import Shop, quick_buyer
from openmart_pipeline_tests.ledger.desk import Desk, asks
from openmart_pipeline_tests.money import approval_of, at_work, bought, company_file, planned

KEY = "a.csv"


def domains(count: int) -> list[str]:
    of = uuid.uuid4().hex[:8]
    return [f"{of}-{number}.com" for number in range(count)]


def another_title(work: Services) -> None:
    planned(work, KEY, titles=["Janitor"])


def another_version(work: Services) -> None:
    company_file(work.data.path, KEY, domains(7))
    planned(work, KEY)


@pytest.mark.parametrize("meanwhile", [another_title, another_version])
def test_a_plan_that_took_the_approved_ones_place_is_not_bought(
    tmp_path: Path, shop: Shop, meanwhile: Callable[[Services], None]
) -> None:
    """The refusal names both plans and quotes the new one; approved in its turn, that one is bought."""
    with at_work(tmp_path, shop.url) as (work, _):
        session = quick_buyer(shop)
        company_file(tmp_path, KEY, domains(3))
        shown = planned(work, KEY, titles=["Chief Executive"]).plan.plan_id
        approval = approval_of(work, KEY)
        meanwhile(work)
        report = steps.buy(work, session, KEY, approval, run_id="run")
        now = steps.current_quote(work, KEY)
        assert now is not None
        assert (report.stop, report.accepted_tasks, shop.submits) == (Stop.STALE, 0, 0)
        told = (shown, now.plan.plan_id, now.quote.in_short, now.settings.titles[0], "Nothing was bought")
        assert [part for part in told if part not in report.sentence] == []
        assert bought(work, session, KEY).accepted_tasks == now.quote.to_buy
    assert shop.submits == 1


def test_an_approval_that_is_refused_approves_nothing(desk: Desk) -> None:
    """The plan is replaced at the last moment: an answer under it must not look approved to the monthly refresh."""
    shown = desk.plan(KEY, asks("shown", 1))
    desk.plan(KEY, asks("meanwhile", 1))
    with pytest.raises(PlanStale):
        sending.approve(desk.ledger, shown.plan_id, credits_=100, by="ann")
    with desk.ledger.read() as connection:
        approved = "SELECT count(*) FROM plans WHERE approved_credits > 0"
        assert connection.exec_driver_sql(approved).scalar() == 0
        assert connection.exec_driver_sql("SELECT count(*) FROM events WHERE move = 'approve'").scalar() == 0


class PlannedMeanwhile(Warehouse):
    """A warehouse into which somebody else plans the file for another title, right after a plan's rows were replaced."""

    def plans_next(self, colleague: Callable[[], None]) -> Self:
        self._colleague: Callable[[], None] | None = colleague
        return self

    def replace_plan(self, *rows: Any, **more: Any) -> None:
        super().replace_plan(*rows, **more)
        colleague, self._colleague = self._colleague, None
        if colleague is not None:
            colleague()


def test_a_quote_never_carries_the_id_of_a_plan_that_was_made_while_it_was_written(tmp_path: Path, shop: Shop) -> None:
    """Two persons plan one file at once: each approves the plan of the quote that was shown, and no other."""
    with at_work(tmp_path, shop.url) as (work, _):
        company_file(tmp_path, KEY, domains(3))
        warehouse = PlannedMeanwhile(work.data.warehouse, work.data.published)
        slow = replace(work, warehouse=warehouse.plans_next(lambda: another_title(work)))
        shown = planned(slow, KEY, titles=["Chief Executive"])
        assert QuestionSettings.from_json(shown.plan.config) == shown.settings
        approval = approval_of(work, KEY, plan_ids=[shown.plan.plan_id])
        assert steps.buy(work, quick_buyer(shop), KEY, approval, run_id="run").stop is Stop.STALE
    assert shop.submits == 0


def test_other_prices_than_those_of_the_quote_buy_nothing(tmp_path: Path, shop: Shop) -> None:
    with at_work(tmp_path, shop.url) as (work, _):
        company_file(tmp_path, KEY, domains(3))
        planned(work, KEY)
        approval = approval_of(work, KEY)
    dearer = {"OPENMART_PRICE_PER_PHONE": "9 credits; invoice 17; 2026-11-30"}
    with at_work(tmp_path, shop.url, **dearer) as (work, _):
        assert steps.buy(work, quick_buyer(shop), KEY, approval, run_id="run").stop is Stop.STALE
        planned(work, KEY)
        assert steps.buy(work, quick_buyer(shop), KEY, approval, run_id="run").stop is Stop.STALE
    assert shop.submits == 0


def test_a_plan_that_is_replaced_after_the_last_look_is_refused_by_the_claim_itself(desk: Desk) -> None:
    approved = desk.plan(KEY, asks("approved", 3))
    desk.plan(KEY, asks("another", 3))
    with pytest.raises(PlanStale):
        desk.claim(approved)
    assert desk.states() == []


class Hesitation(io.BytesIO):
    """A terminal whose person takes their time with the answer; something happens meanwhile."""

    def __init__(self, answer: bytes, meanwhile: Callable[[], None]) -> None:
        super().__init__(answer)
        self._meanwhile = meanwhile

    def isatty(self) -> bool:
        return True

    def read1(self, size: int | None = -1, /) -> bytes:
        self._meanwhile()
        return super().read1(size)

    def read(self, size: int | None = -1, /) -> bytes:
        if size:  # click looks with 0 what kind of a stream it is
            self._meanwhile()
        return super().read(size)


def test_the_plan_that_a_person_said_yes_to_is_the_one_that_is_bought_or_none(tmp_path: Path, shop: Shop) -> None:
    """A colleague plans the file for somebody else between the question and the yes."""
    terminal = Terminal(tmp_path, shop.url)
    file = terminal.companies(KEY, 3)
    settled: list[Any] = []

    def meanwhile() -> None:
        if not settled:
            settled.append(terminal("quote", "data/input/a.csv", "--title", "Janitor"))

    with pytest.MonkeyPatch.context() as shell:
        shell.chdir(tmp_path)
        said = CliRunner().invoke(
            main,
            ["run", str(file), "--title", "Chief Executive"],
            input=Hesitation(b"y\n", meanwhile),
            env=terminal.environment,
        )
        [quote] = settled
        assert quote.exit_code == 0, quote.output
        assert shop.submits == 0
        assert "Nothing was bought" in said.stdout
        assert "Janitor" in said.stdout
        assert said.exit_code == 3
