import json

import dagster as dg
import pytest
import yaml

from openmart_pipeline_tests.defs.world import World, failure, shown
from openmart_pipeline_tests.money import assert_accounts_agree

DOMAINS = [f"company-{number}.com" for number in range(12)]


def test_a_file_becomes_contacts_that_analysts_can_query(world):
    key = world.file("accounts.csv", *DOMAINS, "gmail.com")

    planned, bought, collected = world.plan(key), world.buy(key), world.collect(key)

    assert all(result.success for result in (planned, bought, collected))
    assert shown(planned, "companies")["set_aside_by_reason"] == "free_mail 1"
    assert shown(bought, "submitted_batches")["tasks_bought"] == 12
    assert shown(collected, "task_results")["what_waits"].startswith("Nothing waits")
    loaded = shown(collected, "contacts")
    account = world.simulator.account()
    assert loaded["partition_row_count"] > loaded["with_email"] > 0
    assert (account["tasks"], account["questions_charged_twice"]) == (12, 0)
    with world.work() as work:
        assert work.warehouse.published_path.exists()
        assert_accounts_agree(work, world.simulator)


def test_the_quote_ends_with_what_to_click_and_the_number_to_type(world):
    key = world.file("accounts.csv", *DOMAINS)

    metadata = shown(world.plan(key, max_k=2, info_access="EMAIL"), "enrichment_plan")

    *_, advice, _, line = metadata["quote"].splitlines()
    plan = metadata["plan_id"]
    says = ("press **Materialize**", "`accounts.csv`", "credit_limit of 72", plan, "backfill the limit holds for all")
    assert [part for part in says if part not in advice] == []
    pasted = yaml.safe_load(line.strip("`"))
    assert pasted == {"ops": {"submitted_batches": {"config": {"credit_limit": 72, "plan": plan}}}}
    assert metadata["estimated_credits_at_most"] == 72  # 12 companies, 2 contacts, 3 credits an e-mail
    assert world.simulator.account()["submits"] == 0


def test_the_number_in_the_quote_buys_everything(world):
    key = world.file("accounts.csv", *DOMAINS)
    quoted = shown(world.plan(key), "enrichment_plan")["estimated_credits_at_most"]

    bought = shown(world.buy(key, credit_limit=quoted), "submitted_batches")

    assert (bought["tasks_bought"], bought["tasks_still_to_buy"], bought["ended_by"]) == (12, 0, "done")


def test_materialize_all_without_a_credit_limit_is_refused_before_anything_runs(world):
    key = world.file("accounts.csv", *DOMAINS)
    everything = world.definitions.resolve_implicit_global_asset_job_def()

    with pytest.raises(dg.DagsterInvalidConfigError, match="submitted_batches"):
        everything.execute_in_process(instance=world.instance, partition_key=key)

    assert world.instance.get_runs_count() == 0
    assert world.simulator.account()["requests"] == {}


def test_a_credit_limit_of_zero_is_a_dry_run(world):
    key = world.file("accounts.csv", *DOMAINS)
    world.planned(key)

    bought = shown(world.buy(key, credit_limit=0), "submitted_batches")

    assert "dry run" in bought["what_happened"]
    assert world.simulator.account()["tasks"] == 0


def test_a_credit_limit_that_limits_nothing_is_refused(world):
    key = world.file("accounts.csv", *DOMAINS)
    world.planned(key)

    for limit in (-1, float("inf"), float("nan")):
        assert "type a number of credits" in failure(world.buy(key, credit_limit=limit))
    assert world.simulator.account()["tasks"] == 0


def test_without_a_partition_the_person_is_told_to_pick_a_file(world):
    assert "pick a file under Partition" in failure(world.run("collect_contacts_job"))


def test_a_wrong_choice_is_answered_in_one_sentence_and_nothing_is_planned(world):
    key = world.file("accounts.csv", *DOMAINS)
    wrong = {
        "max_k is 99": {"max_k": 99},
        "write EMAIL, PHONE or EMAIL_AND_PHONE": {"info_access": "MAIL"},
        "location is 'Austin'": {"location": "Austin"},
        "reask is 'all'": {"reask": "all"},
        "https": {"notify_url": "http://example.com/hook"},
        "No title is left": {"titles": [" "]},
    }
    for says, choices in wrong.items():
        sentence = failure(world.plan(key, **choices))
        assert says in sentence
        assert sentence.endswith("Nothing was planned or bought.")
    with world.work() as work:
        assert work.warehouse.plan_id(key) is None


def test_a_choice_left_out_keeps_what_the_file_last_used(world):
    key = world.file("accounts.csv", *DOMAINS)
    world.plan(key, titles=["Head of Marketing", "CMO"], max_k=1)

    settings = json.loads(shown(world.plan(key, max_k=2), "enrichment_plan")["settings"])

    assert (settings["titles"], settings["max_k"]) == (["Head of Marketing", "CMO"], 2)


