"""From paths to files of the input folder: in place, brought in, as a new version, under a name of its own."""

from pathlib import Path

from openmart_pipeline.ledger import plans
from openmart_pipeline_tests.cli.terminal import Terminal, number, sentence
from openmart_pipeline_tests.money import at_work


def sources(terminal: Terminal) -> dict[str, str | None]:
    """Every file the ledger knows, and where it came from."""
    with at_work(terminal.data, str(terminal.environment["OPENMART_BASE_URL"])) as (work, _):
        return {row.partition_key: row.source_path for row in plans.all_partitions(work.ledger)}


def test_a_file_of_the_input_folder_is_used_in_place(terminal: Terminal) -> None:
    path = terminal.companies("data/input/2026/west.csv", 2)
    assert terminal("quote", path.relative_to(terminal.folder)).exit_code == 0
    assert terminal("quote", path).exit_code == 0
    assert sources(terminal) == {"2026/west.csv": None}


def test_a_file_from_elsewhere_is_copied_and_its_next_version_takes_its_place(terminal: Terminal) -> None:
    path = terminal.file("lists/leads.csv", "Website", "one.com")
    terminal("quote", path)
    terminal.file("lists/leads.csv", "Website", "one.com", "two.com")
    second = terminal("quote", "lists/leads.csv")
    assert number(second.stdout, "rows in the file") == 2
    assert sources(terminal) == {"leads.csv": str(path)}
    assert (terminal.data / "input" / "leads.csv").read_bytes() == path.read_bytes()


def test_a_name_that_is_taken_is_refused_and_as_gives_another(terminal: Terminal) -> None:
    first, second = terminal.companies("a/leads.csv", 1), terminal.companies("b/leads.csv", 2)
    assert terminal("quote", first).exit_code == 0
    refused = terminal("quote", second)
    assert refused.exit_code == 2
    assert "--as NAME" in sentence(refused)
    assert (terminal.data / "input" / "leads.csv").read_bytes() == first.read_bytes()
    assert terminal("quote", second, "--as", "leads-b.csv").exit_code == 0
    assert terminal("quote", second).exit_code == 0
    assert sources(terminal) == {"leads.csv": str(first), "leads-b.csv": str(second)}


def test_as_names_the_file_whose_new_version_has_moved(terminal: Terminal) -> None:
    first, moved = terminal.companies("a/leads.csv", 1), terminal.companies("b/new.csv", 2)
    terminal("quote", first)
    assert terminal("quote", moved, "--as", "leads.csv").exit_code == 0
    assert sources(terminal) == {"leads.csv": str(moved)}


def test_a_file_a_person_dropped_is_never_written_over(terminal: Terminal) -> None:
    dropped, other = terminal.companies("data/input/leads.csv", 1), terminal.companies("leads.csv", 2)
    before = dropped.read_bytes()
    assert terminal("quote", other).exit_code == 2
    assert terminal("quote", other, "--as", "leads.csv").exit_code == 2
    assert dropped.read_bytes() == before


def test_as_does_not_lead_out_of_the_input_folder(terminal: Terminal) -> None:
    path = terminal.companies("a.csv", 1)
    for name in ("../a.csv", "/elsewhere/a.csv", "x/../../a.csv"):
        assert terminal("quote", path, "--as", name).exit_code == 2
    assert sources(terminal) == {}


def test_a_folder_brings_its_tables_and_says_what_it_leaves_out(terminal: Terminal) -> None:
    terminal.companies("lists/a.csv", 1)
    terminal.companies("lists/deep/b.csv", 2)
    terminal.file("lists/notes.txt", "buy milk")
    terminal.file("lists/.hidden.csv", "Website", "hidden.com")
    (terminal.folder / "lists" / "logo.png").write_bytes(b"\x89PNG")
    done = terminal("quote", "lists")
    assert done.exit_code == 0
    assert set(sources(terminal)) == {"lists/a.csv", "lists/deep/b.csv"}
    assert "Left out: " in done.stderr
    assert "notes.txt" in done.stderr


def test_a_folder_without_a_table_says_what_would_be_read(terminal: Terminal) -> None:
    (terminal.folder / "lists").mkdir()
    done = terminal("quote", "lists")
    assert done.exit_code == 2
    assert ".csv" in sentence(done)


def test_a_name_no_terminal_should_obey_stays_a_name(terminal: Terminal) -> None:
    name = "x'; DROP TABLE contacts;--[red]\x1b[31m.csv"
    done = terminal("run", terminal.companies(name, 2), "--yes")
    assert done.exit_code == 0
    assert "\x1b" not in done.output
    assert "DROP TABLE" in done.output
    assert Path(terminal.data / "input" / name).exists()
