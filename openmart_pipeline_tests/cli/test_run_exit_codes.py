"""Each exit code of `run`, really provoked: what it says, what it leaves, and that starting again goes on from there."""

import re
from collections.abc import Callable

from openmart_pipeline.cli.exits import URGENCY, Exit, most_urgent
from openmart_pipeline.ledger import collecting
from openmart_pipeline_tests.cli.terminal import Terminal, number
from openmart_pipeline_tests.money import assert_accounts_agree, at_work, batch_states
from openmart_pipeline_tests.simulator_process import SimulatorProcess

AT_ONCE = ("--patience", "0")


def last_sentence(output: str) -> str:
    return output.strip().splitlines()[-1]


def states(terminal: Terminal) -> list[str]:
    with at_work(terminal.data, str(terminal.environment["OPENMART_BASE_URL"])) as (work, _):
        return batch_states(work)


def test_0_every_question_ended_and_a_second_run_buys_nothing_and_says_so(
    terminal: Terminal, simulator: SimulatorProcess
) -> None:
    path = terminal.companies("a.csv", 7)
    before = simulator.account()["tasks"]
    first = terminal("run", path, "--title", "Head of Marketing", "--yes")
    second = terminal("run", path, "--yes")
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert number(first.stdout, "questions bought now") == 7
    assert number(second.stdout, "questions bought now") == 0
    assert number(second.stdout, "questions reused") == 7
    assert last_sentence(second.stdout).endswith("Nothing was bought: all of it was owned.")
    assert simulator.account()["tasks"] == before + 7


def test_3_what_waits_is_said_and_the_same_command_collects_it(terminal: Terminal, simulator: SimulatorProcess) -> None:
    simulator.behave(processing_s=600)
    path = terminal.companies("a.csv", 3)
    waiting = terminal("run", path, "--yes", *AT_ONCE)
    assert waiting.exit_code == 3
    assert "3 questions bought and not answered yet" in last_sentence(waiting.stdout)
    assert number(waiting.stdout, "waiting") == 3
    simulator.make_ready()
    done = terminal("run", path, "--yes")
    assert done.exit_code == 0
    assert number(done.stdout, "questions bought now") == 0
    with at_work(terminal.data, simulator.url) as (work, _):
        assert batch_states(work) == ["collected"]


def test_3_what_a_limit_left_out_is_not_called_waiting(terminal: Terminal) -> None:
    path = terminal.companies("a.csv", 5)
    tried = terminal("run", path, "--limit", 2, "--yes")
    assert tried.exit_code == 0
    assert number(tried.stdout, "questions behind --limit") == 3
    assert number(terminal("run", path, "--yes").stdout, "questions bought now") == 0
    rest = terminal("run", path, "--limit", 0, "--yes")
    assert (number(rest.stdout, "questions bought now"), number(rest.stdout, "questions reused")) == (3, 2)


def test_4_an_unknown_batch_is_named_with_the_credits_at_stake_and_adopted(
    terminal: Terminal, make_simulator: Callable[..., SimulatorProcess]
) -> None:
    simulator = make_simulator(faults={"created_then_reset": "next:1"})
    terminal.environment["OPENMART_BASE_URL"] = simulator.url
    path = terminal.companies("a.csv", 4)
    lost = terminal("run", path, "--yes", "--max-k", 2, "--info-access", "EMAIL")
    assert lost.exit_code == 4
    assert "4 questions in 1 batch may be paid for, at most 24 credits" in last_sentence(lost.stdout)
    again = terminal("run", path, "--yes")
    assert again.exit_code == 4
    assert len(simulator.batches()) == 1
    batch = simulator.batches()[0]
    wrong = terminal("unknown", "adopt", 1, "--batch-id", "no-such-batch", "--why", "a guess")
    assert wrong.exit_code in (2, 6)
    assert states(terminal) == ["unknown"]
    assert terminal("unknown", "adopt", 1, "--batch-id", batch["batch_id"], "--why", "support").exit_code == 0
    assert terminal("collect").exit_code == 0
    done = terminal("run", path, "--yes")
    assert done.exit_code == 0
    with at_work(terminal.data, simulator.url) as (work, _):
        assert_accounts_agree(work, simulator)


