"""Checks: sentences that are true when green, over everything the pipeline holds.

Lives here: which promise hangs on which asset, and how a finding is shown. What is looked for is in
`checks`: `findings`, `quality`, `drift`, `waits`. A check informs; the money gates are in the submit.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import dagster as dg

from openmart_pipeline.checks import drift, findings, quality, waits
from openmart_pipeline.checks.findings import CheckResult
from openmart_pipeline.defs.bought import submitted_batches
from openmart_pipeline.defs.collected import contacts, published_database, task_results
from openmart_pipeline.defs.failures import refusals_as_failures
from openmart_pipeline.defs.metadata import Metadata, numbers
from openmart_pipeline.defs.planned import companies, enrichment_plan
from openmart_pipeline.defs.resources import WorkplaceResource
from openmart_pipeline.ledger.batch_history import Happened
from openmart_pipeline.services import Services

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


@dataclass(frozen=True, slots=True)
class Check:
    """A check: its sentence, the asset it hangs on, what it looks for, and how bad it is."""

    name: str
    asset: dg.AssetsDefinition
    find: Callable[[Services], CheckResult]
    severity: dg.AssetCheckSeverity
    description: str

    @property
    def key(self) -> dg.AssetCheckKey:
        """How Dagster names it."""
        return dg.AssetCheckKey(self.asset.key, self.name)

    def result(self, finding: CheckResult) -> dg.AssetCheckResult:
        """Return the check's outcome as its own step yields it."""
        return dg.AssetCheckResult(
            asset_key=self.asset.key,
            check_name=self.name,
            passed=finding.is_kept,
            severity=self.severity,
            description=_words(finding),
            metadata=_shown(finding),
        )

    def evaluation(self, finding: CheckResult) -> dg.AssetCheckEvaluation:
        """Return the check's outcome as an event that a sensor or a job may report outside of any run of the asset."""
        return dg.AssetCheckEvaluation(
            asset_key=self.asset.key,
            check_name=self.name,
            passed=finding.is_kept,
            severity=self.severity,
            description=_words(finding),
            metadata=_shown(finding),
        )


NO_SUBMISSION_LEFT_UNKNOWN = Check(
    "no_submission_left_unknown",
    submitted_batches,
    findings.unknown_submissions,
    ERROR,
    "No batch is in doubt. Red: it may have been paid for and its answer is lost; a person adopts or releases it.",
)
NO_BATCH_IS_STUCK = Check(
    "no_batch_is_stuck",
    task_results,
    findings.stuck_batches,
    WARN,
    "Every batch that Openmart accepted is finished within the age limit, and Openmart still knows it.",
)
NOTHING_WAITS_UNATTENDED = Check(
    "nothing_waits_unattended",
    task_results,
    waits.unattended,
    WARN,
    "What is bought is asked about, read, loaded and published as it becomes ready. Green or not, it says what waits "
    "and since when.",
)
EVERY_INPUT_FILE_IS_READABLE = Check(
    "every_input_file_is_readable",
    companies,
    findings.unreadable_files,
    ERROR,
    "Every file in the input folder is a table of companies.",
)
NO_INPUT_FILE_IS_MISSING = Check(
    "no_input_file_is_missing",
    companies,
    findings.missing_files,
    WARN,
    "Every file that was read is still in the input folder, or retired.",
)
CHECKS = (
    EVERY_INPUT_FILE_IS_READABLE,
    NO_INPUT_FILE_IS_MISSING,
    Check(
        "every_company_has_one_outcome",
        enrichment_plan,
        findings.rows_without_one_outcome,
        ERROR,
        "Every row of every planned file is either set aside with a reason or asks its questions, once.",
    ),
    NO_SUBMISSION_LEFT_UNKNOWN,
    Check(
        "every_batch_was_accepted",
        submitted_batches,
        findings.rejected_batches,
        WARN,
        "Openmart called no batch a wrong request.",
    ),
    Check(
        "budgets_leave_nothing_waiting",
        submitted_batches,
        findings.waiting_for_budget,
        WARN,
        "Every plan that was approved is bought to its end: no limit, budget or stop left questions behind.",
    ),
    NO_BATCH_IS_STUCK,
    NOTHING_WAITS_UNATTENDED,
    Check(
        "answers_are_readable",
        contacts,  # its load is what reads them
        findings.odd_answers,
        WARN,
        "Every answer could be read in full.",
    ),
    Check(
        "every_result_has_its_question",
        task_results,
        findings.unmatched_results,
        WARN,
        "Every result that was paid for carries the tracking id of its question, or other evidence leads to it.",
    ),
    Check(
        "answers_keep_their_shape",
        contacts,
        drift.drifted_answers,
        WARN,
        "No key came into Openmart's answers or left them in the last week.",
    ),
    Check(
        "contacts_come_from_our_own_tasks",
        contacts,
        quality.invented_contacts,
        ERROR,
        "Nobody is in contacts whom no question of ours found.",
    ),
    Check(
        "email_addresses_are_well_formed",
        contacts,
        quality.malformed_emails,
        ERROR,
        "Every address in contacts has the syntax of one; nothing was sent to it.",
    ),
    Check(
        "files_find_people_as_usual",
        contacts,
        quality.low_hit_rates,
        WARN,
        "Each file's questions find somebody as often as the floor says, and not far more seldom than other files'.",
    ),
    Check(
        "addresses_are_verified_as_usual",
        contacts,
        quality.low_verified_shares,
        WARN,
        "Each file's addresses are verified as often as the floor says, and not far more seldom than other files'.",
    ),
    Check(
        "contacts_trace_to_a_row",
        contacts,
        findings.untraced_contacts,
        ERROR,
        "Every contact leads back to a row of its file, and to the batch, task and run that found it.",
    ),
    Check(
        "contacts_within_their_lifetime",
        contacts,
        findings.contacts_past_lifetime,
        WARN,
        "No contact is older than a found answer counts.",
    ),
    Check(
        "ledger_and_warehouse_agree",
        published_database,
        findings.disagreements,
        ERROR,
        "The warehouse holds every file's current plan, and every answer that the ledger says was loaded.",
    ),
)
# Those that change without a run of their asset that succeeds, and are cheap enough to be looked at in every tick.
WATCHED = (NO_SUBMISSION_LEFT_UNKNOWN, NO_BATCH_IS_STUCK, NOTHING_WAITS_UNATTENDED)


