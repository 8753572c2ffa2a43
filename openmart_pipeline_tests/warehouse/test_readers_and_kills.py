"""Analysts and dying writers at one published file: nobody is wrong, nobody waits, nobody is turned away."""

from openmart_pipeline_tests.warehouse.readers_and_kills import TURN_TIMEOUT_S, soak


def test_readers_see_whole_publications_while_writers_are_killed() -> None:
    seen = soak(readers=3, replacements=6, kills=3, pause_s=0.1)
    assert seen.looks > 6
    assert seen.kills == 3
    assert (seen.wrong, seen.failed_opens) == ([], [])
    assert seen.stayed_the_same
    assert set(seen.careless) == {"refused"}
    assert seen.longest_round_s < TURN_TIMEOUT_S
