"""`Warehouse`: every way in and out of the analysts' data, on one page.

Lives here: the object and its small questions. The work is in `file_loads`, `answer_loads`, `publish`, `row_outcomes`.
"""

import contextlib
import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from openmart_pipeline.contacts.suppression import NOBODY, Suppression
from openmart_pipeline.intake.frames import frame_of
from openmart_pipeline.model.answers import Answer, AuditRow, BatchRow, LeftRow, UnmatchedRow
from openmart_pipeline.warehouse import answer_loads, audit_loads, compacting, file_loads, publish
from openmart_pipeline.warehouse.answer_loads import LoadCounts
from openmart_pipeline.warehouse.connection import WarehouseFile, delete_rows, note_deleted
from openmart_pipeline.warehouse.file_loads import CompanyCounts
from openmart_pipeline.warehouse.publish import PublishedInfo
from openmart_pipeline.warehouse.row_outcomes import RowOutcome, row_outcomes
from openmart_pipeline.warehouse.staging import Rows
from openmart_pipeline.warehouse.tables import TABLES
from openmart_pipeline.warehouse.warehouse_errors import RowsOutdated

if TYPE_CHECKING:
    import pandas as pd

TURN_TIMEOUT_S = 600  # the longest honest turn, a file of a million answers, takes well under two minutes


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Warehouse:
    """The private DuckDB file and its published copy; threads and processes take turns.

    Everything in it can be made anew from the ledger and the stored company files. Connections live for one
    call, so an object may be kept, shared between threads, or made again.
    """

    def __init__(
        self,
        path: Path,
        published_path: Path,
        *,
        memory_limit: str = "1GB",
        turn_timeout_s: float = TURN_TIMEOUT_S,
        now: Callable[[], dt.datetime] = _utc_now,
    ) -> None:
        """Touch nothing yet: the file is made by the first call that needs it."""
        self.path = path
        self.published_path = published_path
        self._file = WarehouseFile(path, memory_limit=memory_limit, turn_timeout_s=turn_timeout_s)
        self._now = now

    def replace_companies(
        self,
        input_file: str,
        file_sha256: str,
        chunks: Iterable[tuple[Rows, Rows]],
        *,
        reading: str = "{}",
        is_current: Callable[[], bool] = lambda: True,
    ) -> CompanyCounts:
        """Replace the file's rows by (companies, rejected) tables, in one transaction; `reading` is kept with them.

        Raises:
            RowsOutdated: `is_current`, asked when nobody else can write any more, says that something was erased.

        """
        return file_loads.replace_companies(
            self._file, input_file, file_sha256, reading, chunks, is_current, self._now()
        )

    def companies_of(self, input_file: str, *, chunk_rows: int = 50_000) -> "Iterator[pd.DataFrame]":
        """Yield the file's kept companies in file order; no turn is held while the caller works."""
        return map(frame_of, file_loads.company_tables(self._file, input_file, chunk_rows))

    def company_tables(self, input_file: str, *, chunk_rows: int = 20_000) -> Iterator[pa.Table]:
        """Yield what a plan looks at of the same rows, as Arrow tables, which cost nothing to make."""
        return file_loads.company_tables(self._file, input_file, chunk_rows, file_loads.ASKING_COLUMNS)

    def company_file_sha256(self, input_file: str) -> str | None:
        """Return the version of the file whose rows are loaded; None when it is not."""
        return self.company_version(input_file)[0]

    def company_reading(self, input_file: str) -> str | None:
        """Return how a person said that the loaded version is to be read; None when no version is loaded."""
        return self.company_version(input_file)[1]

    def company_version(self, input_file: str) -> tuple[str | None, str | None]:
        """Return which version of the file is loaded, and how it was read; nothing when none is."""
        rows = self.query("SELECT file_sha256, reading FROM input_files WHERE input_file = ?", [input_file])
        return rows[0] if rows else (None, None)

    def plan_id(self, input_file: str) -> str | None:
        """Return the plan whose questions are loaded for the file; None before the first."""
        rows = self.query("SELECT plan_id FROM input_files WHERE input_file = ?", [input_file])
        return rows[0][0] if rows else None

    def replace_plan(
        self,
        input_file: str,
        plan_id: str,
        chunks: Iterable[Rows],
        *,
        left: Iterable[Sequence[LeftRow]] = (),
    ) -> None:
        """Replace the questions that the file asks, and those that it once asked, in one transaction."""
        file_loads.replace_plan(self._file, input_file, plan_id, chunks, left, self._now())

    def replace_batches(
        self, input_file: str, batches: Sequence[BatchRow], unmatched: Sequence[UnmatchedRow] = ()
    ) -> None:
        """Replace the file's batches, and their results that lead to no question, in one transaction."""
        file_loads.replace_batches(self._file, input_file, batches, unmatched)

    def replace_answers(
        self,
        input_file: str,
        answers: Iterable[Sequence[Answer]],
        *,
        api_host: str,
        run_id: str,
        load_watermark: int = -1,
        suppression: Suppression = NOBODY,
        is_current: Callable[[], bool] = lambda: True,
    ) -> LoadCounts:
        """Replace the file's task results, contacts and their rows, in one transaction.

        `load_watermark` is the number of the newest event of the ledger that the answers hold; kept with them. People
        on the suppression list are in none of the rows.

        Raises:
            RowsOutdated: `is_current`, asked when nobody else can write any more, says that something was erased.

        """
        return answer_loads.replace_answers(
            self._file,
            input_file,
            answers,
            api_host=api_host,
            run_id=run_id,
            load_watermark=load_watermark,
            suppression=suppression,
            is_current=is_current,
            now=self._now(),
        )

    def note_states(self, states: Mapping[str, str]) -> None:
        """Keep with each file whether it is active, missing or retired; nothing is written where nothing changed."""
        known = dict(self.query("SELECT input_file, file_state FROM input_files"))
        changed = [[states[name], name] for name, state in known.items() if name in states and states[name] != state]
        if changed:
            file_loads.note_states(self._file, changed)

    def note_audit_trail(self, extent: tuple[int, int], rows: Callable[[], Sequence[AuditRow]]) -> None:
        """Hold the audit trail as it is; nothing is asked for or written where its extent is the one held."""
        if audit_loads.extent(self._file) != extent:
            audit_loads.replace_audit_trail(self._file, rows())

    def forget_file(self, input_file: str) -> None:
        """Remove every row of the file from every table; the ledger and the file's copy are not touched."""
        with self._file.writing() as connection:
            for table in TABLES:
                if table.has("input_file"):
                    delete_rows(connection, table.name, input_file)
            note_deleted(connection)
            connection.execute("DELETE FROM published_info")

    def files(self) -> set[str]:
        """Return the company files that rows are loaded of."""
        return {input_file for (input_file,) in self.query("SELECT input_file FROM input_files")}

    def discard(self) -> None:
        """Remove the private file, whatever its state; the next call makes an empty one."""
        self._file.discard()

    @contextlib.contextmanager
    def made_anew(self, is_current: Callable[[], bool] = lambda: True) -> Iterator["Warehouse"]:
        """Yield an empty warehouse beside this one, which takes this one's place when the block ends well.

        Everybody else uses this one until then, whatever its state; who else makes one anew waits.

        Raises:
            RowsOutdated: `is_current`, asked when nobody else can write any more, says that something was erased.

        """
        beside = self._file.beside(".rebuilding")
        fresh = Warehouse(
            beside.path,
            self.published_path,
            memory_limit=beside.memory_limit,
            turn_timeout_s=beside.turn_timeout_s,
            now=self._now,
        )
        with fresh._file.turn():
            fresh.discard()
            yield fresh
            with self._file.turn():
                if not is_current():
                    raise RowsOutdated(self.path.name)
                compacting.take_over(self._file, fresh._file)

    def compact(self) -> None:
        """Write every row into a new file in the private file's place: what was deleted is in neither.

        What a killed rebuild left beside it goes too.
        """
        self._file.beside(".rebuilding").discard_if_unused()
        compacting.compact(self._file)

    def publish(
        self, generation: int, info: PublishedInfo, *, on_step: Callable[[str], None] = lambda _step: None
    ) -> bool:
        """Let analysts read what is here now; False when exactly that is already out."""
        return publish.publish(self._file, self.published_path, generation, info, on_step)

    def published_generation(self) -> int | None:
        """Return the generation of the published file, taking no turn; None when absent or unreadable."""
        return publish.published_generation(self.published_path)

    def coverage(self, input_file: str) -> dict[str, int]:
        """Return how many rows of the file have which status in `company_coverage`."""
        return dict(
            self.query(
                "SELECT status, count(*) FROM company_coverage WHERE input_file = ? GROUP BY status ORDER BY status",
                [input_file],
            )
        )

    def row_outcomes(self, input_file: str) -> list[RowOutcome]:
        """Return what became of the file's rows when it was read, by reason and with examples."""
        return row_outcomes(self._file, input_file)

    def files_with_open_questions(self) -> set[str]:
        """Return the files with rows that wait to be bought or answered, or of which nobody knows."""
        rows = self.query("SELECT DISTINCT input_file FROM company_coverage WHERE questions_open > 0")
        return {input_file for (input_file,) in rows}

    def outcome_counts(self, input_file: str) -> dict[str, int]:
        """Return how many questions of the file's plan have which outcome."""
        return dict(
            self.query(
                "SELECT outcome, count(*) FROM enrichment_plan WHERE input_file = ? GROUP BY outcome ORDER BY outcome",
                [input_file],
            )
        )

    def query(self, sql: str, params: Sequence[object] | Mapping[str, object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a read-only query on the private file, values as bound parameters."""
        with self._file.reading() as connection:
            bound = dict(params) if isinstance(params, Mapping) else list(params)
            return connection.execute(sql, bound).fetchall()
