"""F44 and F45: results without a tracking id are assigned where there is no doubt, and kept for a person elsewhere."""

import datetime as dt
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from openmart_pipeline.checks import findings
from openmart_pipeline.cli import main
from openmart_pipeline.collection.poll import StallPolicy
from openmart_pipeline.ledger import adoption, loads, queries, schema
from openmart_pipeline.ledger import (
    unmatched_results as unmatched,
)
from openmart_pipeline.ledger.moves import MoveRefused
from openmart_pipeline.ledger.plans import Plan
from openmart_pipeline.ledger.unmatched_results import HeldResult
from openmart_pipeline.pipeline import settling, steps
from openmart_pipeline.simulator.made_up_people import people_at
from openmart_pipeline_tests.faults.shop import Shop, limit_batches, quick_buyer
from openmart_pipeline_tests.ledger.desk import Desk, UntilPutOff, ask, desk_at
from openmart_pipeline_tests.money import at_work, company_file, planned
from openmart_pipeline_tests.money import bought as bought_at
from openmart_pipeline_tests.simulator_process import API_KEY

LOOKS = unmatched.READS


def companies(of: str, count: int, *, can_be_told: bool) -> list[str]:
    """Companies whose owners have, or have not, an address that tells the company, and are found at all."""
    chosen: list[str] = []
    number = 0
    while len(chosen) < count:
        domain = f"{of}-{number}.com"
        number += 1
        people = people_at(domain, "Owner", max_k=3, email=True, phone=True)
        addresses = [str(person["email"]["email"]) for person in people if isinstance(person["email"], dict)]
        has_phone = any(person.get("phones") for person in people)
        if can_be_told == any(address.endswith(f"@{domain}") for address in addresses) and (can_be_told or has_phone):
            chosen.append(domain)
    return chosen


def bought(desk: Desk, domains: list[str]) -> Plan:
    plan = desk.plan("a.csv", [ask(domain) for domain in domains])
    limit_batches(desk.ledger, plan, [len(domains)])
    desk.buy(plan)
    return plan


def collect(desk: Desk, looks: int = LOOKS) -> None:
    for _ in range(looks):
        desk.look()
        desk.clock.move(minutes=2)


def evidence(desk: Desk) -> dict[str, str]:
    """What led to the answers that carry no tracking id: domain -> sentence."""
    query = (
        sa.select(schema.questions.c.domain, schema.tasks.c.matched_by)
        .join(schema.tasks, schema.tasks.c.question_id == schema.questions.c.question_id)
        .where(schema.tasks.c.matched_by.is_not(None))
    )
    with desk.ledger.read() as connection:
        return {row.domain: row.matched_by for row in connection.execute(query)}


def held(desk: Desk) -> list[HeldResult]:
    return unmatched.held(desk.ledger)


def assert_each_answer_is_its_own_companys(desk: Desk) -> None:
    """The people stored for a company are those that the simulator finds there."""
    for task in unmatched.sent_tasks(desk.ledger, 1):
        if task.vendor_task_id is None:
            continue
        people = people_at(task.domain, "Owner", max_k=3, email=True, phone=True)
        emails = sum(person["email"] is not None for person in people)
        with desk.ledger.read() as connection:
            counted = connection.execute(
                sa.select(schema.tasks.c.emails).where(schema.tasks.c.tracking_id == task.tracking_id)
            ).scalar()
        assert counted == emails, task.domain


def test_a_tracking_id_that_is_null_once_is_read_again_and_needs_no_evidence(desk: Desk, shop: Shop) -> None:
    bought(desk, companies("null-once", 5, can_be_told=False))
    shop.fails(task_tracking_null_at_first="always")
    collect(desk, looks=1)
    assert len(held(desk)) == 5
    assert desk.tasks() == {"in_flight": 5}
    desk.collect()
    assert desk.states() == ["collected"]
    assert (held(desk), evidence(desk)) == ([], {})


