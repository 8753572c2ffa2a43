"""Looking for a person in everything below a folder, decoded: databases, their free pages and logs, archives, blobs.

A proof of erasure that only greps would miss what is compressed. Knows file formats, nothing of the project.
"""

import gzip
import json
import sqlite3
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

ZLIB_STARTS = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")


def traces(folder: Path, *needles: str) -> list[str]:
    """Where below the folder any of the needles stands: file and how it was decoded."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        for how, data in _decoded(path):
            text = data.lower()
            if any(form in text for needle in needles for form in _forms(needle)):
                found.append(f"{path.relative_to(folder).as_posix()} ({how})")
                break
    return found


def _forms(needle: str) -> Iterator[bytes]:
    yield needle.lower().encode()
    yield needle.lower().encode("utf-16-le")
    yield json.dumps(needle.lower())[1:-1].encode()


def _decoded(path: Path) -> Iterator[tuple[str, bytes]]:
    raw = path.read_bytes()
    yield "bytes", raw
    yield from _compressed_anywhere(raw)
    if raw.startswith(b"SQLite format 3"):
        yield from _sqlite_cells(path)
    if raw[8:12] == b"DUCK":
        yield from _duckdb_rows(path)
    if raw.startswith(b"\x1f\x8b"):
        yield "gzip", gzip.decompress(raw)
    if raw.startswith(b"PK"):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield f"archive {name}", archive.read(name)
    if raw.startswith(b"PAR1"):
        yield "parquet", json.dumps(pq.read_table(path).to_pylist(), default=str).encode()


def _compressed_anywhere(raw: bytes) -> Iterator[tuple[str, bytes]]:
    """Whatever still decompresses, used or not: free pages and logs of a database keep what was deleted."""
    for start in ZLIB_STARTS:
        position = raw.find(start)
        while position >= 0:
            with suppress(zlib.error):
                yield "compressed", zlib.decompressobj().decompress(raw[position : position + 65_536])
            # A stream that runs into the end of a page still shows its beginning.
            with suppress(zlib.error):
                yield "compressed", zlib.decompressobj().decompress(raw[position : position + 2_048])
            position = raw.find(start, position + 1)


def _sqlite_cells(path: Path) -> Iterator[tuple[str, bytes]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                for value in row:
                    data = value if isinstance(value, bytes) else str(value).encode()
                    yield f"table {table}", data
                    with suppress(zlib.error):
                        yield f"table {table}", zlib.decompress(data)


def _duckdb_rows(path: Path) -> Iterator[tuple[str, bytes]]:
    with duckdb.connect(path, read_only=True) as connection:
        for (table,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            rows = connection.execute(f'SELECT * FROM "{table}"').fetchall()
            yield f"table {table}", "\n".join(map(str, rows)).encode("utf-8", "replace")
