"""Answers removed by age, file or company: the people are in no byte, the accounts stay, and nothing is bought again."""

import datetime as dt
import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from openmart_pipeline.checks import findings
from openmart_pipeline.cli import main
from openmart_pipeline.definitions import build_definitions
from openmart_pipeline.defs.purge_job import purge_old_answers_daily
from openmart_pipeline.ledger import erasure, moves, queries, recovery, schema, selection
from openmart_pipeline.ledger import (
    unmatched_results as unmatched,
)
from openmart_pipeline.ledger.purging import Selection
from openmart_pipeline.ledger.states import TaskState
from openmart_pipeline.ledger.unmatched_results import UnmatchedResult
from openmart_pipeline.pipeline import retention as purging
from openmart_pipeline.pipeline import steps
from openmart_pipeline.pipeline.rebuilding import rebuild
from openmart_pipeline.pipeline.retention import PurgeRefused
from openmart_pipeline.services import Services
from openmart_pipeline_tests.faults.kept_people import EMAIL, KEY, PAGE, WHO, at_a_copy, places
from openmart_pipeline_tests.money import at_work, company_file, planned, whole_run
from openmart_pipeline_tests.simulator_process import API_KEY
from openmart_pipeline_tests.warehouse.warehouse_children import exit_code_of

OLD = Selection(older_than=dt.timedelta(days=90))
OF_PERSON = Selection(domain="gone3.com")


def grow_old(work: Services, *domains: str, days: int = 100) -> None:
    """As if these companies' answers had been read so many days ago; all where none is named."""
    mine = sa.select(schema.questions.c.question_id).where(schema.questions.c.domain.in_(domains))
    which = schema.tasks.c.question_id.in_(mine) if domains else sa.true()
    with work.ledger.write() as connection:
        long_ago = work.ledger.clock() - dt.timedelta(days=days)
        connection.execute(schema.tasks.update().where(which).values(ended_at=long_ago))
        connection.execute(schema.batches.update().values(intent_at=long_ago))  # no answer is older than its purchase


def raw_answers(work: Services) -> int:
    with work.ledger.read() as connection:
        return connection.execute(sa.select(sa.func.count()).where(schema.tasks.c.raw.is_not(None))).scalar_one()


def test_what_is_purged_is_in_no_byte_and_stays_in_the_accounts(tmp_path: Path, bought: tuple[Path, str]) -> None:
    data = tmp_path / "data"
    with at_a_copy(bought, data) as (work, _buyer):
        grow_old(work, "gone3.com", "gone4.com")
        before = queries.progress(work.ledger), steps.load_batches(work, KEY)
        found = work.warehouse.query("SELECT count(*) FROM contacts WHERE company_domain = 'gone3.com'")[0][0]
        would = purging.preview(work, OLD)
        assert (would.chosen.answers, raw_answers(work)) == (2, 12), "a preview changes nothing"
        done = purging.purge(work, OLD, **WHO)
        assert done.chosen == would.chosen
        assert done.contacts == would.contacts >= found
        assert places(data, EMAIL, PAGE) == set()
        assert (queries.progress(work.ledger), steps.load_batches(work, KEY)) == before
        assert list(recovery.verify(work.ledger, work.journal)) == []
        assert findings.disagreements(work).is_kept


def test_a_purged_question_is_bought_again_only_when_a_plan_says_so(tmp_path: Path, bought: tuple[Path, str]) -> None:
    data = tmp_path / "data"
    with at_a_copy(bought, data) as (work, _buyer):
        grow_old(work, "gone3.com", days=400)
        purging.purge(work, OLD, **WHO)
        assert selection.plans_to_refresh(work.ledger, work.lifetimes) == {}, "nor does the monthly refresh"
        assert planned(work, KEY).quote.to_buy == 0
        assert planned(work, company_file(data, "other.csv", ["gone3.com"])).quote.to_buy == 0
        assert planned(work, KEY, reask="stale").quote.to_buy == 1


def test_neither_a_load_nor_a_rebuild_brings_a_purged_answer_back(tmp_path: Path, bought: tuple[Path, str]) -> None:
    data = tmp_path / "data"
    with at_a_copy(bought, data) as (work, _buyer):
        purging.purge(work, OF_PERSON, **WHO)
        steps.load_contacts(work, KEY, run_id="r")
        assert rebuild(work, run_id="r") == []
        assert places(data, EMAIL, PAGE) == set()
        row = "SELECT status, unanswered, contacts FROM company_coverage WHERE domain = 'gone3.com'"
        assert work.warehouse.query(row) == [("purged", None, 0)]
        result = "SELECT state, raw, estimated_credits > 0 FROM task_results WHERE state = 'purged'"
        assert work.warehouse.query(result) == [("purged", None, True)]


