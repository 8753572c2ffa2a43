"""Who did what, when, how many and why: every act is in the history and in the published trail, and no person is."""

import json
import shutil
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from openmart_pipeline.cli import main
from openmart_pipeline.contacts.identifiers import identifier_of
from openmart_pipeline.ledger import audit, moves, recovery
from openmart_pipeline.ledger.purging import Selection
from openmart_pipeline.pipeline import forgetting, retiring, steps
from openmart_pipeline.pipeline import retention as purging
from openmart_pipeline.pipeline.rebuilding import rebuild
from openmart_pipeline_tests.faults.kept_people import EMAIL, KEY, PAGE, WHO, at_a_copy, places
from openmart_pipeline_tests.ledger.desk import Desk
from openmart_pipeline_tests.ledger.desk import ask as question
from openmart_pipeline_tests.simulator_process import API_KEY


def typed(data: Path, url: str, *words: str, stdin: str | None = None) -> Result:
    environment = {"OPENMART_BASE_URL": url, "OPENMART_API_KEY": API_KEY, "OPENMART_DATA_DIR": str(data)}
    return CliRunner().invoke(main, words, env=environment, input=stdin)


def kinds(data: Path, url: str, *words: str) -> list[str]:
    done = typed(data, url, "history", "--json", *words)
    assert done.exit_code == 0, done.output
    return [json.loads(line)["kind"] for line in done.stdout.splitlines()]


def test_every_act_is_in_the_history_and_no_person_is(tmp_path: Path, bought: tuple[Path, str]) -> None:
    data, url = tmp_path / "data", bought[1]
    person = identifier_of(EMAIL)
    with at_a_copy(bought, data) as (work, _buyer):
        exported = work.warehouse.query("SELECT count(*) FROM contacts")[0][0]
        assert typed(data, url, "subject", EMAIL).exit_code == 0
        assert typed(data, url, "export", str(tmp_path / "all.csv"), "--file", KEY).exit_code == 0
        assert typed(data, url, "query", f"SELECT full_name FROM contacts WHERE email = '{EMAIL}'").exit_code == 0
        assert typed(data, url, "ledger", "backup", str(tmp_path / "copy.sqlite")).exit_code == 0
        forgetting.suppress(work, None, [person], **WHO)
        forgetting.unsuppress(work, None, [person], **WHO)
        forgetting.forget(work, None, [person], **WHO)
        purging.purge(work, Selection(domain="gone4.com"), **WHO)
        retiring.retire(work, KEY, remove_data=True, **WHO)
        retiring.bring_back(work, KEY, **WHO)
        recovery.hold(work.ledger, "the ticket is open", who="tests")
        recovery.hold(work.ledger, None, who="tests")
        steps.publish(work)
    assert kinds(data, url) == [
        *("approve", "subject", "export", "query", "backup", "suppress", "unsuppress", "forget", "purge", "retire"),
        *("unretire", "freeze", "unfreeze"),
    ]
    shown = typed(data, url, "history").stdout
    assert max(map(len, shown.splitlines())) <= 80
    said = [json.loads(line) for line in typed(data, url, "history", "--json").stdout.splitlines()]
    assert {
        row["kind"]: row["how_many"] for row in said if row["kind"] in ("subject", "export", "forget", "purge")
    } == {
        "subject": "1 answer, 1 contact",
        "export": f"{exported} rows",
        "forget": "1 answer, 3 new entries, 1 email and 1 linkedin and 1 phone",
        "purge": "1 answer, by company",
    }
    assert {(row["who"], row["why"]) for row in said if row["kind"] == "forget"} == {("tests", "ticket 7")}
    assert places(data, EMAIL, PAGE) == set()
    assert EMAIL not in shown


