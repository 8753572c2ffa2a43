"""`quote`, `status`, `collect`, `unknown`, `check`, `rebuild`: what they show, and that they spend nothing."""

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from openmart_pipeline_tests.cli.terminal import Terminal, number, sentence
from openmart_pipeline_tests.ledger.desk import Desk
from openmart_pipeline_tests.money import at_work, batch_states, task_states
from openmart_pipeline_tests.simulator_process import SimulatorProcess


def test_a_quote_needs_no_key_and_shows_columns_reasons_and_cost(
    terminal: Terminal, simulator: SimulatorProcess
) -> None:
    seen = len(simulator.requests())
    lines = ("Firma;Web;Size", "Acme;acme-quote.com;12", "Gem;gmail.com;3", "Acme;www.acme-quote.com;12", "None;;1")
    done = terminal("quote", terminal.file("q.csv", *lines), "--max-k", 2, OPENMART_API_KEY=None)
    assert done.exit_code == 0
    assert "domain        <- Web" in done.stdout
    assert "kept as they are: Size" in done.stdout
    assert "free_mail" in done.stdout
    assert "blank_domain" in done.stdout
    assert number(done.stdout, "rows in the file") == 4
    assert number(done.stdout, "  set aside") == 2
    assert number(done.stdout, "questions of an earlier row") == 1
    assert number(done.stdout, "questions to buy") == 1
    assert number(done.stdout, "credits at most") == 22
    assert "third-party notes, unconfirmed" in done.stdout
    assert re.search(
        r"^  ops: \{submitted_batches: .*credit_limit: 22, plan: p[0-9a-f]{8}\}\}\}$", done.stdout, re.MULTILINE
    )
    assert len(simulator.requests()) == seen


def test_choices_are_kept_with_the_file_until_others_are_made(terminal: Terminal) -> None:
    path = terminal.companies("a.csv", 2)
    terminal("quote", path, "--title", "CEO", "--title", "CFO", "--max-k", 1, "--info-access", "email")
    assert number(terminal("quote", path).stdout, "credits at most") == 2 * 2 * 3
    assert number(terminal("quote", path, "--info-access", "EMAIL,PHONE").stdout, "credits at most") == 2 * 2 * 11


def test_dollars_are_shown_where_a_price_is_given(terminal: Terminal) -> None:
    done = terminal(
        "quote", terminal.companies("a.csv", 1), "--max-k", 1, OPENMART_PRICE_PER_CREDIT="0.03 USD; contract; 2026-11"
    )
    assert "$0.33" in done.stdout


def has_a_ledger(terminal: Terminal) -> None:
    """As a first quote leaves it."""
    desk = Desk(terminal.data)
    desk.close()


def test_status_says_what_waits_what_is_in_doubt_and_what_was_spent(
    terminal: Terminal, make_simulator: Callable[..., SimulatorProcess]
) -> None:
    simulator = make_simulator(processing_s=600, faults={"created_then_502": "nth:2"})
    terminal.environment["OPENMART_BASE_URL"] = simulator.url
    has_a_ledger(terminal)
    assert "No file yet" in terminal("status").stdout
    path = terminal.companies("a.csv", 110)
    terminal("run", path, "--yes", "--max-k", 1, "--patience", 0, OPENMART_SUBMIT_CONCURRENCY="1")
    seen = len(simulator.requests())
    shown = terminal("status", OPENMART_CREDITS_PER_DAY="5000").stdout
    assert len(simulator.requests()) == seen
    in_flight, unknown = 100, 10
    assert re.search(rf"^ a\.csv +- +{in_flight} +{unknown} +- +\d+ s ago", shown, re.MULTILINE)
    assert "1 batch under way" in shown
    assert number(shown, "today (UTC)") == 5000
    assert "1,210" in shown
    assert "unknown adopt" in shown


def test_status_counts_what_was_not_spent_because_it_is_owned(terminal: Terminal) -> None:
    terminal("run", terminal.companies("a.csv", 3, domain="owned"), "--yes")
    assert number(terminal("status").stdout, "not spent: owned when planned") == 0
    terminal("quote", terminal.companies("b.csv", 4, domain="owned"))
    assert number(terminal("status").stdout, "not spent: owned when planned") == 3 * 3 * (3 + 8)


