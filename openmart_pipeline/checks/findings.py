"""What speaks against the promises: exact counts, a sample of what is meant, and what to do about it.

Lives here: one function per promise; each looks over everything and changes nothing. Shown by Dagster's checks.
"""

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field

from openmart_pipeline.ledger import moves, review, sending
from openmart_pipeline.ledger import unmatched_results as unmatched
from openmart_pipeline.ledger.batch_history import Happened, decisions
from openmart_pipeline.ledger.selection import widths_to_refresh
from openmart_pipeline.ledger.states import BatchState
from openmart_pipeline.model.words import plural
from openmart_pipeline.pipeline.inventory import look, missing, unreadable
from openmart_pipeline.planning.quoting import worst_case
from openmart_pipeline.services import Services

SAMPLE = 10  # names shown; the count is always the whole


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What was found against one promise; nothing found keeps it."""

    count: int
    says: str
    all_clear: str = "Nothing speaks against it."  # said in its place where the count is 0
    sample: tuple[str, ...] = ()
    advice: str = ""
    numbers: dict[str, float] = field(default_factory=dict)
    decided: tuple[Happened, ...] = ()  # by persons, the newest last

    @property
    def is_kept(self) -> bool:
        """Whether nothing speaks against it."""
        return self.count == 0


def unreadable_files(work: Services) -> CheckResult:
    """Find files in the input folder that are no table of companies."""
    found = unreadable(work.data, work.ledger)
    return CheckResult(
        count=len(found),
        says=f"{plural(len(found), 'file')} in the input folder can't be used unchanged.",
        sample=tuple(why if name in why else f"{name}: {why}" for name, why in list(found.items())[:SAMPLE]),
        advice="Mend or remove the file; it is looked at again as soon as it changes. Nothing was bought for it.",
    )


def missing_files(work: Services) -> CheckResult:
    """Find files that were read once, are not retired, and are no longer in the input folder."""
    found = missing(work.ledger, look(work.data))
    return CheckResult(
        count=len(found),
        says=f"No longer in the input folder: {plural(len(found), 'file')}. What is on its way is collected, and what "
        "was found stays.",
        sample=tuple(found[:SAMPLE]),
        advice="Put the file back, or retire it with retire_company_file_job.",
    )


# A file whose newer version is read but not planned yet is on its way, no contradiction.
_ROWS_WITHOUT_OUTCOME = """
WITH planned AS (SELECT input_file FROM input_files WHERE plan_loaded_at >= companies_loaded_at)
SELECT input_file, source_row, 'is there twice' FROM companies GROUP BY ALL HAVING count(*) > 1
UNION ALL
SELECT input_file, source_row, 'asks no question' FROM companies AS kept
WHERE outcome = 'kept' AND input_file IN (SELECT input_file FROM planned) AND NOT EXISTS (
    SELECT 1 FROM enrichment_plan AS asked
    WHERE asked.input_file = kept.input_file AND asked.source_row = kept.source_row)
UNION ALL
SELECT DISTINCT input_file, source_row, 'asks although it is no company of the file' FROM enrichment_plan AS asked
WHERE input_file IN (SELECT input_file FROM planned) AND NOT EXISTS (
    SELECT 1 FROM companies AS kept
    WHERE outcome = 'kept' AND kept.input_file = asked.input_file AND kept.source_row = asked.source_row)
ORDER BY ALL
"""


def rows_without_one_outcome(work: Services) -> CheckResult:
    """Find rows of input files that are neither set aside nor planned, or both, or twice."""
    rows = work.warehouse.query(_ROWS_WITHOUT_OUTCOME)
    return CheckResult(
        count=len(rows),
        says=f"{plural(len(rows), 'row')} of input files without exactly one outcome.",
        sample=tuple(f"{file} row {row} {what}" for file, row, what in rows[:SAMPLE]),
        advice="Materialize companies and enrichment_plan for the files named; that is free and replaces their rows.",
    )


_UNTRACED_CONTACTS = """
SELECT contact_id FROM contacts
JOIN input_files USING (input_file)
WHERE answers_loaded_at >= plan_loaded_at AND (
    batch_id IS NULL OR task_id IS NULL OR tracking_id IS NULL OR run_id IS NULL OR contact_id NOT IN (
        SELECT contact_id FROM contact_rows
        SEMI JOIN (SELECT input_file, source_row FROM companies WHERE outcome = 'kept') USING (input_file, source_row)))
  AND NOT (is_withdrawn AND EXISTS (
        SELECT 1 FROM withdrawn_rows
        WHERE withdrawn_rows.input_file = contacts.input_file AND withdrawn_rows.fingerprint = contacts.fingerprint))
