"""Forgetting a person: out of everything that is kept, proven by decoding it, and not in again by any way."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from openmart_pipeline.api.models import DenyKind
from openmart_pipeline.contacts.identifiers import Identifier, Kind, identifier_of
from openmart_pipeline.ledger import erasure, schema
from openmart_pipeline.ledger.store import LedgerRefused
from openmart_pipeline.pipeline import forgetting, steps
from openmart_pipeline.pipeline.forgetting import NotForgotten
from openmart_pipeline.pipeline.rebuilding import rebuild
from openmart_pipeline.privacy import holdings
from openmart_pipeline.services import ApiSession, Services
from openmart_pipeline_tests.money import at_work, bought, company_file, planned, whole_run
from openmart_pipeline_tests.simulator_process import SimulatorProcess
from openmart_pipeline_tests.traces import traces
from openmart_pipeline_tests.warehouse.warehouse_children import exit_code_of

DOMAINS = [f"company{number}.com" for number in range(40)]
KEY = "a.csv"
WHO = {"who": "tests", "why": "ticket 7"}


@dataclass(frozen=True)
class Person:
    """Somebody whom the simulator found, with everything, under a name that is theirs alone."""

    name: str
    email: str
    slug: str
    domain: str

    @property
    def identifier(self) -> Identifier:
        return identifier_of(self.email)

    @property
    def needles(self) -> tuple[str, ...]:
        return self.name, self.email, self.slug


def pick(work: Services) -> Person:
    rows = work.warehouse.query(
        """
        SELECT full_name, email, linkedin_url, company_domain FROM contacts
        WHERE email IS NOT NULL AND linkedin_url IS NOT NULL AND len(phones) > 0 AND NOT is_free_mail
        QUALIFY count(*) OVER (PARTITION BY full_name) = 1 ORDER BY email
        """
    )
    name, email, page, domain = next(row for row in rows if row[0].isascii())
    return Person(name, email, page.rpartition("/")[2], domain)


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    with SimulatorProcess(tmp_path_factory.mktemp("simulator")) as running:
        yield running


@contextmanager
def after_a_run(
    data_dir: Path, simulator: SimulatorProcess, **settings: str
) -> Iterator[tuple[Services, ApiSession, Person]]:
    """A file's contacts, bought and published, and one person among them; bought once for all tests of a simulator."""
    bought = simulator.state.with_name("bought")
    if not bought.exists():
        company_file(bought, KEY, DOMAINS)
        with at_work(bought, simulator.url) as (work, session):
            whole_run(work, session, KEY)
    shutil.copytree(bought, data_dir, dirs_exist_ok=True)
    with at_work(data_dir, simulator.url, **settings) as (work, session):
        yield work, session, pick(work)


def people(work: Services) -> int:
    return int(work.warehouse.query("SELECT count(*) FROM contacts")[0][0])


