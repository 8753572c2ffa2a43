"""A data folder after a run, with a person of the tests' own in one answer: what erasures are tried on.

No claims here. Bought once for all of them; each test works on a copy.
"""

import json
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from openmart_pipeline.ledger import schema
from openmart_pipeline.pipeline import steps
from openmart_pipeline.services import ApiSession, Services
from openmart_pipeline_tests.money import at_work, company_file, whole_run
from openmart_pipeline_tests.traces import traces

KEY = "a.csv"
ROWS = [f"gone{number}.com,Known only to row {number} GmbH" for number in range(12)]
WHO = {"who": "tests", "why": "ticket 7"}
EMAIL, PAGE = "unmistakable.person@gone3.com", "unmistakable-person"


def buy(data: Path, url: str) -> None:
    """Buy, collect and publish; one of the answers names a person of the tests' own."""
    company_file(data, KEY, ROWS, header="Website,Company")
    with at_work(data, url) as (work, session):
        whole_run(work, session, KEY)
        put_person_in(work, "gone3.com")
        steps.load_contacts(work, KEY, run_id="r")
        steps.publish(work)


def put_person_in(work: Services, domain: str) -> None:
    """As if the server had answered with this person."""
    person = {
        "first_name": "Unmistakable",
        "last_name": "Person",
        "email": {"email": EMAIL, "verified": True},
        "phones": [{"phone_number": "+12015550177", "line_type": "MOBILE", "valid": True}],
        "linkedin_url": f"https://www.linkedin.com/in/{PAGE}",
    }
    raw = zlib.compress(json.dumps({"data": [person]}).encode(), 6)
    of_domain = sa.select(schema.questions.c.question_id).where(schema.questions.c.domain == domain)
    with work.ledger.write() as connection:
        connection.execute(
            schema.tasks.update()
            .where(schema.tasks.c.question_id.in_(of_domain))
            .values(raw=raw, state="found", emails=1, phones=1)
        )


@contextmanager
def at_a_copy(bought: tuple[Path, str], data: Path) -> Iterator[tuple[Services, ApiSession]]:
    """Work on a copy of the folder, at the server that it was bought from."""
    shutil.copytree(bought[0], data)
    with at_work(data, bought[1]) as (work, session):
        yield work, session


def places(data: Path, *needles: str) -> set[str]:
    """The files that hold any of the needles; what is the user's own left out."""
    return {place.split(" (")[0] for place in traces(data, *needles)} - {"input/a.csv"}
