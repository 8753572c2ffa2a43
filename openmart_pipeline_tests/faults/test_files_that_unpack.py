"""F57: small files that unpack to more than a machine holds, refused by a named limit before that is read."""

import gzip
import io
import struct
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openmart_pipeline.intake import parquet_tables
from openmart_pipeline.intake.companies import CompanyFile, FileRefused, ReadOptions
from openmart_pipeline_tests.intake.workbook_bytes import workbook


def refused(path: Path, name: str, **options: int) -> str:
    """What is said of a file that is refused: as soon as it is opened, or while its rows are read."""
    with pytest.raises(FileRefused) as said:
        for _ in CompanyFile(path, name, ReadOptions(**options)).chunks():
            pass
    return str(said.value)


def domains(folder: Path, name: str) -> list[str]:
    return [
        domain for chunk in CompanyFile(folder / name, name).chunks() for domain in chunk.kept["domain"].to_pylist()
    ]


def repeated(text: str, rows: int) -> pa.Array:
    """One text in so many rows, stored once."""
    return pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), rows), [text])


def test_a_parquet_of_twelve_million_rows_in_a_few_kilobytes_is_refused_unread(tmp_path: Path) -> None:
    path, part = tmp_path / "x.parquet", pa.table({"Website": repeated("acme.com", 1_000_000)})
    with pq.ParquetWriter(path, part.schema, compression="zstd") as writer:
        for _ in range(12):
            writer.write_table(part)
    assert path.stat().st_size < 100_000
    with pytest.raises(FileRefused, match="12,000,000 rows, more than 10,000,000 \\(max_rows\\)"):
        CompanyFile(path, "x.parquet")


def test_a_text_that_stands_in_every_row_is_held_for_few_rows_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert parquet_tables.BATCH_BYTES == 64 * 2**20  # too many to write here
    monkeypatch.setattr(parquet_tables, "BATCH_BYTES", 2**20)
    text = "y" * 10_000
    pq.write_table(
        pa.table({"Website": repeated("acme.com", 900), "Note": repeated(text, 900)}), tmp_path / "x.parquet"
    )
    sizes = [chunk.kept.nbytes for chunk in CompanyFile(tmp_path / "x.parquet", "x.parquet").chunks()]
    assert len(sizes) > 5
    assert max(sizes) < 2 * 2**20
    assert "max_text_bytes" in refused(tmp_path / "x.parquet", "x.parquet", max_text_bytes=8_000_000)


def test_a_parquet_that_unpacks_too_well_is_refused_unread(tmp_path: Path) -> None:
    table = pa.table({"Website": ["acme.com"] * 1_000, "Note": ["y" * 100_000] * 1_000})
    pq.write_table(table, tmp_path / "x.parquet", compression="zstd", use_dictionary=False)
    with pytest.raises(FileRefused, match="max_unpack_ratio"):
        CompanyFile(tmp_path / "x.parquet", "x.parquet")


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.9])
def test_a_parquet_that_is_damaged_in_the_middle_is_a_sentence(tmp_path: Path, cut: float) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"Website": [f"a{n}.com" for n in range(5_000)]}), path, use_dictionary=False)
    content = bytearray(path.read_bytes())
    place = int(cut * (len(content) - 2_000))
    content[place : place + 400] = b"\xff" * 400
    path.write_bytes(content)
    try:
        domains(tmp_path, "x.parquet")
    except FileRefused as said:
        assert "damaged" in str(said) or "cut off" in str(said)  # noqa: PT017  some damage is in texts, and no error


def test_a_gzip_that_unpacks_too_well_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress(b"Website\n" + b"acme.com\n" * 8_000_000, 6))
    assert "max_unpack_ratio" in refused(path, "x.csv.gz")
    path.write_bytes(gzip.compress(b"Website\n" + b"acme.com\n" * 1_000, 6))  # as well packed, and harmless
    assert len(domains(tmp_path, "x.csv.gz")) == 1_000


@pytest.mark.parametrize("name", ["x.csv", "x.parquet", "x.xlsx"])
def test_every_format_has_the_same_most_rows(tmp_path: Path, name: str) -> None:
    websites = [f"a{n}.com" for n in range(21)]
    if name == "x.csv":
        (tmp_path / name).write_text("\n".join(["Website", *websites, ""]))
    elif name == "x.parquet":
        pq.write_table(pa.table({"Website": websites}), tmp_path / name)
    else:
        cells = {"A1": "Website", **{f"A{n}": website for n, website in enumerate(websites, start=2)}}
        (tmp_path / name).write_bytes(workbook({"One": cells}))
    assert "max_rows" in refused(tmp_path / name, name, max_rows=20)
    assert len(domains(tmp_path, name)) == 21


def repacked(content: bytes, **changed: bytes) -> bytes:
    """The workbook with other parts in the place of its own."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as after:
        for part in before.infolist():
            after.writestr(part.filename, before.read(part))
        for name, text in changed.items():
            after.writestr(name.replace("__", "/") + ".xml", text)
    return packed.getvalue()


def test_a_workbook_that_lies_about_its_sizes_is_refused(tmp_path: Path) -> None:
    content = repacked(
        workbook({"One": {"A1": "Website", "A2": "acme.com"}}), xl__sharedStrings=b"<sst>" + b" " * 90_000_000
    )
    lying = content.replace(struct.pack("<I", 90_000_005), struct.pack("<I", 1_000))
    assert lying != content
    (tmp_path / "x.xlsx").write_bytes(lying)
    assert "no workbook" in refused(tmp_path / "x.xlsx", "x.xlsx")
    (tmp_path / "x.xlsx").write_bytes(content)
    assert "max_unpack_ratio" in refused(tmp_path / "x.xlsx", "x.xlsx")


def test_one_text_in_a_million_cells_is_counted_a_million_times(tmp_path: Path) -> None:
    """A workbook holds it once, and whoever reads it holds it in every cell."""
    text = b"<sst><si><t>" + b"".join(b"%05d" % n for n in range(20_000)) + b"</t></si></sst>"
    rows = b"".join(b"<row r='%d'><c r='A%d' t='s'><v>0</v></c></row>" % (n, n) for n in range(1, 30_000))
    main = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    changed = {"xl__sharedStrings": text, "xl__worksheets__sheet2": main + rows + b"</sheetData></worksheet>"}
    (tmp_path / "x.xlsx").write_bytes(repacked(workbook({"One": {"A1": "Website"}}), **changed))
    assert "max_workbook_bytes" in refused(tmp_path / "x.xlsx", "x.xlsx")


@pytest.mark.parametrize("place", [b"<row r='1048576'><c r='XFD1048576'", b'<row  r = "1048576"><c  r = "XFD1048576"'])
def test_a_far_cell_is_found_however_it_is_written(tmp_path: Path, place: bytes) -> None:
    rows = b"<worksheet><sheetData>" + place + b"><v>1</v></c></row></sheetData></worksheet>"
    (tmp_path / "x.xlsx").write_bytes(repacked(workbook({"One": {"A1": "Website"}}), xl__worksheets__sheet2=rows))
    assert "max_sheet_cells" in refused(tmp_path / "x.xlsx", "x.xlsx")
