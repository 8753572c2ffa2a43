"""The analysts' database at a million contacts, against plain DuckDB doing the bare minimum on the same answers.

`python benchmarks/warehouse.py [--contacts 1000000]`. Each phase is a process of its own, so that peak memory is its
own too. Beside the seconds stands the CPU time, which other work on the machine changes less. Plain DuckDB reads the
answers from one Parquet file into one table of typed contacts, in SQL: no lineage, no checks of addresses or numbers,
no coverage, no comments. The ratio is what counts, the seconds are this machine's.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from openmart_pipeline.checks import drift, findings, quality, waits
from openmart_pipeline.ledger.schema import asks, batches, questions, tasks
from openmart_pipeline.pipeline import rebuilding, steps
from openmart_pipeline.planning.question_settings import merged_over
from openmart_pipeline.services import Services
from openmart_pipeline.settings import read_settings
from openmart_pipeline.simulator.made_up_people import people_at
from openmart_pipeline.warehouse.published import open_published
from openmart_pipeline.wiring import open_workplace

PARTITION_ROWS = 10_000  # of one company file
PEOPLE_PER_ANSWER = 2.87  # what the simulator's world finds for eight asked
BATCH = 100
VIEWS = (
    "company_coverage",
    "contact_directory",
    "best_contacts",
    "call_list",
    "email_list",
    "companies_without_contacts",
    "due_for_refresh",
    "cost_per_usable_contact",
    "lineage",
)


def workplace(folder: Path) -> AbstractContextManager[Services]:
    """Open the world in this folder; nothing is sent anywhere."""
    settings = read_settings({"OPENMART_BASE_URL": "http://127.0.0.1:9", "OPENMART_DATA_DIR": str(folder)})
    return open_workplace(settings, actor="bench")


def key(number: int) -> str:
    """Name a company file."""
    return f"companies-{number:03}.csv"


def build(folder: Path, files: int) -> None:
    """Make the world: company files, their plans, and an answer for every question, as a collecting run leaves them."""
    schema = pa.schema([("input_file", pa.string()), ("domain", pa.string()), ("raw", pa.string())])
    with workplace(folder) as work, pq.ParquetWriter(folder / "answers.parquet", schema, compression="zstd") as plain:
        for number in range(files):
            name = key(number)
            rows = range(number * PARTITION_ROWS, (number + 1) * PARTITION_ROWS)
            text = "Website,ID\n" + "".join(f"company-{row}.com,crm-{row}\n" for row in rows)
            (work.data.input / name).write_text(text)
            steps.ingest_companies(work, name)
            settings = merged_over(steps.last_settings(work, name), max_k=8)
            plan = steps.plan_questions(work, name, settings).plan
            answers = answer_all(work, name, plan.plan_id)
            plain.write_table(pa.table({"input_file": [name] * len(answers), **_columns(answers)}, schema=schema))


def _columns(answers: list[tuple[str, bytes]]) -> dict[str, list[str]]:
    return {"domain": [domain for domain, _ in answers], "raw": [raw.decode() for _, raw in answers]}


def answer_all(work: Services, name: str, plan_id: str) -> list[tuple[str, bytes]]:
    """Write the batches of a file into the ledger as collected, with what the simulator's people answer."""
    now = work.ledger.clock()
    with work.ledger.read() as connection:
        wanted = connection.execute(
            sa.select(questions.c.question_id, questions.c.domain)
            .join(asks, asks.c.question_id == questions.c.question_id)
            .where(asks.c.plan_id == plan_id)
            .order_by(asks.c.position)
        ).all()
    answers = []
    with work.ledger.write() as connection:
        for start in range(0, len(wanted), BATCH):
            token = f"{name}-{start}"
            batch_no = connection.execute(
                batches.insert().values(
                    token=token, plan_id=plan_id, partition_key=name, state="collected", tasks=BATCH, owner_id="bench",
                    key_hash="bench", vendor_batch_id=token, intent_at=now, deadline_at=now, submitted_at=now,
                    ready_at=now, collected_at=now, budget_day="2026-11-24", run_id="bench",
                )
            ).inserted_primary_key[0]  # fmt: skip
            rows = []
            for position, (question_id, domain) in enumerate(wanted[start : start + BATCH]):
                people = people_at(domain, "Owner", max_k=8, email=True, phone=True)
                tracking_id = work.ledger.tracking_id(batch_no, position)
                answer = {"task_id": tracking_id, "status": "COMPLETED", "tracking_id": tracking_id, "data": people}
                raw = json.dumps(answer).encode()
                answers.append((domain, raw))
                rows.append(
                    {
                        "batch_no": batch_no, "position": position, "question_id": question_id, "max_k": 8,
                        "info_access": 3, "tracking_id": tracking_id, "vendor_task_id": tracking_id,
                        "state": "found" if people else "empty", "raw": zlib.compress(raw, 6),
                        "emails": sum(bool(person.get("email")) for person in people),
                        "phones": sum(len(person.get("phones") or ()) for person in people), "ended_at": now,
                        "ended_seq": 1,
                    }
                )  # fmt: skip
            connection.execute(tasks.insert(), rows)
    return answers