def test_the_only_task_without_an_answer_gets_the_only_result_without_a_task(desk: Desk, shop: Shop) -> None:
    domains = companies("last-open", 4, can_be_told=False)
    bought(desk, domains)
    shop.fails(task_tracking_changed=f"domain:{domains[1]}")
    collect(desk)
    assert desk.states() == ["collected"]
    assert "only task of its batch" in evidence(desk)[domains[1]]
    assert held(desk) == []
    assert_each_answer_is_its_own_companys(desk)


def test_results_are_assigned_by_the_domain_of_their_addresses(desk: Desk, shop: Shop) -> None:
    """All of a batch without one tracking id: the addresses tell the companies, and they are not mixed up."""
    domains = companies("by-domain", 6, can_be_told=True)
    bought(desk, domains)
    shop.fails(task_tracking_null="always")
    collect(desk)
    assert desk.states() == ["collected"]
    assert evidence(desk).keys() == set(domains)
    assert held(desk) == []
    assert_each_answer_is_its_own_companys(desk)


def test_results_are_assigned_by_an_order_that_the_others_prove(desk: Desk, shop: Shop) -> None:
    domains = companies("by-order", 14, can_be_told=False)
    bought(desk, domains)
    shop.fails(
        ids_in_order="always",
        task_tracking_null=f"domain:{domains[3]}",
        task_tracking_changed=f"domain:{domains[9]}",
    )
    collect(desk)
    assert set(evidence(desk)) == {domains[3], domains[9]}
    assert "place 4" in evidence(desk)[domains[3]]
    assert_each_answer_is_its_own_companys(desk)


def test_results_in_doubt_are_kept_counted_and_given_to_their_tasks_by_a_person(desk: Desk, shop: Shop) -> None:
    """No address, no order: nothing is guessed, nothing is bought again, and the credits count."""
    domains = companies("in-doubt", 5, can_be_told=False)
    plan = bought(desk, domains)
    shop.fails(task_tracking_null=f"domain:{domains[0]}", task_tracking_absent=f"domain:{domains[1]}")
    collect(desk)
    assert desk.states() == ["collected"]
    assert desk.tasks()["unmatched"] == 2
    results = held(desk)
    assert [one.doubt for one in results] == ["no address tells its company"] * 2
    [charged] = shop.charged
    assert desk.batch(1).settled_credits == charged["credits"]
    desk.buy(plan)
    assert shop.submits == 1
    by_domain = {task.domain: task.tracking_id for task in unmatched.sent_tasks(desk.ledger, 1)}
    with_phones = {
        domain: sum(
            bool(person.get("phones")) for person in people_at(domain, "Owner", max_k=3, email=True, phone=True)
        )
        for domain in domains[:2]
    }
    first = results[0]
    domain = next(domain for domain, phones in with_phones.items() if phones == first.phones)
    unmatched.assign_by_person(
        desk.ledger, 1, first.vendor_task_id, by_domain[domain], who="Ada", why="read on the dashboard"
    )
    assert desk.tasks()["unmatched"] == 1
    assert evidence(desk) == {domain: "Ada assigned it: read on the dashboard"}
    assert desk.batch(1).settled_credits == charged["credits"]


def test_a_task_that_never_ends_keeps_no_other_result_from_its_question(desk: Desk, shop: Shop) -> None:
    """The batch is stalled: addresses still tell, and for the rest a person may decide."""
    domains = companies("beside-stalled", 4, can_be_told=True)
    shop.fails(task_processing_forever=f"domain:{domains[0]}")
    bought(desk, domains)
    shop.fails(task_tracking_null=f"domain:{domains[1]}", task_tracking_absent=f"domain:{domains[2]}")
    for _ in range(LOOKS + 1):
        desk.look(stall_policy=StallPolicy(stalled_after=dt.timedelta(0), stalled_polls=1))
        desk.clock.move(hours=25)
    assert desk.states() == ["stalled"]
    assert set(evidence(desk)) == {domains[1], domains[2]}
    assert desk.tasks()["stalled"] == 1