ORDER BY contact_id
"""


def untraced_contacts(work: Services) -> CheckResult:
    """Find contacts that lead back to no row, batch, task or run."""
    rows = work.warehouse.query(_UNTRACED_CONTACTS)
    return CheckResult(
        count=len(rows),
        says=f"{plural(len(rows), 'contact')} without a way back to a row of the file, a batch, a task and a run.",
        sample=tuple(contact_id for (contact_id,) in rows[:SAMPLE]),
        advice="Materialize contacts for their files; if it stays, run `openmart-pipeline rebuild`. Both are free.",
    )


def unknown_submissions(work: Services) -> CheckResult:
    """Find batches that may have been paid for and whose id nobody knows."""
    batches = moves.unknown_batches(work.ledger)
    at_stake = sum(batch.reserved_credits or 0.0 for batch in batches)
    tracked = review.first_tracking_ids(work.ledger, [batch.batch_no for batch in batches[:SAMPLE]])
    return CheckResult(
        count=len(batches),
        says=f"{plural(len(batches), 'batch', 'batches')} may have been paid for without an answer: up to "
        f"{at_stake:,.0f} credits (estimated) are at stake. Nothing sends their questions again.",
        sample=tuple(
            f"batch {batch.batch_no} of {batch.partition_key}: {plural(batch.tasks, 'task')}, up to "
            f"{batch.reserved_credits or 0:,.0f} credits, sent {batch.intent_at:%Y-%m-%d %H:%M} UTC, tracking ids "
            f"{tracked[batch.batch_no]} and on"
            for batch in batches[:SAMPLE]
        ),
        advice="Ask Openmart whether it exists, naming time and tracking ids. Then run settle_unknown_batches_job: "
        "`adopt` with the batch id that they name collects the answers; `release` owes the questions again, which pays "
        "twice if the batch does exist.",
        numbers={"credits_at_stake": at_stake},
        decided=tuple(decisions(work.ledger, newest=SAMPLE)),
    )


def stuck_batches(work: Services) -> CheckResult:
    """Find batches that were accepted and never finished, and those the server forgot, not asked again since."""
    batches = review.batches_unmended(work.ledger, BatchState.STALLED, BatchState.EXPIRED)
    kinds = Counter(batch.state for batch in batches)
    return CheckResult(
        count=len(batches),
        says=f"Not ready within the age limit: {plural(kinds[BatchState.STALLED], 'batch', 'batches')}. "
        f"No longer known to the server: {kinds[BatchState.EXPIRED]:,}.",
        sample=tuple(
            f"batch {batch.batch_no} of {batch.partition_key} ({batch.vendor_batch_id}): {batch.state}, {batch.tasks} "
            f"tasks, submitted {batch.submitted_at or batch.intent_at:%Y-%m-%d %H:%M} UTC"
            for batch in batches[:SAMPLE]
        ),
        advice="Stalled batches are asked about daily and collected should they come. Name the ids to Openmart. To ask "
        "their questions again: release a stalled batch with settle_unknown_batches_job, or plan the file with "
        "reask: expired. Both are paid again.",
    )


def rejected_batches(work: Services) -> CheckResult:
    """Find batches whose request the server called wrong, with questions that were not sent again since."""
    batches = review.batches_unmended(work.ledger, BatchState.REJECTED)
    return CheckResult(
        count=len(batches),
        says=f"The server called {plural(len(batches), 'batch', 'batches')} a wrong request: nothing was bought.",
        sample=tuple(
            f"batch {batch.batch_no} of {batch.partition_key}: {(batch.evidence or '')[:200]}"
            for batch in batches[:SAMPLE]
        ),
        advice="Plan the file with reask: errored. Its questions are then sent in tens, then singly, so that the one "
        "at fault ends up alone.",
    )


def waiting_for_budget(work: Services) -> CheckResult:
    """Find approved plans whose questions are not all bought: a limit was reached, or buying stopped."""
    waiting = review.approved_and_owing(work.ledger)
    spent = sending.spent(work.ledger)
    questions = sum(plan.questions for plan in waiting)
    limits = [f"today {spent.today:,.0f} of {_limit(work.budget.per_day)}"]
    limits.append(f"in total {spent.in_total:,.0f} of {_limit(work.budget.in_total)}")
    return CheckResult(
        count=questions,
        says=f"Not bought yet: {plural(questions, 'question')} of {plural(len(waiting), 'approved plan')}. Committed, "
        f"in estimated credits: {'; '.join(limits)}.",
        sample=tuple(
            f"{plan.partition_key}: {plural(plan.questions, 'question')} waiting; approved up to "
            f"{plan.approved_credits:,.0f} credits of {_limit(plan.quoted_credits)} quoted"
            for plan in waiting[:SAMPLE]
        ),
        advice="Press Materialize on submitted_batches for the file again, with the line at the end of its quote; "
        "tomorrow, where the day's budget was reached; after a top-up, where the credits were gone. Or plan it again "
        "and leave it.",
        numbers={"committed_today": spent.today, "committed_in_total": spent.in_total},
    )


def _limit(credits_: float | None) -> str:
    return "no limit" if credits_ is None else f"{credits_:,.0f}"


_OLD_CONTACTS = """
SELECT input_file, count(*) FROM contacts WHERE fetched_at < $1 GROUP BY input_file ORDER BY input_file
"""


def contacts_past_lifetime(work: Services) -> CheckResult:
    """Find contacts whose answer is older than a found answer counts."""
    files = files_past_lifetime(work)
    count = sum(files.values())
    due = widths_to_refresh(work.ledger, work.lifetimes) if count else {}
    questions, most = sum(due.values()), worst_case(due, work.prices)
    at_most = "an unknown number of" if most is None else f"at most {most:,.0f}"
    return CheckResult(
        count=count,
        says=f"Older than {work.lifetimes.found.days} days (OPENMART_FOUND_LIFETIME_DAYS): {plural(count, 'contact')} "
        f"of {plural(len(files), 'file')}.",
        sample=tuple(f"{file}: {plural(old, 'contact')}" for file, old in list(files.items())[:SAMPLE]),
        advice="To ask again, which is paid again: plan the file with reask: stale and look at the quote, or switch "
        f"on refresh_stale_contacts_monthly. It would ask {plural(questions, 'question')} again, for {at_most} credits "
        "(estimated), within OPENMART_CREDITS_PER_RUN for each file and OPENMART_CREDITS_PER_DAY.",
        numbers={"questions_to_refresh": float(questions), "estimated_credits_of_a_refresh": most or 0.0},
    )


def files_past_lifetime(work: Services) -> dict[str, int]:
    """Return how many contacts of which files are past their lifetime."""
    oldest = (work.ledger.clock() - work.lifetimes.found).astimezone(dt.UTC).replace(tzinfo=None)
    return dict(work.warehouse.query(_OLD_CONTACTS, [oldest]))


_ANSWERS_HELD = """
SELECT input_file, any_value(plan_id), count(*) FILTER (WHERE state IN ('found', 'empty', 'purged'))
FROM input_files LEFT JOIN task_results USING (input_file) WHERE plan_id IS NOT NULL GROUP BY input_file
"""


def disagreements(work: Services) -> CheckResult:
    """Find files for which the warehouse holds another plan than the ledger, or fewer answers."""
    expected = review.answers_loaded(work.ledger)
    known = review.plans_held(work.ledger)
    held = {file: (plan_id, answers) for file, plan_id, answers in work.warehouse.query(_ANSWERS_HELD)}
    found = []
    for file, plan_id in known.items():
        plan_held, answers = held.get(file, (None, 0))
        if plan_held != plan_id:
            found.append(f"{file}: the plan in the warehouse is not the one the ledger would buy")
        elif answers < expected.get(file, 0):
            found.append(f"{file}: {answers:,} answers in the warehouse, {expected[file]:,} in the ledger")
    return CheckResult(
        count=len(found),
        says=f"{len(found):,} of {len(known):,} files are not in the warehouse as they are in the ledger.",
        sample=tuple(found[:SAMPLE]),
        advice="Materialize enrichment_plan and contacts for the files named, or run `openmart-pipeline rebuild`: the "
        "ledger is the truth, nothing is lost and nothing is bought.",
    )


# What is odd, without the place in the answer where it stood.
_ODDITIES = r"""
SELECT regexp_replace(oddity, '^[a-z]+(\[[0-9]+\])?(\.[a-z_]+(\[[0-9]+\])?)*: ', '') AS what, count(*),
       min(tracking_id), min(input_file)
