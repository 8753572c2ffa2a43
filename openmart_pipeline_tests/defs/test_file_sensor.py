import json
import os

import dagster as dg

from openmart_pipeline.defs.file_sensor import REQUESTS_PER_TICK, company_files_sensor
from openmart_pipeline_tests.defs.world import World, failure


class Ticks:
    """The sensor as the daemon drives it: the cursor is kept, partitions are added, what is asked for is planned."""

    def __init__(self, world: World, *, plans: bool = True) -> None:
        self.world = world
        self.plans = plans
        self.cursor: str | None = None
        self.reason = ""

    def tick(self) -> list[str]:
        context = dg.build_sensor_context(instance=self.world.instance, cursor=self.cursor)
        result = company_files_sensor(context, workplace=self.world.resources["workplace"])
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        self.reason = "" if result.skip_reason is None else str(result.skip_reason.skip_message)
        for request in result.dynamic_partitions_requests or []:
            if isinstance(request, dg.AddDynamicPartitionsRequest):
                self.world.instance.add_dynamic_partitions("input_files", request.partition_keys)
            else:
                for key in request.partition_keys:
                    self.world.instance.delete_dynamic_partition("input_files", key)
        for event in result.asset_events:
            self.world.instance.report_runless_asset_event(event)
        keys = [str(request.partition_key) for request in result.run_requests or []]
        if self.plans:
            self.world.planned(*keys)
        return keys


def _write(world: World, name: str, *domains: str) -> None:
    path = world.folder / "data" / "input" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["Website", *domains]) + "\n")


def test_a_file_that_lies_still_for_two_ticks_becomes_a_partition_and_is_planned_once(world):
    ticks = Ticks(world)
    _write(world, "2026-11/leads west.csv", "a.com")

    assert ticks.tick() == []
    assert "1 new or changed a moment ago" in ticks.reason
    assert ticks.tick() == ["2026-11/leads west.csv"]
    assert world.instance.get_dynamic_partitions("input_files") == ["2026-11/leads west.csv"]
    assert [ticks.tick(), ticks.tick()] == [[], []]


def test_a_file_whose_planning_run_died_is_asked_for_again_and_one_that_was_refused_is_not(world):
    ticks = Ticks(world, plans=False)
    _write(world, "leads.csv", "a.com")
    (world.folder / "data" / "input" / "shopping.csv").write_text("to do\nmilk\n")
    ticks.tick()
    assert ticks.tick() == ["leads.csv", "shopping.csv"]
    assert not world.plan("shopping.csv").success  # and the other one's run dies
    assert ticks.tick() == []

    memory = json.loads(ticks.cursor)
    ticks.cursor = json.dumps({**memory, "asked": dict.fromkeys(memory["asked"], 0)})  # half an hour goes by

    assert ticks.tick() == ["leads.csv"]
    assert ticks.tick() == []


def test_a_file_still_being_written_is_waited_for(world):
    ticks = Ticks(world)
    for length in range(1, 4):
        _write(world, "leads.csv", *["a.com"] * length)
        assert ticks.tick() == []
    assert ticks.tick() == ["leads.csv"]


def test_changed_content_is_planned_again_also_when_it_changes_back_and_a_mere_touch_is_not(world):
    ticks = Ticks(world)

    def after(change) -> list[str]:
        change()
        return ticks.tick() + ticks.tick()

    path = world.folder / "data" / "input" / "leads.csv"
    assert after(lambda: _write(world, "leads.csv", "a.com")) == ["leads.csv"]
    assert after(lambda: os.utime(path, (1, 1))) == []
    assert after(lambda: _write(world, "leads.csv", "b.com")) == ["leads.csv"]
    assert after(lambda: _write(world, "leads.csv", "a.com")) == ["leads.csv"]


def test_a_lost_or_broken_cursor_costs_one_more_look_and_no_run(world):
    ticks = Ticks(world)
    _write(world, "leads.csv", "a.com")
    ticks.tick(), ticks.tick()

    for cursor in (None, "not json", '{"what": 1}', "[]"):
        ticks.cursor = cursor
        assert [ticks.tick(), ticks.tick()] == [[], []]


def test_files_that_can_not_be_used_are_named_in_the_reason(world):
    ticks = Ticks(world)
    _write(world, "readme.md", "x")
    _write(world, "n" * 230 + ".csv", "a.com")

    ticks.tick()

    assert "2 can't be used" in ticks.reason
    assert "readme.md" in ticks.reason
    assert "shorten it" in ticks.reason
    assert world.instance.get_dynamic_partitions("input_files") == []


def test_a_file_that_is_no_table_turns_its_check_red_and_green_again_without_a_run_that_succeeds(world):
    ticks = Ticks(world, plans=False)
    (world.folder / "data" / "input").mkdir(parents=True)
    (world.folder / "data" / "input" / "shopping.csv").write_text("to do\nmilk\n")
    ticks.tick(), ticks.tick()
    assert not world.plan("shopping.csv").success

    ticks.tick()
    assert not world.check("companies", "every_input_file_is_readable").passed
    (world.folder / "data" / "input" / "shopping.csv").unlink()
    ticks.tick()
    assert world.check("companies", "every_input_file_is_readable").passed