def test_of_two_results_with_one_tracking_id_none_is_guessed(desk: Desk, shop: Shop) -> None:
    """Which of the two is the task's is not said: the one that came second is not put where there is room."""
    domains = companies("doubled", 4, can_be_told=False)
    bought(desk, domains)
    shop.fails(task_tracking_doubled=f"domain:{domains[0]}")
    collect(desk)
    assert [one.doubt for one in held(desk)] == ["two results carry one tracking id"]
    assert desk.tasks()["unmatched"] == 1


def test_a_person_sees_unmatched_results_in_the_tables_and_gives_them_to_their_questions(
    tmp_path: Path, shop: Shop
) -> None:
    domains = companies("in-tables", 4, can_be_told=False)
    shop.fails(task_tracking_null=f"domain:{domains[0]}", task_tracking_absent=f"domain:{domains[1]}")
    key = company_file(tmp_path, "a.csv", domains)
    with at_work(tmp_path, shop.url) as (work, _):
        session = quick_buyer(shop)
        planned(work, key)
        bought_at(work, session, key)
        real = work.ledger.clock
        for look in range(LOOKS):
            until = UntilPutOff()
            work.ledger.clock = lambda ahead=2 * look: real() + dt.timedelta(minutes=ahead)
            steps.collector(work, session, [key], until).run(stop=until.stop)
        steps.load_contacts(work, key, run_id="run")
        [(people, credits_)] = work.warehouse.query(
            "SELECT sum(people)::BIGINT, sum(estimated_credits) FROM unmatched_results WHERE len(candidates) = 2"
        )
        assert people == sum(one.people for one in unmatched.held(work.ledger)) > 0
        assert credits_ > 0
        assert findings.unmatched_results(work).count == 2
        result = unmatched.held(work.ledger)[0]
        [tracking_id, *_] = [
            task.tracking_id for task in unmatched.sent_tasks(work.ledger, 1) if task.is_without_answer
        ]

    def typed(*words: str) -> str:
        environment = {
            "OPENMART_BASE_URL": shop.url, "OPENMART_API_KEY": API_KEY, "OPENMART_DATA_DIR": str(tmp_path),
        }  # fmt: skip
        said = CliRunner().invoke(main, list(words), env=environment)
        return f"{said.exit_code} {said.output}"

    listed = typed("unmatched", "list")
    assert result.vendor_task_id in listed
    assert f"({tracking_id})" in listed
    assert typed("unmatched", "assign", "1", "nonsense", tracking_id, "--why", "x").startswith("2 ")
    assert f"{tracking_id} is found" in typed(
        "unmatched", "assign", "1", result.vendor_task_id, tracking_id, "--why", "ticket 7"
    )
    with at_work(tmp_path, shop.url) as (work, _):
        assert work.warehouse.query("SELECT count(*) FROM unmatched_results") == [(1,)]
        [(who, people)] = work.warehouse.query(
            "SELECT matched_by, count(*) FROM task_results JOIN contacts USING (task_no) WHERE matched_by IS NOT NULL "
            "GROUP BY ALL"
        )
        assert who.endswith("assigned it: ticket 7")
        assert people == result.people
    assert shop.submits == 1


def lost(desk: Desk, shop: Shop, domains: list[str]) -> str:
    """Buy a batch whose answer is lost; return the id that nobody heard."""
    shop.fails(created_then_reset="next:1")
    bought(desk, domains)
    assert desk.states() == ["unknown"]
    return next(batch["batch_id"] for batch in shop.charged if not batch["is_heard"])


def sold_to_a_colleague(folder: Path, shop: Shop, domains: list[str]) -> str:
    with desk_at(folder, shop.url) as colleague:
        bought(colleague, domains)
        theirs = colleague.batch(1).vendor_batch_id
    assert theirs is not None
    return theirs


