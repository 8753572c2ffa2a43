"""From a file to its companies: the first step, and the one that reading again what was planned begins with.

Lives here: which version is read, in which way, and where its rows go. What is in them is decided in `companies`.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from openmart_pipeline.contacts.identifiers import without_identifiers
from openmart_pipeline.contacts.redaction import without_traces
from openmart_pipeline.intake.companies import CompanyFile, FileReport
from openmart_pipeline.intake.input_files import FileVersion
from openmart_pipeline.intake.reading import Reading
from openmart_pipeline.intake.refusals import FileRefused
from openmart_pipeline.ledger import loads, plans
from openmart_pipeline.ledger.erasure import nothing_erased_since
from openmart_pipeline.ledger.ledger_errors import built
from openmart_pipeline.ledger.retirement import is_retired
from openmart_pipeline.model.events import OnEvent, ignore_events
from openmart_pipeline.pipeline.inventory import record_refusal
from openmart_pipeline.services import Services
from openmart_pipeline.warehouse import CompanyCounts, RowsOutdated


@dataclass(frozen=True, slots=True, kw_only=True)
class CompaniesIngested:
    """What became of a file's rows."""

    version: FileVersion
    reading: Reading
    report: FileReport
    counts: CompanyCounts
    blank_rows: int
    repaired_rows: int


def last_reading(work: Services, key: str) -> Reading:
    """Return how a person said that the file is to be read: when it was last read, else when it was planned."""
    known = plans.partition(work.ledger, key)
    loaded = None if known is None else work.warehouse.company_reading(key)
    return built(Reading, loaded or (known and known.reading) or "{}")


def planned_reading(work: Services, key: str) -> Reading:
    """Return how the version that the current plan was made from was read."""
    known = plans.partition(work.ledger, key)
    return built(Reading, (known and known.reading) or "{}")


def ingest_companies(
    work: Services, key: str, reading: Reading | None = None, on_event: OnEvent = ignore_events
) -> CompaniesIngested:
    """Read the file as it is now, from a copy, into `companies` and `rejected_rows`; None reads it as the last time.

    Raises:
        FileRefused: it is no table of companies; one sentence for its owner. Earlier rows stay.

    """
    refuse_retired(work, key)
    reading = last_reading(work, key) if reading is None else reading
    version = work.data.version(key)
    plans.register(work.ledger, key)
    try:
        taken = load_companies(work, version, reading, on_event)
    except FileRefused as refused:
        told = f" It was read as a person said: {reading}." if str(reading) else ""
        sentence = without_identifiers(f"{refused}{told}")  # it goes into histories that forget nothing
        record_refusal(work.ledger, version, sentence)
        raise FileRefused(sentence) from refused
    loads.note_rows_loaded(work.ledger, key)
    return taken


def refuse_retired(work: Services, key: str) -> None:
    """Raise FileRefused where a person is done with the file."""
    if is_retired(work.ledger, key):
        raise FileRefused(
            f"{key!r} is retired: nothing is read, planned or bought for it. Bring it back first, with "
            "`openmart-pipeline retire --undo` or, in Dagster, retire_company_file_job."
        )


def load_companies(
    work: Services, version: FileVersion, reading: Reading, on_event: OnEvent = ignore_events
) -> CompaniesIngested:
    """Put the rows of a stored version into the warehouse, read like that; none that was erased meanwhile."""
    while True:
        try:
            return _load_companies(work, version, reading, on_event, nothing_erased_since(work.ledger))
        except RowsOutdated:
            continue


def _load_companies(
    work: Services, version: FileVersion, reading: Reading, on_event: OnEvent, is_current: Callable[[], bool]
) -> CompaniesIngested:
    options = reading.options(work.shared_platforms)
    file = CompanyFile(version.path, version.partition_key, options)
    counted = Counter[str]()
    suppression = work.suppressions.current()

    def chunks() -> Iterator[tuple[pa.Table, pa.Table]]:
        for chunk in file.chunks():
            counted.update(blank=chunk.blank_rows, repaired=chunk.repaired_rows)
            on_event("rows_read", 0, len(chunk), "")
            yield without_traces(chunk.kept, suppression), without_traces(chunk.rejected, suppression)

    counts = work.warehouse.replace_companies(
        version.partition_key, version.sha256, chunks(), reading=reading.to_json(), is_current=is_current
    )
    return CompaniesIngested(
        version=version,
        reading=reading,
        report=file.report,
        counts=counts,
        blank_rows=counted["blank"],
        repaired_rows=counted["repaired"],
    )
