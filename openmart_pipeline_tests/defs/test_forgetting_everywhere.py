"""A forgotten person is in no store at all: everything below the data folder and the Dagster home, decoded."""

import pytest

from openmart_pipeline.contacts.identifiers import Identifier, identifier_of
from openmart_pipeline.contacts.suppression import REMOVED
from openmart_pipeline.pipeline import forgetting
from openmart_pipeline_tests.defs.world import World, failure
from openmart_pipeline_tests.traces import traces

WHO = {"who": "tests", "why": "ticket 7"}
NAMED, REFUSED = "named.csv", "people.csv"


@pytest.fixture
def world(world_on_disk: World) -> World:
    """Dagster's history is one of the stores."""
    return world_on_disk


@pytest.fixture
def held(world) -> tuple[World, Identifier]:
    """Somebody was found, stands in every kind of column of another file, and in one that is no table of companies.

    All of it went through Dagster, whose history has the runs, the checks and the failures.
    """
    key = world.file("accounts.csv", *[f"company-{number}.com" for number in range(30)])
    for result in (world.plan(key), world.buy(key), world.collect(key)):
        assert result.success
    with world.work() as work:
        [(email,)] = work.warehouse.query(
            "SELECT email FROM contacts WHERE email IS NOT NULL AND linkedin_url IS NOT NULL ORDER BY email LIMIT 1"
        )
    rows = [
        f"https://company-1.com,Acme of {email},see {email},{email}",
        f"{email},Acme,,crm-2",
        f"gmail.com,{email},,crm-3",
    ]
    assert world.plan(world.file(NAMED, *rows, header="Website,Company,Notes,ID")).success
    assert world.buy(NAMED).success
    refused = world.plan(world.file(REFUSED, f"Jane,{email}", header=f"Somebody,{email}"))
    assert email not in failure(refused)
    return world, identifier_of(email)


def test_a_forgotten_person_is_in_no_store_but_the_users_own_files(held):
    world, person = held
    data, home = world.folder / "data", world.folder / "dagster_home"
    in_stores = {place.partition("/")[0].partition(" ")[0] for place in traces(data, person.value)}
    assert {"ledger.sqlite", "warehouse.duckdb", "published", "files", "input"} <= in_stores, "the proof must find them"
    assert traces(home, person.value) == [], "Dagster's history never named anybody"

    with world.work() as work:
        done = forgetting.forget(work, None, [person], **WHO)
    assert sorted(done.still_naming) == [NAMED, REFUSED]
    left = {place.partition("/")[0] for place in traces(data, person.value)}
    assert left == {"input", "files"}, "the user's files, and the copy that the plan was made from"
    with world.work() as work:
        cells = work.warehouse.query(
            "SELECT company_name, website, tracking_id FROM companies WHERE input_file = ?", [NAMED]
        )
        hints = work.warehouse.query("SELECT company_name FROM enrichment_plan WHERE input_file = ?", [NAMED])
    assert (f"Acme of {REMOVED}", "https://company-1.com", REMOVED) in cells
    assert sorted(hints, key=str) == [("Acme",), (None,)]

    for key in (NAMED, REFUSED):
        assert world.plan(world.file(key, "company-1.com")).success
    with world.work() as work:
        assert forgetting.forget(work, None, [person], **WHO).still_naming == []
    assert traces(data, person.value) == []
    assert traces(home, person.value) == []