class Took(NamedTuple):
    """How long something took; several of them, the shortest, are compared by wall time."""

    seconds: float
    cpu_s: float


def timed(work: Callable[[], object]) -> Took:
    """Return how long this takes, on the wall and of all threads of this process."""
    begun, cpu_begun = time.perf_counter(), time.process_time()
    work()
    return Took(time.perf_counter() - begun, time.process_time() - cpu_begun)


def best(work: Callable[[], object], times: int = 3) -> Took:
    """Return the shortest of some runs."""
    return min(timed(work) for _ in range(times))


def rebuild(folder: Path) -> dict[str, Any]:
    """Make the database anew from the ledger's answers and the file copies, and publish it."""
    with workplace(folder) as work:
        took = timed(lambda: rebuilding.rebuild(work, run_id="bench"))
        rows = work.warehouse.query("SELECT count(*) FROM contacts")[0][0]
    return {"load": took, "contacts": rows, "file_mb": _mb(work.warehouse.path)}


def replace(folder: Path) -> dict[str, Any]:
    """Replace one file's contacts, then publish."""
    with workplace(folder) as work:
        took = timed(lambda: steps.load_contacts(work, key(1), run_id="bench"))
        published = timed(lambda: steps.publish(work))
    return {"load": took, "publish": published, "file_mb": _mb(work.warehouse.path)}


def check(folder: Path) -> dict[str, Any]:
    """Look over everything, as Dagster's checks of every collecting run do, and reckon what is plotted."""
    with workplace(folder) as work:
        found = {
            finds.__name__: timed(partial(finds, work))
            for finds in (
                findings.rows_without_one_outcome, findings.untraced_contacts, findings.disagreements,
                findings.odd_answers, findings.contacts_past_lifetime, quality.invented_contacts,
                quality.malformed_emails, quality.low_hit_rates, quality.low_verified_shares, drift.drifted_answers,
                waits.unattended,
            )
        }  # fmt: skip
        return {**found, "figures of all files": timed(partial(quality.quality_in_total, work))}


def look_up(folder: Path) -> dict[str, Any]:
    """Ask what analysts ask, in one open session."""
    with open_published(folder / "published" / "contacts.duckdb") as reader:
        point = "SELECT full_name, email, phone FROM contacts WHERE company_domain = ?"
        found = {"point look-up by domain": best(lambda: reader.rows(point, ["company-4711.com"]), 10)}
        for view in VIEWS:
            few, whole = f"FROM {view} LIMIT 100", f"SELECT bit_xor(hash(t)) FROM {view} t"
            found[f"{view}, 100 rows"] = best(partial(reader.rows, few))
            found[f"{view}, whole"] = best(partial(reader.rows, whole), 2)
    return found


_PLAIN_CONTACTS = """
    SELECT input_file, domain, person->>'$.first_name' AS first_name, person->>'$.last_name' AS last_name,
           person->>'$.title' AS title, person->>'$.email.email' AS email,
           (person->>'$.email.verified')::BOOLEAN AS email_verified,
           from_json(person->'$.phones',
                     '[{"phone_number":"VARCHAR","line_type":"VARCHAR","valid":"BOOLEAN"}]') AS phones,
           person->>'$.linkedin_url' AS linkedin_url
    FROM (SELECT input_file, domain, unnest(json_extract(raw, '$.data[*]')) AS person
          FROM read_parquet(?) WHERE input_file LIKE ?)
"""


def plain_rebuild(folder: Path) -> dict[str, Any]:
    """Make one table of contacts from the answers in Parquet."""
    target = folder / "plain.duckdb"
    target.unlink(missing_ok=True)
    answers = str(folder / "answers.parquet")

    def load() -> None:
        with duckdb.connect(target, config={"memory_limit": "1GB", "storage_compatibility_version": "v1.4.0"}) as plain:
            plain.execute(f"CREATE TABLE contacts AS {_PLAIN_CONTACTS}", [answers, "%"])

    took = timed(load)
    with duckdb.connect(target, read_only=True) as plain:
        row = plain.execute("SELECT count(*) FROM contacts").fetchone()
    return {"load": took, "contacts": row[0] if row else 0, "file_mb": _mb(target)}


