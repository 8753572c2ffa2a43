"""Which task a result without a readable tracking id belongs to: three rules, each without doubt or not applied.

Decides only; `ledger.unmatched` moves the result. A result that no rule covers stays for a person, with the reason.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from openmart_pipeline.api.models import read_people
from openmart_pipeline.contacts.contact_fields import normal_email
from openmart_pipeline.contacts.contact_flags import email_domain, is_free_mail
from openmart_pipeline.ledger.unmatched_results import (
    FOREIGN,
    REVOKED,
    SECOND,
    Assignment,
    HeldResult,
    SentTask,
    unpacked,
)

ORDER_PROOF = 10  # results at exactly their places: by chance one in 3.6 million ...
ORDER_SHARE = 0.5  # ... and at least this share of the batch: an order that holds for a few may be another order


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What is known of a batch when its results are held against its tasks."""

    tasks: Sequence[SentTask]  # all of them, in the order sent
    results: Sequence[HeldResult]  # those without a task
    listed: Sequence[str]  # the server's task ids in its order, without those of other batches
    is_complete: bool  # every listed id was read, and is final
    is_id_certain: bool  # the server gave the batch id, or a tracking id proved an adopted one


@dataclass(slots=True)
class Verdict:
    """What belongs where, and why the rest was not assigned: vendor task id -> a sentence."""

    assignments: list[Assignment] = field(default_factory=list)
    doubts: dict[str, str] = field(default_factory=dict)


def judge(situation: Situation) -> Verdict:
    """Return which results belong to which tasks without doubt, and what speaks against the others."""
    verdict = Verdict()
    left = {one.vendor_task_id: one for one in situation.results if one.reason not in (FOREIGN, REVOKED)}
    open_ = {task.tracking_id: task for task in situation.tasks if task.is_without_answer}
    at = {task_id: domains_of(one) for task_id, one in left.items()}
    fits = {task_id: _fitting(domains, situation.tasks) for task_id, domains in at.items()}

    def assign(task_id: str, tracking_id: str, evidence: str) -> None:
        verdict.assignments.append(Assignment(vendor_task_id=task_id, tracking_id=tracking_id, evidence=evidence))
        left.pop(task_id)
        open_.pop(tracking_id)

    order = _proven_order(situation)
    by_domain = _by_domain(left, open_, at, fits)
    contradicted = {task_id for task_id, found in by_domain.items() if order.get(task_id, found) != found}
    for task_id, tracking_id in by_domain.items():
        if task_id in contradicted:
            continue
        domain = open_[tracking_id].domain
        assign(task_id, tracking_id, f"its people's addresses are at {domain}, which only this task of the batch asks")
    if situation.is_complete and situation.is_id_certain and len(situation.listed) == len(situation.tasks):
        for task_id, tracking_id in _by_order(situation, left, open_, fits, verdict).items():
            evidence = (
                f"the server lists it at place {open_[tracking_id].position + 1}, and every result with a tracking id "
                "is at the place where its task was sent"
            )
            assign(task_id, tracking_id, evidence)
        if len(left) == len(open_) == 1:
            [(task_id, result)], [tracking_id] = left.items(), open_
            if result.reason != SECOND and (not fits[task_id] or tracking_id in fits[task_id]):
                assign(
                    task_id, tracking_id, "it is the only task of its batch without an answer, and all else is matched"
                )
    for task_id, result in left.items():
        verdict.doubts[task_id] = (
            "its people's addresses tell one task, and its place in the server's list another"
            if task_id in contradicted
            else _doubt(situation, result, at[task_id], fits[task_id])
        )
    return verdict


def domains_of(result: HeldResult) -> tuple[str, ...]:
    """Return the domains of a result's addresses that tell a company: free mail tells none."""
    raw = unpacked(result)
    addresses = [person.email for person in read_people(raw).people if person.email] if raw else []
    domains = {email_domain(address) for given in addresses if (address := normal_email(given)) is not None}
    return tuple(sorted(domain for domain in domains if not is_free_mail(domain)))


