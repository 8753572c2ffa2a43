"""A workplace whose answers hold exactly the people that a test names: answers of a real run, written over.

No fixtures and no claims here.
"""

import json
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from openmart_pipeline.ledger import schema
from openmart_pipeline.pipeline import steps
from openmart_pipeline.services import ApiSession, Services
from openmart_pipeline_tests.money import at_work, company_file, whole_run
from openmart_pipeline_tests.simulator_process import SimulatorProcess

KEY = "people.csv"
HEADER = "Website,Country"
ROWS = [f"held{number}.com,{country}" for number, country in enumerate(["GB", "GB", "", "", "", "", "", ""])]
COMPANIES = [row.partition(",")[0] for row in ROWS]

Items = Mapping[str, Sequence[Mapping[str, Any]]]  # company -> who is in the answer about it


def person(name: str, email: str | None = None, *phones: str, page: str | None = None) -> dict[str, Any]:
    """Somebody as the API describes them (API section 4)."""
    first, _, last = name.partition(" ")
    return {
        "first_name": first,
        "last_name": last,
        "title": "Owner",
        "email": {"email": email, "verified": True} if email else None,
        "phones": [{"phone_number": phone, "line_type": "MOBILE", "valid": True} for phone in phones],
        "linkedin_url": f"https://linkedin.com/in/{page}" if page else None,
    }


@contextmanager
def holding(
    data_dir: Path, simulator: SimulatorProcess, items: Items, *, loads: bool = True
) -> Iterator[tuple[Services, ApiSession]]:
    """A file of eight companies, bought and loaded, with these people in the answers and nobody else."""
    bought = simulator.state.with_name("bought-people")
    if not bought.exists():
        company_file(bought, KEY, ROWS, header=HEADER)
        with at_work(bought, simulator.url) as (work, session):
            whole_run(work, session, KEY)
    shutil.copytree(bought, data_dir, dirs_exist_ok=True)
    with at_work(data_dir, simulator.url) as (work, session):
        put_answers(work, items)
        if loads:
            steps.load_contacts(work, KEY, run_id="run")
            steps.publish(work)
        yield work, session


def put_answers(work: Services, items: Items) -> None:
    """Write these people over everybody that the answers held."""
    query = sa.select(schema.tasks.c.task_no, schema.tasks.c.raw, schema.questions.c.domain).join(
        schema.questions, schema.questions.c.question_id == schema.tasks.c.question_id
    )
    with work.ledger.write() as connection:
        for task_no, raw, domain in connection.execute(query).all():
            answer = {**json.loads(zlib.decompress(raw)), "data": list(items.get(domain, []))}
            packed = zlib.compress(json.dumps(answer, ensure_ascii=False).encode("utf-8", "surrogateescape"))
            connection.execute(
                schema.tasks.update()
                .where(schema.tasks.c.task_no == task_no)
                .values(raw=packed, state="found" if answer["data"] else "empty")
            )