def test_status_explains_what_has_no_answer_and_how_to_go_on(
    terminal: Terminal, make_simulator: Callable[..., SimulatorProcess]
) -> None:
    refused, stalled, forgotten = "refused.com", "stalled.com", "forgotten.com"
    faults = {"task_errored": "domain:errored.com", "task_cancelled": "domain:cancelled.com",
              "422_before_creating": f"domain:{refused}"}  # fmt: skip
    simulator = make_simulator(faults=faults)
    terminal.environment["OPENMART_BASE_URL"] = simulator.url
    for domain in (refused, stalled, forgotten):
        terminal("run", terminal.file(f"{domain}.csv", "Website", domain), "--yes", "--patience", 0)
    terminal("run", terminal.file("bad.csv", "Website", "errored.com", "cancelled.com"), "--yes")
    with at_work(terminal.data, simulator.url) as (work, _), work.ledger.write() as connection:
        for domain, state in ((stalled, "stalled"), (forgotten, "expired")):
            mine = f"batch_no = (SELECT batch_no FROM batches WHERE partition_key = '{domain}.csv')"
            connection.exec_driver_sql(f"UPDATE tasks SET state = '{state}', raw = NULL WHERE {mine}")
            connection.exec_driver_sql(f"UPDATE batches SET state = '{state}' WHERE {mine}")
    shown = terminal("status").stdout
    for state, means, what_next in (
        ("errored", "the server gave up", "Planned with reask errored, bought again."),
        ("cancelled", "the server cancelled", "Planned with reask errored, bought again."),
        ("rejected", "wrong; nothing was bought", "Planned with reask errored, bought again, in tens, then singly."),
        ("expired", "the server no longer knows the batch", "Planned with reask expired, bought again."),
        ("stalled", "collected at no cost should it come", "To buy again, which pays again: release the batch."),
    ):
        assert re.search(rf"^1 question {state}: .*{means}\. {what_next}$", shown, re.MULTILINE)
    assert re.search(r"^ 2 +stalled\.com\.csv +1 +33 ", shown, re.MULTILINE)
    assert "unknown release BATCH" in shown
    done = terminal("run", terminal.folder / "bad.csv", "--reask", "errored", "--yes")
    assert "1 question cancelled: the server cancelled. Asked as often as it may be." in done.stdout
    assert done.exit_code == 0


def test_the_history_says_who_decided_what_when_and_why(
    terminal: Terminal, make_simulator: Callable[..., SimulatorProcess]
) -> None:
    simulator = make_simulator(faults={"created_then_reset": "next:2"})
    terminal.environment["OPENMART_BASE_URL"] = simulator.url
    has_a_ledger(terminal)
    assert "Nothing was decided so far" in terminal("unknown", "history").stdout
    for name in ("a.csv", "b.csv"):
        terminal("run", terminal.companies(name, 3), "--yes")
    right_id, other_id = (batch["batch_id"] for batch in simulator.batches())
    terminal("unknown", "adopt", 1, "--batch-id", other_id, "--why", "a guess")
    taken_back = terminal("collect")
    assert taken_back.exit_code == 4
    assert "Adopted under an id that is somebody else's, and unknown again: 1" in taken_back.stdout
    terminal("unknown", "adopt", 1, "--batch-id", right_id, "--why", "support, ticket 7")
    with sqlite3.connect(terminal.data / "ledger.sqlite") as ledger:  # two minutes go by
        ledger.execute("UPDATE batches SET deadline_at = intent_at")
    released = terminal("unknown", "release", "--file", "b.csv", "--why", "given up", "--vouch-unpaid")
    assert "1 batch released" in released.stdout
    strangers = f"the answers under {other_id} carry tracking ids that are not of this batch"
    told = terminal("unknown", "history").stdout.splitlines()
    assert [re.sub(r"^[\d-]{10} [\d:]{8}Z  |cli:\w+", "", line) for line in told] == [
        f"batch 1 of a.csv adopted as {other_id}, by : a guess",
        f"batch 1 of a.csv unknown again, its id taken back, by cli: {strangers}",
        f"batch 1 of a.csv adopted as {right_id}, by : support, ticket 7",
        "batch 2 of b.csv released, credits given back, by : given up",
    ]
    assert "batch 2 of b.csv sending -> unknown, by cli: no readable answer" in terminal("unknown", "history", 2).stdout
    assert "Last decided, 1 s ago: batch 2 released, credits given back" in terminal("status").stdout
    assert terminal("unknown", "history", 77).stdout == "No such batch in this ledger.\n"


