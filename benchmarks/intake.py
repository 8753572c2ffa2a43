"""A table of a million companies, beside plain pandas on the same file: seconds and peak memory.

`pandas` parses the file, no more, and `read` judges every row and keeps none. `steps` is what materializing `companies`
and `enrichment_plan` does: the rows and the questions on disk, in DuckDB and, synced, in the ledger. `script` keeps as
many rows in as many places, as a script of twenty lines would: it judges nothing and explains nothing.
Each side runs in a process of its own, one after the other; the table is made in a temporary folder.
Run with `python benchmarks/intake.py [ROWS]`.
"""

import csv
import gc
import hashlib
import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from itertools import repeat
from pathlib import Path

DEFAULT_ROWS = 1_000_000
MOST_TIMES_SLOWER = 4.0  # the aim, of each side
MOST_TIMES_MEMORY = 1.5
KIB_PER_MIB = 1_024


def write_table(path: Path, rows: int) -> None:
    """Write a table as exports look: repeated places, quoted notes, websites in several spellings."""
    websites = ("https://www.company{}.com/", "company{}.co.uk/about", "http://company{}.io", "company{}.de")
    states = ("California", "NY", "Texas", "Washington")
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["Id", "Company", "Website", "Industry", "City", "State", "Country", "Employees", "Notes"])
        writer.writerows(
            (
                n,
                f"Company {n} Inc",
                websites[n % 4].format(n),
                "Software" if n % 2 else "Retail, wholesale",
                f"City {n % 500}",
                states[n % 4],
                "United States",
                n % 9_999,
                'they said "call back in spring"' if n % 5 == 0 else "met at the fair; call back in spring",
            )
            for n in range(rows)
        )


def read_with_pandas(path: Path) -> int:
    """Return the rows of the whole table, read as pandas reads it unasked."""
    import pandas as pd  # noqa: PLC0415 - each side pays for its own imports only

    return len(pd.read_csv(path))


def read_as_companies(path: Path) -> int:
    """Return the rows kept, having read every chunk and kept none in memory."""
    from openmart_pipeline.intake.companies import CompanyFile  # noqa: PLC0415 - as above

    return sum(len(chunk.kept) for chunk in CompanyFile(path, path.name).chunks())


def take_the_steps(path: Path) -> int:
    """Return the questions planned, having taken the first two steps of a file in a folder of its own."""
    from openmart_pipeline.cli import LOOK_FOR_CYCLES_AFTER  # noqa: PLC0415 - as above
    from openmart_pipeline.pipeline import steps  # noqa: PLC0415 - as above
    from openmart_pipeline.settings import read_settings  # noqa: PLC0415 - as above
    from openmart_pipeline.wiring import open_workplace  # noqa: PLC0415 - as above

    gc.set_threshold(LOOK_FOR_CYCLES_AFTER)  # as the commands do
    with tempfile.TemporaryDirectory() as folder:
        settings = read_settings({"OPENMART_DATA_DIR": folder})
        with open_workplace(settings, actor="bench") as work:
            (work.data.input / path.name).hardlink_to(path)
            steps.ingest_companies(work, path.name)
            return steps.plan_questions(work, path.name, steps.last_settings(work, path.name)).quote.to_buy


def store_plainly(path: Path) -> int:
    """Return the questions kept: rows twice in DuckDB, a question and an ask of each in SQLite, found by their keys."""
    import duckdb  # noqa: PLC0415 - as above
    import pandas as pd  # noqa: PLC0415 - as above

    frame = pd.read_csv(path)
    frame["domain"] = frame["Website"].str.extract(r"^(?:https?://)?(?:www\.)?([^/]+)")[0]
    frame["fingerprint"] = [hashlib.sha256(domain.encode()).hexdigest()[:32] for domain in frame["domain"]]
    with tempfile.TemporaryDirectory() as folder:
        with duckdb.connect(Path(folder) / "warehouse.duckdb") as warehouse:
            warehouse.register("frame", frame)
            warehouse.execute("CREATE TABLE companies AS FROM frame")
            warehouse.execute("CREATE TABLE plan AS SELECT Id, domain, Company, State, Country, fingerprint FROM frame")
        with closing(sqlite3.connect(Path(folder) / "ledger.sqlite")) as ledger:
            ledger.execute("PRAGMA journal_mode = WAL")
            ledger.execute("PRAGMA synchronous = FULL")
            ledger.execute(
                "CREATE TABLE questions (question_id INTEGER PRIMARY KEY, fingerprint TEXT UNIQUE, domain TEXT)"
            )
            ledger.execute(
                "CREATE TABLE asks (plan_id TEXT, question_id INTEGER, position INTEGER, company_name TEXT, "
                "PRIMARY KEY (plan_id, question_id))"
            )
            with ledger:
                questions = zip(frame["Id"], frame["fingerprint"], frame["domain"], strict=True)
                ledger.executemany("INSERT INTO questions VALUES (?, ?, ?)", questions)
                asks = zip(repeat("plan-1"), frame["Id"], frame.index, frame["Company"], strict=False)
                ledger.executemany("INSERT INTO asks VALUES (?, ?, ?, ?)", asks)
            [(kept,)] = ledger.execute("SELECT count(*) FROM asks")
    return int(kept)


SIDES: dict[str, Callable[[Path], int]] = {
    "pandas": read_with_pandas,
    "read": read_as_companies,
    "script": store_plainly,
    "steps": take_the_steps,
}


def measure(side: str, path: Path) -> dict[str, float]:
    """Return seconds, CPU seconds and peak memory of one side, run in a new process."""
    command = [sys.executable, __file__, "--side", side, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def run_side(side: str, path: Path) -> None:
    """Print one side's numbers as JSON; imports count for neither, and memory includes them for both."""
    SIDES[side](_first_rows(path))
    wall, cpu = time.perf_counter(), time.process_time()
    rows = SIDES[side](path)
    numbers = {
        "rows": rows,
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_PER_MIB,
    }
    print(json.dumps(numbers))


def _first_rows(path: Path) -> Path:
    head = path.with_name("head.csv")
    with path.open(encoding="utf-8") as stream:
        head.write_text("".join(line for line, _ in zip(stream, range(100), strict=False)), encoding="utf-8")
    return head


def main() -> None:
    """Print both sides and their ratios."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_ROWS
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "companies.csv"
        write_table(path, rows)
        size_mib = path.stat().st_size / KIB_PER_MIB**2
        print(f"{rows:,} rows, {size_mib:.0f} MiB")
        found = {side: measure(side, path) for side in SIDES}
    bar = found["pandas"]
    for side, numbers in found.items():
        shown = f"{numbers['seconds']:6.2f} s, {numbers['cpu_seconds']:6.2f} s CPU, {numbers['peak_mib']:4.0f} MiB"
        times = {unit: numbers[unit] / bar[unit] for unit in ("seconds", "cpu_seconds", "peak_mib")}
        print(
            f"{side:>7}: {numbers['rows']:,} rows, {shown}: {times['seconds']:.1f} times the time, "
            f"{times['cpu_seconds']:.1f} times the CPU, {times['peak_mib']:.2f} times the memory"
        )
    print(f"Aims: {MOST_TIMES_SLOWER} times the time, {MOST_TIMES_MEMORY} times the memory.")
    beside = found["steps"]["cpu_seconds"] / found["script"]["cpu_seconds"]
    print(f"Of the script's CPU, for the same rows in the same places: {beside:.1f} times.")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--side"]:
        run_side(sys.argv[2], Path(sys.argv[3]))
    else:
        main()
