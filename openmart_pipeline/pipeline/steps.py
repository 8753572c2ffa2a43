"""The steps of a file, from its rows to its contacts: what the assets and the command line both call.

Lives here: the order of calls to ledger, warehouse and API in each step; no rules of their own.
"""

import datetime as dt
import hashlib
import json
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from openmart_pipeline.api.addresses import is_loopback
from openmart_pipeline.collection import candidates
from openmart_pipeline.collection.collector import Collector
from openmart_pipeline.collection.poll import PollReport, poll_due
from openmart_pipeline.intake.refusals import FileRefused
from openmart_pipeline.ledger import audit, loads, observed_rates, outstanding, plans, queries, withdrawn
from openmart_pipeline.ledger.erasure import nothing_erased_since
from openmart_pipeline.ledger.orphans import reap_orphans
from openmart_pipeline.ledger.other_places import other_places
from openmart_pipeline.ledger.plans import Plan, Reask
from openmart_pipeline.ledger.retirement import is_retired
from openmart_pipeline.ledger.suppressions import keepable
from openmart_pipeline.model.answers import BatchRow
from openmart_pipeline.model.approval import Approval
from openmart_pipeline.model.events import OnEvent, ignore_events
from openmart_pipeline.model.questions import FINGERPRINT_VERSION, AskRow
from openmart_pipeline.pipeline.ingest import (
    CompaniesIngested,
    ingest_companies,
    last_reading,
    load_companies,
    planned_reading,
    refuse_retired,
)
from openmart_pipeline.planning.draft import Draft
from openmart_pipeline.planning.question_settings import QuestionSettings
from openmart_pipeline.planning.quoting import Quote, Speed, quoted
from openmart_pipeline.purchase.backoff import Backoff
from openmart_pipeline.purchase.circuit_breaker import CircuitBreaker
from openmart_pipeline.purchase.outcomes import SubmitReport
from openmart_pipeline.purchase.rules import Stop
from openmart_pipeline.purchase.submit import PurchaseOptions, submit_plan
from openmart_pipeline.services import ApiSession, Services
from openmart_pipeline.warehouse import LoadCounts, PublishedInfo, RowsOutdated, WarehouseOutdated

__all__ = [
    "CompaniesIngested",
    "Planned",
    "buy",
    "collector",
    "current_quote",
    "ingest_companies",
    "last_reading",
    "last_settings",
    "load_batches",
    "load_contacts",
    "plan_questions",
    "poll",
    "publish",
    "reload",
]

_NAMED = 5  # files in a sentence
SAID_EVERY = 20_000  # questions written between two lines of progress
SUBMIT_S_GUESS = 26.0  # what the route takes, until this ledger knows better (API section 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan that may be bought, and what that would mean."""

    plan: Plan
    quote: Quote
    settings: QuestionSettings


def last_settings(work: Services, key: str) -> QuestionSettings:
    """Return what the file last asked for; the vendor's own defaults before the first plan."""
    plan = plans.current_plan(work.ledger, key)
    return QuestionSettings() if plan is None else QuestionSettings.from_json(plan.config)


def plan_questions(work: Services, key: str, settings: QuestionSettings, on_event: OnEvent = ignore_events) -> Planned:
    """Plan what the file's companies ask, and quote it, into `enrichment_plan`. Free; buys nothing.

    The same file, settings and prices are the same plan; a plan that asks anew is always a new one.

    Raises:
        FileRefused: its companies were not taken yet, or somebody else planned it meanwhile.

    """
    refuse_retired(work, key)
    sha256, reading = work.warehouse.company_version(key)
    if sha256 is None:
        raise FileRefused(f"The companies of {key!r} are not loaded: materialize `companies` for it first.")
    plans.register(work.ledger, key)
    # What a dead process was sending is no longer on its way: the quote says so.
    reap_orphans(work.ledger, work.journal)
    draft = _draft(work, key, settings)
    plan_id = _same_or_new_plan(work, key, (sha256, reading), settings, draft, on_event)
    draft.learn(outstanding.ask_statuses(work.ledger, plan_id))
    quote = _quote(work, key, plan_id, draft)
    # Before it is current: another run may buy the current plan at any moment, and buys none without a quote.
    plans.set_quote(work.ledger, plan_id, quote=quote.to_json(), credits_=quote.worst_case_credits)
    if not plans.make_current(work.ledger, plan_id, reading=reading):
        raise FileRefused(
            f"Another run planned {key!r} meanwhile, with what was there later: look at its quote. Nothing was bought."
        )
    _load_plan(work, key, plan_id, draft)
    loads.note_rows_loaded(work.ledger, key)
    # By its id: somebody else may have made another plan the current one, and a person approves what is shown here.
    return Planned(plan=plans.find_plan(work.ledger, plan_id), quote=quote, settings=settings)


