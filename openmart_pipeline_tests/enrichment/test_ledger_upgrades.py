"""A newer program on an older ledger: brought forward whole or not at all, and nothing is bought for it. F33."""

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from openmart_pipeline.enrichment.intake.domains import normalise_domain
from openmart_pipeline.enrichment.intake.platforms import PlatformList
from openmart_pipeline.enrichment.ledger import plans, schema, upgrades
from openmart_pipeline.enrichment.ledger.owed import Standing
from openmart_pipeline.enrichment.ledger.states import TaskState
from openmart_pipeline.enrichment.questions import CANON_VERSION, Question
from openmart_pipeline_tests.enrichment.desk import Desk, ask, desk_at

OLD = Path(__file__).with_name("ledger_of_schema_1.sql")  # as schema 1 wrote it: two files, two batches, one answered

# The history is written after the tables were changed, in the same transaction; its clock is where the kill falls.
KILLED_UPGRADE = """
import os, pathlib, signal, sys
from openmart_pipeline.enrichment.ledger.store import Ledger
from openmart_pipeline.enrichment.owners import Owner
path = pathlib.Path(sys.argv[1])
clock = lambda: os.kill(os.getpid(), signal.SIGKILL)
Ledger(f"sqlite:///{path}", Owner(path.parent / "owners"), api_identity="simulated", actor="tests", clock=clock)
"""


def old_ledger(folder: Path) -> Path:
    path = folder / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(OLD.read_text(encoding="utf-8"))
    return path


def definitions(path: Path) -> dict[str, object]:
    """Every table's columns and every index and trigger, however they came to be."""
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute("SELECT name, type FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'").fetchall()
        columns = {
            name: sorted(row[1:] for row in connection.execute(f"PRAGMA table_info('{name}')"))
            for name, kind in names
            if kind == "table"
        }
        others = connection.execute("SELECT name, sql FROM sqlite_master WHERE type IN ('index', 'trigger')").fetchall()
        return {"columns": columns, "others": sorted(row for row in others if row[1] is not None)}


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def test_an_old_ledger_becomes_what_a_new_one_is_and_keeps_every_row(tmp_path: Path) -> None:
    path = old_ledger(tmp_path)
    kept = "SELECT * FROM {} ORDER BY 1, 2"
    tables = ("asks", "batches", "plans", "questions", "tasks")
    before = {table: rows(path, kept.format(table)) for table in tables}
    (tmp_path / "new").mkdir()
    with desk_at(tmp_path) as desk, desk_at(tmp_path / "new"):
        assert definitions(path) == definitions(tmp_path / "new" / "ledger.sqlite")
        after = {table: rows(path, kept.format(table)) for table in tables}
        assert {table: [row[: len(before[table][0])] for row in after[table]] for table in tables} == before
        assert [plan.partition_key for plan in plans.all_partitions(desk.ledger)] == ["a.csv", "b.csv"]
    assert ("upgrade",) in rows(path, "SELECT move FROM events")
    with desk_at(tmp_path):
        pass
    assert rows(path, "SELECT count(*) FROM events WHERE move = 'upgrade'") == [(1,)], "brought forward once"


def test_what_an_old_ledger_owns_is_not_owed_after_the_upgrade(tmp_path: Path) -> None:
    old_ledger(tmp_path)
    with desk_at(tmp_path) as desk:
        plan = desk.plan("c.csv", [ask("acme.com"), ask("bolt.eu", title="HEAD OF  marketing"), ask("canva.com")])
        assert desk.standing(plan) == {Standing.OWNED: 2, Standing.IN_FLIGHT: 1}
        assert desk.claim(plan) is None


def test_a_kill_in_the_middle_of_an_upgrade_leaves_the_old_ledger(tmp_path: Path) -> None:
    path = old_ledger(tmp_path)
    before = definitions(path)
    assert subprocess.run([sys.executable, "-c", KILLED_UPGRADE, path], check=False).returncode == -signal.SIGKILL
    assert definitions(path) == before
    assert rows(path, "SELECT value FROM meta WHERE key = 'schema_version'") == [("1",)]
    with desk_at(tmp_path):
        assert definitions(path) != before


def rekeyed(desk: Desk) -> upgrades.Rekeyed:
    """Bring the questions to rules by which a hyphen in a title is a space."""

    def renewed(question: Question) -> Question:
        return replace(question, title=question.title.replace("-", " "))

    with desk.ledger.write() as connection:
        return upgrades.rekey(
            connection, CANON_VERSION + 1, renewed=renewed, fingerprint=lambda question: f"new-{question.fingerprint}"
        )


