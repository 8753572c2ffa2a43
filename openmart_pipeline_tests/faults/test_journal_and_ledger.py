"""F42, F43: ledger and journal disagree, after a kill between their two records, or since one of them was put back."""

import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from openmart_pipeline.ledger import adoption, journal_rewrite, moves, recovery
from openmart_pipeline.ledger.journal import SubmissionJournal
from openmart_pipeline.ledger.orphans import reap_orphans
from openmart_pipeline.ledger.store import LedgerRefused
from openmart_pipeline.purchase.rules import Stop
from openmart_pipeline_tests.cli.terminal import Terminal
from openmart_pipeline_tests.faults.shop import Shop, in_batches
from openmart_pipeline_tests.faults.test_ledger_in_trouble import held
from openmart_pipeline_tests.ledger.desk import Desk, asks, desk_at
from openmart_pipeline_tests.money import assert_accounts_agree

WAIT_S = 20


def wait_for(journal: SubmissionJournal, event: str, count: int) -> None:
    """Until so many lines of the kind are in the file."""
    deadline = time.monotonic() + WAIT_S
    while sum(line["event"] == event for line in journal.entries()) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_killed_between_journal_and_ledger_every_id_is_accepted_by_the_next_start(tmp_path: Path, shop: Shop) -> None:
    """The kill is a real one: the ledger is held until all answers are in the journal, and then the buyer dies."""
    with desk_at(tmp_path, shop.url) as desk:
        plan = in_batches(desk, [2, 2, 2])
        shop.behave(submit_s=0.5)
        command = [sys.executable, "-m", "openmart_pipeline_tests.faults.killed_between", str(tmp_path), shop.url]
        with subprocess.Popen(command) as session:
            try:
                wait_for(desk.journal, "sending", 3)
                with held(desk.ledger.path):
                    wait_for(desk.journal, "accepted", 3)
                    session.kill()
                    session.wait()
            finally:
                session.kill()
        shop.behave(submit_s=0)
        assert desk.states() == ["sending"] * 3
        assert desk.buy(plan).stop is Stop.DONE
        desk.collect()
        assert desk.states() == ["collected"] * 3
        assert_accounts_agree(desk, shop.simulator, since=shop.since)
    assert shop.submits == 3


@pytest.fixture
def heard_by_the_journal(terminal: Terminal) -> Terminal:
    """A batch that is `unknown`, and whose id its dead sender wrote into the journal."""
    with desk_at(terminal.data) as desk:
        claim = desk.claim(desk.plan("a.csv", asks("heard", 2)))
        assert claim is not None
        desk.journal.sending(claim)
        desk.journal.outcome(claim, "accepted", vendor_batch_id="a-batch-of-ours")
    with desk_at(terminal.data) as desk:
        assert moves.mark_orphans_unknown(desk.ledger) == [1]
    return terminal


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("unknown", "list"), 0, "No batch is unknown"),
        (("unknown", "release", "1", "--why", "lost"), 2, "Batch 1 is submitted"),
        (("ledger", "verify"), 0, "knows every submission"),
        (("status",), 0, "1 batch under way"),
    ],
)
def test_no_command_calls_a_batch_unknown_whose_id_the_journal_knows(
    heard_by_the_journal: Terminal, words: tuple[str, ...], code: int, said: str
) -> None:
    shown = heard_by_the_journal(*words)
    assert (shown.exit_code, said in shown.output) == (code, True), shown.output
    with desk_at(heard_by_the_journal.data) as desk:
        assert [batch.vendor_batch_id for batch in desk.batches()] == ["a-batch-of-ours"]


def test_an_id_that_turned_out_to_be_anothers_is_not_accepted_again(desk: Desk) -> None:
    claim = desk.claim(desk.plan("a.csv", asks("taken-back", 1)))
    assert claim is not None
    desk.journal.sending(claim)
    desk.journal.outcome(claim, "accepted", vendor_batch_id="somebody-elses")
    desk.submitted(claim, "somebody-elses")
    adoption.revoke_foreign(desk.ledger, desk.batch(1), reason="its answers name other tasks")
    restart(desk)
    assert reap_orphans(desk.ledger, desk.journal) == []
    assert desk.states() == ["unknown"]


def restart(desk: Desk) -> None:
    """Let whoever was sending be gone."""
    desk.owner.close()


# Restored from the middle

LAST_LINES = ("of a batch that the copy knows", "of a batch that it does not", "torn")


