"""`company_files_sensor`: files that lie still in the input folder become partitions and are planned. Free.

Lives here: what a tick remembers, and what it asks for. What a file is, is in `pipeline.inventory`.
"""

import json
import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field

import dagster as dg

from openmart_pipeline.defs.checks import (
    EVERY_INPUT_FILE_IS_READABLE,
    NO_INPUT_FILE_IS_MISSING,
    changed,
)
from openmart_pipeline.defs.failures import REFUSALS
from openmart_pipeline.defs.jobs import PLAN, plan_company_files_job, work_tags
from openmart_pipeline.defs.partitions import input_files
from openmart_pipeline.defs.resources import WorkplaceResource
from openmart_pipeline.ledger import plans
from openmart_pipeline.ledger.retirement import batches_not_ended, retired_files
from openmart_pipeline.model.words import plural
from openmart_pipeline.pipeline import inventory
from openmart_pipeline.pipeline.inventory import Inventory
from openmart_pipeline.services import Services

TICK_EVERY_S = 15
HASHING_BUDGET_S = 20.0  # of the 60 s after which Dagster calls a tick failed while it runs on
REQUESTS_PER_TICK = 50  # each takes Dagster a third of a second to submit
ASK_AGAIN_AFTER_S = 30 * 60  # a run that died left no plan; a plan of a million rows takes a few minutes
WATCHED_FILES = (EVERY_INPUT_FILE_IS_READABLE, NO_INPUT_FILE_IS_MISSING)  # they change without a run
NAMED = 5  # files named in a tick's reason; the check names more


@dataclass(slots=True)
class Memory:
    """What the last tick saw: comfort, not truth. Losing it costs one more look at every file."""

    seen: dict[str, str] = field(default_factory=dict)  # partition key -> stamp, not dealt with yet
    done: dict[str, str] = field(default_factory=dict)  # partition key -> stamp that was planned or requested
    asked: dict[str, int] = field(default_factory=dict)  # partition key -> when its plan was requested, epoch seconds

    @classmethod
    def of(cls, cursor: str | None) -> "Memory":
        """Read a cursor; one that can't be read is an empty one."""
        try:
            return cls(**json.loads(cursor or "{}"))
        except (ValueError, TypeError):
            return cls()

    def cursor(self) -> str:
        """Return what the next tick is told."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))


@dg.sensor(
    job=plan_company_files_job,
    minimum_interval_seconds=TICK_EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Watches the input folder. A file that was the same in two looks becomes a partition, and is read, "
    "planned and quoted whenever its content changes. Free: buying is up to you.",
)
def company_files_sensor(
    context: dg.SensorEvaluationContext, workplace: dg.ResourceParam[WorkplaceResource]
) -> dg.SensorResult:
    """Register the files that lie still, and request a plan for those that are not planned as they are."""
    memory = Memory.of(context.cursor)
    try:
        with workplace.open() as work:
            return _tick(context, work, memory)
    except REFUSALS as refused:
        return dg.SensorResult(skip_reason=str(refused), cursor=context.cursor)


def _tick(context: dg.SensorEvaluationContext, work: Services, memory: Memory) -> dg.SensorResult:
    now = inventory.look(work.data)
    missing = inventory.mark_missing(work.ledger, now)
    retired = retired_files(work.ledger)
    still = [
        key
        for key, stamp in now.stamps.items()
        if key not in retired and stamp in (memory.seen.get(key), memory.done.get(key))
    ]
    to_plan, next_memory = _to_plan(work, now, memory, still)
    known = set(context.instance.get_dynamic_partitions(str(input_files.name)))
    new = [key for key in still if key not in known]
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(partition_key=key, tags=work_tags(PLAN, key), job_name=plan_company_files_job.name)
            for key in to_plan
        ],
        dynamic_partitions_requests=[
            *([input_files.build_add_request(new)] if new else []),
            *([input_files.build_delete_request(gone)] if (gone := _gone(work, known, retired)) else []),
        ],
        skip_reason=None if to_plan else _reason(now, still, missing, retired),
        asset_events=list(changed(context.instance, work, WATCHED_FILES)),
        cursor=next_memory.cursor(),
    )


def _to_plan(work: Services, now: Inventory, memory: Memory, still: list[str]) -> tuple[list[str], Memory]:
    """Return the files to plan, and what to remember; a file there is no time for is looked at in the next tick.

    A run that was requested may die. So a file without a plan is asked for again after a while, unless that very
    version was read and refused.
    """
    until, present = time.monotonic() + HASHING_BUDGET_S, int(time.time())
    partitions = {row.partition_key: row for row in plans.all_partitions(work.ledger)}
    refusals = inventory.newest_refusals(work.ledger)
    to_plan: list[str] = []
    done: dict[str, str] = {}
    asked: dict[str, int] = {}
    for key in still:
        is_overdue = present - memory.asked.get(key, present) > ASK_AGAIN_AFTER_S
        if memory.done.get(key) == now.stamps[key] and not is_overdue:
            done[key] = now.stamps[key]
            if key in memory.asked:
                asked[key] = memory.asked[key]
        elif time.monotonic() < until and len(to_plan) < REQUESTS_PER_TICK:
            done[key] = now.stamps[key]
            is_refused = is_overdue and key in refusals and work.data.current_sha256(key) == refusals[key][0]
            if not is_refused and not inventory.is_planned(work.data, partitions.get(key)):
                to_plan.append(key)
                asked[key] = present
    seen = {key: stamp for key, stamp in now.stamps.items() if key not in done}
    return to_plan, Memory(seen=seen, done=done, asked=asked)


def _gone(work: Services, known: Collection[str], retired: Mapping[str, bool]) -> list[str]:
    """Return the partitions of files whose data was removed, once nothing is on its way for them any more."""
    removed = [key for key, is_kept in retired.items() if not is_kept and key in known]
    open_of = batches_not_ended(work.ledger) if removed else {}
    return [key for key in removed if key not in open_of]


def _reason(now: Inventory, still: list[str], missing: list[str], retired: Mapping[str, bool]) -> str:
    parts = [f"{plural(len(now.stamps), 'file')} in the input folder"]
    if here := retired.keys() & now.stamps.keys():
        parts.append(f"{len(here):,} retired and left alone")
    if changing := len(now.stamps) - len(still) - len(here):
        parts.append(f"{changing:,} new or changed a moment ago: planned when they lie still")
    if missing:
        parts.append(f"{len(missing):,} no longer there, their answers stay ({', '.join(missing[:NAMED])})")
    if now.refused:
        why = " ".join(list(now.refused.values())[:NAMED])
        parts.append(f"{len(now.refused):,} can't be used: {why}")
    return "; ".join(parts) + ("" if now.refused else ".")