def test_new_rules_key_every_question_anew_and_nothing_is_owed_for_it(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        plan = desk.plan("a.csv", [ask("acme.com"), ask("bolt.eu"), ask("later.com")])
        desk.bought(plan)
        assert rekeyed(desk) == upgrades.Rekeyed(changed=3)
        renewed = plans.current_plan(desk.ledger, "a.csv")
        assert renewed is not None
        assert renewed.plan_id != plan.plan_id, "another plan: the warehouse reads it again"
        assert desk.standing(renewed) == {Standing.OWNED: 3}
        assert rekeyed(desk) == upgrades.Rekeyed(), "once"
        with desk.ledger.read() as connection:
            keys = connection.execute(sa.select(schema.questions.c.fingerprint)).scalars().all()
    assert all(key.startswith("new-") for key in keys)


def test_two_questions_that_the_new_rules_take_for_one_share_their_answers(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        plan = desk.plan("a.csv", [ask("acme.com", title="Co-Founder"), ask("acme.com", title="Co Founder", max_k=1)])
        desk.bought(plan)
        other = desk.plan("b.csv", [ask("acme.com", title="Co-Founder")])
        assert rekeyed(desk).merged == 1
        for key, of_it in ((plan.partition_key, 1), (other.partition_key, 1)):
            current = plans.current_plan(desk.ledger, key)
            assert current is not None
            assert desk.standing(current) == {Standing.OWNED: of_it}
        assert desk.tasks() == {TaskState.FOUND: 2}


def test_two_that_are_both_under_way_are_both_collected_and_none_is_bought_again(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        one = desk.plan("a.csv", [ask("acme.com", title="Co-Founder")])
        claim = desk.claim(one)
        two = desk.plan("b.csv", [ask("acme.com", title="Co Founder")])
        twin = desk.claim(two)
        assert claim is not None
        assert twin is not None
        for sent in (claim, twin):
            desk.submitted(sent)
        assert rekeyed(desk).merged == 1
        assert desk.tasks() == {TaskState.IN_FLIGHT: 1, TaskState.TWIN: 1}
        for sent in (claim, twin):
            desk.answer(sent)
        assert desk.tasks() == {TaskState.FOUND: 2}
        assert all(batch.state == "collected" for batch in desk.batches())


def test_a_plan_of_the_old_rules_is_refused_until_it_is_planned_again(tmp_path: Path) -> None:
    with desk_at(tmp_path, "http://127.0.0.1:9") as desk:  # nobody is asked: it is refused before
        desk.plan("a.csv", [ask("acme.com")])
        rekeyed(desk)
        current = plans.current_plan(desk.ledger, "a.csv")
        assert current is not None
        report = desk.buy(current)
        assert report.stop == "stale"
        assert "Plan it again" in report.sentence


def test_a_domain_that_today_is_somebody_elses_keeps_the_question_it_was_bought_for() -> None:
    """Another suffix list, another platform: what was bought for a company stays that company's."""
    kept = [Question(domain=domain, title="Owner") for domain in ("jobs.acme.com", "facebook.com", "no such domain")]
    assert [upgrades.as_told_apart_today(question) for question in kept] == kept
    spelled = upgrades.as_told_apart_today(Question(domain="BÜCHER.de.", title="Owner"))
    assert spelled.domain == "xn--bcher-kva.de"


# What a website in a file is bought as. One that moves is bought again by everybody who owns it: raise CANON_VERSION.
FROZEN = {
    "https://WWW.Example.co.uk/path?q=1": "example.co.uk",
    "jane@acme.com": "acme.com",
    "@acme.com": "acme.com",
    "acme.com.": "acme.com",
    "jobs.acme.co.jp": "acme.co.jp",
    "acme.uk.com": "acme.uk.com",
    "http://bücher.de:8080": "xn--bcher-kva.de",
    "faß.de": "xn--fa-hia.de",
    "παράδειγμα.gr": "xn--hxajbheg2az3al.gr",
    "例え.jp": "xn--r8jz45g.jp",
    "acme.com.au": "acme.com.au",
    "acme.gov.uk": "acme.gov.uk",
    "acme.k12.ca.us": "acme.k12.ca.us",
    "acme.museum": "acme.museum",
    "acme.shop": "acme.shop",
    "acme.io": "acme.io",
    "acme.co": "acme.co",
    "acme.com.br": "acme.com.br",
    "x.y.z.acme.net": "acme.net",
    "facebook.com": "facebook.com",
    "StyleLend.com": "stylelend.com",
    "picktrace.com/company": "picktrace.com",
}


@pytest.mark.parametrize("website", FROZEN)
def test_a_website_is_bought_under_the_domain_it_always_was(website: str) -> None:
    assert normalise_domain(website, platforms=PlatformList.bundled()) == FROZEN[website]
