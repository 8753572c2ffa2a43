"""How good the contacts are: what speaks against them, and the numbers that are worth watching over time.

Lives here: one function per sentence about quality; each looks over everything and changes nothing. Shown by Dagster's
checks and metadata.
"""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from openmart_pipeline.checks.findings import SAMPLE, CheckResult
from openmart_pipeline.contacts.contact_fields import PLAIN_EMAIL, PLAIN_EMAIL_LENGTH, normal_email
from openmart_pipeline.ledger import review
from openmart_pipeline.model.words import plural
from openmart_pipeline.services import Services

ENOUGH = 20  # answers or addresses: of fewer a rate says nothing
FAR_BELOW = 0.5  # of the other files' median: worth a look, whatever the floor


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """The numbers of a file, or of everything together, as they stand."""

    people: int
    with_email: int
    verified: int
    answered: int  # questions
    found: int
    estimated_credits: float | None  # None while prices are unknown, or nothing was bought
    usable_bought: int  # usable contacts in what those credits bought

    @property
    def hit_rate(self) -> float | None:
        """Share of the answered questions that found somebody; None before the first."""
        return self.found / self.answered if self.answered else None

    @property
    def verified_rate(self) -> float | None:
        """Share of the people with an address whose address Openmart calls verified; None without one."""
        return self.verified / self.with_email if self.with_email else None

    @property
    def credits_per_usable_contact(self) -> float | None:
        """Estimated credits spent over the usable contacts they bought; None without one."""
        if self.estimated_credits is None or not self.usable_bought:
            return None
        return self.estimated_credits / self.usable_bought


_REACHED = "count(email) AS with_email, count(*) FILTER (WHERE email_verified AND email IS NOT NULL) AS verified"
_ANSWERED = """count(DISTINCT task_no) FILTER (WHERE state IN ('found', 'empty')) AS answered,
           count(DISTINCT task_no) FILTER (WHERE state = 'found') AS found"""
_SPENT = "sum(estimated_credits) AS credits, coalesce(sum(usable_contacts), 0)::BIGINT AS usable"

_OF_FILE = f"""
SELECT * FROM (SELECT count(*) AS people, {_REACHED} FROM contacts WHERE input_file = $file),
              (SELECT {_ANSWERED} FROM task_results WHERE is_current AND input_file = $file),
              (SELECT {_SPENT} FROM cost_per_usable_contact WHERE input_file = $file)
"""  # noqa: S608  our own text

# A person, an answer and a purchase that several files share count once.
_IN_TOTAL = f"""
SELECT * FROM (SELECT count(*) AS people, {_REACHED} FROM contact_directory),
              (SELECT {_ANSWERED} FROM task_results WHERE is_current),
              (SELECT {_SPENT} FROM cost_per_usable_contact)
"""  # noqa: S608  our own text


def quality_of_file(work: Services, input_file: str) -> Quality:
    """Return the numbers of one file."""
    [numbers] = work.warehouse.query(_OF_FILE, {"file": input_file})
    return _quality(numbers)


def quality_in_total(work: Services) -> Quality:
    """Return the numbers of all files together."""
    [numbers] = work.warehouse.query(_IN_TOTAL)
    return _quality(numbers)


def _quality(numbers: Iterable[Any]) -> Quality:
    return Quality(**dict(zip(Quality.__dataclass_fields__, numbers, strict=True)))


_HITS = """
SELECT input_file, count(*) FILTER (WHERE state = 'found'), count(*) FROM task_results
WHERE is_current GROUP BY input_file HAVING count(*) >= ?
"""
_VERIFIED = """
SELECT input_file, count(*) FILTER (WHERE email_verified), count(*) FROM contacts
WHERE email IS NOT NULL GROUP BY input_file HAVING count(*) >= ?
"""


def low_hit_rates(work: Services) -> CheckResult:
    """Find files whose questions find somebody more seldom than the floor, or far more seldom than other files'."""
    return _low(
        work.warehouse.query(_HITS, [ENOUGH]),
        work.hit_rate_floor,
        "hit rate",
        "OPENMART_HIT_RATE_FLOOR",
        "Look at the titles and domains that were asked: companies_without_contacts lists them. Try other titles on a "
        "few companies first (limit), and ask Openmart if a whole file finds nobody.",
    )


