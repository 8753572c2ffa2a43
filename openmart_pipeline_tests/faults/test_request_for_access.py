"""F59: a person asks what is held on them. The answer is complete, says where it was looked, and is never a guess."""

import gzip
import json
import os
import zipfile
from pathlib import Path

import pytest
import xlsxwriter
from click.testing import CliRunner, Result

from openmart_pipeline.cli.people import forget
from openmart_pipeline.cli.subject import subject
from openmart_pipeline_tests.faults.held_people import KEY, holding, person, put_answers
from openmart_pipeline_tests.faults.shop import Shop
from openmart_pipeline_tests.faults.test_one_person_many_entries import (
    EMAILS,
    HOSTILE,
    NEEDLES,
    PHONES,
)
from openmart_pipeline_tests.money import at_work, company_file, planned
from openmart_pipeline_tests.simulator_process import API_KEY, SimulatorProcess
from openmart_pipeline_tests.traces import traces

WHY = ("--why", "ticket 7")
BASIS = {"OPENMART_PURPOSE": "calling owners", "OPENMART_RECIPIENTS": "our sales team"}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, _server: SimulatorProcess) -> dict[str, str]:
    """A hostile set of people, one of whom is named in a company file and in an answer about somebody else."""
    data_dir = tmp_path_factory.mktemp("data")
    mentioned = {**person("Al Fox", "al@held7.com"), "assistant": "Jane.Doe@private.org"}
    with holding(data_dir, _server, {**HOSTILE, "held7.com": [mentioned]}) as (work, _):
        rows = ["held0.com,see j.doe@held6.com", "held2.com,Owner: DOE Jané", "held7.com,Jane Doe"]
        company_file(data_dir, "named.csv", rows, header="Website,Notes")
        planned(work, "named.csv")
    return {"OPENMART_BASE_URL": _server.url, "OPENMART_API_KEY": API_KEY, "OPENMART_DATA_DIR": str(data_dir)}


