"""F40, F41: a copy of a ledger, a second ledger of one key, and a ledger on a disk that may vanish buy nothing unseen."""

import json
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import filelock
import pytest

from openmart_pipeline.ledger import disks, freezes, journal_check, recovery
from openmart_pipeline.ledger.freezes import Surroundings
from openmart_pipeline.ledger.key_registry import KeyRegistry
from openmart_pipeline.ledger.store import LedgerRefused
from openmart_pipeline.purchase.rules import Stop
from openmart_pipeline_tests.cli.terminal import Terminal
from openmart_pipeline_tests.faults.shop import Shop, in_batches
from openmart_pipeline_tests.ledger.desk import KEY_HASH, Desk, desk_at
from openmart_pipeline_tests.money import assert_accounts_agree


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    """A real API: what is doubtful is held. The tests' folder may lie on any disk."""
    return Surroundings(is_real=True, registry=KeyRegistry(tmp_path / "state" / "ledgers.json"), disk_lasts=True)


@pytest.fixture
def first(tmp_path: Path, shop: Shop, around: Surroundings) -> Path:
    """A data folder that has bought two batches, and owes two more."""
    folder = tmp_path / "first"
    with desk_at(folder, shop.url) as desk:
        plan = in_batches(desk, [2, 2, 2, 2])
        desk.buy(plan, concurrency=1, budget={"per_run": 132.0}, surroundings=around)
        assert desk.states() == ["submitted", "submitted"]
    return folder


def says_it_lives(desk: Desk, around: Surroundings, *, beside: bool = False) -> None:
    freezes.say_it_lives(desk.ledger, KEY_HASH, around, who="ann", why="the other disk is gone", beside=beside)


def test_a_copied_folder_buys_nothing_until_a_person_says_that_it_lives(
    first: Path, tmp_path: Path, shop: Shop, around: Surroundings
) -> None:
    """Both collect. The copy that lives gives out other tracking ids, and the other one is held from then on."""
    copy = tmp_path / "copy"
    shutil.copytree(first, copy)
    with desk_at(first, shop.url) as one, desk_at(copy, shop.url) as other:
        with pytest.raises(LedgerRefused, match=r"is a copy.*ledger lives --why"):
            other.buy(other.current_plan(), surroundings=around)
        for desk in (one, other):
            desk.collect()
            assert desk.states() == ["collected", "collected"]
        one.buy(one.current_plan(), concurrency=1, budget={"per_run": 66.0}, surroundings=around)
        bought = shop.submits
        says_it_lives(other, around)
        with pytest.raises(LedgerRefused, match=r"buys from another ledger: .*copy.*Nothing was bought"):
            one.buy(one.current_plan(), surroundings=around)
        assert shop.submits == bought == 3
        other.buy(other.current_plan(), surroundings=around)
        assert set(one.tracking_ids(3)).isdisjoint(other.tracking_ids(3))
        other.collect()
        assert set(other.states()) == {"collected"}
        assert list(recovery.verify(other.ledger, other.journal)) == []


def test_a_ledger_whose_new_name_is_in_its_log_alone_is_no_other_ledger(
    first: Path, tmp_path: Path, shop: Shop, around: Surroundings
) -> None:
    """Its file says the former name until the log is written into it; whoever opens it meanwhile must not be told to
    move the log away, which would lose what was bought."""
    copy = tmp_path / "copy"
    shutil.copytree(first, copy)
    with desk_at(copy, shop.url) as other:
        says_it_lives(other, around)
        with desk_at(copy, shop.url) as another:
            assert another.ledger.uuid == other.ledger.uuid
            another.buy(another.current_plan(), surroundings=around)
            assert another.states() == ["submitted"] * 4


