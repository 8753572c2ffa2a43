"""When a run publishes what it loaded, and when it may leave that to another: fifty files need no fifty copies.

Lives here: the rule for runs, and the one for the sensor that makes up for runs that died. What is due is in the
ledger, so that a kill anywhere leaves it due.
"""

import datetime as dt
import time

import dagster as dg

from openmart_pipeline.defs.under_way import unfinished
from openmart_pipeline.ledger import loads
from openmart_pipeline.model.words import plural
from openmart_pipeline.services import Services

PUBLISHING_JOBS = ("plan_company_files_job", "collect_contacts_job")
PUBLISH_JOB = "publish_contacts_job"
PUBLISH_EVERY_S = 60  # while several runs finish one after the other; the last of them publishes at once
MAKE_UP_AFTER = dt.timedelta(seconds=2 * PUBLISH_EVERY_S)  # what others under way should have done by then


def left_to_others(instance: dg.DagsterInstance, run: dg.DagsterRun, work: Services) -> str | None:
    """Return why this run need not publish, None when it must.

    Others that end later publish what this one loaded, the last of them in any case. Should they die, what is not out
    is due, and `batch_readiness_sensor` asks for it.
    """
    path = work.warehouse.published_path
    if run.job_name not in PUBLISHING_JOBS or not path.exists():  # somebody asked for this alone
        return None
    age_s = time.time() - path.stat().st_mtime
    others = sum(other.run_id != run.run_id for other in unfinished(instance, *PUBLISHING_JOBS))
    if not others or not 0 <= age_s < PUBLISH_EVERY_S:
        return None
    return (
        f"left to {plural(others, 'run')} ending later: the file was published {age_s:.0f} s ago, and is published "
        f"once in {PUBLISH_EVERY_S} s while several end"
    )


def is_left_undone(instance: dg.DagsterInstance, work: Services) -> bool:
    """Whether something loaded is not published, and nobody is about to."""
    since = loads.unpublished_since(work.ledger)
    if since is None or any(unfinished(instance, PUBLISH_JOB)):
        return False
    return work.ledger.clock() - since > MAKE_UP_AFTER or not any(unfinished(instance, *PUBLISHING_JOBS))
