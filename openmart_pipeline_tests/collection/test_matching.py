"""Which results without a tracking id are given to a task, and which doubt keeps the others for a person."""

import datetime as dt
import json
import zlib
from collections.abc import Sequence

from openmart_pipeline.collection.matching import Situation, Verdict, judge
from openmart_pipeline.ledger.states import BatchState, TaskState
from openmart_pipeline.ledger.unmatched_results import (
    FOREIGN,
    NO_ID,
    REVOKED,
    SECOND,
    HeldResult,
    SentTask,
)

NOON = dt.datetime(2026, 11, 28, 12, tzinfo=dt.UTC)


def task(position: int, domain: str, *, title: str = "Owner", answered_by: str | None = None) -> SentTask:
    return SentTask(
        tracking_id=f"l-1-{position}",
        position=position,
        domain=domain,
        title=title,
        state=TaskState.FOUND if answered_by else TaskState.IN_FLIGHT,
        vendor_task_id=answered_by,
        is_proven=answered_by is not None,
    )


def result(name: str, *addresses: str, reason: str = NO_ID) -> HeldResult:
    raw = json.dumps({"data": [{"email": {"email": address}} for address in addresses]}).encode()
    return HeldResult(
        batch_no=1,
        vendor_task_id=name,
        vendor_batch_id="b",
        tracking_id=None,
        reason=reason,
        doubt=None,
        state=TaskState.FOUND,
        people=len(addresses),
        emails=len(addresses),
        phones=0,
        reads=3,
        read_at=NOON,
        partition_key="a.csv",
        batch_state=BatchState.READY,
        is_of_this_id=True,
        raw=zlib.compress(raw),
    )


def verdict_on(
    tasks: Sequence[SentTask],
    *results: HeldResult,
    listed: Sequence[str] | None = None,
    is_complete: bool = True,
    is_id_certain: bool = True,
) -> Verdict:
    ids = listed or [*(one.vendor_task_id for one in tasks if one.vendor_task_id), *(r.vendor_task_id for r in results)]
    return judge(
        Situation(tasks=tasks, results=results, listed=ids, is_complete=is_complete, is_id_certain=is_id_certain)
    )


def given(verdict: Verdict) -> dict[str, str]:
    return {one.vendor_task_id: one.tracking_id for one in verdict.assignments}


def test_addresses_below_a_company_tell_it_and_free_mail_tells_none() -> None:
    tasks = [task(0, "acme.com"), task(1, "beta.com"), task(2, "gamma.com")]
    verdict = verdict_on(
        tasks,
        result("r0", "jane@mail.acme.com", "joe@gmail.com"),
        result("r1", "ann@gmail.com"),
        result("r2", "bob@gmail.com"),
    )
    assert given(verdict) == {"r0": "l-1-0"}
    assert set(verdict.doubts) == {"r1", "r2"}


def test_several_titles_at_one_company_are_in_doubt() -> None:
    tasks = [task(0, "acme.com"), task(1, "acme.com", title="CFO")]
    verdict = verdict_on(tasks, result("r0", "jane@acme.com"), result("r1", "joe@acme.com"))
    assert given(verdict) == {}
    assert verdict.doubts["r0"] == "2 tasks of its batch ask about its people's companies"


def test_two_results_that_name_one_company_are_in_doubt() -> None:
    tasks = [task(0, "acme.com"), task(1, "beta.com")]
    assert given(verdict_on(tasks, result("r0", "jane@acme.com"), result("r1", "joe@acme.com"))) == {}


def test_addresses_at_two_companies_are_in_doubt() -> None:
    tasks = [task(0, "acme.com"), task(1, "beta.com")]
    results = result("r0", "jane@acme.com", "joe@beta.com"), result("r1")
    assert given(verdict_on(tasks, *results)) == {}
    elsewhere = result("r0", "jane@acme.com", "joe@elsewhere.com"), result("r1")
    assert given(verdict_on(tasks, *elsewhere)) == {}


def test_the_last_open_task_is_not_given_a_result_that_names_another_company() -> None:
    tasks = [task(0, "acme.com", answered_by="r0"), task(1, "beta.com")]
    assert given(verdict_on(tasks, result("r1", "jane@acme.com"))) == {}
    assert given(verdict_on(tasks, result("r1"))) == {"r1": "l-1-1"}


def test_the_last_open_task_is_given_nothing_while_anything_is_unread_or_uncertain() -> None:
    tasks = [task(0, "acme.com", answered_by="r0"), task(1, "beta.com")]
    one = result("r1")
    assert given(verdict_on(tasks, one, is_complete=False)) == {}
    assert given(verdict_on(tasks, one, is_id_certain=False)) == {}
    assert given(verdict_on(tasks, one, listed=["r0", "r1", "nobody's"])) == {}
    for reason in (SECOND, FOREIGN, REVOKED):
        assert given(verdict_on(tasks, result("r1", reason=reason))) == {}


def in_order(count: int, *open_at: int) -> list[SentTask]:
    return [
        task(position, f"c{position}.com", answered_by=None if position in open_at else f"r{position}")
        for position in range(count)
    ]


def test_an_order_is_proven_by_ten_results_and_half_of_the_batch_without_one_exception() -> None:
    listed = [f"r{position}" for position in range(12)]
    two = result("r3"), result("r7")
    assert given(verdict_on(in_order(12, 3, 7), *two, listed=listed)) == {"r3": "l-1-3", "r7": "l-1-7"}
    assert given(verdict_on(in_order(11, 3, 7), *two, listed=listed[:11])) == {}
    swapped = ["r1", "r0", *listed[2:]]
    assert given(verdict_on(in_order(12, 3, 7), *two, listed=swapped)) == {}
    many_open = [result(f"r{position}") for position in range(12, 36)]
    long = [f"r{position}" for position in range(36)]
    assert given(verdict_on(in_order(36, *range(12, 36)), *many_open, listed=long)) == {}


def test_an_address_is_no_proof_where_a_proven_order_contradicts_it() -> None:
    """The people found for one company have their addresses at another one of the batch, of which nobody was found."""
    listed = [f"r{position}" for position in range(12)]
    brand, nobody = result("r3", "jane@c7.com"), result("r7")
    verdict = verdict_on(in_order(12, 3, 7), brand, nobody, listed=listed)
    assert given(verdict) == {}
    assert "its place in the server's list" in verdict.doubts["r3"]
    agreeing = result("r3", "jane@c3.com"), nobody
    assert given(verdict_on(in_order(12, 3, 7), *agreeing, listed=listed)) == {"r3": "l-1-3", "r7": "l-1-7"}


def test_an_order_is_no_proof_where_an_address_contradicts_it() -> None:
    listed = [f"r{position}" for position in range(12)]
    contradicting = result("r3", "jane@c7.com", "joe@c1.com"), result("r7")
    assert given(verdict_on(in_order(12, 3, 7), *contradicting, listed=listed)) == {}
