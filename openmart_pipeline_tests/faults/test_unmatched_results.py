"""F44 and F45: results without a tracking id are assigned where there is no doubt, and kept for a person elsewhere."""

import sqlalchemy as sa

from openmart_pipeline.api.simulator.people import people_at
from openmart_pipeline.enrichment.ledger import schema, unmatched
from openmart_pipeline.enrichment.ledger.plans import Plan
from openmart_pipeline.enrichment.ledger.unmatched import HeldResult
from openmart_pipeline_tests.enrichment.desk import Desk, ask
from openmart_pipeline_tests.faults.shop import Shop, limit_batches

LOOKS = unmatched.READS + 1  # the first finds the batch ready


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


def test_of_two_results_with_one_tracking_id_none_is_guessed(desk: Desk, shop: Shop) -> None:
    """Which of the two is the task's is not said: the one that came second is not put where there is room."""
    domains = companies("doubled", 4, can_be_told=False)
    bought(desk, domains)
    shop.fails(task_tracking_doubled=f"domain:{domains[0]}")
    collect(desk)
    assert [one.doubt for one in held(desk)] == ["two results carry one tracking id"]
    assert desk.tasks()["unmatched"] == 1
