"""F19 to F21: a file that is copied, changed or deleted while its questions are under way."""

import hashlib
import threading
import uuid
from pathlib import Path

import pytest

from openmart_pipeline.intake.input_files import DataFolder
from openmart_pipeline.intake.refusals import FileRefused
from openmart_pipeline.ledger import plans
from openmart_pipeline.pipeline import steps
from openmart_pipeline.pipeline.inventory import look
from openmart_pipeline.pipeline.rebuilding import rebuild
from openmart_pipeline.purchase.rules import Stop
from openmart_pipeline_tests.faults.shop import Shop, quick_buyer
from openmart_pipeline_tests.money import (
    assert_accounts_agree,
    at_work,
    bought,
    company_file,
    planned,
    whole_run,
)


def domains(count: int) -> list[str]:
    of = uuid.uuid4().hex[:8]
    return [f"{of}-{number}.com" for number in range(count)]


def test_a_copy_is_filled_from_what_is_owned_and_a_new_version_buys_only_what_is_new(
    tmp_path: Path, shop: Shop
) -> None:
    asked = domains(8)
    key, copy = (company_file(tmp_path, name, asked[:5]) for name in ("a.csv", "renamed.csv"))
    with at_work(tmp_path, shop.url) as (work, _):
        session = quick_buyer(shop)
        whole_run(work, session, key)
        quote = planned(work, copy).quote
        assert (quote.to_buy, quote.outcomes["owned"]) == (0, 5)
        steps.load_contacts(work, copy, run_id="run")
        assert work.warehouse.coverage(copy) == work.warehouse.coverage(key)
        company_file(tmp_path, key, asked[3:])
        assert planned(work, key).quote.to_buy == 3
        bought(work, session, key)
        assert_accounts_agree(work, shop.simulator, since=shop.since)
        rebuild(work, run_id="rebuild")
        assert work.warehouse.coverage(copy).keys() <= {"found", "nothing_found"}
    assert [batch["total"] for batch in shop.charged] == [5, 3]


def test_a_file_that_grows_while_it_is_copied_is_refused_and_taken_whole_once_it_is_complete(tmp_path: Path) -> None:
    """An upload in the middle: what was copied so far is no version of the file, and is not left behind."""
    data = DataFolder(tmp_path)
    data.input.mkdir()
    file = data.input / "upload.csv"
    file.write_bytes(b"website\n" + b"company.com\n" * 2_000_000)
    is_complete = threading.Event()

    def upload() -> None:
        with file.open("ab", buffering=0) as stream:
            while not is_complete.is_set():
                stream.write(b"company.com\n")

    uploading = threading.Thread(target=upload)
    uploading.start()
    try:
        with pytest.raises(FileRefused, match="still being written"):
            data.version("upload.csv")
        with pytest.raises(FileRefused, match="still being written"):
            data.bring_in(file, "brought.csv")
    finally:
        is_complete.set()
        uploading.join()
    assert (list(data.files.iterdir()), list(data.input.iterdir())) == ([], [file])
    version = data.version("upload.csv")
    assert version.path.read_bytes() == file.read_bytes()
    assert version.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_a_file_that_changed_after_its_quote_is_not_bought(tmp_path: Path, shop: Shop) -> None:
    key = company_file(tmp_path, "a.csv", domains(3))
    with at_work(tmp_path, shop.url) as (work, _):
        planned(work, key)
        company_file(tmp_path, key, domains(300))
        report = bought(work, quick_buyer(shop), key)
    assert (report.stop, shop.submits) == (Stop.STALE, 0)
    assert "The file has changed since it was planned" in report.sentence


def test_a_file_that_is_deleted_after_the_submit_is_collected_and_loaded_all_the_same(
    tmp_path: Path, shop: Shop
) -> None:
    key = company_file(tmp_path, "a.csv", domains(3))
    with at_work(tmp_path, shop.url) as (work, _):
        session = quick_buyer(shop)
        planned(work, key)
        bought(work, session, key)
        work.data.source(key).unlink()
        steps.collector(work, session, [key]).run(patience_s=30)
        steps.load_contacts(work, key, run_id="run")
        assert work.warehouse.coverage(key).keys() <= {"found", "nothing_found"}
        assert_accounts_agree(work, shop.simulator, since=shop.since)
        with pytest.raises(FileRefused, match="What was bought for it stays; put the file there to go on"):
            steps.ingest_companies(work, key)
        assert plans.current_plan(work.ledger, key) is not None


def test_a_link_that_leads_to_itself_is_refused_and_not_followed(tmp_path: Path) -> None:
    data = DataFolder(tmp_path)
    data.input.mkdir()
    (data.input / "loop.csv").symlink_to(data.input / "loop.csv")
    (data.input / "round").symlink_to(data.input)
    assert [path.name for path in data.listed()] == ["loop.csv", "round"]
    assert look(data).stamps == {}
    with pytest.raises(FileRefused, match="is a link"):
        data.version("loop.csv")
