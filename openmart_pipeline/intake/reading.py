"""How a person says that a file is to be read: which column is what, which sheet, encoding and delimiter.

Lives here: one value, its checks, and how a new choice is laid over the file's last one. No input or output.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from openmart_pipeline.intake.columns import field_named
from openmart_pipeline.intake.encodings import checked_encoding
from openmart_pipeline.intake.rows_read import ReadOptions

AUTO = "auto"  # takes a choice back: it is found out from the file again
_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "\\t": "\t", "pipe": "|"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a person knows better than detection; everything left out is found out."""

    columns: Mapping[str, str] = field(default_factory=dict)
    """Our field name -> the file's column; an empty string: no column is that field."""
    sheet: str | None = None
    encoding: str | None = None
    delimiter: str | None = None

    def with_choices(
        self,
        *,
        columns: Mapping[str, str] | None = None,
        sheet: str | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
    ) -> "Reading":
        """Return this with every choice that is not None in its place, checked; `auto` takes one away.

        Columns are laid over field by field, so that naming one keeps the others.

        Raises:
            ValueError: one sentence that names the choice, what is wrong with it and what to write.

        """
        chosen = dict(self.columns)
        for written, column in (columns or {}).items():
            chosen[field_named(written)] = column.strip()
        new = replace(
            self,
            columns={name: column for name, column in sorted(chosen.items()) if column != AUTO},
            sheet=_laid_over(self.sheet, sheet),
            encoding=_laid_over(self.encoding, encoding and encoding.strip().lower()),
            delimiter=_laid_over(self.delimiter, delimiter and _DELIMITERS.get(delimiter.strip().lower(), delimiter)),
        )
        if new.encoding is not None:
            checked_encoding(new.encoding)
        new.options(frozenset())
        return new

    def options(self, extra_platforms: frozenset[str]) -> ReadOptions:
        """Return what the readers take, with a team's own platforms.

        Raises:
            ValueError: no file could be read so.

        """
        return ReadOptions(
            columns=self.columns,
            sheet=self.sheet,
            encoding=self.encoding,
            delimiter=self.delimiter,
            extra_platforms=extra_platforms,
        )

    def __str__(self) -> str:
        """Say what was chosen, in one line; nothing when all is found out."""
        said = [
            f"{name} is column {column!r}" if column else f"no column is {name}"
            for name, column in self.columns.items()
        ]
        said += [
            f"{name} {value!r}"
            for name, value in (("sheet", self.sheet), ("encoding", self.encoding), ("delimiter", self.delimiter))
            if value is not None
        ]
        return ", ".join(said)

    def to_json(self) -> str:
        """Return what was chosen as the ledger and the warehouse keep it; `{}` when nothing was."""
        return json.dumps({name: value for name, value in asdict(self).items() if value}, ensure_ascii=False)


def _laid_over(last: str | None, new: str | None) -> str | None:
    if new is None:
        return last
    return None if new in (AUTO, "") else new
