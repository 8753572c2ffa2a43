"""What waits, since when, and whether anybody looks after it: bought answers, answers to load, loads to publish.

Lives here: one sentence for Dagster's checks; it changes nothing. What a single file waits for is said by its assets.
"""

import datetime as dt
from collections.abc import Iterator

from openmart_pipeline.checks.findings import SAMPLE, CheckResult
from openmart_pipeline.ledger import loads, queries, review
from openmart_pipeline.ledger.review import OpenWork
from openmart_pipeline.model.words import plural
from openmart_pipeline.services import Services

UNATTENDED_AFTER = dt.timedelta(hours=3)  # ten thousand batches take two hours to be asked about one after the other


def unattended(work: Services) -> CheckResult:
    """Find what could be asked about, read, loaded or published and has not been for hours: nobody is at work."""
    before = work.ledger.clock() - UNATTENDED_AFTER
    waiting = review.open_work(work.ledger)
    neglected = [*_neglected(work, waiting, before)]
    questions = sum(file.questions for file in waiting)
    oldest = min((file.since for file in waiting), default=None)
    return CheckResult(
        count=len(neglected),
        says=f"Nobody has looked after {plural(len(neglected), 'thing')} for over "
        f"{UNATTENDED_AFTER // dt.timedelta(hours=1)} hours.",
        all_clear="Nothing waits: everything bought is answered or given up."
        if oldest is None
        else f"{plural(questions, 'question')} of {plural(len(waiting), 'file')} waiting for an answer, the oldest "
        f"since {_utc(oldest)}.",
        sample=tuple([*neglected, *map(_line, waiting)][:SAMPLE]),
        advice="Is batch_readiness_sensor on, the daemon running, the key set? Without Dagster: run "
        "`openmart-pipeline collect`. All of it is free, and nothing is lost meanwhile.",
        numbers={
            "batches_waiting": float(sum(file.batches for file in waiting)),
            "questions_waiting": float(questions),
            "oldest_wait_hours": 0.0 if oldest is None else (work.ledger.clock() - oldest) / dt.timedelta(hours=1),
        },
    )


def _neglected(work: Services, waiting: list[OpenWork], before: dt.datetime) -> Iterator[str]:
    collected_at = review.collected_at(work.ledger)
    is_collecting = collected_at is not None and collected_at > before
    for file in waiting:
        if file.poll_due_at is not None and file.poll_due_at < before:
            yield f"{file.partition_key}: Openmart was to be asked again at {_utc(file.poll_due_at)}"
        elif file.ready_at is not None and file.ready_at < before and not is_collecting:
            batches = plural(file.ready, "batch", "batches")
            yield f"{file.partition_key}: the answers of {batches} can be read since {_utc(file.ready_at)}"
    if not is_collecting and collected_at is not None:
        for key in queries.due_for_loading(work.ledger):
            yield f"{key}: answers were read up to {_utc(collected_at)} and are not in its contacts"
    unpublished_since = loads.unpublished_since(work.ledger)
    if unpublished_since is not None and unpublished_since < before:
        yield f"the published database lacks what was loaded since {_utc(unpublished_since)}"


def _line(file: OpenWork) -> str:
    ready = f", {file.ready:,} of them ready" if file.ready else ""
    batches = f"{plural(file.batches, 'batch', 'batches')}{ready}"
    return f"{file.partition_key}: {plural(file.questions, 'question')} in {batches}, since {_utc(file.since)}"


def _utc(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
