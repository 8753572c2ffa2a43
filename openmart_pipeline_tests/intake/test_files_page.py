"""The page about company files is true: its limits, its reasons and its fields are those of the code, and all of them."""

import dataclasses
import re
from pathlib import Path

from openmart_pipeline.intake.columns import ALIASES
from openmart_pipeline.intake.companies import SUFFIXES
from openmart_pipeline.intake.refusals import RejectReason
from openmart_pipeline.intake.rows_read import ReadOptions

PAGE = (Path(__file__).parents[2] / "docs" / "files.md").read_text(encoding="utf-8")


def test_every_limit_is_on_the_page_as_it_is() -> None:
    shown = dict(re.findall(r"^\| `(max_[a-z_]+)` \| ([\d,]+) \|", PAGE, re.MULTILINE))
    limits = {f.name: f"{f.default:,}" for f in dataclasses.fields(ReadOptions) if f.name.startswith("max_")}
    assert shown == limits


def test_every_reason_field_and_ending_is_on_the_page() -> None:
    assert [reason for reason in RejectReason if f"`{reason}`" not in PAGE] == []
    assert [field for field in ALIASES if f"`{field}`" not in PAGE] == []
    assert [suffix for suffix in SUFFIXES if suffix.removesuffix(".gz") not in PAGE] == []