def test_4_a_stuck_batch_is_said_and_not_waited_for(terminal: Terminal, simulator: SimulatorProcess) -> None:
    simulator.behave(processing_s=600)
    path = terminal.companies("a.csv", 2)
    terminal("run", path, "--yes", *AT_ONCE)
    with at_work(terminal.data, simulator.url) as (work, _):
        (batch,) = collecting.open_batches(work.ledger)
        collecting.age(work.ledger, batch, next_poll_s=3600, reason="the test says so")
    done = terminal("run", path, "--yes")
    assert done.exit_code == 4
    assert "2 questions stalled: no answer within the age limit" in last_sentence(done.stdout)


def test_5_a_credit_limit_buys_what_fits_and_says_what_it_would_take(terminal: Terminal) -> None:
    path = terminal.companies("a.csv", 5)
    words = ("--max-k", 1, "--info-access", "EMAIL", "--yes")
    some = terminal("run", path, *words, "--credit-limit", 6)
    assert some.exit_code == 5
    assert number(some.stdout, "questions bought now") == 2
    assert "3 questions still to buy" in last_sentence(some.stdout)
    assert terminal("run", path, *words).exit_code == 0


def test_5_the_budget_of_the_day_binds_over_what_was_approved(terminal: Terminal) -> None:
    done = terminal("run", terminal.companies("a.csv", 2), "--yes", OPENMART_CREDITS_PER_DAY="10")
    assert done.exit_code == 5
    assert "the day's budget of 10 credits" in last_sentence(done.stdout)


def test_6_a_key_the_server_refuses_stops_before_anything_is_sent(
    terminal: Terminal, make_simulator: Callable[..., SimulatorProcess]
) -> None:
    simulator = make_simulator(only_key="the-right-one")
    done = terminal("run", terminal.companies("a.csv", 2), "--yes", OPENMART_BASE_URL=simulator.url)
    assert done.exit_code == 6
    assert "OPENMART_API_KEY" in last_sentence(done.stdout) or "key" in last_sentence(done.stdout)
    assert simulator.requests("submit") == []


def test_6_an_account_without_credits_keeps_the_rest_owed(
    terminal: Terminal, make_simulator: Callable[..., SimulatorProcess]
) -> None:
    simulator = make_simulator(credits=0)
    done = terminal("run", terminal.companies("a.csv", 2), "--yes", OPENMART_BASE_URL=simulator.url)
    assert done.exit_code == 6
    assert "credits" in last_sentence(done.stdout)
    assert "2 questions still to buy" in last_sentence(done.stdout)
    assert simulator.batches() == []


def test_6_a_wrong_address_is_not_taken_for_a_bad_batch(terminal: Terminal, simulator: SimulatorProcess) -> None:
    done = terminal("run", terminal.companies("a.csv", 2), "--yes", OPENMART_BASE_URL=f"{simulator.url}/elsewhere")
    assert done.exit_code == 6
    assert "OPENMART_BASE_URL" in last_sentence(done.stdout)


def test_6_a_storm_of_502_trips_the_breaker_and_names_every_batch(
    terminal: Terminal, make_simulator: Callable[..., SimulatorProcess]
) -> None:
    simulator = make_simulator(faults={"created_then_502": "always"})
    path = terminal.companies("a.csv", 900)
    done = terminal("run", path, "--yes", OPENMART_BASE_URL=simulator.url, OPENMART_SUBMIT_CONCURRENCY="1")
    assert done.exit_code == 6
    assert "5 of the last 5 batches came back without a batch id" in last_sentence(done.stdout)
    assert len(simulator.batches()) == 5
    listed = terminal("unknown", "list", OPENMART_BASE_URL=simulator.url)
    assert re.findall(r"^ (\d) +a\.csv", listed.stdout, re.MULTILINE) == ["1", "2", "3", "4", "5"]


def test_of_several_codes_the_most_urgent_wins() -> None:
    assert most_urgent([]) is Exit.ENDED
    assert most_urgent([Exit.WAITS, Exit.BUDGET]) is Exit.BUDGET
    assert most_urgent([Exit.BUDGET, Exit.UNDECIDED, Exit.WAITS]) is Exit.UNDECIDED
    assert most_urgent([Exit.UNDECIDED, Exit.STOPPED]) is Exit.STOPPED
    assert set(URGENCY) == set(Exit)