def low_verified_shares(work: Services) -> CheckResult:
    """Find files whose addresses are verified more seldom than the floor, or far more seldom than other files'."""
    return _low(
        work.warehouse.query(_VERIFIED, [ENOUGH]),
        work.verified_rate_floor,
        "share of verified addresses",
        "OPENMART_VERIFIED_RATE_FLOOR",
        "Mail only what email_list holds. If it was better before, show Openmart a few tracking ids of that file.",
    )


def _low(files: list[tuple[Any, ...]], floor: float, what: str, setting: str, advice: str) -> CheckResult:
    """Compare each file's part of its whole with the floor and with the median of its siblings; lowest first."""
    counts = {name: (part, whole) for name, part, whole in files}
    rates = {name: part / whole for name, (part, whole) in counts.items()}
    low = []
    for name, rate in sorted(rates.items(), key=lambda item: (item[1], item[0])):
        siblings = [other for sibling, other in rates.items() if sibling != name]
        usual = statistics.median(siblings) if siblings else rate
        if rate < floor or rate < FAR_BELOW * usual:
            part, whole = counts[name]
            low.append(f"{name}: {rate:.0%} ({part:,} of {whole:,}); the other files' median is {usual:.0%}")
    median = statistics.median(rates.values()) if rates else None
    return CheckResult(
        count=len(low),
        says=f"{len(low):,} of {plural(len(rates), 'file')} with a {what} below {floor:.0%} ({setting}) or below "
        f"{FAR_BELOW:.0%} of the other files' median.",
        all_clear=f"{plural(len(rates), 'file')} with {ENOUGH} or more to judge by"
        + ("." if median is None else f"; the median {what} is {median:.0%}."),
        sample=tuple(low[:SAMPLE]),
        advice=advice,
        numbers={} if median is None else {f"median_{what.replace(' ', '_')}": median},
    )


def malformed_emails(work: Services) -> CheckResult:
    """Find addresses in `contacts` that are none: what can't be read belongs into the raw answer alone."""
    # Nine of ten are plain enough for the database to judge.
    rows = work.warehouse.query(
        "SELECT email, min(contact_id) FROM contacts WHERE NOT (length(email) <= ? AND regexp_full_match(email, ?)) "
        "GROUP BY email",
        [PLAIN_EMAIL_LENGTH, PLAIN_EMAIL],
    )
    bad = sorted(contact_id for email, contact_id in rows if normal_email(email) != email)
    return CheckResult(
        count=len(bad),
        says=f"{plural(len(bad), 'address', 'addresses')} in contacts without the syntax of one.",
        sample=tuple(bad[:SAMPLE]),
        advice="Materialize contacts for their files, or run `openmart-pipeline rebuild`: free.",
    )


# A batch's tracking ids differ in their last number alone, its position: three thousand batches stand for a million
# contacts.
_TRACKED = r"""
SELECT regexp_extract(tracking_id, '^(.+)-[0-9]+$', 1) AS of_batch, batch_id,
       max(TRY_CAST(regexp_extract(tracking_id, '-([0-9]+)$', 1) AS BIGINT)), min(tracking_id), count(*)
FROM contacts GROUP BY ALL ORDER BY ALL
"""


def invented_contacts(work: Services) -> CheckResult:
    """Find contacts whose task is none of ours: nobody may be in the table whom we did not ask for."""
    ours = {
        (batch.tracking_prefix, batch.vendor_batch_id): batch.tasks for batch in review.tracked_batches(work.ledger)
    }
    strangers = [
        (tracking_id, contacts)
        for of_batch, batch_id, last, tracking_id, contacts in work.warehouse.query(_TRACKED)
        if last is None or last >= ours.get((of_batch, batch_id), 0)
    ]
    count = sum(contacts for _, contacts in strangers)
    return CheckResult(
        count=count,
        says=f"{plural(count, 'contact')} from {plural(len(strangers), 'batch', 'batches')} that the ledger does not "
        "know.",
        sample=tuple(str(tracking_id) for tracking_id, _ in strangers[:SAMPLE]),
        advice="Run `openmart-pipeline rebuild`: contacts are then made from the ledger's own answers. If it stays, "
        "the ledger was put back from an older copy: `openmart-pipeline ledger verify`.",
    )