def _draft(work: Services, key: str, settings: QuestionSettings) -> Draft:
    suppression = work.suppressions.current()
    draft = Draft(settings, work.prices, suppression.covers_domain if suppression else None)
    for companies in work.warehouse.company_tables(key):
        draft.add(companies)
    return draft


def _same_or_new_plan(
    work: Services,
    key: str,
    version: tuple[str, str | None],
    settings: QuestionSettings,
    draft: Draft,
    on_event: OnEvent,
) -> str:
    parts = [*version, settings.to_json(), work.prices.key, FINGERPRINT_VERSION, *work.suppressions.domains_key()]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    current = plans.current_plan(work.ledger, key)
    is_same = (
        current is not None
        and current.digest == digest
        and settings.reask == Reask.NOTHING
        and current.created_at <= work.ledger.clock()  # else made by a clock that was ahead, and never bought
    )
    # A company's questions leave a plan when it is suppressed, and come back with a new plan only.
    if current is not None and is_same and outstanding.asks_of(work.ledger, current.plan_id) == len(draft):
        return current.plan_id
    plan_id = plans.write_plan(
        work.ledger,
        key,
        file_sha256=version[0],
        config=settings.to_json(),
        digest=digest,
        prices=work.prices.key,
        wanted=_told(draft.asks(), on_event),
    )
    plans.apply_reask(work.ledger, plan_id, Reask(settings.reask), work.lifetimes)
    return plan_id


def _told(asks: Iterator[AskRow], on_event: OnEvent) -> Iterator[AskRow]:
    """Yield them all, and say now and then how many were taken."""
    while some := list(islice(asks, SAID_EVERY)):
        yield from some
        on_event("planned", 0, len(some), "")


def _load_plan(work: Services, key: str, plan_id: str, draft: Draft) -> None:
    work.warehouse.replace_plan(key, plan_id, draft.rows(), left=withdrawn.withdrawn_rows(work.ledger, key))


def _quote(work: Services, key: str, plan_id: str, draft: Draft) -> Quote:
    set_aside = work.warehouse.query(
        "SELECT reason, count(*) FROM rejected_rows WHERE input_file = ? GROUP BY reason ORDER BY 2 DESC, 1", [key]
    )
    return quoted(
        rows=draft.companies + sum(count for _, count in set_aside),
        companies=draft.companies,
        outcomes=draft.outcomes(),
        set_aside=dict(set_aside),
        wider=outstanding.wider_asks(work.ledger, plan_id),
        widths=draft.widths(),
        prices=work.prices,
        rates=observed_rates.hit_rates(work.ledger),
        speed=Speed(
            seconds_per_submit=observed_rates.seconds_per_submit(work.ledger) or _submit_s_guess(work),
            concurrency=work.submit_concurrency,
            requests_per_s=work.requests_per_s,
        ),
        elsewhere=other_places(work.ledger, plan_id),
    )


def _submit_s_guess(work: Services) -> float | None:
    """Return what a submit takes at the vendor; of a server on this machine nobody knows."""
    return None if is_loopback(f"//{work.api_host}") else SUBMIT_S_GUESS


def buy(
    work: Services,
    session: ApiSession,
    key: str,
    approval: Approval,
    *,
    run_id: str,
    backoff: Backoff | None = None,
    breaker: CircuitBreaker | None = None,
    on_event: OnEvent = ignore_events,
    stop: threading.Event | None = None,
) -> SubmitReport:
    """Buy what the approved plan of the file still owes, within the approval's credit limit.

    Nothing is bought where another plan has taken its place: the report says which, and what that one would cost.
    `backoff` and `breaker` are those of a run that buys several files.

    Raises:
        FileRefused: there is no plan to buy.
        LedgerRefused: the ledger can't be trusted.

    """
    refuse_retired(work, key)
    plan = plans.current_plan(work.ledger, key)
    if plan is None or plan.quote is None:
        raise FileRefused(f"{key!r} has no plan yet: materialize `enrichment_plan` for it and look at the quote first.")
    if plan.plan_id not in approval.plan_ids:
        return SubmitReport(stop=Stop.STALE, sentence=_refused(key, plan, approval))
    if last_reading(work, key) != planned_reading(work, key):
        raise FileRefused(
            f"{key!r} was read in another way since it was planned, so its plan may ask about other companies. Nothing "
            "was bought. Materialize `enrichment_plan` for it and look at the new quote."
        )
    settings = QuestionSettings.from_json(plan.config)
    options = PurchaseOptions(
        budget=replace(work.budget, approved=approval.credit_limit),
        prices=work.prices,
        run_id=run_id,
        approval_id=approval.approval_id,
        key_hash=work.key_hash,
        approved_by=approval.by,
        scope=approval.scope,
        lifetimes=work.lifetimes,
        file_sha256=work.data.current_sha256(key),
        notify_url=settings.notify_url,
        concurrency=work.submit_concurrency,
        balance_floor=work.balance_floor,
        backoff=backoff,
        breaker=breaker,
        surroundings=work.surroundings,
    )
    return submit_plan(
        work.ledger,
        work.journal,
        session.client,
        plan,
        options,
        rate_limiter=session.rate_limiter,
        on_event=on_event,
        stop=stop,
    )