FROM (SELECT input_file, tracking_id, unnest(parse_warnings) AS oddity FROM task_results WHERE len(parse_warnings) > 0)
GROUP BY what ORDER BY count(*) DESC, what LIMIT 10
"""


def odd_answers(work: Services) -> CheckResult:
    """Find answers with something in them that could not be read."""
    kinds = work.warehouse.query(_ODDITIES)
    answers = work.warehouse.query("SELECT count(*) FROM task_results WHERE len(parse_warnings) > 0")[0][0]
    samples = [
        f"{count:,} times {what}, as in {tracking_id} ({file})"[:300] for what, count, tracking_id, file in kinds
    ]
    return CheckResult(
        count=answers,
        says=f"{plural(answers, 'answer')} with something that could not be read.",
        sample=tuple(samples[:SAMPLE]),
        advice="What could be read is in contacts, and the answer as received stays in task_results.raw, or, where it "
        "is too large for that, in the ledger. Nothing needs doing unless people are missing: then show the sample to "
        "Openmart.",
    )


def unmatched_results(work: Services) -> CheckResult:
    """Find results that were paid for and that nothing leads to a question."""
    held = [
        one
        for one in unmatched.held(work.ledger, with_raw=False)
        if one.reason not in (unmatched.FOREIGN, unmatched.REVOKED)
    ]
    people = sum(one.people for one in held)
    return CheckResult(
        count=len(held),
        says=f"{plural(len(held), 'result')} with {plural(people, 'person', 'people')}, paid for and without a "
        "question: no tracking id names it, and no other evidence is without doubt.",
        sample=tuple(f"batch {one.batch_no}: {one.doubt or one.reason}" for one in held[:SAMPLE]),
        advice="See `openmart-pipeline unmatched list`, and give each result its question with `unmatched assign`: "
        "that is free. Asking the questions again would pay again.",
        numbers={"people": float(people)},
    )
