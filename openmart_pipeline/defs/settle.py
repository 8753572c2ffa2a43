"""`settle_unknown_batches_job`: a person's word on batches that may have been paid for.

Lives here: the run configuration turned into moves of the ledger, and the check reported again.
"""

import dagster as dg

from openmart_pipeline.defs.checks import WATCHED
from openmart_pipeline.defs.config import Settlement
from openmart_pipeline.defs.failures import refusals_as_failures
from openmart_pipeline.defs.resources import OpenmartResource, WorkplaceResource
from openmart_pipeline.ledger import moves
from openmart_pipeline.ledger.orphans import reap_orphans
from openmart_pipeline.pipeline.settling import adopt_known, release_each
from openmart_pipeline.services import Services

ADOPT, RELEASE = "adopt", "release"


@dg.op(description="Adopts or releases the batches named in the configuration, and reports the checks again.")
def settle_unknown_batches(
    context: dg.OpExecutionContext,
    config: Settlement,
    workplace: dg.ResourceParam[WorkplaceResource],
    openmart: dg.ResourceParam[OpenmartResource],
) -> None:
    """Do what the person says, batch by batch; what is refused is said, and the rest is done."""
    with refusals_as_failures(), workplace.open() as work:
        reap_orphans(work.ledger, work.journal)
        problem = _problem(config)
        if problem:
            raise dg.Failure(f"{problem} Nothing was changed.", allow_retries=False)
        refused = (_adopt if config.action == ADOPT else _release)(context, config, work, openmart)
        for promise in WATCHED:
            context.instance.report_runless_asset_event(promise.evaluation(promise.find(work)))
    if refused:
        raise dg.Failure(" ".join(refused), allow_retries=False)


def _problem(config: Settlement) -> str | None:
    """Return what is wrong with the configuration as a whole, None when nothing is."""
    if config.action not in (ADOPT, RELEASE):
        return f"action is {config.action!r}: write adopt or release."
    if not config.who.strip() or not config.why.strip():
        return "who and why must say something: they are kept in the ledger's history."
    if config.action == ADOPT and (len(config.batches) != 1 or not config.vendor_batch_id):
        return "adopt is for one batch: name its number in batches and Openmart's id in vendor_batch_id."
    if config.action == RELEASE and bool(config.batches) == (config.input_file is not None):
        return "release needs batches, such as [17, 18], or input_file for all unknown batches of one file; not both."
    return None


def _adopt(context: dg.OpExecutionContext, config: Settlement, work: Services, openmart: OpenmartResource) -> list[str]:
    [batch_no] = config.batches
    vendor_batch_id = config.vendor_batch_id or ""
    client = openmart.session(work).client
    adopt_known(work.ledger, client, batch_no, vendor_batch_id, who=config.who, why=config.why)
    context.log.info("Batch %d is %s now: batch_readiness_sensor asks about it.", batch_no, vendor_batch_id)
    return []


def _release(
    context: dg.OpExecutionContext, config: Settlement, work: Services, _openmart: OpenmartResource
) -> list[str]:
    batch_nos = config.batches
    if config.input_file is not None:
        batch_nos = [batch.batch_no for batch in moves.unknown_batches(work.ledger, config.input_file)]
        if not batch_nos:
            return [f"{config.input_file!r} has no unknown batch. Nothing was changed."]
    released, refused = release_each(
        work.ledger, batch_nos, who=config.who, why=config.why, vouch_unpaid=config.vouch_unpaid
    )
    if released:
        context.log.info("Released: %s. buy_planned_contacts_job buys their questions again.", released)
    return refused


@dg.job(
    executor_def=dg.in_process_executor,
    description="A person's word on batches that may have been paid for (check no_submission_left_unknown): adopt one "
    "under the id that Openmart names, or release them so that their questions are owed again.",
)
def settle_unknown_batches_job() -> None:
    """Settle what the configuration names."""
    settle_unknown_batches()
