"""`collect`: read what was bought and is still open, for all files, and publish it. Free.

Lives here: one command, for a scheduler or after an interrupted run.
"""

from collections.abc import Mapping

import click

from openmart_pipeline.cli.exits import Exit, most_urgent, plain_sentences
from openmart_pipeline.cli.interrupts import interruptible
from openmart_pipeline.cli.progress_display import Watcher
from openmart_pipeline.cli.screen import harmless, remarks, results
from openmart_pipeline.cli.summary import taken_back
from openmart_pipeline.cli.workplace import new_run_id, workplace
from openmart_pipeline.ledger import collecting, queries
from openmart_pipeline.ledger.orphans import reap_orphans
from openmart_pipeline.model.words import plural
from openmart_pipeline.pipeline import steps
from openmart_pipeline.pipeline.buying_run import RunReport
from openmart_pipeline.wiring import open_session


@click.command()
@click.option("--patience", "patience_minutes", type=click.FloatRange(min=0), default=30.0, show_default=True,
              metavar="MINUTES", help="Stop waiting when nothing came in for so long.")  # fmt: skip
@click.pass_obj
def collect(environment: Mapping[str, str], *, patience_minutes: float) -> None:
    """Read the answers to everything that was bought, and publish them. Free; may be repeated at any time."""
    with plain_sentences(), workplace(environment) as (settings, work):
        reap_orphans(work.ledger, work.journal)
        open_tasks = sum(batch.tasks for batch in collecting.open_batches(work.ledger))
        report = RunReport(run_id=new_run_id())
        watcher = Watcher(remarks(), report, to_buy=0, to_collect=open_tasks)
        collector = steps.collector(work, open_session(settings, work), None, watcher)
        report.collected = collector.report
        codes = {Exit.ENDED}
        try:
            with interruptible(lambda _times: None), watcher.shown():
                collector.run(patience_s=patience_minutes * 60)
        except KeyboardInterrupt:
            codes.add(Exit.INTERRUPTED)
        for key in queries.behind(work.ledger):
            steps.load_contacts(work, key, run_id=report.run_id)
        steps.publish(work)
        still_open = collecting.open_batches(work.ledger)
        ended = sum(report.collected.ended.values())
        sentences = [f"{plural(ended, 'answer')} read; {plural(len(still_open), 'batch', 'batches')} still open."]
        if still_open:
            codes.add(Exit.WAITS)
        if report.collected.disowned_batches:
            codes.add(Exit.UNDECIDED)
            sentences.append(taken_back(report.collected.disowned_batches))
        if report.collected.stopped_by:
            codes.add(Exit.STOPPED)
            sentences.append(report.collected.stopped_by)
        results().print(harmless(" ".join(sentences)))
    raise SystemExit(most_urgent(codes))
