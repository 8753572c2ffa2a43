"""`status`: files, batches, what waits and since when, what is in doubt, what was spent. Free; asks no server.

Lives here: tables of what the ledger says.
"""

from collections import Counter
from collections.abc import Mapping

import click
from rich.console import Console

from openmart_pipeline.checks import findings
from openmart_pipeline.checks import without_answer as endings
from openmart_pipeline.cli.exits import plain_sentences
from openmart_pipeline.cli.screen import ago, count, harmless, results, table
from openmart_pipeline.cli.workplace import workplace
from openmart_pipeline.ledger import (
    batch_history as history,
)
from openmart_pipeline.ledger import collecting, erasure, moves, outstanding, plans, queries, review, sending
from openmart_pipeline.ledger.orphans import reap_orphans
from openmart_pipeline.ledger.outstanding import AskStatus
from openmart_pipeline.ledger.states import BatchState, FileState
from openmart_pipeline.model.words import plural
from openmart_pipeline.pipeline import inventory
from openmart_pipeline.services import Services
from openmart_pipeline.settings import Settings

_STANDINGS = (
    AskStatus.TO_BUY,
    AskStatus.IN_FLIGHT,
    AskStatus.UNKNOWN,
    AskStatus.STALLED,
    AskStatus.OWNED,
    AskStatus.ENDED_BADLY,
)
_ALWAYS = (AskStatus.TO_BUY, AskStatus.OWNED)
_FILE_STATES = {
    FileState.MISSING: "no longer in the input folder. What is on its way is collected, and its contacts stay.",
    FileState.RETIRED: "nothing is planned or bought for it; openmart-pipeline retire --undo FILE brings it back.",
}


@click.command()
@click.pass_obj
def status(environment: Mapping[str, str]) -> None:
    """Show the files, what waits and since when, what is in doubt, and what was spent. Free; asks no server."""
    with plain_sentences(), workplace(environment) as (settings, work):
        reap_orphans(work.ledger, work.journal)
        inventory.mark_missing(work.ledger, inventory.look(work.data))
        screen = results()
        _files(screen, work)
        _batches(screen, work)
        _spent(screen, settings, work)
        _overdue(screen, work)
        _unfinished_erasure(screen, work)
        show_unknown(screen, work)
        _unmatched(screen, work)
        _last_decision(screen, work)


def _unfinished_erasure(screen: Console, work: Services) -> None:
    due = erasure.due_files(work.ledger)
    if due is not None:
        screen.print(
            harmless(
                f"An erasure is under way or was interrupted; it is about {', '.join(due) or 'no file'}. If no command "
                "is running, run the one that was interrupted again: openmart-pipeline history shows which."
            )
        )


def _files(screen: Console, work: Services) -> None:
    known = plans.all_partitions(work.ledger)
    if not known:
        screen.print(harmless(f"No file yet: openmart-pipeline run FILE, or put files into {work.data.input}."))
        return
    now = {
        row.partition_key: Counter(outstanding.ask_status_counts(work.ledger, row.current_plan_id))
        for row in known
        if row.current_plan_id is not None
    }
    # What no file has would take the room of the names.
    shown = [word for word in _STANDINGS if word in _ALWAYS or any(counts[word] for counts in now.values())]
    made = table("Files", ("file", *(word.value.replace("_", " ") for word in shown), "loaded"))
    for row in known:
        name = row.partition_key if row.state == FileState.ACTIVE else f"{row.partition_key} ({row.state})"
        counts = now.get(row.partition_key)
        loaded = "not planned" if counts is None else ago(row.loaded_at, work.ledger.clock())
        made.add_row(harmless(name), *(count(counts[word] if counts else None) for word in shown), loaded)
    screen.print(made)
    states = {row.state for row in known}
    for state, sentence in _FILE_STATES.items():
        if state in states:
            screen.print(f"{state}: {sentence}")
    if any(counts[word] for word in (AskStatus.STALLED, AskStatus.ENDED_BADLY) for counts in now.values()):
        current = [row.current_plan_id for row in known if row.current_plan_id is not None]
        for sentence in endings.sentences(work, current):
            screen.print(harmless(sentence))


