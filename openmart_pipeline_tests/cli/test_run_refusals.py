"""What `run` says to a wrong call, a wrong file or a wrong setting: one sentence, exit code 2, nothing bought."""

from collections.abc import Iterator

import pytest

from openmart_pipeline_tests.cli.terminal import Terminal, number, sentence
from openmart_pipeline_tests.simulator_process import SimulatorProcess


@pytest.fixture
def nothing_is_bought(simulator: SimulatorProcess) -> Iterator[None]:
    before = simulator.account()["batches"]
    yield
    assert simulator.account()["batches"] == before


pytestmark = pytest.mark.usefixtures("nothing_is_bought")


def test_a_missing_key_names_the_variable_and_where_to_put_it(terminal: Terminal) -> None:
    done = terminal("run", terminal.companies("a.csv", 2), "--yes", OPENMART_API_KEY=None)
    assert done.exit_code == 2
    assert "OPENMART_API_KEY is not set" in sentence(done)
    assert ".env" in sentence(done)


def test_an_unknown_option_is_a_usage_error(terminal: Terminal) -> None:
    done = terminal("run", terminal.companies("a.csv", 2), "--cheap")
    assert done.exit_code == 2
    assert "No such option" in done.stderr
    assert "--cheap" in done.stderr


def test_a_wrong_setting_is_named(terminal: Terminal) -> None:
    done = terminal("run", terminal.companies("a.csv", 2), "--yes", OPENMART_CREDITS_PER_DAY="a lot")
    assert done.exit_code == 2
    assert "OPENMART_CREDITS_PER_DAY is 'a lot'" in sentence(done)


def test_a_file_that_is_no_table_stays_out_of_the_input_folder(terminal: Terminal) -> None:
    picture = terminal.folder / "logo.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n")
    done = terminal("run", picture, "--yes")
    assert done.exit_code == 2
    assert "'logo.png' is no kind of file that can be read" in sentence(done)
    assert list((terminal.data / "input").iterdir()) == []


def test_a_picture_named_csv_is_refused(terminal: Terminal) -> None:
    picture = terminal.folder / "logo.csv"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00")
    done = terminal("run", picture, "--yes")
    assert done.exit_code == 2
    assert "logo.csv" in sentence(done)
    assert list((terminal.data / "input").iterdir()) == []


@pytest.mark.parametrize("content", ["", "Website\n"], ids=["no byte", "a header alone"])
def test_an_empty_table_is_refused(terminal: Terminal, content: str) -> None:
    path = terminal.folder / "empty.csv"
    path.write_text(content)
    done = terminal("run", path, "--yes")
    assert done.exit_code == 2
    assert "empty.csv" in sentence(done)


def test_a_table_without_a_column_of_domains_says_which_names_it_looked_for(terminal: Terminal) -> None:
    done = terminal("run", terminal.file("names.csv", "Firm,Size", "Acme,12"), "--yes")
    assert done.exit_code == 2
    assert "domain" in sentence(done).lower()


def test_a_file_that_is_not_there_is_named(terminal: Terminal) -> None:
    done = terminal("run", "nowhere.csv", "--yes")
    assert done.exit_code == 2
    assert "'nowhere.csv' does not exist" in sentence(done)


def test_one_bad_file_among_those_named_keeps_all_from_being_bought(terminal: Terminal) -> None:
    done = terminal("run", terminal.companies("good.csv", 2), terminal.file("bad.csv", "Firm", "Acme"), "--yes")
    assert done.exit_code == 2
    assert "Nothing was bought" in sentence(done)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--max-k", "9", "max_k is 9"),
        ("--info-access", "FAX", "info_access is 'FAX'"),
        ("--version", "7", "version is 7"),
        ("--location", "Mars", "location is 'Mars'"),
        ("--reask", "all", "reask is 'all'"),
        ("--title", " ", "No title is left"),
        ("--notify-url", "http://example.com/x", "https://"),
        ("--notify-url", "https://10.0.0.1/x", "public host"),
    ],
)
def test_a_wrong_choice_is_named_with_what_to_write(terminal: Terminal, option: str, value: str, words: str) -> None:
    done = terminal("run", terminal.companies("a.csv", 2), option, value, "--yes")
    assert done.exit_code == 2
    assert words in sentence(done)
    assert "Nothing was bought." in sentence(done)


def test_with_nobody_to_ask_and_no_yes_nothing_is_bought(terminal: Terminal) -> None:
    done = terminal("run", terminal.companies("a.csv", 2))
    assert done.exit_code == 2
    assert "--yes" in done.stderr
    assert number(done.stdout, "questions to buy") == 2


def test_a_key_no_header_can_carry_is_refused_without_being_shown(terminal: Terminal) -> None:
    done = terminal("run", terminal.companies("a.csv", 2), "--yes", OPENMART_API_KEY="sec ret\nkey")
    assert done.exit_code == 2
    assert "OPENMART_API_KEY" in sentence(done)
    assert "ret" not in done.output.replace("secret", "").replace("return", "")


def test_a_ledger_of_another_api_is_not_touched(terminal: Terminal) -> None:
    path = terminal.companies("a.csv", 2)
    terminal("quote", path)
    done = terminal("run", path, "--yes", OPENMART_BASE_URL="https://openmart.example")
    assert done.exit_code == 6
    assert "belongs to the API 'simulated'" in sentence(done)


def test_an_env_file_is_read_and_the_shell_wins_over_it(terminal: Terminal) -> None:
    terminal.file(".env", "OPENMART_MISSPELT=1", "OPENMART_CREDITS_PER_DAY=nonsense")
    done = terminal("quote", terminal.companies("a.csv", 2))
    assert "OPENMART_CREDITS_PER_DAY is 'nonsense'" in sentence(done)
    assert terminal("quote", terminal.companies("a.csv", 2), OPENMART_CREDITS_PER_DAY="5").exit_code == 0


@pytest.mark.parametrize("limit", ["-3", "nan", "inf"])
def test_a_credit_limit_that_is_no_number_of_credits_is_refused(terminal: Terminal, limit: str) -> None:
    done = terminal("run", terminal.companies("a.csv", 2), "--yes", "--credit-limit", limit)
    assert done.exit_code == 2
    assert "--credit-limit is" in sentence(done)
