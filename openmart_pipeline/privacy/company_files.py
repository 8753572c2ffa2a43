"""Whether company files name a person: any format and encoding that we read, piece by piece, whatever is in them.

Lives here: looking through the bytes of files. Which columns name people is known of loaded rows only (`holdings`).
"""

import codecs
import gzip
import html
import json
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from openmart_pipeline.contacts.identifiers import Identifier, identifiers_in_text
from openmart_pipeline.intake.refusals import FileRefused
from openmart_pipeline.intake.regular_files import opened_below

_PIECE_BYTES = 1 << 20
_OVERLAP = 1_000  # characters; what a piece cuts in two is whole in the next one
_ENDINGS = re.compile(r"(?:\.(?:csv|tsv|txt|tab|xlsx|xlsm|parquet|gz))+\Z", re.IGNORECASE)  # of the names of tables
_ROWS = 2_000  # of a Parquet file in memory at once
_UNREADABLE = (
    OSError, EOFError, RuntimeError, ValueError, FileRefused, zipfile.BadZipFile, zlib.error, pa.ArrowException,
)  # fmt: skip


@dataclass(slots=True)
class FilesSearched:
    """What was looked through, and what was found."""

    searched: int = 0
    naming: list[str] = field(default_factory=list)  # below the folder
    unreadable: list[str] = field(default_factory=list)  # links, pipes, broken archives, files that may not be read


def search(folder: Path, paths: Iterable[Path], is_wanted: Callable[[Identifier], bool]) -> FilesSearched:
    """Look through these files below a folder; no link is followed, and no file stops the search."""
    found = FilesSearched()
    for path in paths:
        relative = path.relative_to(folder)
        try:
            with opened_below(folder, relative) as file:
                texts = chain([_ENDINGS.sub("", relative.as_posix())], _texts(file))
                names_any = any(is_wanted(one) for text in texts for one, _ in identifiers_in_text(text))
        except _UNREADABLE:
            found.unreadable.append(relative.as_posix())
            continue
        found.searched += 1
        if names_any:
            found.naming.append(relative.as_posix())
    return found


def _texts(file: BinaryIO) -> Iterator[str]:
    """Yield the text of a file in pieces: workbooks member by member, Parquet as its rows."""
    start = file.read(4)
    file.seek(0)
    if start.startswith(b"PK"):
        with zipfile.ZipFile(file) as book:
            for member in book.infolist():
                with book.open(member) as inside:
                    yield from map(_cells_as_read, _pieces(inside))
    elif start == b"PAR1":
        for batch in pq.ParquetFile(file).iter_batches(batch_size=_ROWS):
            yield json.dumps(batch.to_pylist(), default=str, ensure_ascii=False)
    elif start.startswith(b"\x1f\x8b"):
        with gzip.open(file) as inside:
            yield from _pieces(inside)
    else:
        yield from _pieces(file)


_BETWEEN_RUNS = re.compile(
    r"</(?:\w+:)?t>\s*</(?:\w+:)?r>\s*<(?:\w+:)?r>(?:\s*<(?:\w+:)?rPr>.{0,500}?</(?:\w+:)?rPr>)?"
    r"\s*<(?:\w+:)?t[^>]{0,50}>",
    re.DOTALL,
)
_ESCAPED_SIGN = re.compile(r"_x([0-9A-Fa-f]{4})_")


def _cells_as_read(xml: str) -> str:
    """Return a part of a workbook with its texts as a reader shows them: entities resolved, runs of a cell joined."""
    plain = html.unescape(_BETWEEN_RUNS.sub("", xml))
    return _ESCAPED_SIGN.sub(lambda match: chr(int(match[1], 16)), plain)


def _encoding(head: bytes) -> str:
    """Return which encoding these bytes begin like; a mark or the zeros beside Latin letters tell."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if max(even, odd) * 8 < len(head):
        return "utf-8"
    return "utf-16-le" if odd > even else "utf-16-be"


def _pieces(stream: IO[bytes] | gzip.GzipFile) -> Iterator[str]:
    piece = stream.read(_PIECE_BYTES)
    decoder = codecs.getincrementaldecoder(_encoding(piece))("replace")
    before = ""
    while piece:
        text = before + decoder.decode(piece)
        yield text
        before = text[-_OVERLAP:]
        piece = stream.read(_PIECE_BYTES)
