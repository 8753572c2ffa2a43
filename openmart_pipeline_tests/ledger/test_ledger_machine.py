"""F34: the ledger under events in random order, held after each against the vendor's account and what it was told.

Processes buy, die, hear late and read; a person adopts and releases, rightly and wrongly; files change; clocks jump.
The long version: `python -m openmart_pipeline_tests.ledger.test_ledger_machine [HISTORIES]`.
"""

import sys
import time

from openmart_pipeline_tests.ledger.ledger_machine.machine import explored
from openmart_pipeline_tests.ledger.ledger_machine.tables import LEGAL


def test_no_order_of_events_breaks_the_ledger() -> None:
    happened = explored(histories=18, steps=50, derandomize=True)
    assert LEGAL.keys() <= happened.keys(), "a kind of event never happened: the run proved little"


if __name__ == "__main__":
    begun = time.monotonic()
    histories = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    for what, times in sorted(explored(histories=histories, steps=80, derandomize=False).items()):
        print(f"{times:9,}  {what}")
    print(f"{histories:,} random histories of the ledger, and none broke it: {time.monotonic() - begun:.0f} s")
