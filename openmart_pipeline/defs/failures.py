"""The one place where a refusal of the domain becomes a failed step: its sentence, without a traceback's noise.

Lives here: which errors are sentences for a person. Nothing is decided here.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from openmart_pipeline.intake.refusals import FileRefused
from openmart_pipeline.ledger.erasure import ErasureUnfinished
from openmart_pipeline.ledger.moves import MoveRefused
from openmart_pipeline.ledger.store import LedgerRefused
from openmart_pipeline.settings import SettingsRefused
from openmart_pipeline.warehouse import WarehouseError

REFUSALS = (FileRefused, SettingsRefused, LedgerRefused, ErasureUnfinished, WarehouseError, MoveRefused)


@contextmanager
def refusals_as_failures() -> Iterator[None]:
    """Fail the step with the sentence of whatever the domain refuses in the block; retrying would say the same."""
    try:
        yield
    except REFUSALS as refused:
        raise dg.Failure(str(refused), allow_retries=False) from None
    except MemoryError:
        raise dg.Failure(
            "There is too little memory to go on. What was recorded is safe, and nothing was bought without a record. "
            "Give the process more memory, or split the file.",
            allow_retries=False,
        ) from None