def test_a_files_answers_go_but_for_those_that_other_files_ask(tmp_path: Path, bought: tuple[Path, str]) -> None:
    data = tmp_path / "data"
    with at_a_copy(bought, data) as (work, _buyer):
        other = company_file(data, "other.csv", ["gone5.com", "gone6.com"])
        planned(work, other)
        steps.load_contacts(work, other, run_id="r")
        done = purging.purge(work, Selection(partition_key=KEY), **WHO)
        assert (done.chosen.answers, done.chosen.shared, raw_answers(work)) == (10, 2, 2)
        assert "2 answers of the file that other files ask" in str(done)
        assert places(data, EMAIL, PAGE) == set()


def test_a_result_without_a_question_goes_too_and_no_read_brings_it_back(
    tmp_path: Path, bought: tuple[Path, str]
) -> None:
    data = tmp_path / "data"
    with at_a_copy(bought, data) as (work, _buyer):
        with work.ledger.write() as connection:
            batch_id = moves.find(connection, 1).vendor_batch_id
            result = UnmatchedResult(
                vendor_task_id="theirs", vendor_batch_id=batch_id, tracking_id=None, reason="no tracking id",
                state=TaskState.FOUND, raw=b'{"data": [{"email": {"email": "stray@elsewhere.com"}}]}', emails=1,
            )  # fmt: skip
            unmatched.store(connection, 1, result, work.ledger.clock())
        steps.load_batches(work, KEY)
        held = "SELECT address_domains FROM unmatched_results"
        assert work.warehouse.query(held) == [(["elsewhere.com"],)]
        done = purging.purge(work, Selection(domain="elsewhere.com"), **WHO)
        assert (done.chosen.answers, done.chosen.unmatched) == (0, 1)
        with work.ledger.write() as connection:
            unmatched.store(connection, 1, result, work.ledger.clock())
        assert places(data, "stray@elsewhere.com") == set()
        assert work.warehouse.query(held) == [([],)]


def test_a_purge_while_others_buy_and_collect_loses_nothing_that_is_on_its_way(
    tmp_path: Path, bought: tuple[Path, str]
) -> None:
    data = tmp_path / "data"
    with at_a_copy(bought, data) as (work, session):
        other = company_file(data, "other.csv", [f"way{number}.com" for number in range(30)])
        purged = []

        def on_event(step: str, _batch: int, _tasks: int, _detail: str) -> None:
            if step == "accepted":
                with at_work(data, bought[1]) as (elsewhere, _):
                    purged.append(purging.purge(elsewhere, Selection(partition_key=KEY), **WHO).chosen.answers)

        whole_run(work, session, other, on_event=on_event)
        assert purged == [12]
        assert raw_answers(work) == 30
        assert set(work.warehouse.coverage(other)) <= {"found", "nothing_found"}
        assert places(data, EMAIL, PAGE) == set()


STEPS = ["answers removed", "ledger written over", "files loaded", "warehouse rewritten", "published"]


def purge_and_die(data: Path, url: str, step: str) -> None:
    def on_step(done: str) -> None:
        if done == step:
            os.kill(os.getpid(), signal.SIGKILL)

    with at_work(data, url) as (work, _buyer):
        purging.purge(work, OF_PERSON, **WHO, on_step=on_step)


@pytest.mark.parametrize("step", STEPS)
def test_after_a_kill_at_any_step_the_same_purge_finishes(tmp_path: Path, bought: tuple[Path, str], step: str) -> None:
    data = tmp_path / "data"
    shutil.copytree(bought[0], data)
    assert exit_code_of(purge_and_die, data, bought[1], step) == -signal.SIGKILL
    with at_work(data, bought[1]) as (work, _buyer):
        purging.purge(work, OF_PERSON, **WHO)
        assert places(data, EMAIL, PAGE) == set()
        assert erasure.due_files(work.ledger) is None


def test_after_a_kill_the_next_collecting_run_takes_the_contacts_out(tmp_path: Path, bought: tuple[Path, str]) -> None:
    data = tmp_path / "data"
    shutil.copytree(bought[0], data)
    assert exit_code_of(purge_and_die, data, bought[1], "answers removed") == -signal.SIGKILL
    with at_work(data, bought[1]) as (work, _buyer):
        assert queries.due_for_loading(work.ledger) == [KEY]
        environment = {"OPENMART_BASE_URL": bought[1], "OPENMART_DATA_DIR": str(data)}
        assert (
            "An erasure is under way or was interrupted" in CliRunner().invoke(main, ["status"], env=environment).stdout
        )
        steps.load_contacts(work, KEY, run_id="r")
        steps.publish(work)
        assert places(data, EMAIL, PAGE) & {"warehouse.duckdb", "published/contacts.duckdb"} == set()


def test_a_clock_that_was_behind_while_reading_makes_no_answer_old(tmp_path: Path, bought: tuple[Path, str]) -> None:
    with at_a_copy(bought, tmp_path / "data") as (work, _buyer):
        with work.ledger.write() as connection:
            in_1999 = dt.datetime(1999, 1, 1, tzinfo=dt.UTC)
            connection.execute(schema.tasks.update().values(ended_at=in_1999))
        assert purging.preview(work, OLD).chosen.answers == 0, "they were bought just now"


