"""F19, F20: a changed, copied or renamed file buys what is new, and keeps what it has. On a simulator of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from openmart_pipeline.checks import findings
from openmart_pipeline.contacts.identifiers import identifier_of
from openmart_pipeline.intake.reading import Reading
from openmart_pipeline.intake.refusals import FileRefused
from openmart_pipeline.pipeline import forgetting, steps
from openmart_pipeline.pipeline.rebuilding import rebuild
from openmart_pipeline.services import ApiSession, Services
from openmart_pipeline_tests.money import (
    assert_accounts_agree,
    at_work,
    bought,
    company_file,
    planned,
    whole_run,
)
from openmart_pipeline_tests.pipeline.shared_companies import buy_in_three_files
from openmart_pipeline_tests.simulator_process import SimulatorProcess

At = tuple[Services, ApiSession, SimulatorProcess]
OLD = [f"old-{number}.com" for number in range(20)]


@pytest.fixture
def at(tmp_path: Path) -> Iterator[At]:
    with SimulatorProcess(tmp_path / "server") as simulator, at_work(tmp_path, simulator.url) as (work, session):
        yield work, session, simulator


@pytest.fixture
def nobody(tmp_path: Path) -> Iterator[Services]:
    """A workplace where nothing is bought: nobody listens at its address."""
    with at_work(tmp_path, "http://127.0.0.1:9") as (work, _):
        yield work


def file(work: Services, name: str, domains: list[str]) -> str:
    return company_file(work.data.path, name, domains)


def contacts(work: Services) -> dict[str, bool]:
    """Every contact's id, and whether its row has left."""
    return dict(work.warehouse.query("SELECT contact_id, is_withdrawn FROM contacts"))


def left(work: Services) -> list[tuple[str, int]]:
    return work.warehouse.query("SELECT domain, source_row FROM withdrawn_rows ORDER BY domain")


def promises_kept(work: Services) -> None:
    for find in (findings.rows_without_one_outcome, findings.untraced_contacts, findings.disagreements):
        assert find(work).is_kept, find(work)


def test_the_same_companies_in_three_files_are_bought_once_and_fifty_new_ones_beside_them(tmp_path: Path) -> None:
    buy_in_three_files(tmp_path, 1_000)


def test_a_new_version_buys_what_is_new_marks_what_left_and_keeps_every_contact(at: At) -> None:
    work, session, simulator = at
    key = file(work, "a.csv", OLD)
    whole_run(work, session, key)
    before = contacts(work)

    file(work, key, [*OLD[:15], "new.com"])
    whole_run(work, session, key)
    assert simulator.account()["tasks"] == 21
    after = contacts(work)
    assert before.keys() <= after.keys()
    assert left(work) == [(domain, row) for row, domain in enumerate(OLD[15:], start=17)]
    gone = {domain for (domain,) in work.warehouse.query("SELECT company_domain FROM contacts WHERE is_withdrawn")}
    assert gone
    assert gone <= set(OLD[15:])
    promises_kept(work)
    lineage = (
        "SELECT count(*) FROM lineage JOIN withdrawn_rows USING (input_file, source_row, file_sha256, fingerprint)"
    )
    assert work.warehouse.query(lineage)[0][0] == sum(after.values())
    assert rebuild(work, run_id="rebuild") == [], "and it is the same when the warehouse is made anew"
    assert contacts(work) == after
    assert len(left(work)) == 5

    file(work, key, OLD)
    whole_run(work, session, key)
    assert simulator.account()["tasks"] == 21
    assert left(work) == [("new.com", 17)], "those that came back have not left"
    assert contacts(work).keys() == after.keys()
    assert_accounts_agree(work, simulator)


def test_contacts_stay_while_another_version_or_another_title_is_planned_and_go_when_asked_to(at: At) -> None:
    work, session, simulator = at
    key = file(work, "a.csv", OLD[:5])
    whole_run(work, session, key, titles=["Owner"])
    owners = contacts(work)
    domain = work.warehouse.query("SELECT max(company_domain) FROM contacts")[0][0]

    file(work, key, [old for old in OLD[:6] if old != domain])
    steps.ingest_companies(work, key)
    steps.load_contacts(work, key, run_id="collecting meanwhile")
    assert contacts(work).keys() == owners.keys(), "read, and not planned yet"

    whole_run(work, session, key, titles=["CFO"])
    assert simulator.account()["tasks"] == 10
    assert owners.keys() <= contacts(work).keys()
    titles = work.warehouse.query("SELECT DISTINCT requested_title, is_withdrawn FROM contacts ORDER BY ALL")
    assert titles == [("CFO", False), ("Owner", True)]

    forgetting.suppress(work, None, [identifier_of(domain)], who="tests", why="ticket 7")
    steps.load_contacts(work, key, run_id="run")
    assert work.warehouse.query("SELECT count(*) FROM contacts WHERE company_domain = ?", [domain]) == [(0,)]


def test_what_was_never_bought_leaves_nothing_behind(nobody: Services) -> None:
    key = file(nobody, "a.csv", OLD)
    planned(nobody, key)
    file(nobody, key, OLD[:5])
    planned(nobody, key)
    assert left(nobody) == []


def test_how_a_file_is_read_is_kept_for_its_next_versions_and_is_part_of_the_plan(nobody: Services) -> None:
    work, asked = nobody, "SELECT domain FROM enrichment_plan ORDER BY 1"
    key = company_file(work.data.path, "a.csv", ["a.com,b.com"], header="Website,Homepage")
    first = planned(work, key)
    assert work.warehouse.query(asked) == [("a.com",)]
    steps.ingest_companies(work, key, Reading().with_choices(columns={"domain": "homepage"}))
    with pytest.raises(FileRefused, match="read in another way since it was planned"):
        bought(work, None, key, credit_limit=100)  # type: ignore[arg-type]
    second = steps.plan_questions(work, key, first.settings)
    assert second.plan.plan_id != first.plan.plan_id, "the same file and settings, other companies"
    assert work.warehouse.query(asked) == [("b.com",)]
    company_file(work.data.path, "a.csv", ["a.com,b.com", "c.com,d.com"], header="Website,Homepage")
    planned(work, key)
    assert work.warehouse.query(asked) == [("b.com",), ("d.com",)]
    assert rebuild(work, run_id="rebuild") == []
    assert work.warehouse.query(asked) == [("b.com",), ("d.com",)]


def test_a_column_that_the_next_version_lacks_is_refused_with_what_was_said_of_it(nobody: Services) -> None:
    work = nobody
    key = company_file(work.data.path, "a.csv", ["a.com"], header="Homepage 2")
    steps.ingest_companies(work, key, Reading().with_choices(columns={"domain": "Homepage 2"}))
    company_file(work.data.path, "a.csv", ["a.com"], header="Website")
    with pytest.raises(FileRefused, match=r"no column 'Homepage 2'.*--column domain=NAME.*as a person said") as refused:
        steps.ingest_companies(work, key)
    assert findings.unreadable_files(work).sample == (f"a.csv: {refused.value}",)
    steps.ingest_companies(work, key, steps.last_reading(work, key).with_choices(columns={"domain": "auto"}))
    assert steps.last_reading(work, key) == Reading()
