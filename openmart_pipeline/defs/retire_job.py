"""`retire_company_file_job`: a person is done with a file, or wants it back.

Lives here: the run configuration turned into one call of `pipeline.retiring`. No rule.
"""

import dagster as dg

from openmart_pipeline.defs.config import Retirement
from openmart_pipeline.defs.failures import refusals_as_failures
from openmart_pipeline.defs.resources import WorkplaceResource
from openmart_pipeline.pipeline import retiring

RETIRE, BRING_BACK = "retire", "bring_back"


@dg.op(description="Retires the file named in the configuration, or brings it back, and publishes.")
def retire_company_file(
    context: dg.OpExecutionContext, config: Retirement, workplace: dg.ResourceParam[WorkplaceResource]
) -> None:
    """Do what the person says, and say what that was."""
    if config.action not in (RETIRE, BRING_BACK):
        raise dg.Failure(
            f"action is {config.action!r}: write {RETIRE} or {BRING_BACK}. Nothing was changed.", allow_retries=False
        )
    if config.action == BRING_BACK and config.remove_data:
        raise dg.Failure("remove_data is for retire only. Nothing was changed.", allow_retries=False)
    with refusals_as_failures(), workplace.open() as work:
        key, who, why = config.input_file, config.who, config.why
        if config.action == BRING_BACK:
            retiring.bring_back(work, key, who=who, why=why)
            context.log.info("%s is back; company_files_sensor plans it if it is not planned as it is.", key)
            return
        done = retiring.retire(work, key, remove_data=config.remove_data, who=who, why=why)
    context.log.info(str(done))


@dg.job(
    executor_def=dg.in_process_executor,
    description="Done with a company file: nothing is read, planned or bought for it any more. Its rows and contacts "
    "stay, or go with `remove_data`; answers stay in the ledger in any case, they are paid for, and other files reuse "
    "them. The file in the input folder is not touched. `bring_back` undoes it.",
)
def retire_company_file_job() -> None:
    """Retire a file, or bring it back."""
    retire_company_file()
