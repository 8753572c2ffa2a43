"""A file's end, and its rows' way back to whoever made it: missing, retired, exported with its own columns."""

import csv
from pathlib import Path

from openmart_pipeline_tests.cli.terminal import Terminal, sentence


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_contacts_and_rejected_rows_go_back_with_the_columns_the_file_came_with(terminal: Terminal) -> None:
    made = terminal.file(
        "a.csv",
        'Account Id,Website,Tier,Email,"=Note ""x"""',
        *(f"A-{n},back-{n}.com,{n % 3},rep{n}@us.com,=1+{n}" for n in range(1, 9)),
        "A-9,http://,gold,rep9@us.com,call",
    )
    assert terminal("run", made, "--yes").exit_code == 0
    assert terminal("export", "c.csv", "--file", "a.csv", "--with-columns").exit_code == 0
    contacts = rows_of(terminal.folder / "c.csv")
    assert contacts
    for row in contacts:
        number = row["source_tracking_id"].removeprefix("A-")
        assert row["file: Tier"] == str(int(number) % 3)
        assert row["file: Email"] == f"rep{number}@us.com"
        assert row['file: =Note "x"'] == f"'=1+{number}", "guarded as every text is"
        assert "@" in row["email"] or not row["email"]
    assert terminal("export", "r.csv", "--view", "rejected_rows", "--file", "a.csv", "--with-columns").exit_code == 0
    [rejected] = rows_of(terminal.folder / "r.csv")
    assert (rejected["source_row"], rejected["reason"]) == ("10", "blank_domain")
    assert [rejected[f"file: {name}"] for name in ("Account Id", "Website", "Tier")] == ["A-9", "http://", "gold"]
    assert terminal("export", "x.xlsx", "--view", "company_coverage", "--with-columns").exit_code == 0
    assert "no row of a file" in sentence(terminal("export", "y.csv", "--view", "call_list", "--with-columns"))


def test_a_deleted_file_is_shown_as_missing_and_one_that_came_back_is_not(terminal: Terminal) -> None:
    path = terminal.companies("data/input/a.csv", 2)
    terminal("quote", path)
    path.rename(terminal.folder / "a.csv")
    shown = terminal("status").stdout
    assert "a.csv (missing)" in shown
    assert "its contacts stay" in shown
    (terminal.folder / "a.csv").rename(path)
    assert "missing" not in terminal("status").stdout


def test_a_file_is_retired_brought_back_and_its_data_removed_only_after_a_word(terminal: Terminal) -> None:
    path = terminal.companies("a.csv", 3)
    assert terminal("run", path, "--yes").exit_code == 0
    retired = terminal("retire", "a.csv", "--why", "done")
    assert retired.exit_code == 0
    assert "Kept: 3 rows" in retired.stdout
    assert "a.csv (retired)" in terminal("status").stdout
    assert "is retired" in sentence(terminal("run", path, "--yes"))
    assert terminal("retire", terminal.data / "input" / "a.csv", "--undo").exit_code == 0
    assert "retired" not in terminal("status").stdout
    assert "Nothing was bought: all of it was owned" in terminal("run", path, "--yes").stdout

    assert "--yes" in sentence(terminal("retire", "a.csv", "--remove-data"))
    removed = terminal("retire", "a.csv", "--remove-data", "--yes")
    assert "Removed: 3 rows" in removed.stdout
    assert "1 stored copy" in removed.stdout
    assert (terminal.data / "input" / "a.csv").exists()
    assert "no file 'a.csv' in the database" in sentence(terminal("export", "c.csv", "--file", "a.csv"))
    assert "knows no file" in sentence(terminal("retire", "b.csv"))
    assert "either" in sentence(terminal("retire", "a.csv", "--undo", "--remove-data"))
