"""F46: answers that are errors, bombs or floods are bounded, kept, and never in the way of other answers and files."""

import zlib
from pathlib import Path

import pytest
import sqlalchemy as sa

from openmart_pipeline.api.decoding import Decoder, UndecodableError
from openmart_pipeline.checks import findings
from openmart_pipeline.collection.collector import ids_at_one_look
from openmart_pipeline.ledger import schema
from openmart_pipeline.pipeline import settling
from openmart_pipeline.warehouse.answer_staging import RAW_BYTES
from openmart_pipeline_tests.faults.shop import Shop, limit_batches, quick_buyer
from openmart_pipeline_tests.ledger.desk import Desk, ask
from openmart_pipeline_tests.money import (
    assert_accounts_agree,
    at_work,
    company_file,
    task_states,
    whole_run,
)

ERRORS = ("data_error", "data_text", "data_scalars")
READABLE = ("long_number", "nested", "huge")


def bought(desk: Desk, of: str, count: int) -> list[str]:
    domains = [f"{of}-{number}.com" for number in range(count)]
    plan = desk.plan("a.csv", [ask(domain) for domain in domains])
    limit_batches(desk.ledger, plan, [count])
    desk.buy(plan)
    return domains


def test_hostile_answers_are_kept_and_counted_and_the_other_file_is_published(tmp_path: Path, shop: Shop) -> None:
    hostile = {fault: f"{fault.replace('_', '-')}-f46.com" for fault in (*ERRORS, *READABLE)}
    shop.fails(**{f"task_{fault}": f"domain:{domain}" for fault, domain in hostile.items()})
    keys = [company_file(tmp_path, "a.csv", list(hostile.values())), company_file(tmp_path, "b.csv", ["good-f46.com"])]
    with at_work(tmp_path, shop.url) as (work, _):
        for key in keys:
            whole_run(work, quick_buyer(shop), key)
        assert task_states(work)["errored"] == len(ERRORS)
        assert sum(task_states(work).values()) == len(hostile) + 1
        rows = {
            domain: rest
            for domain, *rest in work.warehouse.query(
                "SELECT domain, state, error, raw IS NULL, len(parse_warnings) FROM task_results JOIN "
                "(SELECT DISTINCT fingerprint, domain FROM enrichment_plan) USING (fingerprint)"
            )
        }
        for fault in ERRORS:
            state, error, _, _ = rows[hostile[fault]]
            assert (state, bool(error)) == ("errored", True), fault
        for fault in READABLE:
            state, _, _, parse_warnings = rows[hostile[fault]]
            assert state in ("found", "empty"), fault
            assert parse_warnings, fault
        # Queries over all answers work, and the ledger keeps those that they would stumble over.
        assert (rows[hostile["huge"]][2], rows[hostile["nested"]][2]) == (True, True)
        assert work.warehouse.query("SELECT count(json_structure(raw)) FROM task_results") == [(len(rows) - 2,)]
        with work.ledger.read() as connection:
            kept = [len(zlib.decompress(raw)) for raw in connection.execute(sa.select(schema.tasks.c.raw)).scalars()]
        assert len(kept) == len(rows)
        assert max(kept) > 10_000_000 > RAW_BYTES
        assert findings.odd_answers(work).count >= len(READABLE)
        assert work.warehouse.published_path.exists()
        assert_accounts_agree(work, shop.simulator, since=shop.since)


@pytest.mark.parametrize("fault", ["task_inflated", "task_gzipped_twice"])
def test_a_read_that_unpacks_without_end_keeps_only_its_own_task_waiting(desk: Desk, shop: Shop, fault: str) -> None:
    domains = bought(desk, fault.replace("_", "-"), 3)
    shop.fails(**{fault: f"domain:{domains[0]}"})
    desk.look()
    states = desk.tasks()
    assert states.pop("in_flight") == 1
    assert sum(states.values()) == 2
    shop.fails(**{fault: None})
    desk.clock.move(minutes=2)
    desk.collect()
    assert desk.states() == ["collected"]


def test_a_batch_id_before_80_mb_of_blanks_is_accepted_within_the_bound(desk: Desk, shop: Shop) -> None:
    """What is read of a submit's answer is a megabyte; the id in it is a paid batch's."""
    shop.fails(created_then_inflated="next:1")
    bought(desk, "bomb-inflated", 2)
    assert desk.batch(1).vendor_batch_id == shop.charged[0]["batch_id"]
    desk.collect()
    assert desk.states() == ["collected"]


def test_a_batch_id_in_two_layers_of_gzip_is_unknown_with_its_evidence_and_adopted(desk: Desk, shop: Shop) -> None:
    shop.fails(created_then_gzipped_twice="next:1")
    bought(desk, "bomb-twice", 2)
    assert desk.states() == ["unknown"]
    evidence = desk.batch(1).evidence or ""
    assert "undecoded, in base64" in evidence
    assert len(evidence) < 5_000
    settling.adopt_known(desk.ledger, desk.client, 1, shop.charged[0]["batch_id"], who="Ada", why="ticket 7")
    desk.collect()
    assert desk.states() == ["collected"]
    assert shop.submits == 1


def test_a_flood_of_ids_is_read_a_part_at_a_time_and_said(desk: Desk, shop: Shop) -> None:
    """20,000 ids for 10 tasks: no look reads more than a few of them, and no task is given up."""
    bought(desk, "flood", 10)
    shop.fails(ids_flooded="always")
    for _ in range(3):
        desk.look()
        desk.clock.move(minutes=2)
    read = {request["path"] for request in shop.requests("task")}
    assert 0 < len(read) <= 3 * ids_at_one_look(10)
    assert "lists 20,010 task ids for batch 1, which has 10 tasks" in (desk.batch(1).evidence or "")
    assert desk.tasks() == {"in_flight": 10}
    shop.fails(ids_flooded=None)
    desk.collect()
    assert desk.states() == ["collected"]
    assert_accounts_agree(desk, shop.simulator, since=shop.since)


def test_what_is_packed_is_unpacked_a_megabyte_at_a_time_and_in_one_layer_only() -> None:
    packed = zlib.compress(b" " * (64 * 2**20))
    pieces = Decoder({"content-encoding": "deflate"}).pieces(packed)
    assert len(next(pieces)) == 2**20
    for encodings in ("gzip, gzip", "gzip,deflate", "br", "identity, zstd"):
        with pytest.raises(UndecodableError):
            Decoder({"content-encoding": encodings})
    assert list(Decoder({"content-encoding": "identity"}).pieces(b"x")) == [b"x"]
    with pytest.raises(UndecodableError):
        list(Decoder({"content-encoding": "gzip"}).pieces(b"no gzip"))
