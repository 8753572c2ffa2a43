"""What processes share: leases that die with their holder, and one rate for all of them. F16, F18, F31."""

import datetime as dt
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from openmart_pipeline.ledger import collecting, polling_leases, schema
from openmart_pipeline.ledger.coordination import SharedRateLimiter, is_leased, lease
from openmart_pipeline_tests.ledger.desk import Clock, Desk, asks, desk_at


class StandingClock(Clock):
    """A clock that moves only when told to."""

    def __init__(self) -> None:
        super().__init__()
        self._now = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self._now + self._ahead


def submitted(desk: Desk, count: int) -> list[int]:
    """So many batches of one task that are due now, the first the longest."""
    numbers = []
    for number in range(count):
        claim = desk.claim(desk.plan(f"{number}.csv", asks(f"n{number}", 1)))
        assert claim is not None
        desk.submitted(claim)
        numbers.append(claim.batch.batch_no)
    return numbers


def due(desk: Desk, limit: int = 100, keys: list[str] | None = None) -> list[int]:
    return [
        batch.batch_no for batch in polling_leases.lease_due(desk.ledger, limit=limit, hold_s=60, partition_keys=keys)
    ]


def test_a_lease_is_held_by_one_process_at_a_time(tmp_path: Path) -> None:
    with desk_at(tmp_path) as one, desk_at(tmp_path) as other:
        with lease(one.ledger, "a.csv", "collect") as is_mine:
            assert is_mine
            assert is_leased(other.ledger, "a.csv", "collect")
            assert not is_leased(other.ledger, "a.csv", "plan")
            with lease(other.ledger, "a.csv", "collect") as is_theirs:
                assert not is_theirs
            assert is_leased(other.ledger, "a.csv", "collect")
        with lease(other.ledger, "a.csv", "collect") as is_theirs:
            assert is_theirs


def test_a_lease_ends_with_the_process_that_held_it(tmp_path: Path) -> None:
    with desk_at(tmp_path) as one:
        dying = Desk(tmp_path)
        held = lease(dying.ledger, "a.csv", "collect")
        held.__enter__()
        dying.close()
        assert not is_leased(one.ledger, "a.csv", "collect")
        with lease(one.ledger, "a.csv", "collect") as is_mine:
            assert is_mine


def test_slots_are_evenly_spaced_over_all_processes(tmp_path: Path) -> None:
    clock = StandingClock()
    with desk_at(tmp_path, clock=clock) as one, desk_at(tmp_path, clock=clock) as other:
        paces = [SharedRateLimiter(one.ledger, 10), SharedRateLimiter(other.ledger, 10)]
        slots = sorted(paces[number % 2].acquire() for number in range(40))
        assert slots == pytest.approx([number / 10 for number in range(40)])


def test_slots_that_nobody_used_do_not_add_up_to_a_burst(tmp_path: Path) -> None:
    clock = StandingClock()
    with desk_at(tmp_path, clock=clock) as desk:
        rate_limiter = SharedRateLimiter(desk.ledger, 10)
        assert rate_limiter.acquire() == 0
        clock.move(seconds=30)
        assert [rate_limiter.acquire() for _ in range(3)] == pytest.approx([0, 0.1, 0.2])


def test_a_pause_holds_back_every_process(tmp_path: Path) -> None:
    clock = StandingClock()
    with desk_at(tmp_path, clock=clock) as one, desk_at(tmp_path, clock=clock) as other:
        paces = [SharedRateLimiter(one.ledger, 10), SharedRateLimiter(other.ledger, 10)]
        paces[0].acquire()
        paces[0].pause(20)
        assert paces[0].acquire() >= 20
        assert paces[1].acquire() >= 20
        paces[0].pause(5)  # a shorter one does not shorten it
        assert paces[1].acquire() >= 20


@pytest.mark.parametrize("back", [{"days": -1}, {"days": -400}])
def test_a_clock_set_back_makes_nobody_wait_for_it(tmp_path: Path, back: dict[str, float]) -> None:
    """F18: neither for what the ledger remembers nor for the slots in memory."""
    clock = StandingClock()
    with desk_at(tmp_path, clock=clock) as desk:
        rate_limiter = SharedRateLimiter(desk.ledger, 10)
        rate_limiter.acquire()
        clock.move(**back)
        assert 0 <= rate_limiter.acquire() <= 1
        assert 0 <= SharedRateLimiter(desk.ledger, 10).acquire() <= 1


