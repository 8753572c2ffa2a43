"""What was deleted is gone from every byte: both databases, the ledger's pages and log, and what a killed process left.

Decoded and searched by `traces`; each person and company is one that only one place should ever name.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from openmart_pipeline.contacts.identifiers import identifier_of
from openmart_pipeline.pipeline import forgetting, retiring, steps
from openmart_pipeline.pipeline.rebuilding import rebuild
from openmart_pipeline_tests.faults.kept_people import EMAIL, KEY, PAGE, WHO, at_a_copy, places
from openmart_pipeline_tests.money import at_work, company_file, planned


def test_a_retired_files_rows_and_people_are_in_no_byte_of_either_database(
    tmp_path: Path, bought: tuple[Path, str]
) -> None:
    data = tmp_path / "data"
    with at_a_copy(bought, data) as (work, _buyer):
        assert places(data, EMAIL) == {"ledger.sqlite", "published/contacts.duckdb", "warehouse.duckdb"}
        assert "ledger.sqlite" in places(data, "only to row 5"), "the asks carry the company's name"
        retiring.retire(work, KEY, remove_data=True, **WHO)
        assert places(data, EMAIL, PAGE) == {"ledger.sqlite"}, "paid for, and reused by other files"
        assert places(data, *(f"only to row {number}" for number in range(12))) == set()


def test_a_suppressed_person_is_in_no_byte_of_either_database(tmp_path: Path, bought: tuple[Path, str]) -> None:
    data = tmp_path / "data"
    with at_a_copy(bought, data) as (work, _buyer):
        others = work.warehouse.query("SELECT count(*) FROM contacts")[0][0] - 1
        assert forgetting.suppress(work, None, [identifier_of("+1 201 555 0177")], **WHO) == 1
        assert places(data, EMAIL, PAGE) == {"ledger.sqlite"}
        assert work.warehouse.query("SELECT count(*) FROM contacts") == [(others,)]


def test_a_row_that_left_its_file_leaves_the_published_bytes_too(tmp_path: Path, bought: tuple[Path, str]) -> None:
    data = tmp_path / "data"
    with at_a_copy(bought, data) as (work, _buyer):
        notes = [hashlib.sha512(f"row {number}".encode()).hexdigest() for number in range(200)]  # nothing packs them
        rows = [f"never{number}.com,{note}" for number, note in enumerate(notes)]
        company_file(data, "b.csv", rows, header="Website,Company")
        planned(work, "b.csv")
        steps.publish(work)
        company_file(data, "b.csv", ["never0.com,In the second"], header="Website,Company")
        planned(work, "b.csv")
        steps.publish(work)
        databases = {"published/contacts.duckdb", "warehouse.duckdb"}
        assert places(data, *notes[::20]) & databases == set()
        assert places(data, "In the second") >= databases


def test_rows_read_before_an_erasure_are_not_written_after_it(tmp_path: Path, bought: tuple[Path, str]) -> None:
    data = tmp_path / "data"
    with at_a_copy(bought, data) as (work, _buyer):
        read = work.warehouse.replace_answers
        seen = []

        def slow(key: str, answers: Iterator[object], **more: object) -> object:
            """A loader that has read its answers, and is overtaken before it writes them."""
            kept = list(answers)
            if not seen:
                seen.append("overtaken")
                with at_work(data, bought[1]) as (other, _):
                    forgetting.forget(other, None, [identifier_of(EMAIL)], **WHO)
            return read(key, iter(kept), **more)  # type: ignore[arg-type]  # handed through

        work.warehouse.replace_answers = slow  # type: ignore[method-assign]  # in this process alone
        steps.load_contacts(work, KEY, run_id="slow")
        assert seen
        assert places(data, EMAIL, PAGE) == set()


def test_what_is_erased_during_a_rebuild_is_not_in_what_it_built(tmp_path: Path, bought: tuple[Path, str]) -> None:
    data = tmp_path / "data"
    with at_a_copy(bought, data) as (work, _buyer):
        built = []

        def on_file(_key: str, _done: int, _files: int) -> None:
            if not built:
                with at_work(data, bought[1]) as (other, _):
                    retiring.retire(other, KEY, remove_data=True, **WHO)
            built.append("once more")

        assert rebuild(work, run_id="r", on_file=on_file) == []
        assert built
        assert places(data, EMAIL, PAGE) == {"ledger.sqlite"}


def test_what_killed_processes_left_goes_with_the_next_erasure(tmp_path: Path, bought: tuple[Path, str]) -> None:
    data = tmp_path / "data"
    with at_a_copy(bought, data) as (work, _buyer):
        left = [
            data / "warehouse.duckdb.rebuilding",
            data / "warehouse.duckdb.compacting",
            data / "published" / "contacts.duckdb.publishing",
            data / "warehouse.duckdb.staging-0123" / "people.parquet",
            data / "files" / f".{'0' * 32}",
            data / "input" / f".{'a' * 32}",
        ]
        for path in left:
            path.parent.mkdir(exist_ok=True)
            path.write_text(EMAIL, encoding="utf-8")
            os.utime(path, (0, 0))
        forgetting.forget(work, None, [identifier_of(EMAIL)], **WHO)
        assert places(data, EMAIL, PAGE) == set()
