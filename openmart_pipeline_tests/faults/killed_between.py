"""A process that buys until it is killed: `python -m ... FOLDER URL`. The test that starts it decides when.

No claims here.
"""

import sys
from pathlib import Path

from openmart_pipeline_tests.ledger.desk import desk_at

if __name__ == "__main__":
    with desk_at(Path(sys.argv[1]), sys.argv[2]) as desk:
        desk.buy(desk.current_plan())
