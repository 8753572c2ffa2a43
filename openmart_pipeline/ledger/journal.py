"""The submission journal: one line before and one after each POST, synced, in a file of its own.

Lives here: the lines of `submissions.jsonl`, the second witness of what may have been paid. Each carries its number and
the digest of the line before it. Whether ledger and journal agree is decided in `journal_check`.
"""

import contextlib
import datetime as dt
import errno
import fcntl
import hashlib
import json
import os
import re
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openmart_pipeline.ledger.journal_mark import START, JournalMark, read_mark
from openmart_pipeline.ledger.sending import Claim
from openmart_pipeline.ledger.store import Ledger, LedgerRefused
from openmart_pipeline.model.questions import Access

SENDING, ACCEPTED = "sending", "accepted"
EVENTS = (SENDING, ACCEPTED, "not_sent", "rejected", "unknown")
_TAIL_BYTES = 1 << 16  # read first when looking for the last line: 100 tasks are about 20 kB
_HEAD_BYTES = 400  # the event and the token of a line stand before that
_OUTCOME = re.compile(rb'"event":"(?!sending")[a-z_]+","token":"([^"]+)"')
_ACCESSES = frozenset(Access(bits).label for bits in (1, 2, 3))
_PATIENCE_S, _LOOK_AGAIN_S = 30.0, 0.02  # for whoever appends just now: a line takes milliseconds
_TEXT_OR_NONE, _NUMBER_OR_NONE = (str, type(None)), (int, type(None))


class JournalBroken(LedgerRefused):
    """The journal is not the one that this ledger wrote so far: nothing may be sent on its word."""


@dataclass(frozen=True, slots=True)
class Line:
    """One readable line, and where it ends."""

    fields: dict[str, Any]
    mark: JournalMark
    after: str  # digest of the line before it, as it was written

    @property
    def is_sending(self) -> bool:
        """Whether it stands before a POST; any other says what became of one."""
        return bool(self.fields["event"] == SENDING)