def _batches(screen: Console, work: Services) -> None:
    states = queries.progress(work.ledger).batches
    if not states:
        return
    made = table("Batches", ("state", "batches"))
    for state in BatchState:
        if states.get(state):
            made.add_row(state.value, count(states[state]))
    screen.print(made)
    waiting = collecting.open_batches(work.ledger)
    if waiting:
        now = work.ledger.clock()
        oldest = min(batch.submitted_at or batch.intent_at for batch in waiting)
        next_poll = min((batch.next_poll_at for batch in waiting if batch.next_poll_at is not None), default=now)
        in_s = max((next_poll - now).total_seconds(), 0)
        screen.print(
            f"{plural(len(waiting), 'batch', 'batches')} under way, the oldest submitted {ago(oldest, now)}; asked "
            f"about again in {in_s:.0f} s by whoever collects (openmart-pipeline collect, or the readiness sensor)."
        )


def _spent(screen: Console, settings: Settings, work: Services) -> None:
    so_far = sending.spent(work.ledger)
    made = table("Estimated credits committed (the bill is the vendor's)", ("", "committed", "budget"))
    made.add_row("today (UTC)", count(so_far.today), count(settings.credits_per_day))
    made.add_row("in all", count(so_far.in_total), count(settings.credits_total))
    made.add_row("not spent: owned when planned", count(review.credits_not_spent(work.ledger)), "")
    screen.print(made)


def _overdue(screen: Console, work: Services) -> None:
    batches = review.batches_unmended(work.ledger, BatchState.STALLED)
    if not batches:
        return
    columns = ("batch", "file", "tasks", "credits", "submitted", "Openmart's id")
    made = table("Stalled: bought, and not ended within the age limit", columns, numbers_from=2)
    for batch in batches:
        made.add_row(
            str(batch.batch_no),
            harmless(batch.partition_key),
            count(batch.tasks),
            count(batch.reserved_credits),
            f"{batch.submitted_at or batch.intent_at:%Y-%m-%d %H:%M:%S}Z",
            harmless(batch.vendor_batch_id),
        )
    screen.print(made)
    screen.print("Name the ids to Openmart: what ends after all is collected at no cost.")
    screen.print("Given up, to be bought again and paid again:   openmart-pipeline unknown release BATCH... --why ...")


def _unmatched(screen: Console, work: Services) -> None:
    found = findings.unmatched_results(work)
    if not found.is_kept:
        screen.print(harmless(f"{found.says} {found.advice}"))


def _last_decision(screen: Console, work: Services) -> None:
    for last in history.decisions(work.ledger, newest=1):
        said = f"Last decided, {ago(last.at, work.ledger.clock())}: batch {last.batch_no} {last.what}, by {last.actor}."
        screen.print(harmless(f"{said} All of them: openmart-pipeline unknown history."))


def show_unknown(screen: Console, work: Services) -> None:
    """Show the batches that may have been paid for, what is at stake, and the two ways out."""
    batches = moves.unknown_batches(work.ledger)
    if not batches:
        return
    columns = ("batch", "file", "tasks", "credits", "sent", "why")
    made = table("Unknown: may be paid for, and nobody knows the id", columns, numbers_from=2)
    for batch in batches:
        made.add_row(
            str(batch.batch_no),
            harmless(batch.partition_key),
            count(batch.tasks),
            count(batch.reserved_credits),
            f"{batch.intent_at:%Y-%m-%d %H:%M:%S}Z",
            harmless((batch.evidence or "")[:120]),
        )
    screen.print(made)
    by_file = Counter(batch.partition_key for batch in batches)
    files = ", ".join(f"{key} {number}" for key, number in by_file.items())
    tracked = review.first_tracking_ids(work.ledger, [batch.batch_no for batch in batches]).values()
    ledgers = " or ".join(sorted({tracking_id.split("-")[0] for tracking_id in tracked}))
    screen.print(harmless(f"Tracking ids at the vendor: {ledgers}-BATCH-0 and on. By file: {files}."))
    screen.print(
        "Support or the dashboard knows its id:   openmart-pipeline unknown adopt BATCH --batch-id ID --why ..."
    )
    screen.print("It was never created, or is given up:    openmart-pipeline unknown release BATCH... --why ...")
