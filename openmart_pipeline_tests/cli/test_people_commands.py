"""`subject`, `forget` and `suppress` at the command line: who is meant, what is asked first, what is said after."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from openmart_pipeline.cli.people import forget, suppress
from openmart_pipeline.cli.subject import subject
from openmart_pipeline_tests.money import at_work, company_file, whole_run
from openmart_pipeline_tests.simulator_process import API_KEY, SimulatorProcess
from openmart_pipeline_tests.traces import traces

WHY = ("--why", "ticket 7")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str], list[tuple[str, str]]]]:
    """A data folder with contacts, its environment, and people with an address and a page of their own."""
    data_dir = tmp_path_factory.mktemp("world")
    with SimulatorProcess(tmp_path_factory.mktemp("simulator")) as simulator:
        company_file(data_dir, "a.csv", [f"company{number}.com" for number in range(30)])
        with at_work(data_dir, simulator.url) as (work, session):
            whole_run(work, session, "a.csv")
            people = work.warehouse.query(
                "SELECT email, linkedin_url FROM contacts WHERE email IS NOT NULL AND linkedin_url IS NOT NULL ORDER BY 1"
            )
        environment = {
            "OPENMART_BASE_URL": simulator.url,
            "OPENMART_API_KEY": API_KEY,
            "OPENMART_DATA_DIR": str(data_dir),
        }
        yield data_dir, environment, people


def ask(command: object, environment: dict[str, str], *args: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(command, args, obj=environment, input=stdin)  # type: ignore[arg-type]  # a click command


def test_subject_prints_all_that_is_held_as_json(world) -> None:
    _, environment, people = world
    email, page = people[0]
    done = ask(subject, environment, email.upper())
    assert done.exit_code == 0
    held = json.loads(done.stdout)
    assert held["reached_by"]["linkedin"] == [page]
    assert [contact["email"] for contact in held["contacts"]] == [email]
    assert held["answers"][0]["received"]["email"]["email"] == email


def test_forget_asks_once_more_and_does_nothing_without_a_yes(world) -> None:
    data_dir, environment, people = world
    email, _ = people[0]
    done = ask(forget, environment, email, *WHY, stdin="n\n")
    assert done.exit_code == 2
    assert "Nothing was changed" in done.stderr
    assert traces(data_dir, email)


def test_forget_reads_the_person_from_stdin_and_says_what_it_did_without_the_person(world) -> None:
    data_dir, environment, people = world
    email, page = people[1]
    done = ask(forget, environment, *WHY, "--yes", stdin=f"{email}\n\n{page}\n")
    assert done.exit_code == 0, done.output
    assert "1 answer written over, 1 contact removed, 1 file loaded anew" in done.stdout
    assert "Told Openmart's deny rules: 1 email" in done.stdout
    assert email not in done.output
    assert traces(data_dir, email, page.rpartition("/")[2]) == []
    again = ask(subject, environment, email)
    assert "Nothing is held on this person. They are on the suppression list." in again.stderr


def test_suppress_keeps_hashes_and_remove_takes_them_back(world) -> None:
    data_dir, environment, _ = world
    added = ask(suppress, environment, "stranger@elsewhere.com", "company3.com", *WHY)
    assert added.stdout.startswith("2 entries added.")
    assert traces(data_dir, "stranger@elsewhere.com") == []
    assert ask(suppress, environment, "stranger@elsewhere.com", *WHY).stdout.startswith("0 entries added.")
    removed = ask(suppress, environment, "stranger@elsewhere.com", "company3.com", *WHY, "--remove")
    assert removed.stdout.startswith("2 entries taken off.")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["not an address", *WHY, "--yes"], "Write an e-mail address"),
        (["555 0123", *WHY, "--yes"], "country code"),
        (["linkedin.com/company/acme", *WHY, "--yes"], "person's page"),
        (["jane@", *WHY, "--yes"], "Write an e-mail address"),
        (["acme.com", *WHY, "--yes"], "openmart-pipeline suppress"),
        (["jane@acme.com", "--why", "jane@acme.com asked", "--yes"], "reference"),
        (["jane@acme.com", "--yes"], "--why"),
        ([*WHY, "--yes"], "Nobody was named"),
        ([*WHY], "say --yes too"),
    ],
)
def test_what_names_nobody_is_refused_without_repeating_it(world, args: list[str], says: str) -> None:
    _, environment, _ = world
    done = ask(forget, environment, *args, stdin="")
    assert done.exit_code != 0
    assert says in done.stderr
    assert "jane@acme.com" not in done.stderr


def test_without_a_key_the_vendor_can_not_be_told_and_nothing_is_changed(world) -> None:
    data_dir, environment, people = world
    email, _ = people[0]
    keyless = {name: value for name, value in environment.items() if name != "OPENMART_API_KEY"}
    done = ask(forget, keyless, email, *WHY, "--yes")
    assert done.exit_code == 2
    assert "--without-vendor" in done.stderr
    assert traces(data_dir, email)
