"""How good the contacts are: what speaks against them, and the numbers that are worth watching over time.

Lives here: one function per sentence about quality; each looks over everything and changes nothing. Shown by Dagster's
checks and metadata. Imports `findings` for the form of an answer, `steps` for the workplace.
"""

import statistics
from collections import Counter
from dataclasses import dataclass

import sqlalchemy as sa

from openmart_pipeline.enrichment.contact_fields import normal_email
from openmart_pipeline.enrichment.findings import SAMPLE, Finding
from openmart_pipeline.enrichment.ledger.schema import tasks
from openmart_pipeline.enrichment.steps import Workplace

ENOUGH_ANSWERS = 20  # below that a rate says nothing
FAR_BELOW = 0.5  # of the other files' median: worth a look, whatever the floor
# What a task's answer and a person in it are documented to hold, and what we add (API section 4).
KNOWN_KEYS = frozenset({"task_id", "status", "tracking_id", "data", "people_removed_on_request"})
KNOWN_PERSON_KEYS = frozenset({"first_name", "last_name", "full_name", "title", "email", "phones", "linkedin_url"})
_CHUNK = 50_000  # tasks compared at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class FileQuality:
    """A file's numbers as they stand; None where there is nothing to divide by."""

    input_file: str
    contacts: int
    answered: int  # questions
    found: int
    with_email: int
    verified: int
    estimated_credits: float | None
    usable_bought: int

    @property
    def hit_rate(self) -> float | None:
        """Share of the answered questions that found somebody."""
        return self.found / self.answered if self.answered else None

    @property
    def verified_rate(self) -> float | None:
        """Share of the contacts with an address whose address Openmart calls verified."""
        return self.verified / self.with_email if self.with_email else None

    @property
    def credits_per_usable_contact(self) -> float | None:
        """Estimated credits spent for the file over the usable contacts they bought."""
        if self.estimated_credits is None or not self.usable_bought:
            return None
        return self.estimated_credits / self.usable_bought


_QUALITY = """
WITH answers AS (
    SELECT input_file, count(*) FILTER (WHERE state IN ('found', 'empty')) AS answered,
           count(*) FILTER (WHERE state = 'found') AS found
    FROM task_results WHERE is_current GROUP BY input_file
), people AS (
    SELECT input_file, count(*) AS contacts, count(email) AS with_email,
           count(*) FILTER (WHERE email_verified AND email IS NOT NULL) AS verified
    FROM contacts GROUP BY input_file
), cost AS (
    SELECT input_file, sum(estimated_credits) AS credits, sum(usable_contacts)::BIGINT AS usable
    FROM cost_per_usable_contact GROUP BY input_file
)
SELECT input_file, coalesce(contacts, 0), coalesce(answered, 0), coalesce(found, 0), coalesce(with_email, 0),
       coalesce(verified, 0), credits, coalesce(usable, 0)
FROM input_files LEFT JOIN answers USING (input_file) LEFT JOIN people USING (input_file)
LEFT JOIN cost USING (input_file)
ORDER BY input_file
"""


def quality_of_files(work: Workplace) -> list[FileQuality]:
    """Return the numbers of every loaded file."""
    names = tuple(FileQuality.__dataclass_fields__)
    return [FileQuality(**dict(zip(names, row, strict=True))) for row in work.warehouse.query(_QUALITY)]


def low_hit_rates(work: Workplace, *, floor: float) -> Finding:
    """Find files whose questions find somebody more seldom than `floor`, or far more seldom than the other files'."""
    rates = {file.input_file: file.hit_rate for file in quality_of_files(work) if file.answered >= ENOUGH_ANSWERS}
    return _low(
        {name: rate for name, rate in rates.items() if rate is not None},
        floor,
        "hit rate",
        "Look at the titles and domains that were asked: companies_without_contacts lists them. Try other titles on a "
        "few companies first (limit), and ask Openmart if a whole file finds nobody.",
    )


def low_verified_shares(work: Workplace, *, floor: float) -> Finding:
    """Find files whose addresses are verified more seldom than `floor`, or far more seldom than the other files'."""
    rates = {
        file.input_file: file.verified_rate for file in quality_of_files(work) if file.with_email >= ENOUGH_ANSWERS
    }
    return _low(
        {name: rate for name, rate in rates.items() if rate is not None},
        floor,
        "share of verified addresses",
        "Mail only what email_list holds. If it was better before, show Openmart a few tracking ids of that file.",
    )


