"""Reading a file by the column gives what reading it cell by cell gives.

Old Mac line ends make every line one for the careful reader: the same text with line feeds must read the same.
"""

import json

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from openmart_pipeline.intake.companies import CompanyFile, ReadOptions
from openmart_pipeline.intake.domain_columns import DomainColumns
from openmart_pipeline.intake.domains import normalise_domain
from openmart_pipeline.intake.fast_reader import read_sound_lines, survey_lines
from openmart_pipeline.intake.platforms import PlatformList
from openmart_pipeline.intake.readable import clean_text
from openmart_pipeline.intake.refusals import Rejected
from openmart_pipeline.intake.text_columns import clean_texts, json_texts

PLATFORMS = PlatformList.bundled()
DOMAINS = DomainColumns(PLATFORMS)
MANY = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def rows_of(path, data: bytes, **options):
    path.write_bytes(data)
    kept, rejected, blank = [], [], 0
    for chunk in CompanyFile(path, "x.csv", ReadOptions(delimiter=",", encoding="utf-8", **options)).chunks():
        kept += chunk.kept.to_pylist()
        rejected += chunk.rejected.to_pylist()
        blank += chunk.blank_rows
    return json.loads(json.dumps([kept, rejected, blank], default=str).replace("\\\\r", "\\\\n").replace("\\r", "\\n"))


LINES = st.lists(
    st.one_of(
        st.text('",ab \n', max_size=14),
        st.just("sound.com,x,"),
        st.just('other.io,"a, b",c'),
        st.just('more.io,"say ""hi""",c'),
        st.just("co.uk,\t,é\u2028"),
        st.just(",,"),
        st.just('"",,""'),
    ),
    max_size=10,
)


@MANY
@given(lines=LINES, ends_with_newline=st.booleans(), chunk_rows=st.integers(1, 5))
def test_whatever_a_line_holds_it_is_read_as_the_careful_reader_reads_it(
    tmp_path, lines, ends_with_newline, chunk_rows
):
    text = "\n".join(["Website,Note,City", *lines]) + "\n" * ends_with_newline
    quick = rows_of(tmp_path / "quick", text.encode(), chunk_rows=chunk_rows)
    careful = rows_of(tmp_path / "careful", text.replace("\n", "\r").encode(), chunk_rows=chunk_rows)
    assert quick == careful


@MANY
@given(lines=LINES)
def test_windows_line_ends_are_read_as_line_feeds(tmp_path, lines):
    text = "\n".join(["Website,Note,City", *lines, "end.com,,"])
    plain = rows_of(tmp_path / "plain", text.encode())
    windows = rows_of(tmp_path / "windows", text.replace("\n", "\r\n").encode())
    assert json.dumps(windows).replace("\\\\n\\\\n", "\\\\n") == json.dumps(plain).replace("\\\\n\\\\n", "\\\\n")


SOUND = {
    "plain": b"a,b",
    "empty": b",",
    "windows": b"a,b\r",
    "quoted": b'"a, b","c ""d"" e"',
    "quotes only": b'"""",""""""',
    "empty quotes": b'"",""',
    "space inside quotes": b'" a",b',
    "a space before a delimiter": b"a ,b",
}
UNSOUND = {
    "short": b"a",
    "long": b"a,b,c",
    "open quote": b'"a,b',
    "quote inside": b'a"b"c,d',
    "text behind a quote": b'"a"b,c',
    "space behind a quote": b'"a" ,c',
    "space before a quote": b'a, "b"',
    "space before a cell": b"a, b",
    "space before the first cell": b" a,b",
    "nul": b"a\0,b",
    "half a character": b"a\xed\xb3\xa9,b",
    "too long": b"a" * 50 + b",b",
}


@pytest.mark.parametrize(
    ("line", "is_sound"), [(SOUND[n], True) for n in SOUND] + [(UNSOUND[n], False) for n in UNSOUND]
)
def test_a_line_is_sound_only_when_every_reader_would_cut_it_alike(line, is_sound):
    lines = survey_lines(b"x,y\n" + line + b"\nx,y", delimiter=",", width=2, longest=40)
    assert lines.are_sound.tolist() == [True, is_sound, True]
    columns = read_sound_lines(lines, delimiter=",", width=2)
    assert [len(column) for column in columns] == [2 + is_sound] * 2


def test_lines_that_end_in_carriage_returns_are_left_to_the_careful_reader():
    assert survey_lines(b"a,b\rc,d\n", delimiter=",", width=2, longest=40) is None


ADDRESSES = st.one_of(
    st.text(max_size=20),
    st.text("aZ.-w/:@ \u212a\u0130", max_size=20),
    st.builds(
        "{}{}{}.{}{}{}".format,
        st.sampled_from(["", " ", "http://", "HTTPS://", "https://www.", "www."]),
        st.sampled_from(["", "shop.", "www."]),
        st.text("ab0-", min_size=1, max_size=66) | st.sampled_from(["amazon", "facebook", "example", "xn--bcher-kva"]),
        st.sampled_from(["com", "co.uk", "de", "test", "ck", "github.io", "org.uk", "com.de", "zz", "io"]),
        st.sampled_from(["", "/", "/About?x=1", "/ä", ":80", "/a b"]),
        st.sampled_from(["", " ", "\n", "."]),
    ),
)


@settings(max_examples=200, deadline=None)
@given(texts=st.lists(ADDRESSES, min_size=1, max_size=8))
@example(texts=["a.com", "", "n/a", "a.com"])
def test_a_column_of_websites_gives_the_domains_of_its_cells(texts):
    domains, complaints = DOMAINS.normalise(pa.array(texts, pa.string()))
    one_by_one = [normalise_domain(text, platforms=PLATFORMS) for text in texts]
    assert domains.to_pylist() == [found if isinstance(found, str) else None for found in one_by_one]
    assert complaints == {row: found for row, found in enumerate(one_by_one) if isinstance(found, Rejected)}


@settings(max_examples=150, deadline=None)
@given(texts=st.lists(st.text(max_size=12) | st.text('aB "\\\n\t-', max_size=8) | st.just("N/A"), min_size=1))
def test_a_column_is_cleaned_and_written_as_json_as_its_cells_are(texts):
    column = pa.array(texts, pa.string())
    assert clean_texts(column).to_pylist() == [clean_text(text) for text in texts]
    assert json_texts(column).to_pylist() == [json.dumps(text, ensure_ascii=False) for text in texts]