def _fitting(domains: Collection[str], tasks: Sequence[SentTask]) -> frozenset[str]:
    """Return the tasks that ask about a company at one of the domains, or below which one of them is."""
    return frozenset(task.tracking_id for task in tasks if any(_is_at(domain, task.domain) for domain in domains))


def _is_at(domain: str, company: str) -> bool:
    return domain == company or domain.endswith(f".{company}")


def _by_domain(
    left: Mapping[str, HeldResult],
    open_: Mapping[str, SentTask],
    at: Mapping[str, Collection[str]],
    fits: Mapping[str, frozenset[str]],
) -> dict[str, str]:
    """Every address is at one company, one task alone asks about it, and no other result names it."""
    wanted_by = Counter(tracking_id for tracking_ids in fits.values() for tracking_id in tracking_ids)
    found = {}
    for task_id in left:
        if len(fits[task_id]) != 1:
            continue
        [tracking_id] = fits[task_id]
        task = open_.get(tracking_id)
        if task and wanted_by[tracking_id] == 1 and all(_is_at(domain, task.domain) for domain in at[task_id]):
            found[task_id] = tracking_id
    return found


def _proven_order(situation: Situation) -> dict[str, str]:
    """Return which task each listed result is at the place of, where enough tracking ids prove that order.

    It speaks against an address too: the people found for one company may have theirs at another one of the batch.
    """
    proven = [task for task in situation.tasks if task.is_proven]
    if len(situation.listed) != len(situation.tasks) or not situation.is_id_certain:
        return {}
    if len(proven) < max(ORDER_PROOF, ORDER_SHARE * len(situation.tasks)):
        return {}
    place = {task_id: position for position, task_id in enumerate(situation.listed)}
    if any(task.vendor_task_id is None or place.get(task.vendor_task_id) != task.position for task in proven):
        return {}
    sent_at = {task.position: task.tracking_id for task in situation.tasks}
    return {task_id: sent_at[position] for task_id, position in place.items() if position in sent_at}


def _by_order(
    situation: Situation,
    left: Mapping[str, HeldResult],
    open_: Mapping[str, SentTask],
    fits: Mapping[str, frozenset[str]],
    verdict: Verdict,
) -> dict[str, str]:
    """Enough results carry their tracking id, each at the place where its task was sent; nothing contradicts it."""
    order = _proven_order(situation)
    if not order:
        return {}
    place = {task_id: position for position, task_id in enumerate(situation.listed)}
    known = {task.vendor_task_id: task.position for task in situation.tasks if task.vendor_task_id}
    sent_at = {task.tracking_id: task.position for task in situation.tasks}
    known |= {one.vendor_task_id: sent_at[one.tracking_id] for one in verdict.assignments}
    if any(place.get(task_id) != position for task_id, position in known.items() if task_id is not None):
        return {}
    found = {task_id: tracking_id if (tracking_id := order.get(task_id)) in open_ else None for task_id in left}
    if any(tracking_id is None or fits[task_id] - {tracking_id} for task_id, tracking_id in found.items()):
        return {}
    return {task_id: tracking_id for task_id, tracking_id in found.items() if tracking_id is not None}


def _doubt(situation: Situation, result: HeldResult, domains: Collection[str], fits: Collection[str]) -> str:
    if not situation.is_complete:
        return "not all results of its batch could be read yet"
    if len(fits) > 1:
        return f"{len(fits)} tasks of its batch ask about its people's companies"
    if fits:
        return "the task that asks about its people's company has an answer, or another result names it too"
    if not situation.is_id_certain:
        return "its batch id was adopted, and no tracking id proves it"
    if result.reason == SECOND:
        return "two results carry one tracking id"
    return "its people's addresses are at no company of its batch" if domains else "no address tells its company"
