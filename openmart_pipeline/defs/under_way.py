"""Which runs have not ended: those that wait, and those that began and are no ghosts.

Lives here: one question to Dagster's own records. What follows from it is in the sensors and assets that ask.
"""

import datetime as dt
from collections.abc import Iterator

import dagster as dg

# A run's status alone proves nothing: one whose worker and code server died stays STARTED for ever.
GHOST_AFTER = dt.timedelta(minutes=30)  # twice a slice of collecting

_WAITING = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING]


def unfinished(instance: dg.DagsterInstance, *job_names: str) -> Iterator[dg.DagsterRun]:
    """Yield the runs of these jobs that have not begun, or began a short while ago; whoever started them."""
    recent = dt.datetime.now(dt.UTC) - GHOST_AFTER
    for job_name in job_names:
        for filters in (
            dg.RunsFilter(job_name=job_name, statuses=_WAITING),
            dg.RunsFilter(job_name=job_name, statuses=[dg.DagsterRunStatus.STARTED], created_after=recent),
        ):
            for record in instance.get_run_records(filters):
                yield record.dagster_run
