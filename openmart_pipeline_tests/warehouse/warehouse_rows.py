"""Rows as the intake, the plan and the ledger hand them to the warehouse: the shortest way to write a case."""

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from openmart_pipeline.model.answers import Answer, BatchRow
from openmart_pipeline.warehouse import PublishedInfo, Warehouse

NOON = dt.datetime(2026, 11, 2, 12, 0, tzinfo=dt.UTC)
INFO = PublishedInfo(published_at=NOON, files_complete=1, files_waiting=0)

JANE: dict[str, Any] = {
    "first_name": "Jane",
    "last_name": "Doe",
    "title": "Head of Marketing",
    "email": {"email": "Jane@BlueBottleCoffee.com", "verified": True},
    "phones": [{"phone_number": "+1 (555) 234-5678", "line_type": "MOBILE", "valid": True}],
    "linkedin_url": "https://linkedin.com/in/jane",
}


def warehouse_in(folder: Path, **options: Any) -> Warehouse:
    return Warehouse(folder / "warehouse.duckdb", folder / "published" / "contacts.duckdb", now=lambda: NOON, **options)


def fingerprint(question: str) -> str:
    return hashlib.md5(question.encode(), usedforsecurity=False).hexdigest()


def companies(source_rows: Iterable[int], **columns: Any) -> pd.DataFrame:
    """Kept rows; a column given as a list belongs to the rows in order."""
    rows = list(source_rows)
    frame = pd.DataFrame({"source_row": pd.Series(rows, dtype="int64")})
    defaults: dict[str, Any] = {
        "line": pd.Series(rows, dtype="Int64"),
        "company_name": [f"Company {row}" for row in rows],
        "website": [f"https://company{row}.com/" for row in rows],
        "domain": [f"company{row}.com" for row in rows],
        "titles": [["Owner"] for _ in rows],
        "max_k": pd.Series([3] * len(rows), dtype="Int64"),
        "info_access": None,
        "city": None,
        "state": None,
        "country": None,
        "version": pd.Series([pd.NA] * len(rows), dtype="Int64"),
        "tracking_id": [f"crm-{row}" for row in rows],
        "other": '{"Segment": "SMB"}',
    }
    for name, values in {**defaults, **columns}.items():
        given = [values] * len(rows) if values is None or isinstance(values, str) else values
        frame[name] = given if isinstance(given, pd.Series) or name == "titles" else pd.array(given, dtype="str")
    return frame


def rejected(source_rows: Iterable[int] = (), reason: str = "blank_domain") -> pd.DataFrame:
    rows = list(source_rows)
    return pd.DataFrame(
        {
            "source_row": pd.Series(rows, dtype="int64"),
            "line": pd.Series(rows, dtype="Int64"),
            "reason": pd.Series([reason] * len(rows), dtype="str"),
            "detail": pd.Series(["There is no domain in this row."] * len(rows), dtype="str"),
            "row": pd.Series(['{"Company": "No Site Ltd"}'] * len(rows), dtype="str"),
        }
    )


def plan(questions: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per given question; `source_row` is needed, `domain` and `title` name the question."""
    rows = []
    for position, given in enumerate(questions):
        row = {
            "question_position": position,
            "domain": f"company{given['source_row']}.com",
            "title": "Owner",
            "company_name": f"Company {given['source_row']}",
            "city": None,
            "state": None,
            "country": None,
            "version": None,
            "max_k": 3,
            "info_access": "EMAIL_AND_PHONE",
            "tracking_id": f"crm-{given['source_row']}",
            "outcome": "to_buy",
            "outcome_detail": None,
            "first_source_row": None,
            "estimated_worst_case_credits": 33.0,
            **given,
        }
        row.setdefault("title_folded", row["title"].casefold())
        row.setdefault("fingerprint", fingerprint(f"{row['domain']} {row['title_folded']}"))
        rows.append(row)
    frame = pd.DataFrame(rows)
    for name in ("version", "first_source_row", "max_k", "question_position", "source_row"):
        frame[name] = frame[name].astype("Int64")
    return frame


def body(*people: Mapping[str, Any], **top: Any) -> bytes:
    """A task's result as it comes over the wire (API section 4)."""
    return json.dumps({"task_id": "t", "status": "COMPLETED", "data": list(people), **top}).encode()


def answer(question: str, task_no: int = 1, **fields: Any) -> Answer:
    """A found answer with Jane in it, unless told otherwise; `question` is "domain title" in folded case."""
    raw = fields.pop("raw", body(JANE))
    defaults: dict[str, Any] = {
        "fingerprint": fingerprint(question),
        "domain": question.partition(" ")[0],
        "batch_no": 1,
        "batch_id": "b-1",
        "task_no": task_no,
        "position": task_no,
        "vendor_task_id": f"t-{task_no}",
        "tracking_id": f"ledger-1-{task_no}",
        "state": "found" if raw else "in_flight",
        "max_k": 3,
        "info_access": "EMAIL_AND_PHONE",
        "submitted_at": NOON,
        "fetched_at": NOON if raw else None,
        "run_id": "run-1",
        "raw": raw,
    }
    return Answer(**{**defaults, **fields})


def batch(batch_no: int, **fields: Any) -> BatchRow:
    defaults: dict[str, Any] = {
        "batch_id": f"b-{batch_no}",
        "state": "submitted",
        "tasks_total": 100,
        "intent_at": NOON,
    }
    return BatchRow(batch_no=batch_no, **{**defaults, **fields})
