"""What a ledger refuses to be, and what it never forgets. F16, F33."""

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from openmart_pipeline.ledger import schema
from openmart_pipeline.ledger.owners import Owner
from openmart_pipeline.ledger.store import Ledger, LedgerRefused
from openmart_pipeline_tests.ledger.desk import Desk, asks, desk_at
from openmart_pipeline_tests.simulator_process import SimulatorProcess


def said_when_opened(folder: Path, *, api_identity: str = "simulated", url: str | None = None) -> str:
    owner = Owner(folder / "owners")
    try:
        with pytest.raises(LedgerRefused) as refused:
            Ledger(url or f"sqlite:///{folder / 'ledger.sqlite'}", owner, api_identity=api_identity, actor="tests")
        return str(refused.value)
    finally:
        owner.close()


def change(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as connection, connection:
        connection.execute(statement)


@pytest.mark.parametrize("key", ["schema_version", "fingerprint_version"])
def test_a_ledger_of_a_newer_program_is_refused_untouched(tmp_path: Path, key: str) -> None:
    """F33."""
    with desk_at(tmp_path):
        pass
    change(tmp_path, f"UPDATE meta SET value = '99' WHERE key = '{key}'")
    before = (tmp_path / "ledger.sqlite").read_bytes()
    assert "newer version of this program" in said_when_opened(tmp_path)
    assert (tmp_path / "ledger.sqlite").read_bytes() == before


@pytest.mark.parametrize("key", ["schema_version", "fingerprint_version"])
def test_a_ledger_of_an_unreleased_version_is_refused_untouched(tmp_path: Path, key: str) -> None:
    """F33."""
    with desk_at(tmp_path):
        pass
    change(tmp_path, f"UPDATE meta SET value = '0' WHERE key = '{key}'")
    before = (tmp_path / "ledger.sqlite").read_bytes()
    assert "never released" in said_when_opened(tmp_path)
    assert (tmp_path / "ledger.sqlite").read_bytes() == before


def test_a_ledger_belongs_to_one_api(tmp_path: Path) -> None:
    """What the simulator sold is not owned in the real world, and the other way round."""
    with desk_at(tmp_path):
        pass
    sentence = said_when_opened(tmp_path, api_identity="api.openmart.ai")
    assert "'simulated'" in sentence
    assert "'api.openmart.ai'" in sentence


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_damaged_ledger_is_refused_with_the_way_back(tmp_path: Path, content: bytes) -> None:
    """F16."""
    (tmp_path / "ledger.sqlite").write_bytes(content)
    sentence = said_when_opened(tmp_path)
    assert "nothing was bought" in sentence
    assert "journal" in sentence
    assert (tmp_path / "ledger.sqlite").read_bytes() == content


def test_damage_in_the_middle_is_found_before_anything_is_bought(tmp_path: Path) -> None:
    """F16: SQLite itself would notice only when it reads that page."""
    with desk_at(tmp_path) as desk:
        desk.plan("a.csv", asks("damaged", 2000))
    path = tmp_path / "ledger.sqlite"
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4096] = b"\xab" * 4096
    path.write_bytes(content)
    with desk_at(tmp_path) as desk, pytest.raises(LedgerRefused, match="can't be read"):
        desk.ledger.check_integrity()


def test_a_run_that_buys_file_after_file_reads_the_whole_ledger_once(
    tmp_path: Path, simulator: SimulatorProcess
) -> None:
    with desk_at(tmp_path, simulator.url) as desk:
        checks: list[str] = []

        def hear(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
            checks.extend([statement] if "integrity_check" in statement else [])

        sa.event.listen(desk.ledger._engine, "before_cursor_execute", hear)
        for key in ("a.csv", "b.csv"):
            assert desk.buy(desk.plan(key, asks(f"once-{key[0]}", 1))).accepted_batches == 1
        assert len(checks) == 1


def test_the_database_of_another_program_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as connection, connection:
        connection.execute("CREATE TABLE meta (key TEXT, value TEXT)")
        connection.execute("INSERT INTO meta VALUES ('theirs', '1')")
    assert "another program" in said_when_opened(tmp_path)


def test_only_sqlite_is_accepted_and_the_address_is_not_repeated(tmp_path: Path) -> None:
    sentence = said_when_opened(tmp_path, url="postgresql://me:secret@db/ledger")
    assert "OPENMART_LEDGER_URL" in sentence
    assert "secret" not in sentence


@pytest.mark.parametrize("statement", ["DELETE FROM events", "UPDATE events SET reason = 'never happened'"])
def test_history_can_be_neither_deleted_nor_rewritten(tmp_path: Path, statement: str) -> None:
    with desk_at(tmp_path) as desk:
        desk.plan("a.csv", asks("history", 1))
        with pytest.raises(sa.exc.IntegrityError, match="append-only"), desk.ledger.write() as connection:
            connection.exec_driver_sql(statement)


def test_a_failed_transaction_leaves_nothing_behind(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:

        def half() -> None:
            with desk.ledger.write() as connection:
                desk.ledger.record(connection, "half")
                raise RuntimeError

        with pytest.raises(RuntimeError):
            half()
        with desk.ledger.read() as connection:
            assert connection.execute(sa.select(sa.func.count()).select_from(schema.events)).scalar() == 0


def test_a_writer_waits_for_its_turn_and_a_reader_does_not(tmp_path: Path) -> None:
    """F16: a busy ledger is waited for."""
    with desk_at(tmp_path) as one, desk_at(tmp_path) as other:
        order: list[str] = []

        def write() -> None:
            with other.ledger.write() as connection:
                order.append("second writer")
                other.ledger.record(connection, "second")

        with one.ledger.write() as connection:
            one.ledger.record(connection, "first")
            waiting = threading.Thread(target=write)
            waiting.start()
            with other.ledger.read() as reading:
                assert reading.execute(sa.select(sa.func.count()).select_from(schema.events)).scalar() == 0
            waiting.join(0.1)
            order.append("first writer")
        waiting.join()
        assert order == ["first writer", "second writer"]


def test_two_processes_that_make_the_ledger_at_once_make_one(tmp_path: Path) -> None:
    desks: list[Desk] = []

    def open_one() -> None:
        desks.append(Desk(tmp_path))

    threads = [threading.Thread(target=open_one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert len(desks) == 6
        assert len({desk.ledger.uuid for desk in desks}) == 1
    finally:
        for desk in desks:
            desk.close()


def test_times_come_back_as_they_went_in_whatever_the_zone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """F18: the machine's zone changes nothing."""
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    try:
        with desk_at(tmp_path) as desk:
            claim = desk.claim(desk.plan("a.csv", asks("zone", 1)))
            assert claim is not None
            intent_at = desk.batch(claim.batch.batch_no).intent_at
            assert abs((desk.clock() - intent_at).total_seconds()) < 10
            assert claim.batch.budget_day == desk.clock().date().isoformat()
    finally:
        monkeypatch.undo()
        time.tzset()
