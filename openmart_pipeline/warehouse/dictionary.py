"""The data dictionary as a page of the documentation: `python -m openmart_pipeline.warehouse.dictionary`.

Lives here: the definitions as Markdown. A test compares the page in `docs/` with what this makes.
"""

from itertools import groupby

from openmart_pipeline.warehouse.definitions_sql import DictionaryEntry, data_dictionary

_INTRODUCTION = """\
# Data dictionary

Every table and view of the published database `contacts.duckdb`, as the database itself says: the same sentences
are stored in it as comments (`SELECT * FROM duckdb_columns()`). Instants are UTC, of the type TIMESTAMP. The page is
made from the definitions: `python -m openmart_pipeline.warehouse.dictionary > docs/data-dictionary.md`.

Views are ready answers; tables are what they are made of. A stored view is reckoned when the database is published,
and reads like a table.
"""


def dictionary_page() -> str:
    """Return the page: views first, since they are what most people look for."""
    entries = sorted(data_dictionary(), key=lambda entry: entry.kind == "table")  # stable: the order stays otherwise
    names = [f"[{e.table}](#{e.table})" for e in entries if not e.column]
    sections = [_section(list(of_table)) for _, of_table in groupby(entries, key=lambda entry: entry.table)]
    return "\n".join([_INTRODUCTION, ", ".join(names) + "\n", *sections])


def _section(entries: list[DictionaryEntry]) -> str:
    head, *columns = entries
    rows = [f"| `{column.column}` | {_cell(column.type)} | {_cell(column.comment)} |" for column in columns]
    return "\n".join(
        [
            f"## {head.table}\n",
            f"{head.kind.capitalize()}. {head.comment}.\n",
            "| column | type | meaning |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    print(dictionary_page(), end="")  # noqa: T201  the page goes to stdout