def test_collect_finishes_what_a_run_left_and_costs_nothing(terminal: Terminal, simulator: SimulatorProcess) -> None:
    simulator.behave(processing_s=600)
    terminal("run", terminal.companies("a.csv", 3), "--yes", "--patience", 0)
    assert terminal("collect", "--patience", 0).exit_code == 3
    bought = simulator.account()["tasks"]
    simulator.make_ready()
    done = terminal("collect")
    assert done.exit_code == 0
    assert "3 answers read" in done.stdout
    assert simulator.account()["tasks"] == bought
    assert terminal("query", "SELECT count(*) AS n FROM company_coverage", "--format", "csv").stdout == "n\n3\n"


def test_collect_without_anything_open_needs_no_answer(terminal: Terminal) -> None:
    has_a_ledger(terminal)
    assert "0 answers read" in terminal("collect").stdout


def test_a_release_is_refused_while_the_answer_may_still_come(
    terminal: Terminal, make_simulator: Callable[..., SimulatorProcess]
) -> None:
    simulator = make_simulator(faults={"502_before_creating": "next:1"})
    terminal.environment["OPENMART_BASE_URL"] = simulator.url
    path = terminal.companies("a.csv", 3)
    assert terminal("run", path, "--yes").exit_code == 4
    early = terminal("unknown", "release", 1, "--why", "the dashboard shows nothing", "--vouch-unpaid")
    assert early.exit_code == 2
    assert "may still hear the answer" in sentence(early)
    with at_work(terminal.data, simulator.url) as (work, _):
        assert batch_states(work) == ["unknown"]


@pytest.mark.parametrize(
    "words",
    [
        ("unknown", "adopt", 77, "--batch-id", "x", "--why", "y"),
        ("unknown", "release", 77, "--why", "y"),
        ("unknown", "release", "--why", "y"),
        ("unknown", "release", "--file", "nothing.csv", "--why", "y"),
        ("unknown", "adopt", 1, "--batch-id", "x"),
    ],
)
def test_a_decision_about_nothing_is_refused(terminal: Terminal, words: tuple[object, ...]) -> None:
    done = terminal(*words)
    assert done.exit_code == 2
    assert "Traceback" not in done.output


def test_check_says_line_by_line_what_is_in_order(terminal: Terminal) -> None:
    done = terminal("check")
    assert done.exit_code == 0
    names = [line.split()[1] for line in done.stdout.splitlines()[:-1]]
    assert names == ["settings", "ledger", "folder", "folder", "disk", "key", "balance", "clock"]
    assert all(line.startswith("ok ") for line in done.stdout.splitlines()[:-1])


def test_check_ends_in_an_error_where_something_must_be_mended(
    terminal: Terminal, make_simulator: Callable[..., SimulatorProcess]
) -> None:
    simulator = make_simulator(only_key="another", date_offset_s=7200)
    refused = terminal("check", OPENMART_BASE_URL=simulator.url)
    assert refused.exit_code == 6
    assert "PROBLEM  key" in refused.stdout
    late = terminal("check", OPENMART_BASE_URL=simulator.url, OPENMART_API_KEY="another")
    assert late.exit_code == 6
    assert "PROBLEM  clock" in late.stdout
    assert terminal("check", OPENMART_API_KEY=None).exit_code == 6


def test_check_holds_the_balance_against_the_floor(
    terminal: Terminal, make_simulator: Callable[..., SimulatorProcess]
) -> None:
    simulator = make_simulator(credits=50)
    done = terminal("check", OPENMART_BASE_URL=simulator.url, OPENMART_BALANCE_FLOOR="100")
    assert done.exit_code == 6
    assert "PROBLEM  balance    50 credits, floor 100" in done.stdout


def test_rebuild_brings_the_same_contacts_back_without_a_request(
    terminal: Terminal, simulator: SimulatorProcess
) -> None:
    sql = ("query", "SELECT contact_id FROM contacts ORDER BY 1", "--format", "csv")
    terminal("run", terminal.companies("a.csv", 6), "--yes")
    before, seen = terminal(*sql).stdout, len(simulator.requests())
    assert len(before.splitlines()) > 3
    (terminal.data / "warehouse.duckdb").unlink()
    Path(terminal.data / "published" / "contacts.duckdb").unlink()
    assert terminal("rebuild").exit_code == 0
    assert terminal(*sql).stdout == before
    assert len(simulator.requests()) == seen
    with at_work(terminal.data, simulator.url) as (work, _):
        assert sum(task_states(work).values()) == 6