def _refused(key: str, plan: Plan, approval: Approval) -> str:
    """Return why the file's plan is not bought: it is not the one that was approved."""
    approved = ", ".join(sorted(approval.plan_ids)) or "no plan"
    quote, settings = Quote.from_json(plan.quote or ""), QuestionSettings.from_json(plan.config)
    return (
        f"Approved was {approved}. The plan of {key!r} is {plan.plan_id} now, made {plan.created_at:%Y-%m-%d %H:%M} "
        f"UTC: {quote.in_short} ({', '.join(settings.titles)}). Nothing was bought. Look at the new quote and approve "
        "that one."
    )


def current_quote(work: Services, key: str) -> Planned | None:
    """Return the file's current plan with its quote, as it was made; None before the first."""
    plan = plans.current_plan(work.ledger, key)
    if plan is None or plan.quote is None:
        return None
    return Planned(plan=plan, quote=Quote.from_json(plan.quote), settings=QuestionSettings.from_json(plan.config))


def poll(work: Services, session: ApiSession, *, budget_s: float) -> PollReport:
    """Ask about every batch that is due, for at most `budget_s` seconds. Free."""
    return poll_due(
        work.ledger, session.client, stall_policy=work.stall_policy, key_hash=work.key_hash, budget_s=budget_s
    )


def collector(
    work: Services,
    session: ApiSession,
    keys: Collection[str] | None,
    on_event: OnEvent = ignore_events,
) -> Collector:
    """Return a collecting run for these files (None: all); its `run` reads into the ledger. Free."""
    return Collector(
        work.ledger,
        session.client,
        work.prices,
        key_hash=work.key_hash,
        stall_policy=work.stall_policy,
        partition_keys=keys,
        connections=work.read_connections,
        keepable=keepable(work.suppressions),
        on_event=on_event,
    )


def load_batches(work: Services, key: str) -> list[BatchRow]:
    """Bring `submitted_batches` of the file up to the ledger; return its rows."""
    rows = [_batch_row(row) for row in queries.batches_of(work.ledger, key)]
    work.warehouse.replace_batches(key, rows, candidates.rows_of(work.ledger, key, work.prices))
    return rows


def _batch_row(row: queries.BatchCounts) -> BatchRow:
    batch = row.batch
    return BatchRow(
        batch_no=batch.batch_no,
        batch_id=batch.vendor_batch_id,
        state=batch.state,
        tasks_total=batch.tasks,
        tasks_found=row.found,
        tasks_empty=row.empty,
        tasks_errored=row.errored,
        tasks_other=batch.tasks - row.found - row.empty - row.errored,
        intent_at=batch.intent_at,
        submitted_at=batch.submitted_at,
        ready_at=batch.ready_at,
        collected_at=batch.collected_at,
        run_id=batch.run_id,
        estimated_credits_reserved=batch.reserved_credits,
        estimated_credits_settled=batch.settled_credits,
        evidence=batch.evidence,
    )


def load_contacts(work: Services, key: str, *, run_id: str) -> LoadCounts:
    """Replace the file's task results and contacts by what the ledger holds for its current plan.

    Nothing is loaded of a file that was retired with its data removed: what it bought stays in the ledger.

    Raises:
        FileRefused: the file has no plan yet.

    """
    if is_retired(work.ledger, key) and plans.current_plan(work.ledger, key) is None:
        return LoadCounts(answers=0)
    loaded = load_answers(work, key, run_id)
    loads.note_answers_loaded(work.ledger, key, loaded.plan_id, loaded.seq)
    return loaded.counts


