"""What a person says of a file's columns, sheet, encoding and delimiter: heard, shown, kept for the next version."""

import pytest

from openmart_pipeline_tests.cli.terminal import Terminal, number, sentence
from openmart_pipeline_tests.intake.workbook_bytes import workbook


def test_columns_that_were_named_are_shown_and_kept_for_the_next_version(terminal: Terminal) -> None:
    path = terminal.file("a.csv", "Name,Webadresse der Firma,Title", "A,a.com,Mr", "B,b.com,Ms")
    refused = terminal("quote", path)
    assert refused.exit_code == 2
    assert "--column domain=NAME" in sentence(refused)

    told = terminal("quote", path, "--column", "website=webadresse der firma", "--column", "title=")
    assert told.exit_code == 0, told.output
    assert "domain        <- Webadresse der Firma (as you said)" in told.stdout
    assert "title         <- no column (as you said)" in told.stdout
    assert "kept as they are: Title" in told.stdout
    assert number(told.stdout, "questions to buy") == 2

    terminal.file("a.csv", "Title,Webadresse der Firma", "Mr,a.com", "Mr,b.com", "Mr,c.com")
    assert number(terminal("quote", path).stdout, "questions to buy") == 3
    again = terminal("quote", path, "--column", "title=auto")
    assert "title         <- Title" in again.stdout
    assert "domain        <- Webadresse der Firma (as you said)" in again.stdout


def test_encoding_delimiter_and_sheet_are_heard_and_auto_takes_them_back(terminal: Terminal) -> None:
    polish = terminal.folder / "polish.csv"
    polish.write_bytes("Firma#Web\nŁódź Śląska#l.pl\nMączka#m.pl\n".encode("cp1250"))
    assert "--encoding NAME" in sentence(terminal("quote", polish))
    assert "columns" in sentence(terminal("quote", polish, "--encoding", "CP1250"))
    done = terminal("quote", polish, "--encoding", "CP1250", "--delimiter", "#")
    assert "polish.csv: csv, cp1250, separated by '#'" in done.stdout
    assert "as you said" in done.stdout
    assert number(terminal("quote", polish).stdout, "questions to buy") == 2
    assert terminal("quote", polish, "--encoding", "auto").exit_code == 2

    book = terminal.folder / "book.xlsx"
    book.write_bytes(
        workbook({"One": {"A1": "Website", "A2": "a.com"}, "Two": {"A1": "Website", "A2": "b.com", "A3": "c.com"}})
    )
    assert number(terminal("quote", book, "--sheet", "Two").stdout, "questions to buy") == 2
    assert "book.xlsx: xlsx, Two" in terminal("quote", book).stdout
    assert "book.xlsx: xlsx, One" in terminal("quote", book, "--sheet", "auto").stdout
    unheard = terminal("quote", book, "--delimiter", "tab")
    assert r"The delimiter '\t' that was named plays no part: the file is xlsx." in unheard.stdout


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--column", "domain", "--column domain=Homepage"),
        ("--column", "phone=Tel", "'phone' is no field"),
        ("--column", "domain=Tel", "no column 'Tel'"),
        ("--encoding", "klingon", "'klingon' is no encoding"),
        ("--encoding", "rot13", "'rot13' is no encoding"),
        ("--delimiter", "--", "one character"),
    ],
)
def test_a_choice_that_means_nothing_is_refused_in_a_sentence(
    terminal: Terminal, option: str, value: str, says: str
) -> None:
    refused = terminal("quote", terminal.companies("a.csv", 1), option, value)
    assert refused.exit_code == 2
    assert says in sentence(refused)
    assert "Nothing was bought" in sentence(refused)