def test_a_decision_about_a_batch_in_doubt_is_in_the_trail_and_what_the_machine_did_is_not(desk: Desk) -> None:
    claim = desk.claim(desk.plan("a.csv", [question("doubt.com")]))
    assert claim is not None
    with desk.ledger.write() as connection:
        moves.apply(desk.ledger, connection, moves.MARK_UNKNOWN, claim.batch, reason="no answer")
    desk.clock.move(hours=1)
    desk.owner.close()
    moves.adopt(desk.ledger, claim.batch.batch_no, "their-id", total=1, who="ada", why="support wrote")
    [row] = audit.trail(desk.ledger)
    assert (row.kind, row.who, row.about_file, row.batch_no, row.why) == ("adopt", "ada", "a.csv", 1, "support wrote")


def test_a_reason_that_names_a_person_is_kept_without_the_person(desk: Desk) -> None:
    audit.note(desk.ledger, "export", who="ada", why=f"asked for by {EMAIL}, +1 201 555 0177", rows=3)
    [row] = audit.trail(desk.ledger)
    assert row.why == "asked for by [email], [phone]"
    assert row.how_many == "3 rows"
    assert EMAIL.encode() not in (desk.folder / "ledger.sqlite-wal").read_bytes()


def test_officers_read_the_same_trail_in_the_published_database(tmp_path: Path, bought: tuple[Path, str]) -> None:
    data = tmp_path / "data"
    with at_a_copy(bought, data) as (work, _buyer):
        retiring.retire(work, KEY, remove_data=True, **WHO)
        assert steps.publish(work) is False, "the trail was published with the deletion itself"
        rebuild(work, run_id="r")
        expected = [(row[0], *row[2:]) for row in audit.trail(work.ledger)]
        columns = "event_no, who, kind, how_many, about_file, batch_no, why"
        with duckdb.connect(work.warehouse.published_path, read_only=True) as connection:
            found = connection.execute(f"SELECT {columns} FROM audit_trail ORDER BY event_no").fetchall()
    assert found == expected
    assert [row[2] for row in found] == ["approve", "retire"]


def test_the_history_is_narrowed_by_date_kind_and_file(tmp_path: Path, bought: tuple[Path, str]) -> None:
    data, url = tmp_path / "data", bought[1]
    with at_a_copy(bought, data) as (work, _buyer):
        audit.note(work.ledger, "export", who="ada", rows=1)
    assert kinds(data, url, "--kind", "export") == ["export"]
    assert kinds(data, url, "--file", KEY) == ["approve"]
    assert kinds(data, url, "--since", "2020-01-01") == ["approve", "export"]
    for words in (("--since", "2999-01-01"), ("--kind", "fly"), ("--file", "stranger.csv")):
        refused = typed(data, url, "history", *words)
        assert (refused.exit_code, "Kinds so far: approve, export" in refused.stderr) == (2, True)


def test_whoever_erases_is_told_of_the_copies_that_were_made(tmp_path: Path, bought: tuple[Path, str]) -> None:
    data, url = tmp_path / "data", bought[1]
    shutil.copytree(bought[0], data)
    purged = ("purge", "--company", "gone3.com", "--why", "rule 4", "--yes")
    assert "Out of reach" not in typed(data, url, *purged).stdout
    typed(data, url, "export", str(tmp_path / "all.csv"))
    typed(data, url, "ledger", "backup", str(tmp_path / "copy.sqlite"))
    assert "Out of reach: 1 export and 1 backup" in typed(data, url, *purged).stdout


def test_history_refuses_where_there_is_no_ledger_and_makes_none(tmp_path: Path, bought: tuple[Path, str]) -> None:
    refused = typed(tmp_path / "nothing", bought[1], "history")
    assert (refused.exit_code, "There is no ledger at" in refused.stderr) == (2, True)
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("words", [("export", "contacts.csv"), ("query", "SELECT 1")], ids=["export", "query"])
def test_where_there_is_no_ledger_reading_makes_none(
    tmp_path: Path, bought: tuple[Path, str], words: tuple[str, ...]
) -> None:
    data = tmp_path / "data"
    shutil.copytree(bought[0] / "published", data / "published")
    done = typed(data, bought[1], words[0], str(tmp_path / words[1]) if words[0] == "export" else words[1])
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in data.iterdir()) == ["published"]