def ask(command: object, environment: dict[str, str], *args: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(command, args, obj=environment, input=stdin)  # type: ignore[arg-type]  # a click command


def test_the_answer_holds_everything_with_source_and_dates_and_says_what_was_searched(environment) -> None:
    done = ask(subject, {**environment, **BASIS}, "jane@held0.com")
    assert done.exit_code == 0
    held = json.loads(done.stdout)
    assert (held["reached_by"]["email"], held["reached_by"]["phone"]) == (EMAILS, PHONES)
    assert len(held["answers"]) == len(held["contacts"]) == 6
    for answer in held["answers"]:
        assert answer["bought_for_file"] == KEY
        assert answer["source"] in environment["OPENMART_BASE_URL"]
        assert answer["asked_at"] <= answer["received_at"]
    assert all(contact["loaded_at"] and contact["input_file"] == KEY for contact in held["contacts"])
    assert [answer["task_no"] for answer in held["mentioned_in_answers"]] == [8]
    assert held["rows_of_company_files"] == [{"input_file": "named.csv", "source_row": 2, "column": "other"}]
    assert (held["input_files"], len(held["stored_copies"])) == (["named.csv"], 1)
    assert (held["purpose"], held["recipients"], held["retention"]) == ("calling owners", "our sales team", None)
    searched = held["searched"]
    assert (searched["answers"], searched["contacts"], searched["input_files"], searched["stored_copies"]) == (
        8,
        13,
        2,
        2,
    )
    assert searched["by"] == {**held["reached_by"], "name": []}
    assert "Searched in" in done.stderr
    assert "named.csv, row 3 (other): has the name or the number." in done.stderr
    assert "row 4" not in done.stderr, "another company's Jane Doe"
    assert "OPENMART_RETENTION" in done.stderr


def test_the_answer_names_nobody_else(environment) -> None:
    for form in ("json", "letter"):
        shown = ask(subject, environment, "jane@held0.com", "--format", form).stdout
        for other in ("Carla", "Diaz", "Bob", "Poe", "other.jane", "jane@held5.com", "Fox"):
            assert other not in shown


def test_the_letter_says_the_same_to_a_person(environment) -> None:
    letter = ask(
        subject, {**environment, **BASIS, "OPENMART_PURGE_AFTER_DAYS": "90"}, "jane@held0.com", "--format", "letter"
    )
    for said in (*EMAILS, *PHONES, "calling owners", "our sales team", "90 days", KEY, "named.csv", "8 answers"):
        assert said in letter.stdout
    assert "[say it here" not in letter.stdout
    assert (
        "[say it here, or set OPENMART_PURPOSE]"
        in ask(subject, environment, "jane@held0.com", "--format", "letter").stdout
    )


def test_a_file_for_the_answer_is_its_writers_alone_and_none_is_written_over(environment, tmp_path: Path) -> None:
    target = tmp_path / "letter.md"
    args = ("jane@held0.com", "--format", "letter", "--output", str(target))
    done = ask(subject, environment, *args)
    assert (done.exit_code, done.stdout) == (0, "")
    assert target.stat().st_mode & 0o777 == 0o600
    target.write_text("mine")
    assert ask(subject, environment, *args).exit_code == 2
    assert target.read_text() == "mine"


def test_where_there_is_nothing_to_search_it_fails_and_makes_nothing(environment, tmp_path: Path) -> None:
    done = ask(subject, {**environment, "OPENMART_DATA_DIR": str(tmp_path / "elsewhere")}, "jane@held0.com")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "There is no ledger at" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_may_be_several_people_is_shown_to_nobody_but_who_asks(environment) -> None:
    done = ask(subject, environment, "info@held3.com")
    assert (done.exit_code, done.stdout) == (4, "")
    assert "Carla Diaz" in done.stderr
    assert "--only" in done.stderr
    carla = json.loads(ask(subject, environment, "info@held3.com", "--only", "Carla Diaz").stdout)
    assert carla["names"] == ["Carla Diaz"]
    assert ask(subject, environment, "held3.com").exit_code == 2


def test_a_stranger_is_told_where_was_looked(environment) -> None:
    done = ask(subject, environment, "nobody@elsewhere.org")
    assert done.exit_code == 0
    assert not json.loads(done.stdout)["answers"]
    assert "Nothing is held on this person." in done.stderr
    assert "8 answers, 13 contacts" in done.stderr


def test_forget_shows_what_leads_to_the_person_before_the_question_and_nobody_with_yes(environment) -> None:
    asked = ask(forget, environment, "jane@held0.com", *WHY, stdin="n\n")
    assert asked.exit_code == 2
    before, _, _ = asked.stderr.partition("Forget this person everywhere?")
    for shown in (*EMAILS, *PHONES, "jane-first", "jane-second", "6 entries in answers", "Carla Diaz", "Ed Poe"):
        assert shown in before
    assert '--include "Jane Doe at held0.com"' in before
    doubtful = ask(forget, environment, "jane@held0.com", *WHY, "--yes")
    assert doubtful.exit_code == 4
    assert "Nothing was changed: 2 identifiers" in doubtful.stderr
    for shown in (*NEEDLES, "Jane", "Carla", "held3"):
        assert shown not in doubtful.output
    assert traces(Path(environment["OPENMART_DATA_DIR"]), *NEEDLES)


def test_with_doubts_left_on_purpose_it_goes_on(shop: Shop, environment, tmp_path: Path) -> None:
    with holding(tmp_path, shop.simulator, {"held0.com": HOSTILE["held0.com"]}):
        pass
    here = {**environment, "OPENMART_DATA_DIR": str(tmp_path)}
    done = ask(forget, here, "jane@held0.com", *WHY, "--yes", "--leave-doubts", "--without-vendor")
    assert done.exit_code == 0, done.output
    assert "Left alone, since only the name is the same: 1 entry." in done.stdout
    by_name = ask(forget, here, "Jane Doe at held0.com", *WHY, "--yes", "--without-vendor")
    assert by_name.exit_code == 0, by_name.output
    with at_work(tmp_path, shop.url) as (work, _):
        assert work.warehouse.query("SELECT full_name FROM contacts") == [("Bob Ray",)]


def test_somebody_in_a_damaged_answer_is_found_and_taken_out(shop: Shop, tmp_path: Path) -> None:
    with holding(tmp_path, shop.simulator, {}) as (work, _):
        put_answers(work, {"held0.com": [person("Ren\udce9 Roy", "rene@held0.com")]})  # one byte that is no UTF-8
    here = {"OPENMART_BASE_URL": shop.url, "OPENMART_API_KEY": API_KEY, "OPENMART_DATA_DIR": str(tmp_path)}
    assert len(json.loads(ask(subject, here, "rene@held0.com").stdout)["answers"]) == 1
    assert ask(forget, here, "rene@held0.com", *WHY, "--yes", "--without-vendor").exit_code == 0
    assert traces(tmp_path, "rene@held0.com", " Roy", '"Roy"') == []


def test_no_file_in_the_folder_stops_the_search_or_leads_it_elsewhere(shop: Shop, tmp_path: Path) -> None:
    with holding(tmp_path, shop.simulator, {}) as (work, _):
        folder = work.data.input
    (folder / "secrets").symlink_to("/proc/self/environ")
    (folder / "folder").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe.csv")
    (folder / "broken.xlsx").write_bytes(b"PK\x03\x04 and nothing more")
    (folder / "broken.csv.gz").write_bytes(b"\x1f\x8b and nothing more")
    (folder / "one-word.csv").write_bytes(b"x" * 3_000_000 + b" jane@acme.com")
    cut = b" " * ((1 << 20) - 6) + b"jane@acme.com"
    (folder / "cut-in-two.csv").write_bytes(cut)
    (folder / "cut-in-two.csv.gz").write_bytes(gzip.compress(cut))
    (folder / "wide.csv").write_text(" jane@acme.com", encoding="utf-16")
    here = {"OPENMART_BASE_URL": shop.url, "OPENMART_API_KEY": API_KEY, "OPENMART_DATA_DIR": str(tmp_path)}
    done = ask(subject, here, "jane@acme.com")
    assert done.exit_code == 0
    held = json.loads(done.stdout)
    assert held["input_files"] == ["cut-in-two.csv", "cut-in-two.csv.gz", "one-word.csv", "wide.csv"]
    for name in ("secrets", "folder", "pipe.csv", "broken.xlsx", "broken.csv.gz"):
        assert f"{name}, which can't be read" in held["searched"]["not_searched"]
        assert name in done.stderr


def test_a_person_is_found_in_every_form_that_a_company_file_may_have(shop: Shop, tmp_path: Path) -> None:
    """A workbook may write an address as entities or in several runs, a text in wide characters without a mark."""
    text = "Website,Notes\nheld0.com,jane@acme.com\n"
    with holding(tmp_path, shop.simulator, {}) as (work, _):
        folder = work.data.input
        for encoding in ("utf-16-le", "utf-16-be", "utf-16", "utf-32"):
            (folder / f"{encoding}.csv").write_bytes(text.encode(encoding))
        (folder / "packed.csv.gz").write_bytes(gzip.compress(text.encode("utf-16-le")))
        workbook(folder / "entity.xlsx", b"<t>jane&#64;acme.com</t>")
        workbook(folder / "escaped.xlsx", b"<t>jane_x0040_acme.com</t>")
        workbook(folder / "runs.xlsx", b"<r><t>jane@</t></r><r><rPr><b/></rPr><t>acme.com</t></r>")
        (folder / "jane@acme.com.csv").write_text("Website\nheld0.com\n")
        company_file(tmp_path, "national.csv", ["held0.com,call 020 7946 0958"], header="Website,Notes")
        planned(work, "national.csv")
        names = sorted(path.name for path in folder.iterdir())
    here = {"OPENMART_BASE_URL": shop.url, "OPENMART_API_KEY": API_KEY, "OPENMART_DATA_DIR": str(tmp_path)}
    done = ask(subject, here, "jane@acme.com", "+44 20 7946 0958")
    assert json.loads(done.stdout)["input_files"] == [name for name in names if name not in (KEY, "national.csv")]
    assert "national.csv, row 2 (other): has the name or the number." in done.stderr


def workbook(path: Path, text: bytes) -> None:
    """Write a workbook whose one text stands in it like this."""
    with xlsxwriter.Workbook(path) as book:
        book.add_worksheet().write_row(0, 0, ["placeholder"])
    with zipfile.ZipFile(path) as written:
        members = {name: written.read(name) for name in written.namelist()}
    with zipfile.ZipFile(path, "w") as changed:
        for name, member in members.items():
            changed.writestr(name, member.replace(b"<t>placeholder</t>", text))
