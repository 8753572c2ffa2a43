"""How a command ends: the exit codes, which of several wins, and one sentence instead of a traceback.

Lives here: the mapping from what went wrong to a code and a sentence. The sentences are written where things fail.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import IntEnum

import click

from openmart_pipeline.api.errors import OpenmartError
from openmart_pipeline.intake.refusals import FileRefused
from openmart_pipeline.ledger.erasure import ErasureUnfinished
from openmart_pipeline.ledger.moves import MoveRefused
from openmart_pipeline.ledger.store import LedgerRefused, NoLedger
from openmart_pipeline.settings import SettingsRefused
from openmart_pipeline.warehouse import WarehouseError
from openmart_pipeline.warehouse.published import NothingPublished


class Exit(IntEnum):
    """What the exit code says to a script or a scheduler."""

    ENDED = 0  # every question has ended
    REFUSED = 2  # the call, a file or a setting is wrong; click's own code for usage errors
    WAITS = 3  # something still waits, to be bought or to be answered
    UNDECIDED = 4  # something is unknown or stalled: a person decides
    BUDGET = 5  # a credit limit was reached
    STOPPED = 6  # key, account, server, clock, disk or ledger: nothing more is bought until it is mended
    INTERRUPTED = 130  # Ctrl-C or SIGTERM, as shells say it


# Several can be true of one run: whoever reads only the code must first hear what stops everything, then what
# may be lost money, then what needs more money, then what needs only time.
URGENCY = (Exit.INTERRUPTED, Exit.STOPPED, Exit.UNDECIDED, Exit.BUDGET, Exit.WAITS, Exit.REFUSED, Exit.ENDED)


def most_urgent(codes: Iterable[Exit]) -> Exit:
    """Return the code that wins; `ENDED` when there is none."""
    return min(codes, key=URGENCY.index, default=Exit.ENDED)


class Refusal(click.ClickException):
    """The command ends with one sentence on stderr and this code."""

    def __init__(self, sentence: str, code: Exit = Exit.REFUSED) -> None:
        super().__init__(sentence)
        vars(self)["exit_code"] = int(code)  # click declares one code for the whole class


@contextmanager
def plain_sentences() -> Iterator[None]:
    """Turn every foreseen error into its sentence and an exit code; whatever is unforeseen keeps its traceback.

    Raises:
        Refusal: instead of the error.

    """
    try:
        yield
    except (SettingsRefused, FileRefused, MoveRefused, NoLedger, NothingPublished) as error:
        raise Refusal(str(error)) from error
    except (LedgerRefused, ErasureUnfinished, WarehouseError, OpenmartError) as error:
        raise Refusal(str(error), Exit.STOPPED) from error
    except (KeyboardInterrupt, click.Abort) as error:
        raise Refusal(
            "Interrupted. Whatever was bought or heard is recorded; start again to go on.", Exit.INTERRUPTED
        ) from error
    except MemoryError as error:
        raise Refusal(
            "There is too little memory to go on. What was recorded is safe, and nothing was bought without a record. "
            "Give the process more (ulimit -v, the container's limit), or split the file.",
            Exit.STOPPED,
        ) from error
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        raise Refusal(
            f"The system refused{where} ({error.strerror or error}). What was recorded is safe: mend that, then "
            "start again.",
            Exit.STOPPED,
        ) from error