def _low(rates: dict[str, float], floor: float, what: str, advice: str) -> Finding:
    low = {}
    for name, rate in rates.items():
        others = [other for sibling, other in rates.items() if sibling != name]
        usual = statistics.median(others) if others else rate
        if rate < floor or rate < FAR_BELOW * usual:
            low[name] = f"{name}: {rate:.0%}, the others' median {usual:.0%}"
    return Finding(
        count=len(low),
        says=f"{len(low):,} of {len(rates):,} files with at least {ENOUGH_ANSWERS} have a {what} below {floor:.0%} or "
        "far below the others'.",
        sample=tuple(low.values())[:SAMPLE],
        advice=advice,
        numbers={f"median_{what.replace(' ', '_')}": statistics.median(rates.values())} if rates else {},
    )


def malformed_emails(work: Workplace) -> Finding:
    """Find addresses in `contacts` that are none: what can't be read belongs into the raw answer alone."""
    rows = work.warehouse.query("SELECT email, min(contact_id) FROM contacts WHERE email IS NOT NULL GROUP BY email")
    bad = sorted(contact_id for email, contact_id in rows if normal_email(email) != email)
    return Finding(
        count=len(bad),
        says=f"{len(bad):,} of {len(rows):,} e-mail addresses are not well-formed.",
        sample=tuple(bad[:SAMPLE]),
        advice="Materialize contacts for their files, or run `openmart-pipeline rebuild`: free.",
    )


def invented_contacts(work: Workplace) -> Finding:
    """Find contacts whose task is none of ours: nobody may be in the table whom we did not ask for."""
    rows = work.warehouse.query("SELECT DISTINCT task_no, tracking_id FROM contacts ORDER BY task_no")
    strangers: list[str] = []
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        with work.ledger.read() as connection:
            ours = {
                tuple(row)
                for row in connection.execute(
                    sa.select(tasks.c.task_no, tasks.c.tracking_id).where(
                        tasks.c.task_no.between(chunk[0][0], chunk[-1][0])
                    )
                )
            }
        strangers += [str(tracking_id) for task_no, tracking_id in chunk if (task_no, tracking_id) not in ours]
    return Finding(
        count=len(strangers),
        says=f"{len(strangers):,} answers in contacts belong to no task of the ledger.",
        sample=tuple(strangers[:SAMPLE]),
        advice="Run `openmart-pipeline rebuild`: contacts are then made from the ledger's own answers. If it stays, "
        "the ledger was put back from an older copy: `openmart-pipeline ledger verify`.",
    )


_KEYS = """
SELECT json_keys(raw) AS keys, NULL AS person_keys FROM task_results
WHERE is_current AND json_valid(raw) AND json_type(raw) = 'OBJECT'
UNION ALL
SELECT NULL, json_keys(person) FROM (
    SELECT unnest(json_extract(raw, '$.data[*]')) AS person FROM task_results WHERE is_current AND json_valid(raw))
WHERE json_type(person) = 'OBJECT'
"""
_UNKNOWN_KEYS = f"""
SELECT place, name, count(*) FROM (
    SELECT 'answer' AS place, unnest(keys) AS name FROM ({_KEYS}) WHERE keys IS NOT NULL
    UNION ALL
    SELECT 'person', unnest(person_keys) FROM ({_KEYS}) WHERE person_keys IS NOT NULL)
GROUP BY ALL ORDER BY count(*) DESC, name
"""  # noqa: S608  our own text


def drifted_answers(work: Workplace) -> Finding:
    """Find keys in raw answers that are not documented: the API says more than the columns hold."""
    known = {"answer": KNOWN_KEYS, "person": KNOWN_PERSON_KEYS}
    unknown = Counter({(place, name): count for place, name, count in work.warehouse.query(_UNKNOWN_KEYS)})
    new = {key: count for key, count in unknown.most_common() if key[1] not in known[key[0]]}
    return Finding(
        count=len(new),
        says=f"{len(new):,} keys of the answers are not documented.",
        sample=tuple(f"{name} of {place}: in {count:,}" for (place, name), count in list(new.items())[:SAMPLE]),
        advice="Nothing is lost: task_results.raw holds them. If one is worth a column, say so to whoever keeps this "
        "project; if a documented one is gone instead, look at the check on odd answers.",
    )
