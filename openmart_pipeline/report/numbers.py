"""The numbers of the report, read from one publication.

Lives here: queries and what they return. No people, no drawing.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from openmart_pipeline.warehouse.published import PublishedReader, open_published

FILES_SHOWN = 25  # the largest; the others are one line, so that the page stays a page
TITLES_SHOWN = 12  # those asked most often
MONTHS_SHOWN = 7  # as many as fit with their names

# What became of a company row, as in `company_coverage`, in the order in which bars show it.
STATUSES = ("found", "nothing_found", "purged", "waiting", "unknown", "errored", "not_planned", "set_aside")


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """The whole database in a dozen numbers; credits are our estimate."""

    published_at: dt.datetime  # UTC
    files_complete: int
    files_waiting: int
    api_hosts: tuple[str, ...]
    people: int
    with_verified_email: int
    with_phone: int
    companies: int  # different domains with at least one contact
    answered: int  # questions
    found: int
    contacts: int
    estimated_credits: float | None
    usable_bought: int  # usable contacts in what those credits bought; what files share counts once


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLine:
    """One company file; `name` is empty for the line of all that are not shown."""

    name: str
    files: int
    by_status: dict[str, int]
    contacts: int
    usable_contacts: int
    answered: int
    found: int
    estimated_credits: float | None  # for what was bought for this file
    usable_bought: int  # usable contacts in that; what the file reuses is not in it

    @property
    def rows(self) -> int:
        """Rows of the file, each with exactly one status."""
        return sum(self.by_status.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class TitleLine:
    """One job title that was asked for, over all files; `found / answered` is its hit rate."""

    title: str
    answered: int
    found: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthLine:
    """What was bought in one month."""

    month: str  # as 2026-11
    purchases: int
    usable_contacts: int
    estimated_credits: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportNumbers:
    """Everything the page shows."""

    headline: Headline
    files: tuple[FileLine, ...]
    titles: tuple[TitleLine, ...]
    reach: dict[str, int]  # people by how they can be reached
    months: tuple[MonthLine, ...]
    set_aside: dict[str, int]  # rows by reason
    addresses: dict[str, int]  # different e-mail addresses: all of them, and by what our own flags say


def read_numbers(published_path: Path) -> ReportNumbers:
    """Read the numbers of one publication, all of the same one.

    Raises:
        NothingPublished, WarehouseBusy: there is nothing to read.

    """
    with open_published(published_path) as reader:
        return ReportNumbers(
            headline=_headline(reader),
            files=_files(reader),
            titles=tuple(
                TitleLine(title=title, answered=answered, found=found)
                for title, answered, found in reader.rows(_TITLES, [TITLES_SHOWN])
            ),
            reach=dict(reader.rows(_REACH)),
            months=tuple(
                MonthLine(month=month, purchases=purchases, usable_contacts=usable, estimated_credits=credits_)
                for month, purchases, usable, credits_ in reversed(reader.rows(_MONTHS, [MONTHS_SHOWN]))
            ),
            set_aside=dict(reader.rows(_SET_ASIDE)),
            addresses=dict(zip(_FLAGS, reader.rows(_ADDRESSES)[0], strict=True)),
        )


_INFO = "SELECT published_at, files_complete, files_waiting FROM published_info"
_PEOPLE = """
SELECT count(*), count(*) FILTER (WHERE email_verified), count(phone) FROM contact_directory
"""
_CONTACTS = """
SELECT count(*), count(DISTINCT company_domain), coalesce(list_sort(list(DISTINCT api_host)), [])
FROM contacts
"""
# An answer that several files share is one answer.
_ANSWERS = """
SELECT count(DISTINCT task_no) FILTER (WHERE state IN ('found', 'empty')),
       count(DISTINCT task_no) FILTER (WHERE state = 'found')
