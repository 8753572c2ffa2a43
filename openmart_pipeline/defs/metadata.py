"""Metadata: what an asset says of itself before its first run, and after each.

Lives here: Dagster's own keys and ours under `openmart/`. Counts and ids, never people, never the key.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from openmart_pipeline.checks.contents import held
from openmart_pipeline.contacts.identifiers import without_identifiers
from openmart_pipeline.defs.lineage import Lineage
from openmart_pipeline.services import Services
from openmart_pipeline.warehouse import data_dictionary

Metadata = dict[str, dg.MetadataValue]
GROUP = "company_contacts"  # one: several are shown folded up, and nobody sees the way of the data
OWNERS = ["team:data-engineering"]
CODE_VERSION = "1"  # raised where the same inputs would give other rows


def of_table(table: str, lineage: Lineage | None = None) -> Metadata:
    """Return what is known of an asset's table before it is made: its name, its columns, where they come from.

    Args:
        table: as analysts query it in the published database.
        lineage: what each column is made of.

    """
    entries = [entry for entry in data_dictionary() if entry.table == table and entry.column]
    columns = [dg.TableColumn(entry.column, entry.type, entry.comment) for entry in entries]
    metadata: Metadata = {
        "dagster/table_name": dg.MetadataValue.text(f"contacts.main.{table}"),
        "dagster/column_schema": dg.MetadataValue.table_schema(dg.TableSchema(columns=columns)),
    }
    if lineage is not None:
        metadata["dagster/column_lineage"] = dg.MetadataValue.column_lineage(
            dg.TableColumnLineage(
                {
                    column: [dg.TableColumnDep(asset_key=asset, column_name=source) for asset, source in sources]
                    for column, sources in lineage.items()
                }
            )
        )
    return metadata


def of_rows(work: Services, table: str, key: str) -> tuple[Metadata, dg.DataVersion]:
    """Return the row counts of the file's part of a table and of all of it, and the data version of those very rows."""
    rows = held(work.warehouse, table, key)
    counts: Metadata = {
        "dagster/partition_row_count": dg.MetadataValue.int(rows.rows),
        "dagster/row_count": dg.MetadataValue.int(rows.rows_of_all_files),
    }
    return counts, version_of(rows.rows, rows.digest)


def version_of(*parts: object) -> dg.DataVersion:
    """Return a data version: equal parts, equal version."""
    digest = hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()
    return dg.DataVersion(digest[:16])


def of_file(path: Path) -> dg.MetadataValue:
    """Return a file's place, as `dagster/uri` wants it."""
    return dg.MetadataValue.text(path.resolve().as_uri())


def numbers(counts: Mapping[str, float | None]) -> Metadata:
    """Return our own numbers, under `openmart/`; what is not known is left out."""
    return {
        f"openmart/{name}": dg.MetadataValue.int(count) if isinstance(count, int) else dg.MetadataValue.float(count)
        for name, count in counts.items()
        if count is not None
    }


def texts(sentences: Mapping[str, str | None]) -> Metadata:
    """Return our own sentences, under `openmart/`; empty ones are left out, and people in any of them."""
    return {
        f"openmart/{name}": dg.MetadataValue.text(without_identifiers(text)) for name, text in sentences.items() if text
    }


def listed(counts: Mapping[str, int]) -> str | None:
    """Return counts by name in one line, largest first: `free_mail 3, blank_domain 1`; None for none."""
    by_size = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} {count:,}" for name, count in by_size if count) or None