@dataclass(frozen=True, slots=True)
class AnswersLoaded:
    """What was put into the warehouse, and up to which event of the ledger."""

    plan_id: str
    seq: int
    counts: LoadCounts


def load_answers(work: Services, key: str, run_id: str) -> AnswersLoaded:
    """Do what `load_contacts` does, and leave it to the caller to tell the ledger.

    Answers that were read before an erasure are never written after it: they are read again.

    Raises:
        FileRefused: the file has no plan, or the copy it was made from is gone.

    """
    while True:
        try:
            return _load_answers(work, key, run_id, nothing_erased_since(work.ledger))
        except RowsOutdated:
            continue


def _load_answers(work: Services, key: str, run_id: str, is_current: Callable[[], bool]) -> AnswersLoaded:
    plan = plans.current_plan(work.ledger, key)
    if plan is None:
        raise FileRefused(f"{key!r} has no plan yet: materialize `enrichment_plan` for it first.")
    if work.warehouse.plan_id(key) != plan.plan_id:  # a kill fell between the two databases
        _load_plan_again(work, plan)
    seq = queries.newest_end(work.ledger, key)  # read first: what ends while loading is loaded next time
    load_batches(work, key)
    counts = work.warehouse.replace_answers(
        key,
        queries.answers_of_file(work.ledger, plan, work.prices),
        api_host=work.api_host,
        run_id=run_id,
        load_watermark=seq,
        suppression=work.suppressions.current(),
        is_current=is_current,
    )
    return AnswersLoaded(plan.plan_id, seq, counts)


def _load_plan_again(work: Services, plan: Plan) -> None:
    """Bring the file's companies and plan rows back to the version that the ledger's plan was made from."""
    version = work.data.stored(plan.partition_key, plan.file_sha256)
    if version is None:
        raise FileRefused(f"The copy that {plan.partition_key!r} was planned from is gone: plan the file again.")
    load_companies(work, version, planned_reading(work, plan.partition_key))
    draft = _draft(work, plan.partition_key, QuestionSettings.from_json(plan.config))
    draft.learn(outstanding.ask_statuses(work.ledger, plan.plan_id))
    _load_plan(work, plan.partition_key, plan.plan_id, draft)


def reload(work: Services, key: str, *, run_id: str) -> None:
    """Load a file's rows, plan and contacts again, as the suppression list lets them pass now.

    Raises:
        FileRefused: the copy it was read from is gone; its contacts are loaded all the same.

    """
    plan = plans.current_plan(work.ledger, key)
    if plan is not None:
        try:
            _load_plan_again(work, plan)
        finally:
            load_contacts(work, key, run_id=run_id)
        return
    sha256 = work.warehouse.company_file_sha256(key)
    version = None if sha256 is None else work.data.stored(key, sha256)
    if version is not None:
        load_companies(work, version, last_reading(work, key))


def publish(work: Services) -> bool:
    """Let analysts read what the warehouse holds now; return whether anything was new.

    Said to the ledger last: after a kill before that it is published again.

    Raises:
        WarehouseOutdated: the warehouse lacks files that were loaded; the old published database stays.

    """
    generation = queries.newest_event(work.ledger)
    _refuse_without_files(work)
    files = plans.all_partitions(work.ledger)
    work.warehouse.note_states({row.partition_key: row.state for row in files})
    work.warehouse.note_audit_trail(audit.extent(work.ledger), lambda: audit.trail(work.ledger))
    known = {row.partition_key for row in files if row.current_plan_id is not None}
    waiting = known & (queries.waiting_partitions(work.ledger) | work.warehouse.files_with_open_questions())
    info = PublishedInfo(
        published_at=work.ledger.clock(),
        files_complete=len(known - waiting),
        files_waiting=len(waiting),
        found_lifetime_days=work.lifetimes.found // dt.timedelta(days=1),
        empty_lifetime_days=work.lifetimes.empty // dt.timedelta(days=1),
    )
    published = work.warehouse.publish(generation, info)
    loads.note_published(work.ledger, generation)
    return published


def _refuse_without_files(work: Services) -> None:
    """Raise where files are gone from the warehouse: it was removed, or put back from an old copy."""
    lost = sorted(loads.files_loaded(work.ledger) - work.warehouse.files())
    if lost:
        raise WarehouseOutdated(
            f"Not published: {work.warehouse.path.name} lacks {len(lost):,} of the files that were loaded "
            f"({', '.join(lost[:_NAMED])}). Analysts still read the database before. Make it anew from the ledger, at "
            "no cost: `openmart-pipeline rebuild`."
        )