def test_a_ledger_that_was_moved_buys_on_and_one_that_was_put_back_is_held(
    first: Path, tmp_path: Path, shop: Shop, around: Surroundings
) -> None:
    moved = tmp_path / "moved"
    first.rename(moved)
    with desk_at(moved, shop.url) as desk:
        desk.buy(desk.current_plan(), concurrency=1, budget={"per_run": 66.0}, surroundings=around)
        recovery.back_up(desk.ledger, moved / "copy.sqlite")
        assert shop.submits == 3
    put_back = shutil.copyfile(moved / "copy.sqlite", moved / "put_back.sqlite")  # before: a freed inode is given again
    for path in moved.glob("ledger.sqlite*"):
        path.unlink()
    put_back.rename(moved / "ledger.sqlite")
    with desk_at(moved, shop.url) as desk:
        with pytest.raises(LedgerRefused, match="or was put back"):
            desk.buy(desk.current_plan(), surroundings=around)
        says_it_lives(desk, around)
        assert desk.buy(desk.current_plan(), surroundings=around).stop is Stop.DONE
        assert_accounts_agree(desk, shop.simulator, since=shop.since)
    assert shop.submits == 4


def test_ledger_and_journal_put_back_together_are_seen_by_what_the_machine_remembers(
    first: Path, tmp_path: Path, shop: Shop, around: Surroundings
) -> None:
    """Byte by byte into the same files, as a snapshot of a disk does: neither of them knows of the last batches."""
    snapshot = {path: path.read_bytes() for path in first.iterdir() if path.is_file()}
    with desk_at(first, shop.url) as desk:
        desk.buy(desk.current_plan(), surroundings=around)
    for path in first.glob("ledger.sqlite-*"):
        path.unlink()
    for path, content in snapshot.items():
        with path.open("r+b") as file:
            file.write(content)
            file.truncate()
    with desk_at(first, shop.url) as desk:
        with pytest.raises(LedgerRefused, match=r"newest batch .* is 2; when it last bought .* it was 4"):
            desk.buy(desk.current_plan(), surroundings=around)
        assert shop.submits == 4
        says_it_lives(desk, around)
        desk.buy(desk.current_plan(), surroundings=around)
    assert shop.submits == 6  # a person's word
    assert tmp_path.exists()


def test_a_process_that_began_before_the_new_name_takes_the_newest_line_of_the_journal_for_its_own(
    first: Path, shop: Shop, around: Surroundings
) -> None:
    """A refusal here would ask for a new journal, although nothing is wrong with this one."""
    with desk_at(first, shop.url) as early, desk_at(first, shop.url) as late:
        says_it_lives(late, around)
        claim = late.claim(late.current_plan())
        assert claim is not None
        late.journal.sending(claim)
        journal_check.check_journal(early.ledger, early.journal)
        assert early.ledger.uuid == late.ledger.uuid


def test_a_second_ledger_of_a_key_buys_nothing_until_a_person_says_so(
    first: Path, tmp_path: Path, shop: Shop, around: Surroundings
) -> None:
    with desk_at(tmp_path / "second", shop.url) as second, desk_at(first, shop.url) as one:
        plan = in_batches(second, [1, 1])
        with pytest.raises(LedgerRefused, match=rf"another ledger: {first / 'ledger.sqlite'}"):
            second.buy(plan, surroundings=around)
        second.buy(plan, surroundings=around, key_hash="another key", concurrency=1, budget={"per_run": 33.0})
        says_it_lives(second, around, beside=True)
        second.buy(plan, surroundings=around)
        one.buy(one.current_plan(), surroundings=around)
        assert (len(second.states()), len(one.states())) == (2, 4)
    registry = tmp_path / "state" / "ledgers.json"
    assert (stat.S_IMODE(registry.stat().st_mode), stat.S_IMODE(registry.parent.stat().st_mode)) == (0o600, 0o700)
    assert set(json.loads(registry.read_text())) == {KEY_HASH, "another key"}


def test_a_ledger_that_another_takes_the_place_of_stops_before_its_next_post(
    first: Path, tmp_path: Path, shop: Shop, around: Surroundings
) -> None:
    with desk_at(first, shop.url) as one, desk_at(tmp_path / "second", shop.url) as second:

        def other_lives(step: str, batch_no: int, *_: object) -> None:
            if (step, batch_no) == ("accepted", 3):
                says_it_lives(second, around)

        report = one.buy(one.current_plan(), concurrency=1, on_event=other_lives, surroundings=around)
        assert (report.stop, report.accepted_batches, shop.submits) == (Stop.FAILED, 1, 3)
        assert "Another ledger buys with this key" in report.sentence


