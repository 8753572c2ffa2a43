"""What a person types in the Launchpad: fields with examples. Values are checked in the domain, in one sentence.

Lives here: names, types and descriptions; no rule, and no limit but the ones the domain states.
"""

import dagster as dg
from pydantic import Field


class ReadingChoices(dg.Config):
    """How the file is to be read where detection errs. Every field left out keeps what was last said of this file."""

    columns: dict[str, str] | None = Field(
        default=None,
        description='Which column is which field, such as {"domain": "Homepage", "title": ""}: "" for none, "auto" '
        "to find it by its usual names again. Fields: domain, company_name, title, max_k, info_access, city, state, "
        "country, version, tracking_id.",
    )
    sheet: str | None = Field(
        default=None, description='Sheet of a workbook. "auto": the first that is not empty, as at first.'
    )
    encoding: str | None = Field(
        default=None, description='Of a text file, such as cp1250. "auto": found out, as at first.'
    )
    delimiter: str | None = Field(
        default=None,
        description='Of a text file: comma, semicolon, tab, pipe or a sign. "auto": found out, as at first.',
    )


class PlanChoices(dg.Config):
    """What the file asks for where its rows don't say. Every field left out keeps what this file last used."""

    titles: list[str] | None = Field(
        default=None, description='Job titles to find, such as ["Head of Marketing", "CMO"]. At first: ["Owner"].'
    )
    max_k: int | None = Field(default=None, description="Most contacts per company and title, 1 to 8. At first: 3.")
    info_access: str | None = Field(
        default=None,
        description="What to look up: EMAIL, PHONE or EMAIL_AND_PHONE. Phones cost more. At first: EMAIL_AND_PHONE.",
    )
    location: str | None = Field(
        default=None,
        description="Where: row (what each row says), none, or for rows without a place, such as "
        "city=Austin; state=TX; country=US. At first: row.",
    )
    version: int | None = Field(
        default=None, description="Openmart's pipeline: 0 (the default one) or 1 (all-in-one). At first: theirs."
    )
    notify_url: str | None = Field(
        default=None, description='An https address that Openmart calls when a batch is done; "" for none. Optional.'
    )
    reask: str | None = Field(
        default=None,
        description="Ask again, this once, and pay again: stale (answers past their lifetime), errored (ended without "
        "an answer) or expired (forgotten by the server). Left out: nothing is asked twice.",
    )
    limit: int | None = Field(
        default=None,
        description="Only the first so many companies of the file: a cheap try, kept until you say otherwise. 0: all.",
    )


class Approval(dg.Config):
    """The approval of a plan, as its quote shows it."""

    credit_limit: float = Field(
        description="Most estimated credits to spend: the number at the end of the quote, in the newest "
        "materialization of enrichment_plan. A smaller number buys the first questions of the file; 0 is a dry run. "
        "In a backfill it is the most for all its files together. A run that is executed again counts against the same "
        "limit."
    )
    plan: str = Field(
        description="The plan that is approved, such as p1234abcd: it stands at the end of the quote too. For a "
        "backfill the plans of all its files, with commas between. A file whose plan is not named here buys nothing."
    )
    scope: str = Field(
        default="owed",
        description="owed: everything that the plan owes, as quoted. new: without what its reask asks again. stale: "
        "nothing but answers past their lifetime that were approved before (the monthly refresh).",
    )


class Retirement(dg.Config):
    """A person is done with a file, or wants it back."""

    input_file: str = Field(description="The file, by partition: its path below the input folder.")
    action: str = Field(default="retire", description="retire, or bring_back to undo it.")
    remove_data: bool = Field(
        default=False,
        description="Also take its rows and contacts out of the databases, and remove its stored copies. What was "
        "bought stays in the ledger.",
    )
    who: str = Field(description="Your name, for the ledger's history.")
    why: str = Field(default="", description="For the ledger's history.")


class Purge(dg.Config):
    """Answers past an age go for good."""

    older_than_days: float = Field(description="Answers read longer ago than so many days, 1 or more.")
    dry_run: bool = Field(default=True, description="Only say what would be removed. False removes it for good.")
    who: str = Field(description="Your name, for the ledger's history.")
    why: str = Field(default="", description="For the ledger's history: a reference, never a person.")


class Settlement(dg.Config):
    """A person's word on batches that may have been paid for: without it nothing sends their questions again."""

    action: str = Field(
        description="adopt: the batch exists under vendor_batch_id, collect it. release: it does not exist, or is "
        "given up: its questions are owed again, and paid twice if it does exist."
    )
    batches: list[int] = Field(
        default=[], description="Numbers of the batches, as no_submission_left_unknown names them, such as [17, 18]."
    )
    input_file: str | None = Field(
        default=None,
        description="Instead of numbers: every unknown batch of this file, by partition. For release only.",
    )
    vendor_batch_id: str | None = Field(
        default=None, description="For adopt: the id that Openmart names, for one batch."
    )
    vouch_unpaid: bool = Field(
        default=False, description="For release: Openmart says that nothing was charged, so the budgets get it back."
    )
    who: str = Field(description="Your name, for the ledger's history.")
    why: str = Field(description="How you know, for the ledger's history: a ticket, a mail, a dashboard.")
