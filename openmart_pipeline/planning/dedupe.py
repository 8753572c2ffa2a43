"""The questions of a draft, each once: its number, and the widest way in which any row asks it.

Lives here: repetition found by fingerprint over all chunks of a file. Pure: no input or output, no settings.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Numbers: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]

DIGEST_BYTES = 16  # of a fingerprint, which is written as twice as many hex characters


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftPart:
    """A chunk of companies, and the questions that each of them asks."""

    companies: pa.Table  # one row per company; places as dictionaries, since they repeat
    company_of: Numbers  # per question: the company's place in `companies`
    title_of: Numbers  # per question: the title's place in the draft's titles
    digests: pa.Array  # per question: its fingerprint

    def __len__(self) -> int:
        return len(self.company_of)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedOnce:
    """The questions of all parts by number, in the order in which they are first asked."""

    digests: pa.Array  # per question: its fingerprint
    codes: Numbers  # per row and title: the question's number, -1 where nothing is asked
    is_first: Flags  # per row and title: whether nobody asked it before
    max_k: Numbers  # per question: the most that any row asks for
    access: Numbers  # per question: all that any row asks for, as bits
    first_source_row: Numbers  # per question
    later_names: dict[int, str]  # question -> a company name, where the first row has none and a later one does

    @classmethod
    def of(cls, parts: Sequence[DraftPart]) -> "AskedOnce":
        """Return the questions of these parts; those of suppressed companies and behind the limit are not asked."""
        is_asked = np.concatenate(
            [np.zeros(0, dtype=bool)]
            + [~(of_company(part, "is_beyond") | of_company(part, "is_suppressed")) for part in parts]
        )
        digests = pa.chunked_array([part.digests for part in parts], pa.binary(DIGEST_BYTES)).combine_chunks()
        encoded = digests.filter(pa.array(is_asked)).dictionary_encode()
        asked_codes = encoded.indices.to_numpy().astype(np.int64)
        count = len(encoded.dictionary)
        codes = np.full(len(is_asked), -1, dtype=np.int64)
        codes[is_asked] = asked_codes
        # Numbers are given in the order of first appearance: a number above all before it is a new question.
        is_first = np.zeros(len(is_asked), dtype=bool)
        is_first[is_asked] = np.diff(np.maximum.accumulate(asked_codes), prepend=-1) > 0
        return cls(
            digests=encoded.dictionary,
            codes=codes,
            is_first=is_first,
            max_k=_gathered(np.maximum, _per_question(parts, "max_k", is_asked), asked_codes, count),
            access=_gathered(np.bitwise_or, _per_question(parts, "access", is_asked), asked_codes, count),
            first_source_row=_per_question(parts, "source_row", is_first),
            later_names=_later_names(parts, codes, is_first),
        )

    def numbers_of(self, fingerprints: Iterable[str]) -> Numbers:
        """Return each fingerprint's question, -1 for one that is not asked."""
        wanted = pa.array([bytes.fromhex(fingerprint) for fingerprint in fingerprints], pa.binary(DIGEST_BYTES))
        numbers: Numbers = pc.fill_null(pc.index_in(wanted, value_set=self.digests), -1).to_numpy().astype(np.int64)
        return numbers


def of_company(part: DraftPart, column: str) -> Numbers:
    """Return a column of the companies, once per question."""
    found: Numbers = part.companies[column].to_numpy()[part.company_of]
    return found


def _per_question(parts: Sequence[DraftPart], column: str, are_wanted: Flags) -> Numbers:
    nothing = np.zeros(0, dtype=np.int64)
    return np.concatenate([nothing, *(of_company(part, column) for part in parts)])[are_wanted]


def _gathered(function: np.ufunc, values: Numbers, codes: Numbers, count: int) -> Numbers:
    gathered = np.zeros(count, dtype=np.int64)
    function.at(gathered, codes, values)
    return gathered


def _later_names(parts: Sequence[DraftPart], codes: Numbers, is_first: Flags) -> dict[int, str]:
    """Return a name for each question whose first row has none, where another row that asks it has one."""
    nameless: set[int] = set()
    found: dict[int, str] = {}
    start = 0
    for part in parts:
        has_name = pc.is_valid(part.companies["company_name"]).to_numpy()[part.company_of]
        of_part = slice(start, start + len(part))
        start += len(part)
        nameless.update(codes[of_part][is_first[of_part] & ~has_name].tolist())
        if not nameless:
            continue
        again = (codes[of_part] >= 0) & ~is_first[of_part] & has_name
        names = part.companies["company_name"].take(pa.array(part.company_of[again])).to_pylist()
        for code, name in zip(codes[of_part][again].tolist(), names, strict=True):
            if code in nameless:
                found.setdefault(code, name)
    return found