FROM task_results WHERE is_current
"""
_SPENT = "SELECT sum(estimated_credits), coalesce(sum(usable_contacts), 0)::BIGINT FROM cost_per_usable_contact"


def _headline(reader: PublishedReader) -> Headline:
    published_at, complete, waiting = reader.rows(_INFO)[0]
    people, verified, phones = reader.rows(_PEOPLE)[0]
    contacts, companies, hosts = reader.rows(_CONTACTS)[0]
    answered, found = reader.rows(_ANSWERS)[0]
    spent, usable_bought = reader.rows(_SPENT)[0]
    return Headline(
        published_at=published_at,
        files_complete=complete,
        files_waiting=waiting,
        api_hosts=tuple(hosts),
        people=people,
        with_verified_email=verified,
        with_phone=phones,
        companies=companies,
        answered=answered,
        found=found,
        contacts=contacts,
        estimated_credits=spent,
        usable_bought=usable_bought,
    )


_FILES = """
WITH status AS (
    SELECT input_file, status, count(*) AS rows FROM company_coverage GROUP BY ALL
), covered AS (
    SELECT input_file, sum(rows)::BIGINT AS rows, list(status) AS statuses, list(rows) AS counts
    FROM status GROUP BY ALL
), reached AS (
    SELECT input_file, count(*) AS contacts,
           count(*) FILTER (WHERE coalesce(email_verified, false) OR phone IS NOT NULL) AS usable
    FROM contacts GROUP BY ALL
), answers AS (
    SELECT input_file, count(*) FILTER (WHERE state IN ('found', 'empty')) AS answered,
           count(*) FILTER (WHERE state = 'found') AS found
    FROM task_results WHERE is_current GROUP BY ALL
), spent AS (
    SELECT input_file, sum(estimated_credits) AS credits, sum(usable_contacts)::BIGINT AS usable_bought
    FROM cost_per_usable_contact GROUP BY ALL
)
SELECT input_file, statuses, counts, coalesce(contacts, 0), coalesce(usable, 0), coalesce(answered, 0),
       coalesce(found, 0), credits, coalesce(usable_bought, 0)
FROM covered
LEFT JOIN reached USING (input_file) LEFT JOIN answers USING (input_file) LEFT JOIN spent USING (input_file)
ORDER BY rows DESC, input_file
"""


def _files(reader: PublishedReader) -> tuple[FileLine, ...]:
    lines = [
        FileLine(
            name=name,
            files=1,
            by_status=dict(zip(statuses, counts, strict=True)),
            contacts=contacts,
            usable_contacts=usable,
            answered=answered,
            found=found,
            estimated_credits=credits_,
            usable_bought=usable_bought,
        )
        for name, statuses, counts, contacts, usable, answered, found, credits_, usable_bought in reader.rows(_FILES)
    ]
    shown, others = lines[:FILES_SHOWN], lines[FILES_SHOWN:]
    return (*shown, _summed(others)) if others else tuple(shown)


def _summed(lines: list[FileLine]) -> FileLine:
    credits_ = [line.estimated_credits for line in lines if line.estimated_credits is not None]
    return FileLine(
        name="",
        files=len(lines),
        by_status={status: sum(line.by_status.get(status, 0) for line in lines) for status in STATUSES},
        contacts=sum(line.contacts for line in lines),
        usable_contacts=sum(line.usable_contacts for line in lines),
        answered=sum(line.answered for line in lines),
        found=sum(line.found for line in lines),
        estimated_credits=sum(credits_) if credits_ else None,
        usable_bought=sum(line.usable_bought for line in lines),
    )


_TITLES = """
WITH asked AS (
    SELECT input_file, fingerprint, any_value(title_folded) AS folded, arg_min(title, source_row) AS title
    FROM enrichment_plan GROUP BY ALL
)
SELECT min(title), count(DISTINCT task_no) AS answered, count(DISTINCT task_no) FILTER (WHERE state = 'found')
FROM task_results JOIN asked USING (input_file, fingerprint)
WHERE is_current
GROUP BY folded ORDER BY answered DESC, 1 LIMIT ?
"""
_REACH = """
SELECT CASE WHEN email_verified AND phone IS NOT NULL THEN 'e-mail and phone'
            WHEN email_verified THEN 'e-mail'
            WHEN phone IS NOT NULL THEN 'phone'
            WHEN email IS NOT NULL THEN 'e-mail, unverified'
            WHEN linkedin_url IS NOT NULL THEN 'LinkedIn only'
            ELSE 'name only' END AS reached_by, count(*)
FROM contact_directory GROUP BY reached_by
"""
_MONTHS = """
SELECT month_bought, sum(purchases)::BIGINT, sum(usable_contacts)::BIGINT, sum(estimated_credits)
FROM cost_per_usable_contact GROUP BY 1 ORDER BY 1 DESC LIMIT ?
"""
_SET_ASIDE = "SELECT coalesce(reason, 'not said'), count(*) FROM rejected_rows GROUP BY 1 ORDER BY 2 DESC, 1"
_FLAGS = ("all", "verified", "at another domain", "free mail", "of a role")
_ADDRESSES = """
SELECT count(*), count(*) FILTER (WHERE verified), count(*) FILTER (WHERE elsewhere), count(*) FILTER (WHERE free),
       count(*) FILTER (WHERE of_role)
FROM (SELECT email, bool_or(email_verified) AS verified, bool_or(is_other_domain) AS elsewhere,
             bool_or(is_free_mail) AS free, bool_or(is_role_address) AS of_role
      FROM contacts WHERE email IS NOT NULL GROUP BY email)
"""