def test_a_file_that_leaves_is_marked_and_one_that_comes_back_is_not_planned_again(world):
    ticks = Ticks(world)
    _write(world, "leads.csv", "a.com")
    ticks.tick(), ticks.tick()
    (world.folder / "data" / "input" / "leads.csv").unlink()

    ticks.tick()
    assert "1 no longer there, their answers stay (leads.csv)" in ticks.reason
    _write(world, "leads.csv", "a.com")

    assert [ticks.tick(), ticks.tick()] == [[], []]
    assert "no longer there" not in ticks.reason


def test_a_tick_asks_for_fifty_runs_at_most_and_the_next_one_for_the_rest(world):
    ticks = Ticks(world, plans=False)
    for number in range(REQUESTS_PER_TICK + 2):
        _write(world, f"{number}.csv", f"company-{number}.com")
    ticks.tick()

    assert [len(ticks.tick()), len(ticks.tick()), len(ticks.tick())] == [50, 2, 0]


def test_a_wrong_setting_skips_the_tick_with_its_sentence_and_keeps_the_cursor(world):
    ticks = Ticks(world, plans=False)
    _write(world, "leads.csv", "a.com")
    ticks.tick()
    seen = ticks.cursor
    world.environment["OPENMART_CREDITS_PER_DAY"] = "many"

    assert ticks.tick() == []
    assert "OPENMART_CREDITS_PER_DAY is 'many'" in ticks.reason
    assert ticks.cursor == seen


def test_the_daemon_can_resolve_what_a_tick_asks_for(world_on_disk):
    world = world_on_disk
    _write(world, "leads.csv", "a.com")
    Ticks(world).tick()
    sensor = world.definitions.resolve_sensor_def("company_files_sensor")
    cursor = None
    for _ in range(2):
        context = dg.build_sensor_context(
            instance_ref=world.instance.get_ref(),
            definitions=world.definitions,
            resources=world.resources,
            cursor=cursor,
        )
        tick = sensor.evaluate_tick(context)
        cursor = tick.cursor

    [request] = tick.run_requests
    assert request.tags["dagster/partition"] == "leads.csv"
    assert request.tags["openmart/work"] == "plan: leads.csv"


def _retire(world: World, key: str, **config: object) -> None:
    assert world.run("retire_company_file_job", retire_company_file={"input_file": key, "who": "Ada", **config}).success


def test_a_retired_file_is_left_alone_and_planned_again_when_it_is_brought_back(world):
    ticks = Ticks(world)
    _write(world, "leads.csv", "a.com")
    ticks.tick(), ticks.tick()
    _retire(world, "leads.csv")
    _write(world, "leads.csv", "a.com", "b.com")

    assert [ticks.tick(), ticks.tick()] == [[], []]
    assert "1 retired and left alone" in ticks.reason
    assert "is retired" in failure(world.plan("leads.csv"))
    _retire(world, "leads.csv", action="bring_back")
    assert ticks.tick() == ["leads.csv"]


def test_a_partition_goes_with_its_data_once_nothing_is_on_its_way(make_world):
    world = make_world(processing_s=0.5)
    ticks = Ticks(world)
    _write(world, "leads.csv", "a.com")
    ticks.tick(), ticks.tick()
    assert world.buy("leads.csv").success
    _retire(world, "leads.csv", remove_data=True)

    ticks.tick()
    assert world.instance.get_dynamic_partitions("input_files") == ["leads.csv"], "its answer is still to be collected"
    assert world.collect("leads.csv").success
    ticks.tick()
    assert world.instance.get_dynamic_partitions("input_files") == []


def test_what_a_person_gets_wrong_about_retiring_changes_nothing(world):
    key = world.file("leads.csv", "a.com")
    world.planned(key)
    for config, says in (
        ({"action": "remove"}, "write retire or bring_back"),
        ({"action": "bring_back", "remove_data": True}, "for retire only"),
        ({"action": "bring_back"}, "not retired, it is active"),
        ({"input_file": "x.csv"}, "knows no file 'x.csv'"),
    ):
        told = {"input_file": key, "who": "Ada", **config}
        assert says in failure(world.run("retire_company_file_job", retire_company_file=told))


def test_a_file_that_left_turns_a_check_yellow_and_green_again_when_it_is_retired(world):
    ticks = Ticks(world)
    _write(world, "leads.csv", "a.com")
    ticks.tick(), ticks.tick()
    (world.folder / "data" / "input" / "leads.csv").unlink()
    ticks.tick()
    check = world.check("companies", "no_input_file_is_missing")
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert check.metadata["openmart/sample"].value == "leads.csv"
    _retire(world, "leads.csv")
    ticks.tick()
    assert world.check("companies", "no_input_file_is_missing").passed