def asset_checks() -> list[dg.AssetChecksDefinition]:
    """Return every promise as an asset check; those of one asset are one step, and each may be executed alone."""
    assets = {promise.asset.key: promise.asset for promise in CHECKS}
    return [_checks_of(asset, [one for one in CHECKS if one.asset.key == asset.key]) for asset in assets.values()]


def _checks_of(asset: dg.AssetsDefinition, promises: list[Check]) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=f"{asset.key.to_python_identifier()}_checks",
        specs=[dg.AssetCheckSpec(one.name, asset=asset.key, description=one.description) for one in promises],
        can_subset=True,
    )
    def checks(
        context: dg.AssetCheckExecutionContext, workplace: dg.ResourceParam[WorkplaceResource]
    ) -> Iterator[dg.AssetCheckResult]:
        with refusals_as_failures(), workplace.open() as work:
            for promise in promises:
                if promise.key in context.selected_asset_check_keys:
                    yield promise.result(promise.find(work))

    return checks


def _words(finding: CheckResult) -> str:
    return finding.all_clear if finding.is_kept else f"{finding.says} {finding.advice}"


def _shown(finding: CheckResult) -> Metadata:
    metadata = numbers({"count": finding.count, **finding.numbers})
    if finding.sample:
        metadata["openmart/sample"] = dg.MetadataValue.text("; ".join(finding.sample))
    if finding.decided:
        metadata["openmart/last_decisions"] = dg.MetadataValue.table([_decision(one) for one in finding.decided])
    if not finding.is_kept:
        metadata["openmart/what_to_do"] = dg.MetadataValue.text(finding.advice)
    return metadata


def _decision(one: Happened) -> dg.TableRecord:
    when = f"{one.at:%Y-%m-%d %H:%M:%S} UTC"
    told = {"what": one.what, "who": one.actor, "why": one.reason or ""}
    return dg.TableRecord({"when": when, "batch": one.batch_no, "input_file": one.partition_key, **told})


def changed(
    instance: dg.DagsterInstance, work: Services, promises: Iterable[Check]
) -> Iterator[dg.AssetCheckEvaluation]:
    """Yield the checks whose outcome is not the one that Dagster shows.

    A batch becomes unknown when its process died, and is settled by the command line; a file that is no table fails
    its run, and a failed step runs no checks: no run of the asset says so.
    """
    for promise in promises:
        record = instance.get_latest_asset_check_evaluation_record(promise.key)
        shown = None if record is None or record.event is None else _outcome(record.event.dagster_event)
        if record is not None and shown is None and _is_under_way(instance, record.run_id):
            continue  # planned: that run will say so itself, and of its own materialization
        evaluation = promise.evaluation(promise.find(work))
        if shown != (evaluation.passed, evaluation.metadata["openmart/count"].value):
            yield evaluation


def _is_under_way(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    return run is not None and not run.is_finished


def _outcome(event: dg.DagsterEvent | None) -> tuple[bool, object] | None:
    """Return what an evaluation said and counted, None of anything else."""
    evaluation = None if event is None else event.event_specific_data
    if not isinstance(evaluation, dg.AssetCheckEvaluation):
        return None
    count = evaluation.metadata.get("openmart/count")
    return evaluation.passed, None if count is None else count.value