def plain_replace(folder: Path) -> dict[str, Any]:
    """Replace one file's contacts; then checkpoint and copy the file."""
    target, answers = folder / "plain.duckdb", str(folder / "answers.parquet")

    def load() -> None:
        with duckdb.connect(target, config={"memory_limit": "1GB"}) as plain:
            plain.execute("BEGIN")
            plain.execute("DELETE FROM contacts WHERE input_file = ?", [key(1)])
            plain.execute(f"INSERT INTO contacts BY NAME {_PLAIN_CONTACTS}", [answers, key(1)])
            plain.execute("COMMIT")

    def publish() -> None:
        with duckdb.connect(target) as plain:
            plain.execute("CHECKPOINT")
        shutil.copyfile(target, folder / "plain-published.duckdb")

    return {"load": timed(load), "publish": timed(publish), "file_mb": _mb(target)}


def plain_look_up(folder: Path) -> dict[str, Any]:
    """Ask for one company's people."""
    with duckdb.connect(folder / "plain.duckdb", read_only=True) as plain:
        sql = "SELECT first_name, email, phones FROM contacts WHERE domain = ?"
        return {"point look-up by domain": best(lambda: plain.execute(sql, ["company-4711.com"]).fetchall(), 10)}


PHASES = {f.__name__: f for f in (rebuild, replace, check, look_up, plain_rebuild, plain_replace, plain_look_up)}


def in_a_process(phase: str, folder: Path) -> tuple[dict[str, Any], float]:
    """Run a phase in a process of its own; return what it measured and its peak memory in MB."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(writing, 1)
        command = [sys.executable, __file__, "--phase", phase, "--folder", str(folder)]
        os.execv(sys.executable, command)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    _, status, usage = os.wait4(pid, 0)
    if status:
        sys.exit(f"{phase} ended with {os.waitstatus_to_exitcode(status)}")
    return json.loads(said), usage.ru_maxrss / 1024


def _mb(path: Path) -> float:
    return path.stat().st_size / 2**20


def report(folder: Path) -> Iterator[str]:
    """Run every phase, ours and plain in turn, and yield the lines to print."""
    results = {phase: in_a_process(phase, folder) for phase in ("rebuild", "plain_rebuild", "replace", "plain_replace")}
    (ours, ours_mb), (plain, plain_mb) = results["rebuild"], results["plain_rebuild"]
    yield f"{ours['contacts']:,.0f} contacts from raw answers; plain DuckDB makes {plain['contacts']:,.0f} rows of them"
    yield _line("rebuild from raw, and publish", ours["load"], plain["load"], ours_mb, plain_mb)
    (ours, ours_mb), (plain, plain_mb) = results["replace"], results["plain_replace"]
    yield _line(f"replace one {PARTITION_ROWS:,}-row file", ours["load"], plain["load"], ours_mb, plain_mb)
    yield _line("publish", ours["publish"], plain["publish"])
    yield f"{'database file':<34} {ours['file_mb']:8.0f} MB   plain {plain['file_mb']:8.0f} MB"
    (found, _), (plain_found, _) = in_a_process("look_up", folder), in_a_process("plain_look_up", folder)
    for question, took in found.items():
        beside = f"   plain {_ms(plain_found[question])}" if question in plain_found else ""
        yield f"{question:<42} {_ms(took)}{beside}"
    for name, took in in_a_process("check", folder)[0].items():
        yield f"{'check: ' + name:<42} {_ms(took)}"


def _ms(took: Sequence[float]) -> str:
    seconds, cpu_s = took
    return f"{1000 * seconds:8.1f} ms (CPU {1000 * cpu_s:7.1f})"


def _line(what: str, ours: Sequence[float], plain: Sequence[float], ours_mb: float = 0, plain_mb: float = 0) -> str:
    (ours_s, ours_cpu_s), (plain_s, plain_cpu_s) = ours, plain
    memory = f"; peak {ours_mb:,.0f} MB, plain {plain_mb:,.0f} MB" if ours_mb else ""
    return (
        f"{what:<34} {ours_s:8.2f} s (CPU {ours_cpu_s:7.2f})   plain {plain_s:8.2f} s (CPU {plain_cpu_s:6.2f})   "
        f"ratio of CPU {ours_cpu_s / plain_cpu_s:5.1f}{memory}"
    )


def main() -> None:
    """Build the world, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="Keep the world here, and use it again.")
    parser.add_argument("--phase", choices=PHASES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.phase:
        print(json.dumps(PHASES[options.phase](options.folder)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        if not (folder / "answers.parquet").exists():
            folder.mkdir(parents=True, exist_ok=True)
            files = max(2, round(options.contacts / PEOPLE_PER_ANSWER / PARTITION_ROWS))
            took = timed(lambda: build(folder, files))
            print(f"The world: {files} files of {PARTITION_ROWS:,} rows, made in {took.seconds:.0f} s.", flush=True)
        for line in report(folder):
            print(line, flush=True)


if __name__ == "__main__":
    main()