def test_what_is_known_of_other_ledgers_and_can_not_be_read_holds_and_an_unwritable_place_does_not(
    first: Path, tmp_path: Path, shop: Shop, around: Surroundings
) -> None:
    (tmp_path / "state" / "ledgers.json").write_text("{")
    (tmp_path / "no folder").write_text("")
    nowhere = Surroundings(is_real=True, registry=KeyRegistry(tmp_path / "no folder" / "l.json"), disk_lasts=True)
    with desk_at(first, shop.url) as desk:
        with pytest.raises(LedgerRefused, match="Remove it if only one data folder"):
            desk.buy(desk.current_plan(), surroundings=around)
        assert desk.buy(desk.current_plan(), surroundings=nowhere).stop is Stop.DONE


def test_a_backup_from_before_a_new_name_is_old_also_where_ledgers_buy_beside_each_other(
    first: Path, shop: Shop, around: Surroundings
) -> None:
    """The former name is no second ledger: an old copy that still carries it must not pass as that one."""
    snapshot = {path: path.read_bytes() for path in first.iterdir() if path.is_file()}
    with desk_at(first, shop.url) as desk:
        says_it_lives(desk, around, beside=True)
        desk.buy(desk.current_plan(), surroundings=around)
    assert shop.submits == 4
    for path in first.glob("ledger.sqlite-*"):
        path.unlink()
    for path, content in snapshot.items():
        with path.open("r+b") as file:
            file.write(content)
            file.truncate()
    with desk_at(first, shop.url) as desk, pytest.raises(LedgerRefused, match="buys from another ledger"):
        desk.buy(desk.current_plan(), surroundings=around)
    assert shop.submits == 4


def test_what_is_known_of_other_ledgers_is_never_taken_for_nothing_because_it_can_not_be_read(
    first: Path, tmp_path: Path, shop: Shop, around: Surroundings
) -> None:
    """It is there, and no file: whoever takes that for an empty one lets a second ledger buy."""
    registry = tmp_path / "state" / "ledgers.json"
    registry.rename(tmp_path / "state" / "kept")
    registry.symlink_to(registry)
    with desk_at(tmp_path / "second", shop.url) as second:
        with pytest.raises(LedgerRefused, match=r"ledgers.json can't be read"):
            second.buy(in_batches(second, [1]), surroundings=around)
        assert second.states() == []
    registry.unlink()
    registry.write_text(f'{{"{KEY_HASH}": [{{"ledger": "a", "path": "b", "last_batch": "c"}}]}}')
    with desk_at(first, shop.url) as desk, pytest.raises(LedgerRefused, match=r"ledgers.json can't be read"):
        desk.buy(desk.current_plan(), surroundings=around)
    assert shop.submits == 2


def test_a_second_ledger_buys_nothing_while_nobody_can_say_which_others_do(
    first: Path, tmp_path: Path, shop: Shop, around: Surroundings
) -> None:
    """A process was stopped while it held the file. Passing it by would let two ledgers begin unseen."""
    assert around.registry is not None
    around.registry.patience_s = 0.1
    with filelock.FileLock(tmp_path / "state" / "ledgers.json.lock"), desk_at(first, shop.url) as desk:
        with pytest.raises(LedgerRefused, match=r"another process has held .*ledgers.json.*Nothing was sent"):
            desk.buy(desk.current_plan(), surroundings=around)
        assert (shop.submits, desk.states()) == (2, ["submitted", "submitted"])