@pytest.mark.parametrize("last", LAST_LINES)
def test_a_ledger_put_back_from_the_middle_buys_nothing_whatever_the_journals_last_line_is(
    tmp_path: Path, shop: Shop, last: str
) -> None:
    """The slow batch was claimed before the copy was made; its answer comes last. Each question is paid once."""
    copy = tmp_path / "copy.sqlite"
    with desk_at(tmp_path, shop.url) as desk:
        plan = in_batches(desk, [2] * 6)
        slow = desk.claim(plan) if last == LAST_LINES[0] else None
        if slow is not None:
            desk.journal.sending(slow)
        else:
            desk.buy(plan, concurrency=1, budget={"per_run": 66.0})
        recovery.back_up(desk.ledger, copy)
        desk.buy(plan, concurrency=1)
        if slow is not None:
            desk.journal.outcome(slow, "unknown")
        bought = shop.submits
    if last == "torn":
        with (tmp_path / "submissions.jsonl").open("ab") as file:
            file.write(b'{"no":13,"after":"')
    put_back(copy, tmp_path)
    with desk_at(tmp_path, shop.url) as desk:
        again = desk.plan("b.csv", desk.asks_of(plan))
        with pytest.raises(LedgerRefused, match=r"older than its journal: 5 of the submissions"):
            desk.buy(again)
        assert any("older than its journal" in sentence for sentence in recovery.verify(desk.ledger, desk.journal))
        done = recovery.reconcile(desk.ledger, desk.journal, who="a person")
        assert (done.doubts, sum(done.brought_back.values())) == (None, 5)
        desk.buy(again)
        assert shop.submits == bought
        assert list(recovery.verify(desk.ledger, desk.journal)) == []


def put_back(copy: Path, folder: Path) -> None:
    """Put an old copy of the ledger in place of the present one."""
    for path in folder.glob("ledger.sqlite*"):
        path.unlink()
    shutil.copyfile(copy, folder / "ledger.sqlite")


# The journal is not what it was


def cut_at_the_end(content: list[bytes]) -> list[bytes]:
    return content[:-2]


def cut_at_the_start(content: list[bytes]) -> list[bytes]:
    return content[2:]


def cut_in_the_middle(content: list[bytes]) -> list[bytes]:
    return content[:3] + content[4:]


def a_line_twice(content: list[bytes]) -> list[bytes]:
    return [*content[:3], content[2], *content[3:]]


def all_of_it_twice(content: list[bytes]) -> list[bytes]:
    return content * 2


def another_ledgers_lines_behind(content: list[bytes]) -> list[bytes]:
    return content + [line.replace(b'"ledger":"', b'"ledger":"f0') for line in content[-2:]]


def another_ledgers_alone(content: list[bytes]) -> list[bytes]:
    return [line.replace(b'"ledger":"', b'"ledger":"f0') for line in content]


def a_line_that_is_noise(content: list[bytes]) -> list[bytes]:
    return [content[0], b"\x00\xff" * 40 + b"\n", *content[2:]]


def lines_of_the_wrong_shape(content: list[bytes]) -> list[bytes]:
    return [
        b"[]\n",
        b"{}\n",
        content[0].replace(b'"tasks":[{', b'"tasks":[7,{'),
        b'{"event":"sending"}\n',
        *content[1:],
    ]


def emptied(_content: list[bytes]) -> list[bytes]:
    return []


DAMAGES = (
    cut_at_the_end, cut_at_the_start, cut_in_the_middle, a_line_twice, all_of_it_twice, another_ledgers_lines_behind,
    another_ledgers_alone, a_line_that_is_noise, lines_of_the_wrong_shape, emptied, None,
)  # fmt: skip


