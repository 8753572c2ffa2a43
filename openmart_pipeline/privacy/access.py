"""What is held on a person as they may have it (GDPR Art. 15): where from, since when, what for, and where we looked.

Lives here: the content, as JSON and as a letter. Who else shares an address or a number is in neither.
"""

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from openmart_pipeline.contacts.identifiers import Kind
from openmart_pipeline.model.words import plural
from openmart_pipeline.privacy.holdings import Holdings
from openmart_pipeline.services import Services

NOT_SEARCHED = (
    "backups of the data folder",
    "exports and other copies that people made",
    "what Openmart itself holds",
)
_WORDS = {Kind.EMAIL: "E-mail", Kind.PHONE: "Phone", Kind.LINKEDIN: "LinkedIn"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What the controller says of the data, as set in settings; None: not set."""

    purpose: str | None
    recipients: str | None
    retention: str | None


def as_json(work: Services, found: Holdings, basis: Basis) -> dict[str, Any]:
    """Return everything that is held on the person, with what was searched for it."""
    searched = found.searched
    return {
        "made_at": _when(work.ledger.clock()),
        "searched": {
            "folder": str(work.data.input.parent),
            "answers": searched.answers,
            "unmatched_answers": searched.unmatched_answers,
            "contacts": searched.contacts,
            "input_files": found.files_searched,
            "stored_copies": found.copies_searched,
            "by": _by_kind(found, *Kind),
            "not_searched": [*NOT_SEARCHED, *(f"{name}, which can't be read" for name in found.unreadable)],
        },
        "purpose": basis.purpose,
        "recipients": basis.recipients,
        "retention": basis.retention,
        "names": list(found.followed.names),
        "reached_by": _by_kind(found, *_WORDS),
        "suppressed_by": [str(kind) for kind in found.suppressed],
        "answers": list(_answers(work, found)),
        "mentioned_in_answers": [
            {
                "batch_no": answer.batch_no,
                "task_no": answer.task_no,
                "task_id": answer.vendor_task_id,
                "received_at": _when(answer.received_at),
            }
            for answer in found.mentions
        ],
        "contacts": [
            {name: _when(value) if isinstance(value, dt.datetime) else value for name, value in row.items()}
            for row in found.contacts
        ],
        "rows_of_company_files": [
            {"input_file": row.input_file, "source_row": row.source_row, "column": row.column} for row in found.rows
        ],
        "input_files": found.input_files,
        "stored_copies": found.stored_copies,
    }


def _by_kind(found: Holdings, *kinds: Kind) -> dict[str, list[str]]:
    return {
        str(kind): sorted(identifier.value for identifier in found.identifiers if identifier.kind is kind)
        for kind in kinds
        if kind is not Kind.DOMAIN
    }


def _answers(work: Services, found: Holdings) -> Iterator[dict[str, Any]]:
    for entry in found.answers:
        answer = entry.answer
        assert answer is not None
        yield {
            "source": work.api_host,
            "batch_no": answer.batch_no,
            "batch_id": answer.vendor_batch_id,
            "task_no": answer.task_no,
            "task_id": answer.vendor_task_id,
            "asked_about": " ".join(filter(None, (answer.companies[0], answer.title))) if answer.title else None,
            "bought_for_file": answer.input_file,
            "asked_at": _when(answer.asked_at),
            "received_at": _when(answer.received_at),
            "received": entry.item,
        }


def _when(moment: dt.datetime | None) -> str | None:
    """Write an instant as UTC; the warehouse's have no zone and are UTC."""
    if moment is None:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return aware.astimezone(dt.UTC).isoformat(timespec="seconds")


def as_letter(work: Services, found: Holdings, basis: Basis) -> str:
    """Return the same for a person to read, in Markdown; the raw answers are in the JSON form only."""
    held = as_json(work, found, basis)
    return "\n".join(_letter(held)) + "\n"


def _letter(held: dict[str, Any]) -> Iterator[str]:
    yield "# What we hold on you"
    yield ""
    yield f"Made on {held['made_at']}. All times are UTC."
    yield from _section("Why, for whom and how long")
    yield f"- Purpose: {_said(held['purpose'], 'OPENMART_PURPOSE')}"
    yield f"- Recipients: {_said(held['recipients'], 'OPENMART_RECIPIENTS')}"
    yield f"- Kept for: {_said(held['retention'], 'OPENMART_RETENTION')}"
    yield from _section("What identifies you")
    yield from (f"- Name: {_text(name)}" for name in held["names"])
    for kind, word in _WORDS.items():
        yield from (f"- {word}: {_text(value)}" for value in held["reached_by"][str(kind)])
    if held["suppressed_by"]:
        yield "- You are on our list of people to leave out, as hashes."
    yield from _section("Where it comes from")
    if not held["answers"]:
        yield "No answer of a supplier holds anything about you."
    for answer in held["answers"]:
        asked = f" to a question about {_text(answer['asked_about'])}" if answer["asked_about"] else ""
        yield (
            f"- {_text(answer['source'])}, in answer{asked}. Asked {answer['asked_at']}, received "
            f"{answer['received_at']}, bought for our file {_text(answer['bought_for_file'])}."
        )
        yield from (f"    - {_text(name)}: {_text(value)}" for name, value in _facts(answer["received"], ""))
    if held["mentioned_in_answers"]:
        yield f"- You are also mentioned in {plural(len(held['mentioned_in_answers']), 'answer')} about somebody else."
    yield from _section("Where it is used")
    if not (held["contacts"] or held["rows_of_company_files"] or held["input_files"] or held["stored_copies"]):
        yield "In none of our tables and files."
    yield from (
        f"- Contact for {_text(row['company_domain'])} in our file {_text(row['input_file'])}, loaded "
        f"{row['loaded_at']}."
        for row in held["contacts"]
    )
    yield from (
        f"- {_text(name)}: named in {plural(rows, 'cell')} of our file."
        for name, rows in sorted(Counter(row["input_file"] for row in held["rows_of_company_files"]).items())
    )
    yield from (f"- {_text(name)}: a file of ours that names you." for name in held["input_files"])
    if held["stored_copies"]:
        yield f"- {plural(len(held['stored_copies']), 'stored copy', 'stored copies')} of our files."
    searched = held["searched"]
    yield from _section("Where we looked")
    yield (
        f"- {plural(searched['answers'], 'answer')}, {plural(searched['contacts'], 'contact')}, "
        f"{plural(searched['input_files'], 'company file')}, "
        f"{plural(searched['stored_copies'], 'stored copy', 'stored copies')}."
    )
    yield f"- Not searched: {_text('; '.join(searched['not_searched']))}."


def _section(title: str) -> tuple[str, ...]:
    return "", f"## {title}", ""


def _said(text: str | None, setting: str) -> str:
    return _text(text) if text else f"[say it here, or set {setting}]"


def _facts(value: object, name: str) -> Iterator[tuple[str, str]]:
    """Yield every fact of an entry as received, with its name; what is not said is left out."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _facts(inner, f"{name}, {key}" if name not in ("", key) else str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from _facts(inner, name)
    elif value not in (None, ""):
        yield name.replace("_", " "), str(value)


def _text(value: object) -> str:
    """Return text of others on one line, without anything that Markdown or a browser would act on."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    return re.sub(r"([\\`*\[\]<>#|])", r"\\\1", line)