def test_a_clock_that_jumped_purges_nothing_unwatched(tmp_path: Path, bought: tuple[Path, str]) -> None:
    with at_a_copy(bought, tmp_path / "data") as (work, _buyer):
        ahead = work.ledger.clock() + dt.timedelta(days=365)
        work.ledger.clock = lambda: ahead
        assert purging.preview(work, OLD).chosen.answers == 12
        with pytest.raises(PurgeRefused, match="the clock may be wrong"):
            purging.purge(work, OLD, **WHO, is_watched=False)
        assert raw_answers(work) == 12


@pytest.mark.parametrize(
    ("named", "goes"),
    [
        ("jane@gone3.com", True),
        ("jane@mail.gone3.com", True),
        ("jane@notgone3.com", False),
        ("jane@gone3.com.au", False),
    ],
)
def test_a_company_whose_domain_only_looks_like_it_loses_no_result(
    tmp_path: Path, bought: tuple[Path, str], named: str, goes: bool
) -> None:
    data = tmp_path / "data"
    with at_a_copy(bought, data) as (work, _buyer):
        with work.ledger.write() as connection:
            batch_no, batch_id = connection.execute(
                sa.select(schema.batches.c.batch_no, schema.batches.c.vendor_batch_id)
            ).first()
            raw = json.dumps({"data": [{"email": {"email": named}}]}).encode()
            result = UnmatchedResult(
                vendor_task_id="t", vendor_batch_id=batch_id, tracking_id=None, reason=unmatched.NO_ID,
                state=TaskState.FOUND, raw=raw,
            )  # fmt: skip
            unmatched.store(connection, batch_no, result, work.ledger.clock())
        assert purging.preview(work, OF_PERSON).chosen.unmatched == int(goes)


def test_without_a_choice_nothing_is_purged(tmp_path: Path, bought: tuple[Path, str]) -> None:
    with at_a_copy(bought, tmp_path / "data") as (work, _buyer):
        for call in (lambda: purging.preview(work, Selection()), lambda: purging.purge(work, Selection(), **WHO)):
            with pytest.raises(PurgeRefused, match="name an age, a file or a company"):
                call()


def typed(data: Path, url: str, *words: str, stdin: str | None = None) -> Result:
    environment = {"OPENMART_BASE_URL": url, "OPENMART_API_KEY": API_KEY, "OPENMART_DATA_DIR": str(data)}
    return CliRunner().invoke(main, ["purge", *words], env=environment, input=stdin)


def test_the_command_shows_what_would_go_and_removes_it_after_a_yes(tmp_path: Path, bought: tuple[Path, str]) -> None:
    data = tmp_path / "data"
    with at_a_copy(bought, data) as (work, _buyer):
        for words, says in (
            ((), "Say --why"),
            (("--why", "rule 4"), "name an age, a file or a company"),
            (("--company", "gone3.com", "--why", "rule 4"), "There is nobody to ask here"),
            (("--company", "jane@acme.com", "--why", "rule 4"), "--company needs a company's domain"),
            (("--file", "stranger.csv", "--why", "rule 4", "--yes"), "knows no file"),
        ):
            refused = typed(data, bought[1], *words)
            assert refused.exit_code == 2, refused.output
            assert says in refused.stderr
        shown = typed(data, bought[1], "--company", "gone3.com", "--dry-run")
        assert shown.stdout.startswith("A purge would remove: 1 answer with 1 contact.")
        assert raw_answers(work) == 12
        done = typed(data, bought[1], "--company", "gone3.com", "--why", "rule 4", "--yes")
        assert done.stdout.startswith("Removed for good: 1 answer with 1 contact.")
        assert places(data, EMAIL, PAGE) == set()


def test_the_schedule_is_off_and_deletes_nothing_without_an_age(tmp_path: Path, bought: tuple[Path, str]) -> None:
    data = tmp_path / "data"
    with at_a_copy(bought, data) as (work, _buyer):
        grow_old(work, "gone3.com")
        environment = {"OPENMART_BASE_URL": bought[1], "OPENMART_DATA_DIR": str(data)}
        definitions = build_definitions(environment)
        resources = definitions.resources or {}
        assert purge_old_answers_daily.default_status is dg.DefaultScheduleStatus.STOPPED
        context = dg.build_schedule_context()
        skipped = purge_old_answers_daily(context, workplace=resources["workplace"])
        assert "OPENMART_PURGE_AFTER_DAYS is not set" in str(skipped.skip_message)
        environment["OPENMART_PURGE_AFTER_DAYS"] = "90"
        request = purge_old_answers_daily(context, workplace=resources["workplace"])
        job = definitions.resolve_job_def("purge_old_answers_job")
        config = json.loads(json.dumps(request.run_config))
        config["ops"]["purge_old_answers"]["config"]["dry_run"] = True
        assert job.execute_in_process(run_config=config).success
        assert raw_answers(work) == 12
        assert job.execute_in_process(run_config=request.run_config).success
        assert (raw_answers(work), places(data, EMAIL, PAGE)) == (11, set())
        assert replace(OLD, older_than=None) == Selection()