@pytest.fixture(scope="module")
def bought(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A ledger that bought three batches, its journal, and a plan that owes one more."""
    folder = tmp_path_factory.mktemp("bought")
    with desk_at(folder) as desk:
        plan = desk.plan("a.csv", asks("journaled", 3))
        with desk.ledger.write() as connection:
            connection.exec_driver_sql("UPDATE asks SET batch_limit = 1")
        while (claim := desk.claim(plan)) is not None:
            desk.journal.sending(claim)
            journaled = desk.journal.outcome(claim, "accepted", vendor_batch_id=f"id-{claim.batch.batch_no}")
            desk.submitted(claim, f"id-{claim.batch.batch_no}", journaled=journaled)
        desk.plan("b.csv", asks("owed", 1))
    return folder


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_journal_that_is_not_what_it_was_holds_purchases_until_a_person_writes_a_new_one(
    bought: Path, tmp_path: Path, shop: Shop, damage: Callable[[list[bytes]], list[bytes]] | None
) -> None:
    path = tmp_path / "submissions.jsonl"
    shutil.copyfile(bought / "ledger.sqlite", tmp_path / "ledger.sqlite")
    if damage is not None:
        path.write_bytes(b"".join(damage((bought / "submissions.jsonl").read_bytes().splitlines(keepends=True))))
    before = path.read_bytes() if path.exists() else b""
    with desk_at(tmp_path, shop.url) as desk:
        plan = desk.current_plan("b.csv")
        with pytest.raises(LedgerRefused, match=r"is not as this ledger left it: .*3 batches.*new-journal"):
            desk.buy(plan)
        (said,) = recovery.verify(desk.ledger, desk.journal)
        assert "is not as this ledger left it" in said
        if damage is another_ledgers_alone:
            with pytest.raises(LedgerRefused, match="belong to another ledger"):
                recovery.reconcile(desk.ledger, desk.journal, who="a person")
        else:
            assert recovery.reconcile(desk.ledger, desk.journal, who="a person").doubts
        assert (shop.submits, desk.states()) == (0, ["submitted"] * 3)

        written = journal_rewrite.new_journal(desk.ledger, desk.journal, who="a person", why="the disk was full")
        assert written.batches == 3
        assert (b"" if written.kept_as is None else written.kept_as.read_bytes()) == before
        assert list(recovery.verify(desk.ledger, desk.journal)) == []
        assert desk.buy(plan).stop is Stop.DONE
        assert shop.submits == 1
    with desk_at(tmp_path / "new") as lost:
        journal = SubmissionJournal(path, lost.ledger)
        assert recovery.reconcile(lost.ledger, journal, who="a person").brought_back == {"submitted": 4}


def test_a_journal_that_is_removed_while_buying_ends_the_run_before_the_next_post(desk: Desk, shop: Shop) -> None:
    plan = in_batches(desk, [1] * 4)

    def removes(step: str, batch_no: int, *_: object) -> None:
        if (step, batch_no) == ("accepted", 2):
            desk.journal.path.unlink()

    report = desk.buy(plan, concurrency=1, on_event=removes)
    assert (report.accepted_batches, report.stop, shop.submits) == (2, Stop.FAILED, 2)
    assert "removed, cut or replaced" in report.sentence
    with pytest.raises(LedgerRefused, match="is not as this ledger left it"):
        desk.buy(plan)


def test_the_commands_named_in_the_refusals_are_the_way_out(terminal: Terminal) -> None:
    """What a person at a shell does, who follows each sentence."""
    first = terminal.companies("a.csv", 2)
    assert terminal("quote", first).exit_code == 0
    with desk_at(terminal.data) as desk:
        recovery.back_up(desk.ledger, terminal.folder / "copy.sqlite")
    assert terminal("run", first, "--yes").exit_code == 0
    put_back(terminal.folder / "copy.sqlite", terminal.data)
    for words in (("run", first, "--yes"), ("ledger", "verify"), ("check",)):
        shown = terminal(*words)
        assert (shown.exit_code, "openmart-pipeline ledger reconcile" in shown.output) == (6, True), shown.output
    shown = terminal("ledger", "reconcile")
    assert (shown.exit_code, "brought back: 1 submitted" in shown.output) == (0, True), shown.output
    (terminal.data / "submissions.jsonl").unlink()
    second = terminal.companies("b.csv", 1)
    shown = terminal("run", second, "--yes")
    assert (shown.exit_code, "it is missing, and had 2 lines" in shown.output) == (6, True), shown.output
    shown = terminal("ledger", "reconcile")
    assert (shown.exit_code, "ledger new-journal --why TEXT" in shown.output) == (6, True), shown.output
    shown = terminal("ledger", "new-journal", "--why", "the folder was cleaned up")
    assert (shown.exit_code, "A new journal has the 1 batch" in shown.output) == (0, True), shown.output
    assert terminal("run", second, "--yes").exit_code == 0
    assert terminal("ledger", "verify").exit_code == 0


def test_a_batch_of_the_journal_whose_number_another_has_is_brought_back_under_a_new_one(tmp_path: Path) -> None:
    """A ledger was put back, and bought from without its journal; both purchases carry the same number."""
    with desk_at(tmp_path) as desk:
        empty = tmp_path / "copy.sqlite"
        recovery.back_up(desk.ledger, empty)
        for journal in (desk.journal, SubmissionJournal(tmp_path / "later.jsonl", desk.ledger)):
            claim = desk.claim(desk.plan("a.csv", asks("same", 2)))
            assert claim is not None
            journal.sending(claim)
            with closing(sqlite3.connect(empty)) as copy, closing(sqlite3.connect(desk.ledger.path)) as ledger:
                if journal is desk.journal:
                    copy.backup(ledger)
        done = recovery.reconcile(desk.ledger, desk.journal, who="a person")
        assert done.brought_back == {"unknown": 1}
        assert desk.tracking_ids(1) == desk.tracking_ids(2)
        assert desk.tasks() == {"in_flight": 2, "duplicate_in_flight": 2}
