"""F49: every page and every kind of value of the ledger damaged in turn, and what the doors say of it."""

import importlib
import inspect
import pkgutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from openmart_pipeline import ledger
from openmart_pipeline.ledger import plans, recovery
from openmart_pipeline.ledger.store import LedgerRefused
from openmart_pipeline_tests.faults.shop import Shop
from openmart_pipeline_tests.ledger.desk import PRICES, Desk, asks, desk_at

PAGE = 4096


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A ledger that has bought, collected, lost and released, with some of everything in it."""
    folder = tmp_path_factory.mktemp("whole")
    with desk_at(folder) as desk:
        desk.bought(desk.plan("a.csv", asks("page", 120)))
        plan = desk.plan("b.csv", asks("other", 5))
        claim = desk.claim(plan)
        assert claim is not None
        desk.plan("c.csv", asks("owed", 3))
        with desk.ledger.write() as connection:
            desk.ledger.record(connection, "noted", detail="x")
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return (folder / "ledger.sqlite").read_bytes()


def lay(folder: Path, content: bytes) -> Path:
    path = folder / "ledger.sqlite"
    for name in ("ledger.sqlite-wal", "ledger.sqlite-shm", "ledger.sqlite", "submissions.jsonl"):
        (folder / name).unlink(missing_ok=True)
    path.write_bytes(content)
    return path


MODULES = [
    importlib.import_module(f"{ledger.__name__}.{found.name}") for found in pkgutil.iter_modules(ledger.__path__)
]


def look_everywhere(desk: Desk) -> None:
    """Call whatever the ledger can be asked by a file and its plan, or by nothing at all; then what `verify` asks."""
    known = {"ledger": desk.ledger, "partition_key": "a.csv", "plan_id": "?", "prices": PRICES}
    for row in plans.all_partitions(desk.ledger):
        plan = plans.current_plan(desk.ledger, row.partition_key)
        known |= {"partition_key": row.partition_key, "plan_id": plan and plan.plan_id, "plan": plan}
        for module in MODULES:
            for name, function in vars(module).items():
                if name[0] == "_" or not inspect.isfunction(function) or function.__module__ != module.__name__:
                    continue
                wanted = [one for one in inspect.signature(function).parameters.values() if one.default is one.empty]
                if wanted[:1] and wanted[0].name == "ledger" and {one.name for one in wanted} <= known.keys():
                    found = function(*(known[one.name] for one in wanted))
                    if inspect.isgenerator(found):
                        list(found)
    list(recovery.verify(desk.ledger, desk.journal))


def buy(desk: Desk) -> None:
    for row in plans.all_partitions(desk.ledger):
        plan = plans.current_plan(desk.ledger, row.partition_key)
        if plan is not None:
            desk.buy(plan, concurrency=1)


def said_of(folder: Path, content: bytes, shop: Shop, *, log: bytes | None = None) -> list[str]:
    """What is said to whoever looks everywhere in such a ledger, and to whoever buys; a traceback fails the test."""
    said = []
    for use in (look_everywhere, buy):
        lay(folder, content)
        if log is not None:
            (folder / "ledger.sqlite-wal").write_bytes(log)
        try:
            with desk_at(folder, shop.url) as desk:
                use(desk)
        except LedgerRefused as refused:
            said.append(str(refused))
    return said


def with_page(whole: bytes, number: int, page: bytes) -> bytes:
    return whole[: number * PAGE] + page + whole[(number + 1) * PAGE :]


def test_every_page_that_is_damaged_ends_in_a_sentence_and_sells_nothing(
    tmp_path: Path, whole: bytes, shop: Shop
) -> None:
    untold = []
    for number in range(len(whole) // PAGE):
        for filler in (b"\xab", b"\0"):
            said = said_of(tmp_path, with_page(whole, number, filler * PAGE), shop)
            if not said or any("nothing was bought" not in one for one in said):
                untold.append((number, filler, said))
    assert untold == [], "\n".join(map(str, untold))
    assert shop.submits == 0


def test_an_index_that_lost_its_entries_sells_nothing(tmp_path: Path, whole: bytes, shop: Shop) -> None:
    """A page of an older time, valid in itself: what was bought is not found by it, and would be bought again."""
    empty_leaf = b"\x0a\0\0\0\0\x10\0\0" + bytes(PAGE - 8)
    with closing(sqlite3.connect(lay(tmp_path, whole))) as connection:
        roots = connection.execute("SELECT rootpage FROM sqlite_master WHERE type = 'index' AND tbl_name = 'tasks'")
        numbers = [number - 1 for (number,) in roots]
    assert len(numbers) >= 5
    for number in numbers:
        lay(tmp_path, with_page(whole, number, empty_leaf))
        with desk_at(tmp_path, shop.url) as desk, pytest.raises(LedgerRefused, match="nothing was bought"):
            buy(desk)
    assert shop.submits == 0


def test_a_ledger_that_was_cut_ends_in_a_sentence(tmp_path: Path, whole: bytes, shop: Shop) -> None:
    for length in (1, 50, PAGE - 1, PAGE, 5 * PAGE, 5 * PAGE + 7, len(whole) - PAGE, len(whole) - 1):
        assert said_of(tmp_path, whole[:length], shop), length
    assert shop.submits == 0


VALUES = (
    "UPDATE batches SET intent_at = 'yesterday'",
    "UPDATE batches SET intent_at = CAST(x'ff' AS TEXT)",
    "UPDATE batches SET intent_at = 17",
    "UPDATE batches SET state = 'sold'",
    "UPDATE batches SET reserved_credits = 'all'",
    "UPDATE batches SET reserved_credits = -1e9",
    "UPDATE batches SET key_hash = CAST(x'ff80' AS TEXT)",
    "UPDATE tasks SET state = 'free'",
    "UPDATE tasks SET raw = 'text' WHERE raw IS NOT NULL",
    "UPDATE tasks SET ended_at = 'soon' WHERE ended_at IS NOT NULL",
    "UPDATE plans SET created_at = ''",
    "UPDATE plans SET config = CAST(x'c328' AS TEXT)",
    "UPDATE meta SET value = 'three' WHERE key = 'schema_version'",
    "UPDATE meta SET value = CAST(x'ff' AS TEXT) WHERE key = 'ledger_uuid'",
    "DROP TRIGGER events_refuse_UPDATE; UPDATE events SET detail = '{' WHERE detail IS NOT NULL",
    "DROP TRIGGER events_refuse_DELETE",
    "DROP INDEX one_live_task_per_question",
    *(
        f"DROP TABLE {name}"
        for name in ("asks", "batches", "events", "withdrawn_asks", "meta", "plans", "tasks", "rate")
    ),
    "ALTER TABLE tasks DROP COLUMN note",
)
OF_NO_PURCHASE = (  # nobody needs these to buy; whoever does need them hears of it
    "UPDATE tasks SET raw = x'00' WHERE raw IS NOT NULL",
    "UPDATE plans SET quote = '{'",
)


def changed(folder: Path, whole: bytes, statements: str) -> bytes:
    """The ledger after somebody else wrote into it."""
    path = lay(folder, whole)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"PRAGMA ignore_check_constraints = ON; {statements}; PRAGMA wal_checkpoint(TRUNCATE)")
    return path.read_bytes()


def test_a_value_that_nobody_can_have_written_ends_in_a_sentence(tmp_path: Path, whole: bytes, shop: Shop) -> None:
    untold = [one for one in VALUES if not said_of(tmp_path, changed(tmp_path, whole, one), shop)]
    assert (untold, shop.submits) == ([], 0)
    assert [one for one in OF_NO_PURCHASE if not said_of(tmp_path, changed(tmp_path, whole, one), shop)] == []


def test_the_log_of_another_ledger_ends_in_a_sentence_and_sells_nothing(
    tmp_path: Path, whole: bytes, shop: Shop
) -> None:
    """A copy of one ledger beside the write-ahead log of another: SQLite lays one over the other."""
    (tmp_path / "other").mkdir()
    with desk_at(tmp_path / "other") as other:
        whole_log = (tmp_path / "other" / "ledger.sqlite-wal").read_bytes()
        other.bought(other.plan("theirs.csv", asks("foreign", 40)))
    with desk_at(tmp_path / "other") as other:
        other.plan("more.csv", asks("more", 40))
        late_log = (tmp_path / "other" / "ledger.sqlite-wal").read_bytes()
    for log in (whole_log, late_log):
        assert log
        assert said_of(tmp_path, whole, shop, log=log)
    assert shop.submits == 0


def test_the_log_of_another_ledger_is_not_written_over_this_one(tmp_path: Path, whole: bytes) -> None:
    with desk_at(tmp_path) as other:
        log = (tmp_path / "ledger.sqlite-wal").read_bytes()
        theirs = other.ledger.uuid
    path = lay(tmp_path, whole)
    path.with_name("ledger.sqlite-wal").write_bytes(log)
    with pytest.raises(LedgerRefused, match="belongs to another ledger"), desk_at(tmp_path):
        pass
    assert path.read_bytes() == whole
    assert theirs.encode() not in whole


def test_a_backup_of_a_damaged_ledger_is_not_left(tmp_path: Path, whole: bytes) -> None:
    lay(tmp_path, changed(tmp_path, whole, "UPDATE batches SET state = 'sold'"))
    with desk_at(tmp_path) as desk, pytest.raises(LedgerRefused, match="can't be read"):
        recovery.back_up(desk.ledger, tmp_path / "copy.sqlite")
    assert not (tmp_path / "copy.sqlite").exists()