class SubmissionJournal:
    """An append-only file; every line is one JSON object and on disk before the call returns."""

    def __init__(self, path: Path, ledger: Ledger) -> None:
        """Journal the submissions of `ledger` into `path`, made with the first line."""
        self.path = path
        self.ledger = ledger
        self.patience_s = _PATIENCE_S
        self._seen: JournalMark | None = None  # surely in the file: another end than behind it is another journal

    def sending(self, claim: Claim) -> None:
        """Write down what is about to be sent, whole: a lost ledger is rebuilt from this line.

        Raises:
            JournalBroken: the file was removed, cut or replaced since this ledger wrote to it.
            OSError: it could not be written.

        """
        batch = claim.batch
        self._append(
            {
                "event": SENDING,
                "token": batch.token,
                "batch_no": batch.batch_no,
                "plan_id": batch.plan_id,
                "partition_key": batch.partition_key,
                "run_id": batch.run_id,
                "approval_id": batch.approval_id,
                "key_hash": batch.key_hash,
                "reserved_credits": batch.reserved_credits,
                "tasks": [
                    {
                        "tracking_id": task.tracking_id,
                        "domain": task.domain,
                        "title": task.title,
                        "max_k": task.max_k,
                        "info_access": task.access.label,
                        "city": task.city,
                        "state": task.state,
                        "country": task.country,
                        "version": task.version,
                    }
                    for task in claim.tasks
                ],
            },
            must_follow=True,
        )

    def outcome(
        self, claim: Claim, outcome: str, *, vendor_batch_id: str | None = None, detail: str = ""
    ) -> JournalMark | None:
        """Write down what became of it, whatever became of the journal: an id is worth more than an order.

        Returns where the line ends; None where the journal is not the one that this ledger wrote so far.
        """
        return self._append(
            {
                "event": outcome,
                "token": claim.batch.token,
                "batch_no": claim.batch.batch_no,
                "batch_id": vendor_batch_id,
                "detail": detail,
            },
            must_follow=False,
        )

    def lines(self, since: JournalMark = START) -> Iterator[Line | None]:
        """Yield every line behind `since`, oldest first; None for one that can't be read.

        Such a line is what a process left that died while it wrote: no POST followed it. A last line without an end
        is not looked at: it may be written just now.
        """
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(since.size_bytes)
            end = since.size_bytes
            for raw in file:
                end += len(raw)
                if not raw.endswith(b"\n"):
                    return
                if raw != b"\n":  # the end that a torn line got from the next process
                    yield read_line(raw, end)

    def line_ending_at(self, end: int) -> Line | None:
        """Return the line whose last byte is there; None where no readable line ends there."""
        if not self.path.exists():
            return None
        with self.path.open("rb") as file:
            if file.seek(0, os.SEEK_END) < end:
                return None
            raw = _line_before(file.fileno(), end)
        return read_line(raw, end) if raw.endswith(b"\n") else None

    def entries(self) -> Iterator[dict[str, Any]]:
        """Return the fields of every readable line, oldest first."""
        return (line.fields for line in self.lines() if line is not None)

    def answers_to(self, tokens: Collection[str]) -> dict[str, dict[str, Any]]:
        """Return the outcome of each of these submissions that has one: token -> fields of its line.

        Which of several it is, `keep_outcome` says. One pass over the bytes; only lines that are asked for are parsed.
        """
        wanted = {token.encode() for token in tokens}
        found: dict[str, dict[str, Any]] = {}
        if not wanted or not self.path.exists():
            return found
        with self.path.open("rb") as file:
            for raw in file:
                named = _OUTCOME.search(raw, 0, _HEAD_BYTES)
                if named is not None and named[1] in wanted and (line := read_line(raw, 0)) is not None:
                    keep_outcome(found, line.fields)
        return found

    @contextlib.contextmanager
    def locked(self) -> Iterator[int]:
        """Be the only one to append, in any process; yields the descriptor of the file, made when missing.

        Raises:
            TimeoutError: another process has held it too long, stopped in the middle perhaps. Whoever waits for ever
                with an id that nobody else has heard takes it along when it is ended.

        """
        deadline = time.monotonic() + self.patience_s
        while True:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                self._lock(descriptor, deadline)
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(descriptor), self.path.stat()):  # else replaced while we waited
                        yield descriptor
                        return
            finally:
                os.close(descriptor)

    def _lock(self, descriptor: int, deadline: float) -> None:
        while True:
            try:
                return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError(
                        f"another process has held {self.path} for {self.patience_s:g} s: is one stopped?"
                    ) from None
                time.sleep(_LOOK_AGAIN_S)

    def forget_place(self) -> None:
        """Ask the ledger again how far it has seen the journal: the file was replaced, or the ledger was."""
        self._seen = None

    def write_line(
        self, descriptor: int, fields: dict[str, Any], last: JournalMark, *, is_synced: bool = True
    ) -> JournalMark:
        """Append one line behind `last`, on disk when this returns; return where it ends."""
        line = {
            "no": last.lines + 1,
            "after": last.digest,
            "at": self.ledger.clock().astimezone(dt.UTC).isoformat(),
            "ledger": self.ledger.uuid,
            **fields,
        }
        text = json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"
        content = text.encode("utf-8", "backslashreplace")
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":  # a process died in the middle of a line
            os.write(descriptor, b"\n")
            size += 1
        if os.write(descriptor, content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
        if is_synced:
            os.fsync(descriptor)
        return JournalMark(last.lines + 1, size + len(content), digest_of(content))

    def _append(self, fields: dict[str, Any], *, must_follow: bool) -> JournalMark | None:
        if self._seen is None:
            with self.ledger.read() as connection:
                self._seen = read_mark(connection)
        with self.locked() as descriptor:
            last, follows = self._last_line(descriptor)
            if must_follow and not follows:
                raise JournalBroken(
                    f"The submission journal {self.path} was removed, cut or replaced since this ledger last wrote to "
                    "it. Nothing more is sent; what was sent stays ours. openmart-pipeline ledger verify says what is "
                    "missing."
                )
            written = self.write_line(descriptor, fields, last)
        if not follows:
            return None
        self._seen = written
        return written

    def _last_line(self, descriptor: int) -> tuple[JournalMark, bool]:
        """Return where the newest readable line ends, and whether it may follow what was seen of this journal."""
        assert self._seen is not None
        line = _last_readable(descriptor)
        if line is None:
            return START, self._seen == START
        last = line.mark
        is_own = line.fields["ledger"] in self.ledger.names
        is_further = last.lines > self._seen.lines and last.size_bytes > self._seen.size_bytes
        return last, is_own and (last == self._seen or is_further)


def keep_outcome(of: dict[str, dict[str, Any]], fields: dict[str, Any]) -> None:
    """Keep the last outcome of a submission, but an id before all: heard once, it may be taken for another's only."""
    if of.get(fields["token"], {}).get("event") != ACCEPTED or fields["event"] == ACCEPTED:
        of[fields["token"]] = fields


def digest_of(raw: bytes) -> str:
    """Return what the next line says of this one."""
    return hashlib.blake2b(raw, digest_size=8).hexdigest()


def read_line(raw: bytes, end: int) -> Line | None:
    """Return a line that is whole and says all that it should; None for any other."""
    try:
        fields = json.loads(raw)
        if not isinstance(fields, dict) or fields.get("event") not in EVENTS:
            return None
        no, after = fields["no"], fields["after"]
        texts = [fields["token"], fields["ledger"], after]
        dt.datetime.fromisoformat(fields["at"])
        if fields["event"] == SENDING:
            if not isinstance(fields["reserved_credits"], int | float | None):
                return None
            texts += [fields["plan_id"], fields["partition_key"], fields["run_id"], fields["key_hash"]]
            if not all(map(_is_task, fields["tasks"])):
                return None
        elif fields["event"] == ACCEPTED:
            texts.append(fields["batch_id"])
        is_whole = all(type(number) is int and number > 0 for number in (no, fields["batch_no"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if not is_whole or not all(isinstance(text, str) for text in texts):
        return None
    return Line(fields, JournalMark(no, end, digest_of(raw)), after)


def _is_task(task: dict[str, Any]) -> bool:
    """Whether a task says all that it should; a million of them are looked at in seconds."""
    return (
        type(task["max_k"]) is int
        and task["info_access"] in _ACCESSES
        and type(task["tracking_id"]) is type(task["domain"]) is type(task["title"]) is str
        and type(task["city"]) in _TEXT_OR_NONE
        and type(task["state"]) in _TEXT_OR_NONE
        and type(task["country"]) in _TEXT_OR_NONE
        and type(task["version"]) in _NUMBER_OR_NONE
    )


def _line_before(descriptor: int, end: int) -> bytes:
    """Return the bytes of the line that ends there."""
    tail_bytes = _TAIL_BYTES
    while True:
        begin = max(0, end - tail_bytes)
        tail = os.pread(descriptor, end - begin, begin)
        cut = tail.rfind(b"\n", 0, -1)
        if cut >= 0 or begin == 0:
            return tail[cut + 1 :]
        tail_bytes *= 8


def _last_readable(descriptor: int) -> Line | None:
    """Return the newest readable line; a torn one behind it was never followed by a POST."""
    size = os.fstat(descriptor).st_size
    tail_bytes = _TAIL_BYTES
    while size:
        begin = max(0, size - tail_bytes)
        tail = os.pread(descriptor, size - begin, begin)
        end = size
        for raw in reversed(tail.splitlines(keepends=True)):
            if raw.endswith(b"\n") and (line := read_line(raw, end)) is not None:
                return line
            end -= len(raw)
        if begin == 0:
            return None
        tail_bytes *= 8
    return None
