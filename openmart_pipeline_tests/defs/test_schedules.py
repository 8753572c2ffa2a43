import dagster as dg
import pytest

from openmart_pipeline.defs.schedules import (
    buy_planned_contacts_daily,
    plan_company_files_daily,
    refresh_stale_contacts_monthly,
)
from openmart_pipeline_tests.defs.world import World, failure, shown
from openmart_pipeline_tests.money import whole_run

DOMAINS = [f"company-{number}.com" for number in range(4)]


@pytest.fixture
def world(world_on_disk: World) -> World:
    """A schedule finds its instance by its files."""
    return world_on_disk


def _evaluated(schedule, world: World) -> list[dg.RunRequest] | str:
    context = dg.build_schedule_context(instance=world.instance)
    result = schedule(context, workplace=world.resources["workplace"])
    return str(result.skip_message) if isinstance(result, dg.SkipReason) else result


def _config(request: dg.RunRequest) -> dict[str, dict[str, object]]:
    return {op: config["config"] for op, config in request.run_config["ops"].items()}


def _executed(world: World, job: str, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
    return world.definitions.resolve_job_def(job).execute_in_process(
        instance=world.instance, partition_key=request.partition_key, run_config=request.run_config, tags=request.tags
    )


@pytest.mark.parametrize("schedule", [buy_planned_contacts_daily, refresh_stale_contacts_monthly])
def test_without_a_limit_a_schedule_buys_nothing_and_says_which_setting_is_missing(world, schedule):
    world.planned(world.file("accounts.csv", *DOMAINS))

    assert "OPENMART_CREDITS_PER_RUN is not set" in _evaluated(schedule, world)


def test_the_daily_purchase_buys_what_is_owed_within_the_limit_and_names_the_schedule(world):
    world.environment["OPENMART_CREDITS_PER_RUN"] = "70"
    world.planned(world.file("accounts.csv", *DOMAINS))

    [request] = _evaluated(buy_planned_contacts_daily, world)
    tags = {"dagster/schedule_name": "buy_planned_contacts_daily"}
    bought = _executed(world, "buy_planned_contacts_job", request._replace(tags={**request.tags, **tags}))

    metadata = shown(bought, "submitted_batches")
    assert metadata["tasks_bought"] == 2
    assert metadata["warnings"].startswith("OPENMART_CREDITS_PER_DAY is not set")
    with world.work() as work, work.ledger.read() as connection:
        approved = connection.exec_driver_sql("SELECT approved_by FROM plans").scalar()
    assert approved == "the schedule buy_planned_contacts_daily"


def test_a_file_planned_again_after_the_schedule_looked_is_not_bought(world):
    world.environment["OPENMART_CREDITS_PER_RUN"] = "1000"
    world.planned(world.file("accounts.csv", *DOMAINS))
    [request] = _evaluated(buy_planned_contacts_daily, world)
    world.planned("accounts.csv", titles=["Janitor"])

    refused = world.run("buy_planned_contacts_job", "accounts.csv", **_config(request))

    assert "Nothing was bought" in failure(refused)
    assert world.simulator.account()["tasks"] == 0


def test_the_daily_purchase_leaves_a_refresh_alone_that_nobody_said_yes_to(world):
    world.environment.update({"OPENMART_CREDITS_PER_RUN": "1000", "OPENMART_FOUND_LIFETIME_DAYS": "0"})
    world.environment["OPENMART_EMPTY_LIFETIME_DAYS"] = "0"
    key = world.file("accounts.csv", *DOMAINS)
    with world.work() as work:
        whole_run(work, world.resources["openmart"].session(work), key, loads=False)
    [quoted] = world.planned(key, reask="stale")

    assert quoted.quote.to_buy == 4
    assert "nothing to buy" in _evaluated(buy_planned_contacts_daily, world)


def test_the_daily_purchase_skips_files_that_owe_nothing(world):
    world.environment["OPENMART_CREDITS_PER_RUN"] = "1000"
    world.planned(world.file("accounts.csv", *DOMAINS))
    world.buy("accounts.csv")

    assert "nothing to buy" in _evaluated(buy_planned_contacts_daily, world)


def test_the_monthly_refresh_asks_again_only_what_is_past_its_lifetime(world):
    world.environment["OPENMART_CREDITS_PER_RUN"] = "1000"
    world.planned(world.file("accounts.csv", *DOMAINS))
    world.buy("accounts.csv")
    world.collect("accounts.csv")
    assert _evaluated(refresh_stale_contacts_monthly, world) == "No answer is past its lifetime."

    world.environment["OPENMART_FOUND_LIFETIME_DAYS"] = "0"
    [request] = _evaluated(refresh_stale_contacts_monthly, world)
    refreshed = _executed(world, "refresh_stale_contacts_job", request)

    assert shown(refreshed, "submitted_batches")["tasks_bought"] > 0
    assert world.simulator.account()["questions_charged_twice"] > 0  # which is what a refresh is


def test_the_daily_plan_covers_files_without_a_valid_plan_and_leaves_the_others_alone(world):
    world.planned(world.file("planned.csv", *DOMAINS))
    world.file("new.csv", *DOMAINS)

    [request] = _evaluated(plan_company_files_daily, world)
    assert request.partition_key == "new.csv"
    world.planned("new.csv")
    assert "Every file is planned as it is now" in _evaluated(plan_company_files_daily, world)

    # A plan quoted with other prices is not bought.
    world.environment["OPENMART_PRICE_PER_PHONE"] = "9 credits; invoice 17; 2026-11-30"
    assert len(_evaluated(plan_company_files_daily, world)) == 2
