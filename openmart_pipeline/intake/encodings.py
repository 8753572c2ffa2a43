"""In which encoding a text file is, read once from end to end; where that is not certain, a refusal.

Bytes only: no delimiters, no columns, no rows.
"""

import codecs
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import charset_normalizer

from openmart_pipeline.intake.refusals import FileRefused
from openmart_pipeline.intake.rows_read import ReadOptions

BLOCK_BYTES = 2**20
EVIDENCE_BYTES = 2**16  # of lines with anything but ASCII: enough to judge a language by
FEWEST_UTF8_SHARE = 0.9  # of the non-ASCII lines; a file with more broken ones is in another encoding
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_RIVALS = [
    "cp1252",
    "cp1250",
    "cp1251",
    "cp1253",
    "cp1254",
    "mac_roman",
    "cp850",
    "shift_jis",
    "gb18030",
    "euc_kr",
    "big5",
]
_RARE_IN_WESTERN_TEXT = frozenset("ÐÝÞðýþ")  # Icelandic in cp1252, but the everyday letters of Turkish in cp1254
_MAGIC = (
    (b"PK\x03\x04", "a workbook or a zip archive", "name it .xlsx if it is a workbook, or unpack it"),
    (
        b"\xd0\xcf\x11\xe0",
        "an old or password-protected Office file",
        "save it as CSV or as .xlsx without a password",
    ),
    (b"PAR1", "a Parquet file", "name it .parquet"),
    (b"%PDF", "a PDF", "export the table as CSV or .xlsx"),
    (b"\x1f\x8b", "packed with gzip", "name it .csv.gz"),
    (b"\x89PNG", "a picture", "export the table as CSV or .xlsx"),
)
_CONTROLS = [bytes([code]) for code in (*range(9), *range(14, 32))]  # next to none in text
_PAGES = (b"<!doctype", b"<html", b"<?xml", b"{", b"[{", b"[[")


@dataclass(frozen=True, slots=True)
class TextSurvey:
    """What the one pass over the bytes found; `has_broken_bytes` sends every row through a closer look."""

    encoding: str
    has_broken_bytes: bool
    note: str | None = None


def survey_text(stream: BinaryIO, options: ReadOptions, packed_bytes: int | None = None) -> TextSurvey:
    """Return the encoding of the whole stream, having read all of it in blocks.

    A mistake here would misspell every accented name and buy a wrong international domain, so nothing but
    Unicode and Western European text is taken without being told.

    Raises:
        FileRefused: empty, no text, over a limit, or of an encoding that can't be told with certainty.

    """
    head = stream.read(4_096)
    if not head:
        raise FileRefused("The file is empty (0 bytes), so there is nothing to buy: was it saved or copied fully?")
    _refuse_other_formats(head)
    encoding = _from_mark(head) if options.encoding is None else _as_named(options.encoding, head)
    scan = _Scan(encoding or "utf-8", options, packed_bytes)
    scan.take(head)
    while block := stream.read(BLOCK_BYTES):
        scan.take(block)
    scan.finish()
    if scan.bad_lines == 0:
        return TextSurvey(scan.encoding, has_broken_bytes=False)
    if encoding is not None and encoding.startswith(("utf-16", "utf-32")):
        raise FileRefused(f"The file is not valid {encoding}, or was cut off: save it again as CSV UTF-8.")
    if encoding is not None or scan.good_lines >= FEWEST_UTF8_SHARE * (scan.good_lines + scan.bad_lines):
        note = f"{scan.bad_lines:,} lines are not valid {scan.encoding} and are set aside."
        return TextSurvey(scan.encoding, has_broken_bytes=True, note=note)
    return _judge_single_byte(bytes(scan.evidence))


class _Scan:
    """Validity, line lengths and size of a stream that comes in blocks."""

    def __init__(self, encoding: str, options: ReadOptions, packed_bytes: int | None) -> None:
        self._most_bytes, self._limit = options.max_text_bytes, "max_text_bytes"
        if packed_bytes is not None:
            self._most_bytes, self._limit = options.most_unpacked(packed_bytes, self._most_bytes, self._limit)
        self.encoding = encoding
        self.good_lines = self.bad_lines = 0
        self.evidence = bytearray()
        self._options = options
        self._is_bytewise = not encoding.startswith(("utf-16", "utf-32"))
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._carry = b""
        self._read = self._line_bytes = 0

    def take(self, block: bytes) -> None:
        self._read += len(block)
        if self._read > self._most_bytes:
            raise FileRefused(f"The file holds more than {self._most_bytes:,} bytes of text ({self._limit}): split it.")
        self._measure_lines(block)
        if not self._is_bytewise:
            self._decode(block)
            return
        cut = max(block.rfind(b"\n"), block.rfind(b"\r")) + 1
        if cut:
            self._judge_lines(self._carry + block[:cut])
            self._carry = block[cut:]
        else:
            self._carry += block

    def finish(self) -> None:
        if self._is_bytewise:
            self._judge_lines(self._carry)
        else:
            self._decode(b"", final=True)

    def _measure_lines(self, block: bytes) -> None:
        """Refuse a line that would have to be held in memory whole; approximate to a block, which is fine."""
        last = max(block.rfind(b"\n"), block.rfind(b"\r"))
        self._line_bytes = self._line_bytes + len(block) if last < 0 else len(block) - last
        if self._line_bytes > self._options.max_line_bytes:
            raise FileRefused(
                f"The file has a line of more than {self._options.max_line_bytes:,} bytes (max_line_bytes), which is "
                "no row of a table: look for a document pasted into one cell, or a missing line end."
            )

    def _decode(self, block: bytes, *, final: bool = False) -> None:
        try:
            self._decoder.decode(block, final)
        except UnicodeDecodeError:
            self.bad_lines += 1
            self._decoder.reset()

    def _judge_lines(self, text: bytes) -> None:
        if text.isascii():
            return
        try:
            text.decode(self.encoding)
        except UnicodeDecodeError:
            lines = text.splitlines(keepends=True)
        else:
            self.good_lines += sum(not line.isascii() for line in _few(text.splitlines()))
            return
        for line in lines:
            if line.isascii():
                continue
            try:
                line.decode(self.encoding)
                self.good_lines += 1
            except UnicodeDecodeError:
                self.bad_lines += 1
                if len(self.evidence) < EVIDENCE_BYTES:
                    self.evidence += line


