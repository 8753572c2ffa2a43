"""F49 in Dagster: a step fails, a tick is skipped, each with the sentence."""

import sqlite3
from contextlib import closing

import dagster as dg
import pytest

from openmart_pipeline.defs.file_sensor import company_files_sensor
from openmart_pipeline_tests.defs.world import World, failure


@pytest.mark.parametrize("statement", ["DROP TABLE asks", "UPDATE plans SET created_at = ''"])
def test_a_damaged_ledger_is_a_sentence_in_every_step_and_tick(world: World, statement: str) -> None:
    key = world.file("a.csv", "acme.com")
    world.planned(key)
    with closing(sqlite3.connect(world.folder / "data" / "ledger.sqlite")) as connection:
        connection.executescript(f"PRAGMA ignore_check_constraints = ON; {statement}")
    assert "nothing was bought" in failure(world.plan(key))
    tick = company_files_sensor(
        dg.build_sensor_context(instance=world.instance, definitions=world.definitions),
        workplace=world.resources["workplace"],
    )
    assert isinstance(tick, dg.SensorResult)
    assert not tick.run_requests