def test_in_the_simulated_world_a_copy_buys_under_a_name_of_its_own(first: Path, tmp_path: Path, shop: Shop) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(first, copy)
    with desk_at(first, shop.url) as one, desk_at(copy, shop.url) as other:
        for desk in (one, other):
            assert desk.buy(desk.current_plan()).stop is Stop.DONE
        assert set(one.tracking_ids(3)).isdisjoint(other.tracking_ids(3))
        assert one.tracking_ids(1) == other.tracking_ids(1)
        other.collect()
        assert set(other.states()) == {"collected"}


# Disks

MOUNTS = """\
22 1 259:1 / / rw,relatime shared:1 - ext4 /dev/root rw
31 22 0:26 / /dev/shm rw,nosuid shared:3 master:2 - tmpfs tmpfs rw
40 22 0:44 / /var/lib/my\\040disk rw - overlay overlay rw,lowerdir=/a - b,upperdir=/c
41 22 0:45 / /mnt/nfs rw - nfs4 server:/x rw
42 22 0:46 / /mnt/share rw - fuse.sshfs me@host:/ rw
"""


@pytest.mark.parametrize(
    ("mount_id", "kind"), [("22", "ext4"), ("31", "tmpfs"), ("40", "overlay"), ("41", "nfs4"), ("2", None)]
)
def test_the_kind_of_a_disk_is_read_from_its_mount(mount_id: str, kind: str | None) -> None:
    assert disks.kind_of_mount(MOUNTS, mount_id) == kind


@pytest.fixture
def vanishing(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs, as root may mount one; else the system's own."""
    folder = tmp_path / "vanishing"
    folder.mkdir()
    if os.geteuid() == 0 and subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=False).returncode == 0:
        yield folder
        subprocess.run(["umount", "--lazy", folder], check=True)
    else:
        folder = Path("/dev/shm") / tmp_path.name
        folder.mkdir()
        yield folder
        shutil.rmtree(folder)


def test_a_ledger_on_a_disk_that_vanishes_buys_nothing_unless_a_person_says_that_it_lasts(
    vanishing: Path, tmp_path: Path, shop: Shop
) -> None:
    real = Surroundings(is_real=True)
    with desk_at(vanishing / "data", shop.url) as desk:
        plan = in_batches(desk, [1])
        with pytest.raises(
            LedgerRefused, match=r"tmpfs, which goes when the machine stops.*OPENMART_LEDGER_DISK_LASTS=yes"
        ):
            desk.buy(plan, surroundings=real)
        assert (shop.submits, desk.states()) == (0, [])
        assert desk.buy(plan, surroundings=Surroundings(is_real=True, disk_lasts=True)).stop is Stop.DONE
        assert desk.buy(in_batches(desk, [1], "b.csv")).stop is Stop.DONE  # the simulated world
    assert tmp_path.exists()


def test_check_says_what_would_hold_a_purchase_at_a_real_api(
    vanishing: Path, terminal: Terminal, tmp_path: Path
) -> None:
    """Without a key nobody is asked; what is looked at before that is."""
    real = {
        "OPENMART_BASE_URL": "https://openmart.invalid",
        "OPENMART_API_KEY": None,
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    folder = {"OPENMART_HOME": str(vanishing)}
    file = terminal.companies("a.csv", 1)
    assert terminal("quote", file, **real, **folder).exit_code == 0
    assert "PROBLEM  ledger" in (shown := terminal("check", **real, **folder).output), shown
    assert "tmpfs, which goes when the machine stops" in shown
    assert "tmpfs, which goes" in terminal("ledger", "verify", **real, **folder).output
    assert "tmpfs" not in terminal("check", **real, **folder, OPENMART_LEDGER_DISK_LASTS="yes").output
    simulated = terminal("status", OPENMART_SIMULATOR_URL="http://127.0.0.1:9", **folder).stderr
    assert simulated.startswith(f"Data folder: {vanishing}/data/simulated, the simulated world, on tmpfs, which goes")
    lives = terminal("ledger", "lives", "--why", "a new machine", **{**real, **folder, "OPENMART_API_KEY": "a-key"})
    assert (lives.exit_code, "may buy" in lives.output) == (0, True)
    assert (tmp_path / "state" / "openmart_pipeline" / "ledgers.json").exists()