def test_a_forgotten_person_is_in_no_file_below_the_data_folder(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with after_a_run(tmp_path, simulator) as (work, _buyer, person):
        before = people(work)
        assert traces(tmp_path, *person.needles), "the proof must be able to find them"
        done = forgetting.forget(work, None, [person.identifier], **WHO)
        assert traces(tmp_path, *person.needles) == []
        assert (done.answers, done.contacts, done.files_loaded_anew) == (1, 1, [KEY])
        assert people(work) == before - 1
        assert work.warehouse.published_generation() is not None
    assert traces(tmp_path, *person.needles) == [], "nor after everything is closed"


def test_the_others_of_the_same_answer_stay(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with after_a_run(tmp_path, simulator) as (work, _buyer, person):
        others = "SELECT full_name FROM contacts WHERE email IS DISTINCT FROM ? ORDER BY contact_id"
        before = work.warehouse.query(others, [person.email])
        forgetting.forget(work, None, [person.identifier], **WHO)
        assert work.warehouse.query(others, [person.email]) == before
        raw = work.warehouse.query("SELECT count(*) FROM task_results WHERE raw LIKE '%people_removed_on_request%'")
        assert raw == [(1,)]


def test_who_is_found_by_one_address_is_kept_out_by_all_their_own(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with after_a_run(tmp_path, simulator) as (work, _buyer, person):
        done = forgetting.forget(work, None, [person.identifier], **WHO)
        assert done.suppressed.keys() >= {"email", "linkedin"}
        assert work.suppressions.current().has(Identifier(Kind.LINKEDIN, f"https://www.linkedin.com/in/{person.slug}"))


def test_a_number_that_somebody_else_has_too_is_left_alone(tmp_path: Path, simulator: SimulatorProcess) -> None:
    company_file(tmp_path, KEY, DOMAINS)
    shared = "+12015550100"
    with at_work(tmp_path, simulator.url) as (work, session):
        whole_run(work, session, KEY)
        person = pick(work)
        put_number_on_everybody(work, shared)
        done = forgetting.forget(work, None, [person.identifier], **WHO)
        assert done.shared == {"phone": 1}
        assert not work.suppressions.current().has(Identifier(Kind.PHONE, shared))
        assert people(work) > 0


def put_number_on_everybody(work: Services, number: str) -> None:
    """As a company's answers look when it lists its switchboard for each of its people."""
    import zlib

    phones = [{"phone_number": number, "line_type": "LANDLINE", "valid": True}]
    with work.ledger.write() as connection:
        for task_no, raw in connection.execute(sa.select(schema.tasks.c.task_no, schema.tasks.c.raw)).all():
            answer = json.loads(zlib.decompress(raw))
            answer["data"] = [{**item, "phones": phones} for item in answer["data"] or []]
            packed = zlib.compress(json.dumps(answer).encode())
            connection.execute(schema.tasks.update().where(schema.tasks.c.task_no == task_no).values(raw=packed))
    steps.load_contacts(work, KEY, run_id="r")


def test_the_vendor_is_told_before_anything_is_erased(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with after_a_run(tmp_path, simulator) as (work, session, person):
        done = forgetting.forget(work, session.client, [person.identifier], **WHO)
        assert done.told_vendor["email"] == 1
        assert session.client.denied(DenyKind.EMAIL, [person.email]) == {person.email: True}
        session.client.undeny(DenyKind.EMAIL, [person.email])


def test_when_the_vendor_can_not_be_told_nothing_is_erased_and_it_says_so(tmp_path: Path) -> None:
    with (
        SimulatorProcess(tmp_path / "simulator") as simulator,
        after_a_run(tmp_path / "data", simulator) as (work, session, person),
    ):
        simulator.kill()
        before = people(work)
        with pytest.raises(NotForgotten, match="--without-vendor"):
            forgetting.forget(work, buyer_with_little_patience(session), [person.identifier], **WHO)
        assert people(work) == before
        assert not work.suppressions.current()
        assert traces(tmp_path / "data", person.email)


def buyer_with_little_patience(session: ApiSession) -> Any:
    from openmart_pipeline.api.client import OpenmartClient
    from openmart_pipeline_tests.simulator_process import API_KEY

    return OpenmartClient(session.client.base_url, API_KEY, read_attempts=1, read_retry_total_s=1)


def test_asked_again_the_person_does_not_come_back(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with after_a_run(tmp_path, simulator, OPENMART_FOUND_LIFETIME_DAYS="0") as (work, session, person):
        forgetting.forget(work, None, [person.identifier], **WHO)
        report = whole_run(work, session, KEY, reask="stale")
        assert sum(report.collected.ended.values()) > 0, "the questions were bought again"
        assert traces(tmp_path, *person.needles) == []


def test_an_answer_on_its_way_is_kept_without_the_person(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with after_a_run(tmp_path / "first", simulator) as (_work, _buyer, person):
        pass
    data = tmp_path / "second"
    company_file(data, KEY, DOMAINS)
    with at_work(data, simulator.url) as (work, session):
        plan = planned(work, KEY)
        bought(work, session, KEY, credit_limit=plan.quote.worst_case_credits or 0)
        forgetting.forget(work, None, [person.identifier], **WHO)
        steps.collector(work, session, [KEY]).run(patience_s=20)
        steps.load_contacts(work, KEY, run_id="r")
        steps.publish(work)
        assert people(work) > 0
        # Whom only the address was given for has left with everything else that the answer said of them.
        assert traces(data, *person.needles) == []


def test_a_rebuild_does_not_bring_the_person_back(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with after_a_run(tmp_path, simulator) as (work, _buyer, person):
        forgetting.forget(work, None, [person.identifier], **WHO)
        rebuild(work, run_id="r")
        assert traces(tmp_path, *person.needles) == []


def test_a_company_file_that_names_the_person_is_said_and_its_rows_are_loaded_without(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    with after_a_run(tmp_path, simulator) as (work, _buyer, person):
        rows = [f"{domain},Owner: {person.email}" for domain in DOMAINS[:3]]
        company_file(tmp_path, "named.csv", rows, header="Website,Notes")
        planned(work, "named.csv")
        found = holdings.find(work, [person.identifier])
        assert found.input_files == ["named.csv"]
        assert {(row.input_file, row.source_row, row.column) for row in found.rows} == {
            ("named.csv", number, "other") for number in (2, 3, 4)
        }
        done = forgetting.forget(work, None, [person.identifier], **WHO)
        assert done.still_naming == ["named.csv"]
        named = {place.split(" ")[0] for place in traces(tmp_path, person.email)}
        assert {name.split("/")[0] for name in named} == {"input", "files"}, "the user's file, and the copy in use"

        company_file(tmp_path, "named.csv", DOMAINS[:3], header="Website")
        planned(work, "named.csv")
        again = forgetting.forget(work, None, [person.identifier], **WHO)
        assert (again.still_naming, again.copies_removed) == ([], 1)
        assert traces(tmp_path, *person.needles) == []


def test_the_history_says_that_somebody_was_forgotten_and_not_who(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with after_a_run(tmp_path, simulator) as (work, _buyer, person):
        forgetting.forget(work, None, [person.identifier], **WHO)
        with work.ledger.read() as connection:
            events = (
                connection.execute(sa.select(schema.events).where(schema.events.c.move == "forget")).mappings().all()
            )
        assert [(event["actor"], event["reason"]) for event in events] == [("tests", "ticket 7")]
        assert json.loads(events[0]["detail"])["answers"] == 1
        with pytest.raises(NotForgotten, match="reference"):
            forgetting.forget(work, None, [person.identifier], who="tests", why=f"{person.email} asked us")


def test_subject_shows_everything_that_is_held(tmp_path: Path, simulator: SimulatorProcess) -> None:
    with after_a_run(tmp_path, simulator) as (work, _buyer, person):
        found = holdings.find(work, [person.identifier])
        assert [answer.item["email"]["email"] for answer in found.answers] == [person.email]
        assert [row["full_name"] for row in found.contacts] == [person.name]
        assert found.suppressed == []
        forgetting.forget(work, None, [person.identifier], **WHO)
        after = holdings.find(work, [person.identifier])
        assert not after
        assert after.suppressed == [Kind.EMAIL]


def test_a_suppressed_company_is_asked_nothing_and_leaves_the_tables(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    with after_a_run(tmp_path, simulator) as (work, session, person):
        bought = len(simulator.batches())
        domain = identifier_of(person.domain)
        assert forgetting.suppress(work, None, [domain], **WHO) == 1
        whole_run(work, session, KEY, titles=("Owner", "CFO"))
        asked = {question["domain"] for batch in simulator.batches()[bought:] for question in batch["questions"]}
        assert asked
        assert person.domain not in asked
        outcome = "SELECT DISTINCT outcome FROM enrichment_plan WHERE domain = ?"
        assert work.warehouse.query(outcome, [person.domain]) == [("suppressed",)]
        assert work.warehouse.query("SELECT count(*) FROM contacts WHERE company_domain = ?", [person.domain]) == [(0,)]
        status = "SELECT status FROM company_coverage WHERE domain = ?"
        assert work.warehouse.query(status, [person.domain]) == [("set_aside",)]
        assert forgetting.unsuppress(work, None, [domain], **WHO) == 1
        whole_run(work, session, KEY)
        assert work.warehouse.query(status, [person.domain]) == [("found",)]


def test_without_the_key_of_the_list_nothing_is_planned_collected_or_loaded(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    with after_a_run(tmp_path, simulator) as (work, _buyer, person):
        forgetting.suppress(work, None, [person.identifier], **WHO)
        key = work.data.suppression_key
        assert key.stat().st_mode & 0o077 == 0
        lost = key.read_bytes()
    for content in (None, b"00" * 32):
        key.unlink(missing_ok=True)
        if content:
            key.write_bytes(content)
        with at_work(tmp_path, simulator.url) as (work, _buyer):
            for step in (
                lambda: planned(work, KEY),
                lambda: steps.load_contacts(work, KEY, run_id="r"),
                work.suppressions.current,
            ):
                with pytest.raises(LedgerRefused, match="Put the file back"):
                    step()
    key.write_bytes(lost)
    with at_work(tmp_path, simulator.url) as (work, _buyer):
        planned(work, KEY)


STEPS = [
    "vendor told",
    "suppressed",
    "answers cleaned",
    "ledger written over",
    "files loaded",
    "warehouse rewritten",
    "published",
]


def forget_and_die(data_dir: Path, url: str, email: str, step: str) -> None:
    def on_step(done: str) -> None:
        if done == step:
            os.kill(os.getpid(), signal.SIGKILL)

    with at_work(data_dir, url) as (work, _buyer):
        forgetting.forget(work, None, [identifier_of(email)], **WHO, on_step=on_step)


@pytest.mark.parametrize("step", STEPS)
def test_after_a_kill_at_any_step_the_same_call_finishes(
    tmp_path: Path, simulator: SimulatorProcess, step: str
) -> None:
    with after_a_run(tmp_path, simulator) as (work, _buyer, person):
        before = people(work)
    assert exit_code_of(forget_and_die, tmp_path, simulator.url, person.email, step) == -signal.SIGKILL
    with at_work(tmp_path, simulator.url) as (work, _buyer):
        forgetting.forget(work, None, [person.identifier], **WHO)
        assert traces(tmp_path, *person.needles) == []
        assert erasure.due_files(work.ledger) is None
        assert people(work) == before - 1