def test_threads_of_two_processes_keep_the_rate_together(tmp_path: Path) -> None:
    with desk_at(tmp_path) as one, desk_at(tmp_path) as other:
        paces = [SharedRateLimiter(one.ledger, 200), SharedRateLimiter(other.ledger, 200)]
        used: list[float] = []

        def send(rate_limiter: SharedRateLimiter) -> None:
            for _ in range(20):
                time.sleep(rate_limiter.acquire())
                used.append(time.monotonic())

        threads = [threading.Thread(target=send, args=(paces[number % 2],)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert max(used) - min(used) >= 159 / 200 - 0.05


def test_what_is_due_is_held_by_one_process_oldest_first(tmp_path: Path) -> None:
    """F31."""
    with desk_at(tmp_path) as one, desk_at(tmp_path) as other:
        numbers = submitted(one, 5)
        assert due(one, limit=2) == numbers[:2]
        assert due(other) == numbers[2:]
        assert due(one) == []


def test_what_a_dead_process_held_is_due_at_once_and_otherwise_by_itself(tmp_path: Path) -> None:
    with desk_at(tmp_path) as one:
        with desk_at(tmp_path, clock=one.clock) as dying:
            numbers = submitted(one, 2)
            assert due(dying) == numbers
            polling_leases.free_holds(one.ledger)
            assert due(one) == []
        polling_leases.free_holds(one.ledger)
        assert due(one) == numbers
        one.clock.move(seconds=61)
        assert due(one) == numbers


def test_polls_put_off_by_a_clock_that_was_ahead_are_due_when_it_is_set_right(tmp_path: Path) -> None:
    """F18."""
    with desk_at(tmp_path) as desk:
        numbers = submitted(desk, 2)
        desk.clock.move(days=365)
        assert due(desk) == numbers
        desk.clock.move(days=-365)
        assert due(desk) == numbers
        assert due(desk) == []


def test_looking_within_hours_sees_what_is_held_and_not_what_is_asked_daily(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        assert not polling_leases.is_any_due_within(desk.ledger, 120)
        submitted(desk, 1)
        due(desk)
        assert polling_leases.is_any_due_within(desk.ledger, 120)
        assert polling_leases.is_any_due_within(desk.ledger, 120, ["0.csv"])
        assert not polling_leases.is_any_due_within(desk.ledger, 120, ["1.csv"])
        with desk.ledger.write() as connection:
            connection.execute(sa.update(schema.batches).values(next_poll_at=desk.clock() + dt.timedelta(hours=9)))
        assert not polling_leases.is_any_due_within(desk.ledger, 120)


def test_a_file_sees_the_batches_that_answer_its_questions_whoever_bought_them(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        submitted(desk, 2)
        desk.plan("copy.csv", asks("n1", 1))

        def open_for(key: str) -> list[int]:
            return [batch.batch_no for batch in collecting.open_batches(desk.ledger, [key])]

        assert open_for("copy.csv") == open_for("1.csv") == [2]
        assert open_for("0.csv") == [1]
        assert open_for("stranger.csv") == []
        assert [batch.batch_no for batch in collecting.open_batches(desk.ledger)] == [1, 2]


def test_a_file_takes_its_own_batches_first_then_those_that_answer_it_and_no_others(tmp_path: Path) -> None:
    with desk_at(tmp_path) as desk:
        submitted(desk, 3)
        copy = desk.plan("copy.csv", [*asks("n0", 1), *asks("n1", 1), *asks("own", 1)])
        claim = desk.claim(copy)
        assert claim is not None
        desk.submitted(claim)
        assert due(desk, keys=["copy.csv"]) == [claim.batch.batch_no]
        assert due(desk, keys=["copy.csv"]) == [1, 2]
        assert due(desk, keys=["copy.csv"]) == []
        assert due(desk, keys=["2.csv", "copy.csv"]) == [3]