def test_a_backfill_over_everything_buys_once_however_often(world):
    first, copy = world.file("accounts.csv", *DOMAINS), world.file("archive/copy of accounts.csv", *DOMAINS)
    world.planned(first, copy)

    bought = [shown(world.buy(key), "submitted_batches")["tasks_bought"] for key in (first, copy, first)]
    contacts = [shown(world.collect(key), "contacts")["partition_row_count"] for key in (copy, first)]

    assert bought == [12, 0, 0]
    assert contacts[0] == contacts[1] > 0
    with world.work() as work:
        assert_accounts_agree(work, world.simulator)


def test_a_lost_answer_leaves_the_asset_green_and_is_never_sent_again(make_world):
    world = make_world(faults={"created_then_reset": "next:1"})
    key = world.file("accounts.csv", *DOMAINS)
    world.planned(key)

    first, second = world.buy(key), world.buy(key)

    assert first.success
    assert second.success
    assert shown(first, "submitted_batches")["batches_unknown"] == 1
    assert shown(second, "submitted_batches")["tasks_bought"] == 0
    assert world.simulator.account()["tasks"] == 12


@pytest.mark.parametrize(
    ("fault", "says"), [("401_before_creating", "OPENMART_API_KEY"), ("402_before_creating", "credits")]
)
def test_what_only_a_person_can_mend_fails_the_step_after_all_is_committed(make_world, fault, says):
    world = make_world(faults={fault: "nth:2"}, settings={"OPENMART_SUBMIT_CONCURRENCY": "1"})
    key = world.file("accounts.csv", *[f"company-{number}.com" for number in range(150)])
    world.planned(key)

    refused = world.buy(key)

    assert says in failure(refused)
    [event] = [event for event in refused.all_events if event.is_step_failure]
    assert event.step_failure_data.user_failure_data.metadata["openmart/tasks_bought"].value == 100
    with world.work() as work:
        rows = work.warehouse.query("SELECT state FROM submitted_batches ORDER BY batch_no")
        assert rows == [("submitted",), ("not_sent",)]
    again = world.buy(key)
    assert shown(again, "submitted_batches")["tasks_bought"] == 50


def test_a_wrong_address_fails_the_step_where_nothing_could_be_bought(make_world):
    world = make_world(faults={"404_before_creating": "always"})
    key = world.file("accounts.csv", *DOMAINS)
    world.planned(key)

    assert "OPENMART_BASE_URL" in failure(world.buy(key))
    assert world.simulator.account()["tasks"] == 0


def test_without_a_key_or_with_half_a_one_planning_works_and_buying_names_the_variable(world):
    del world.environment["OPENMART_API_KEY"]
    key = world.file("accounts.csv", *DOMAINS)

    assert world.plan(key).success
    assert "OPENMART_API_KEY is not set" in failure(world.buy(key))

    world.environment["OPENMART_API_KEY"] = "copied\nin two lines"
    assert "OPENMART_API_KEY can't be used" in failure(world.buy(key))


def test_a_file_that_is_no_table_fails_with_the_sentence_for_its_owner(world):
    key = world.file("notes.csv", "bring milk", header="to do")

    sentence = failure(world.plan(key))

    assert "domain" in sentence.lower() or "website" in sentence.lower()
    assert "Traceback" not in sentence


def test_a_table_without_a_row_is_taken_with_a_warning(world):
    key = world.file("empty.csv")

    planned = world.plan(key)

    assert planned.success
    assert shown(planned, "companies")["rows"] == 0
    said = [entry.user_message for entry in world.instance.all_logs(planned.run_id)]
    assert any("No company is left to ask about" in message for message in said)


def test_the_same_content_has_the_same_data_version_and_other_content_another(world):
    def versions(*domains: str) -> list[str]:
        key = world.file("accounts.csv", *domains)
        result = world.plan(key)
        return [
            result.asset_materializations_for_node(asset)[0].tags["dagster/data_version"]
            for asset in ("companies", "enrichment_plan")
        ]

    first, same, other = versions("a.com", "b.com"), versions("a.com", "b.com"), versions("b.com")

    assert first == same
    assert not set(first) & set(other)


def test_contacts_with_nothing_yet_say_what_waits_and_when_it_is_looked_at(make_world):
    world = make_world(processing_s=60)
    key = world.file("accounts.csv", *DOMAINS)
    world.planned(key)
    world.buy(key)

    loaded = world.definitions.resolve_implicit_global_asset_job_def().get_subset(
        asset_selection={dg.AssetKey("contacts")}
    )
    result = loaded.execute_in_process(instance=world.instance, partition_key=key)

    waits = shown(result, "contacts")["what_waits"]
    assert "Bought and not answered yet: 12 questions" in waits
    assert "asked again at" in waits


def test_neither_key_nor_person_is_in_dagsters_history(world_on_disk: World):
    world = world_on_disk
    world.environment["OPENMART_API_KEY"] = "canary-key-7f3a"
    key = world.file("accounts.csv", *DOMAINS)
    for result in (world.plan(key), world.buy(key), world.collect(key)):
        assert result.success

    with world.work() as work:
        [(email,), *_] = work.warehouse.query("SELECT email FROM contacts WHERE email IS NOT NULL LIMIT 1")
    history = b"".join(path.read_bytes() for path in (world.folder / "dagster_home").rglob("*") if path.is_file())
    assert b"submitted_batches" in history
    assert b"canary-key-7f3a" not in history
    assert email.encode() not in history
