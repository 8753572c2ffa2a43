"""What an approval in Dagster is good for: the plans that it names, and a limit over all of its runs."""

import dagster as dg
import pytest
import yaml
from click.testing import CliRunner
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, ScheduleInstigatorData

from openmart_pipeline.cli import main
from openmart_pipeline.defs.schedules import (
    buy_planned_contacts_daily,
    refresh_stale_contacts_monthly,
)
from openmart_pipeline.defs.switched_on import SPENDING
from openmart_pipeline.model.approval import launchpad_line
from openmart_pipeline_tests.defs.world import World, failure, shown

DOMAINS = [f"company-{number}.com" for number in range(4)]
A_QUESTION = 33  # credits at most: 3 contacts with an e-mail and a phone


def _failed_metadata(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    [event] = [event for event in result.all_events if event.is_step_failure]
    data = event.step_failure_data.user_failure_data
    assert data is not None
    return {name.rpartition("/")[2]: value.value for name, value in data.metadata.items()}


def test_a_plan_that_is_not_the_approved_one_fails_the_step_with_its_quote_and_buys_nothing(world: World):
    key = world.file("accounts.csv", *DOMAINS)
    [first] = world.planned(key, titles=["Chief Executive"])
    [second] = world.planned(key, titles=["Janitor"])

    refused = world.buy(key, plan=first.plan.plan_id)

    assert f"The plan of 'accounts.csv' is {second.plan.plan_id} now" in failure(refused)
    assert "4 questions to buy, for at most 132 credits (estimated) (Janitor)" in failure(refused)
    assert f"plan: {second.plan.plan_id}" in str(_failed_metadata(refused)["quote"])
    assert world.simulator.account()["tasks"] == 0


@pytest.mark.parametrize("plan", ["", "p00000000", "accounts.csv"])
def test_a_plan_that_nobody_made_approves_nothing(world: World, plan: str):
    key = world.file("accounts.csv", *DOMAINS)
    world.planned(key)

    assert "Nothing was bought" in failure(world.buy(key, plan=plan or " "))
    assert world.simulator.account()["tasks"] == 0


def test_the_limit_of_a_backfill_holds_for_all_its_files_together(world: World):
    keys = [world.file(f"{name}.csv", *(f"{name}-{domain}" for domain in DOMAINS)) for name in "abc"]
    line = launchpad_line([planned.plan.plan_id for planned in world.planned(*keys)], 6 * A_QUESTION)
    config = yaml.safe_load(line)["ops"]["submitted_batches"]["config"]

    for key in keys:
        world.buy(key, config["credit_limit"], config["plan"], tags={"dagster/backfill": "weekly"})

    assert world.simulator.account()["tasks"] == 6
    with world.work() as work, work.ledger.read() as connection:
        committed = connection.exec_driver_sql("SELECT approval_id, sum(reserved_credits) FROM batches").all()
    assert committed == [("weekly", 6 * A_QUESTION)]


def test_a_run_that_is_tried_again_goes_on_under_the_same_limit(world: World):
    key = world.file("accounts.csv", *DOMAINS)
    world.planned(key)
    for tags in ({"dagster/root_run_id": "first"}, {"dagster/root_run_id": "first"}):
        world.buy(key, credit_limit=2 * A_QUESTION, tags=tags)

    assert world.simulator.account()["tasks"] == 2


def test_what_is_executed_again_of_a_backfill_goes_on_under_the_limit_of_the_backfill(world: World):
    """Dagster gives a backfill that is executed again a new id, and a run of one that has ended none at all."""
    key = world.file("accounts.csv", *DOMAINS)
    world.planned(key)
    limit = 2 * A_QUESTION
    first = world.buy(key, credit_limit=limit, tags={"dagster/backfill": "first"})
    assert world.simulator.account()["tasks"] == 2

    world.buy(key, credit_limit=limit, tags={"dagster/backfill": "again", "dagster/root_backfill_id": "first"})
    world.buy(key, credit_limit=limit, tags={"dagster/root_run_id": first.run_id})

    assert world.simulator.account()["tasks"] == 2


def test_a_scope_that_is_none_is_refused(world: World):
    key = world.file("accounts.csv", *DOMAINS)
    world.planned(key)
    config = {"credit_limit": 1_000, "plan": world.plan_of(key), "scope": "everything"}

    refused = world.run("buy_planned_contacts_job", key, submitted_batches=config)

    assert failure(refused) == "scope is 'everything': write one of owed, new, stale. Nothing was bought."


def test_a_file_in_a_backfill_whose_plan_is_not_named_buys_nothing_and_the_others_do(world: World):
    keys = [world.file(f"{name}.csv", *(f"{name}-{domain}" for domain in DOMAINS)) for name in "ab"]
    [named, _] = world.planned(*keys)

    bought, refused = (world.buy(key, plan=named.plan.plan_id, tags={"dagster/backfill": "b"}) for key in keys)

    assert shown(bought, "submitted_batches")["tasks_bought"] == 4
    assert "Nothing was bought" in failure(refused)


def _switch_on(world: World, schedule: str) -> None:
    """Do what the toggle in the UI does."""
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("openmart_pipeline"), "__repository__")
    origin = RemoteInstigatorOrigin(repository, schedule)
    state = InstigatorState(
        origin, InstigatorType.SCHEDULE, InstigatorStatus.RUNNING, ScheduleInstigatorData("0 6 * * *")
    )
    world.instance.add_instigator_state(state)


def test_check_says_that_schedules_buy_without_a_budget_for_the_day(world_on_disk: World):
    world = world_on_disk
    assert (buy_planned_contacts_daily.name, refresh_stale_contacts_monthly.name) == SPENDING
    home = {**world.environment, "DAGSTER_HOME": str(world.folder / "dagster_home"), "OPENMART_CREDITS_PER_RUN": "900"}

    def line(**more: str) -> str:
        said = CliRunner().invoke(main, ["check"], env={**home, **more}).stdout
        [found] = [line for line in said.splitlines() if " schedules " in line]
        return found

    assert line() == "ok       schedules  none that spends is on"
    _switch_on(world, refresh_stale_contacts_monthly.name)
    _switch_on(world, "plan_company_files_daily")
    assert line().startswith("PROBLEM  schedules  refresh_stale_contacts_monthly: each may spend 900 credits for every")
    assert "Set OPENMART_CREDITS_PER_DAY" in line()
    assert line(OPENMART_CREDITS_PER_DAY="5000") == "ok       schedules  refresh_stale_contacts_monthly"