def _few(lines: list[bytes], limit: int = 10_000) -> Iterator[bytes]:
    """Yield the first lines: how many valid lines there are matters only in proportion to the broken ones."""
    return iter(lines[:limit])


def _from_mark(head: bytes) -> str | None:
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return encoding
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    if odd > half * 0.4 and even < half * 0.1:
        return "utf-16-le"
    if even > half * 0.4 and odd < half * 0.1:
        return "utf-16-be"
    if sum(map(head.count, _CONTROLS)) > len(head) * 0.05:
        raise FileRefused("The file is binary, not a table of text: export it as CSV or .xlsx.")
    return None


def checked_encoding(name: str) -> str:
    """Return the encoding's own name: `iso8859-1` for `latin1`.

    Raises:
        FileRefused: no encoding of text has that name.

    """
    try:
        bytes(4).decode(name)  # of codecs that are no encodings of text, Python says so only when they are used
        return codecs.lookup(name).name
    except (LookupError, ValueError):
        raise FileRefused(f"{name[:40]!r} is no encoding: say utf-8, cp1252, utf-16 or the like.") from None


def _as_named(name: str, head: bytes) -> str:
    """Return the encoding that a person named, in the variant that takes the file's byte-order mark off."""
    encoding = checked_encoding(name)
    marked = next((known for mark, known in _BOMS if head.startswith(mark)), None)
    return marked if marked is not None and marked.split("-")[:2] == encoding.split("-")[:2] else encoding


def _refuse_other_formats(head: bytes) -> None:
    for magic, what, advice in _MAGIC:
        if head.startswith(magic):
            raise FileRefused(f"The file is {what}, not a table of text, whatever its name says: {advice}.")
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()[:16].lower()
    if start.startswith(_PAGES):
        raise FileRefused(
            "The file is a web page or JSON, not a table: perhaps the download asked for a login. Export it as CSV."
        )


def _judge_single_byte(evidence: bytes) -> TextSurvey:
    """Accept cp1252 where nothing else reads at least as well; otherwise name the likeliest and refuse."""
    found = list(charset_normalizer.from_bytes(evidence, cp_isolation=_RIVALS, preemptive_behaviour=False))
    western = _plausible(evidence, "cp1252")
    if western is not None and not _RARE_IN_WESTERN_TEXT & set(western):
        mess = {str(match): match.chaos for match in found}
        own = mess.get(western)
        rivals = [
            match for match in found if str(match) != western and _plausible(evidence, match.encoding) is not None
        ]
        if not rivals or (
            own is not None
            and all(_reads_better(own, found, western, rival.chaos, rival.coherence) for rival in rivals)
        ):
            return TextSurvey("cp1252", has_broken_bytes=False)
    likely = f" It may be {found[0].encoding}." if found else ""
    raise FileRefused(
        "The file's encoding can't be told with certainty, and a wrong guess misspells names and domains."
        f"{likely} Save it as CSV UTF-8, or name its encoding: --encoding NAME (in Dagster: encoding, in the "
        "configuration of companies)."
    )


def _reads_better(
    own: float, found: list[charset_normalizer.CharsetMatch], western: str, chaos: float, coherence: float
) -> bool:
    mine = max((match.coherence for match in found if str(match) == western), default=0.0)
    return own < chaos or (own == chaos and mine >= coherence)


def _plausible(evidence: bytes, encoding: str) -> str | None:
    """Return the text if every sign beyond ASCII stands where such a sign stands in writing."""
    try:
        text = evidence.decode(encoding)
    except UnicodeDecodeError:
        return None
    for before, sign, after in zip(" " + text, text, text[1:] + " ", strict=False):
        if sign.isascii():
            continue
        kind = unicodedata.category(sign)
        if kind in {"Cc", "Cn", "Co"}:
            return None
        if kind == "Lu" and before.islower():
            return None
        if kind == "Ll" and not before.isalpha() and after.isupper():
            return None
        if kind in {"Sc", "Ps", "Sk", "Lo", "So"} and before.isalpha() and after.islower():
            return None
    return text