def adopt(desk: Desk, vendor_batch_id: str) -> None:
    settling.adopt_known(desk.ledger, desk.client, 1, vendor_batch_id, who="Ada", why="ticket 7")


@pytest.mark.parametrize("count", [1, 12])
def test_results_under_an_adopted_id_without_tracking_ids_go_to_no_other_company(
    desk: Desk, tmp_path: Path, shop: Shop, count: int
) -> None:
    """F45: neither the last open task nor an order tells anything about a batch that may be another tool's."""
    theirs = sold_to_a_colleague(
        tmp_path / "colleague", shop, companies(f"another-tool-{count}", count, can_be_told=True)
    )
    ours = lost(desk, shop, companies(f"our-own-{count}", count, can_be_told=True))
    shop.fails(task_tracking_null="always", ids_in_order="always")
    adopt(desk, theirs)
    collect(desk)
    assert desk.tasks() == {"unmatched": count}
    assert len(held(desk)) == count
    adoption.revoke(desk.ledger, 1, who="Ada", why="another tool's")
    assert desk.states() == ["unknown"]
    assert desk.tasks() == {"unknown": count}
    adopt(desk, ours)
    collect(desk)
    assert desk.states() == ["collected"]
    assert len(evidence(desk)) == count
    assert_each_answer_is_its_own_companys(desk)
    assert {one.vendor_batch_id for one in held(desk)} == {theirs}  # kept for the record, and counted nowhere
    assert desk.batch(1).settled_credits == next(
        batch["credits"] for batch in shop.charged if batch["batch_id"] == ours
    )


def test_a_wrong_adoption_that_answered_is_taken_back_and_the_tables_are_loaded_again(
    desk: Desk, tmp_path: Path, shop: Shop
) -> None:
    """F45: another tool asked the same companies; the addresses fit, and only a person knows better."""
    domains = companies("same-companies", 3, can_be_told=True)
    theirs = sold_to_a_colleague(tmp_path / "colleague", shop, domains)
    ours = lost(desk, shop, domains)
    shop.fails(task_tracking_null="always")
    adopt(desk, theirs)
    collect(desk)
    assert desk.tasks() == {"found": 3}
    plan = desk.current_plan()
    loads.note_answers_loaded(desk.ledger, "a.csv", plan.plan_id, queries.newest_end(desk.ledger, "a.csv"))
    assert queries.due_for_loading(desk.ledger) == []
    assert adoption.revoke(desk.ledger, 1, who="Ada", why="another tool's") == (3, ["a.csv"])
    assert queries.due_for_loading(desk.ledger) == ["a.csv"]
    assert desk.tasks() == {"unknown": 3}
    assert [one.vendor_batch_id for one in held(desk)] == [theirs] * 3
    assert desk.history(1)[-1] == ("revoke", "Ada", "another tool's")
    shop.fails(task_tracking_null=None)
    adopt(desk, ours)
    desk.collect()
    assert desk.tasks() == {"found": 3}
    assert evidence(desk) == {}
    with pytest.raises(MoveRefused, match="the id is right"):
        adoption.revoke(desk.ledger, 1, who="Ada", why="a slip")


def test_a_changed_tracking_id_of_ours_does_not_make_the_right_id_somebody_elses(desk: Desk, shop: Shop) -> None:
    """F45."""
    ours = lost(desk, shop, companies("ours-changed", 3, can_be_told=True))
    shop.fails(task_tracking_changed="always")
    adopt(desk, ours)
    collect(desk)
    assert desk.states() == ["collected"]
    assert desk.tasks() == {"found": 3}


def test_an_id_that_the_server_gave_is_not_taken_back(desk: Desk, shop: Shop) -> None:
    bought(desk, companies("given", 1, can_be_told=True))
    with pytest.raises(MoveRefused, match="no adopted id"):
        adoption.revoke(desk.ledger, 1, who="Ada", why="a slip")
    assert desk.states() == ["submitted"]
