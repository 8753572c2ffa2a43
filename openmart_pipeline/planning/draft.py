"""A plan in the making: a file's companies become questions, each asked once and as wide as any row asks.

Lives here: columns of companies to columns of asks and of `enrichment_plan`. Pure: no input or output.
"""

import hashlib
from binascii import hexlify
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from openmart_pipeline.contacts.redaction import as_hints
from openmart_pipeline.intake.text_columns import joined, json_text, json_texts, judged, listed
from openmart_pipeline.ledger.outstanding import AskStatus
from openmart_pipeline.model.prices import PriceTable
from openmart_pipeline.model.questions import Access, AskRow, folded
from openmart_pipeline.planning.dedupe import (
    DIGEST_BYTES,
    AskedOnce,
    DraftPart,
    Flags,
    Numbers,
    of_company,
)
from openmart_pipeline.planning.question_settings import NO_PLACE, PLACE_PARTS, QuestionSettings
from openmart_pipeline.planning.quoting import BEYOND_LIMIT, DETAILS, DUPLICATE, SUPPRESSED

STANDINGS = tuple(AskStatus)
OUTCOMES = (*(standing.value for standing in STANDINGS), DUPLICATE, BEYOND_LIMIT, SUPPRESSED)


class Draft:
    """A file's questions: `add` every chunk of companies, read `asks`, `learn` where they stand, read `rows`."""

    def __init__(
        self, settings: QuestionSettings, prices: PriceTable, is_suppressed: Callable[[str], bool] | None = None
    ) -> None:
        """Draft a plan with these settings for rows that don't say otherwise; suppressed domains are asked nothing."""
        self._settings = settings
        self._is_suppressed = is_suppressed
        self._prices = prices
        self._parts: list[DraftPart] = []
        self._titles: dict[str, int] = {}
        self._own_titles: dict[tuple[str, ...], list[int]] = {}
        self._plan_titles = self._numbered(settings.titles)
        self._standings = np.zeros(0, dtype=np.int64)
        self.companies = 0

    def __len__(self) -> int:
        """How many questions are asked."""
        return len(self._once.max_k)

    def add(self, companies: pa.Table) -> None:
        """Take in a chunk of kept companies, columns as `Warehouse.company_tables` yields them."""
        table = self._as_asked(companies)
        self.companies += len(table)
        company_of, title_of = self._questions_of(companies["titles"])
        digests = self._digests(table, company_of, title_of)
        self._parts.append(DraftPart(companies=table, company_of=company_of, title_of=title_of, digests=digests))

    def asks(self) -> Iterator[AskRow]:
        """Yield what the file asks, each question once, in file order."""
        once = self._once
        start = 0
        for part in self._parts:
            is_first = once.is_first[start : start + len(part)]
            numbers = once.codes[start : start + len(part)][is_first]
            start += len(part)
            asked = self._texts(part, is_first)
            names = listed(asked["company_name"])
            yield from map(
                AskRow,
                listed(_hex(part.digests.filter(pa.array(is_first)))),
                listed(asked["domain"]),
                listed(asked["title"]),
                *(listed(asked[place]) for place in PLACE_PARTS),
                listed(asked["version"]),
                once.max_k[numbers].tolist(),
                once.access[numbers].tolist(),
                [name or once.later_names.get(number) for name, number in zip(names, numbers.tolist(), strict=True)],
                listed(asked["source_row"]),
            )

    def learn(self, ask_statuses: Iterable[tuple[str, AskStatus]]) -> None:
        """Take what the ledger knows of some fingerprints; every other question is to buy."""
        fingerprints, known = tuple(zip(*ask_statuses, strict=True)) or ((), ())
        self._standings = np.full(len(self), STANDINGS.index(AskStatus.TO_BUY), dtype=np.int64)
        numbers = self._once.numbers_of(fingerprints)
        codes = np.array([STANDINGS.index(standing) for standing in known], dtype=np.int64)
        self._standings[numbers[numbers >= 0]] = codes[numbers >= 0]

    def rows(self) -> Iterator[pa.Table]:
        """Yield the rows of `enrichment_plan`: one per company row and title, with what the plan makes of it."""
        for part, start, outcomes, codes in self._judged():
            yield self._plan_rows(part, start, outcomes, codes)

    def outcomes(self) -> Counter[str]:
        """Return how many of those rows have each outcome."""
        counts = np.zeros(len(OUTCOMES), dtype=np.int64)
        for _, _, outcomes, _ in self._judged():
            counts += np.bincount(outcomes, minlength=len(OUTCOMES))
        return Counter({word: int(count) for word, count in zip(OUTCOMES, counts, strict=True) if count})

    def widths(self) -> dict[AskStatus, dict[tuple[int, int], int]]:
        """Return, for each standing, how many questions are asked at each (max_k, info_access bits)."""
        once = self._once
        counts: dict[AskStatus, dict[tuple[int, int], int]] = {standing: {} for standing in STANDINGS}
        for (code, max_k, bits), count in _counted(self._standings, once.max_k, once.access):
            counts[STANDINGS[code]][max_k, bits] = count
        return counts

    def _judged(self) -> Iterator[tuple[DraftPart, int, Numbers, Numbers]]:
        """Yield each part, where it starts, and for each row and title its outcome and its question's number."""
        start = 0
        for part in self._parts:
            of_part = slice(start, start + len(part))
            codes = self._once.codes[of_part]
            yield part, start, self._outcomes(part, codes, self._once.is_first[of_part]), codes
            start += len(part)

    @cached_property
    def _once(self) -> AskedOnce:
        return AskedOnce.of(self._parts)

    def _as_asked(self, companies: pa.Table) -> pa.Table:
        """Return the companies with what the plan says laid behind what the rows say."""
        settings, count = self._settings, len(companies)
        places = [as_hints(_without_blanks(companies[part])) for part in PLACE_PARTS]
        if settings.location == NO_PLACE:
            places = [pa.nulls(count, pa.string()) for _ in PLACE_PARTS]
        elif settings.place:
            city, state, country = map(pc.is_null, places)
            has_none = pc.and_(pc.and_(city, state), country)
            places = [
                pc.if_else(has_none, pa.scalar(settings.place.get(part), pa.string()), place)
                for part, place in zip(PLACE_PARTS, places, strict=True)
            ]
        numbers = np.arange(self.companies + 1, self.companies + 1 + count)
        version = companies["version"]
        return pa.table(
            {
                "source_row": companies["source_row"],
                "domain": companies["domain"],
                "company_name": as_hints(companies["company_name"]),
                **{part: place.dictionary_encode() for part, place in zip(PLACE_PARTS, places, strict=True)},
                "version": version if settings.version is None else pc.fill_null(version, settings.version),
                "max_k": pc.fill_null(companies["max_k"], settings.max_k),
                "access": self._accesses(companies["info_access"]),
                "tracking_id": companies["tracking_id"],
                "is_beyond": np.zeros(count, dtype=bool) if settings.limit is None else numbers > settings.limit,
                "is_suppressed": self._suppressed(companies["domain"]),
            }
        )

    def _accesses(self, written: pa.ChunkedArray) -> pa.Array:
        plain = pc.fill_null(written.combine_chunks(), self._settings.info_access)
        return judged(plain, lambda word: int(Access.named(word))).numbers()

    def _suppressed(self, domains: pa.ChunkedArray) -> pa.Array:
        if self._is_suppressed is None:
            return pa.array(np.zeros(len(domains), dtype=bool))
        return pa.array(map(self._is_suppressed, domains.to_pylist()), pa.bool_())

    def _numbered(self, titles: Sequence[str]) -> list[int]:
        """Return the titles' numbers; one spelled twice is asked once."""
        once = {folded(title): title for title in reversed(titles)} if len(titles) > 1 else {"": titles[0]}
        return [self._titles.setdefault(title, len(self._titles)) for title in list(once.values())[::-1]]

    def _questions_of(self, titles: pa.ChunkedArray) -> tuple[Numbers, Numbers]:
        """Return each question's company and title, by number: the row's own titles, else the plan's."""
        count = len(titles)
        has_own = pc.greater(pc.list_value_length(titles), 0)
        if not pc.any(has_own, min_count=0).as_py():
            each = len(self._plan_titles)
            return np.repeat(np.arange(count), each), np.tile(np.array(self._plan_titles, dtype=np.int64), count)
        numbers = []
        for own in titles.to_pylist():
            key = tuple(own or ())
            if key not in self._own_titles:
                self._own_titles[key] = self._numbered(own) if own else self._plan_titles
            numbers.append(self._own_titles[key])
        company_of = np.repeat(np.arange(count), [len(found) for found in numbers])
        return company_of, np.fromiter(chain.from_iterable(numbers), dtype=np.int64, count=len(company_of))

    def _digests(self, table: pa.Table, company_of: Numbers, title_of: Numbers) -> pa.Array:
        """Return every question's fingerprint, as `questions.Question.fingerprint` reckons it one by one."""
        titles = pa.array([json_text(folded(title)) for title in self._titles], pa.string())
        city, state, country = (
            judged(pc.fill_null(table[part].combine_chunks().cast(pa.string()), ""), _folded_json).texts()
            for part in PLACE_PARTS
        )
        before = joined("[", json_texts(table["domain"].combine_chunks()), ",")
        version = pc.cast(pc.fill_null(table["version"].combine_chunks(), 0), pa.string())
        behind = joined(",", country, ",", state, ",", city, ",", version, "]")
        places = pa.array(company_of)
        canonical = joined(before.take(places), titles.take(pa.array(title_of)), behind.take(places))
        hashed = partial(hashlib.blake2b, digest_size=DIGEST_BYTES)
        digests = b"".join([hashed(text).digest() for text in listed(pc.cast(canonical, pa.binary()))])
        buffers = [None, pa.py_buffer(digests)]
        return pa.FixedSizeBinaryArray.from_buffers(pa.binary(DIGEST_BYTES), len(company_of), buffers)

    def _outcomes(self, part: DraftPart, codes: Numbers, is_first: Flags) -> Numbers:
        """Return the place in `OUTCOMES` of each question's outcome."""
        outcomes = np.full(len(part), OUTCOMES.index(DUPLICATE), dtype=np.int64)
        outcomes[is_first] = self._standings[codes[is_first]]
        outcomes[of_company(part, "is_beyond").astype(bool)] = OUTCOMES.index(BEYOND_LIMIT)
        outcomes[of_company(part, "is_suppressed").astype(bool)] = OUTCOMES.index(SUPPRESSED)
        return outcomes

    def _plan_rows(self, part: DraftPart, position: int, outcomes: Numbers, codes: Numbers) -> pa.Table:
        once = self._once
        texts = self._texts(part, None)
        is_first = outcomes < len(STANDINGS)
        max_k, access = of_company(part, "max_k"), of_company(part, "access")
        max_k[is_first], access[is_first] = once.max_k[codes[is_first]], once.access[codes[is_first]]
        first_rows = np.zeros(len(part), dtype=np.int64)
        is_duplicate = outcomes == OUTCOMES.index(DUPLICATE)
        first_rows[is_duplicate] = once.first_source_row[codes[is_duplicate]]
        folded_titles = pa.array(map(folded, self._titles), pa.string())
        labels = pa.array([Access(bits).label for bits in range(max(Access) * 2)], pa.string())
        outcome_of = pa.array(outcomes)
        return pa.table(
            {
                "source_row": texts["source_row"],
                "question_position": np.arange(position, position + len(part)),
                "fingerprint": _hex(part.digests),
                "domain": texts["domain"],
                "title": texts["title"],
                "title_folded": folded_titles.take(pa.array(part.title_of)),
                "company_name": texts["company_name"],
                **{place: texts[place] for place in PLACE_PARTS},
                "version": texts["version"],
                "max_k": max_k,
                "info_access": labels.take(pa.array(access)),
                "tracking_id": texts["tracking_id"],
                "outcome": pa.array(OUTCOMES, pa.string()).take(outcome_of),
                "outcome_detail": pa.array(map(DETAILS.get, OUTCOMES), pa.string()).take(outcome_of),
                "first_source_row": pa.array(first_rows, mask=~is_duplicate),
                "estimated_worst_case_credits": self._worst_cases(max_k, access, outcomes),
            }
        )

    def _worst_cases(self, max_k: Numbers, access: Numbers, outcomes: Numbers) -> pa.Array:
        """Return what each question to buy costs at most; null where nothing is bought, or a price is unknown."""
        is_bought = outcomes == OUTCOMES.index(AskStatus.TO_BUY.value)
        credits_ = np.full(len(outcomes), np.nan)
        for (k, bits), _ in _counted(max_k[is_bought], access[is_bought]):
            worst = self._prices.worst_case(k, Access(bits))
            if worst is not None:
                credits_[is_bought & (max_k == k) & (access == bits)] = worst
        return pa.array(credits_, mask=np.isnan(credits_))

    def _texts(self, part: DraftPart, are_wanted: Flags | None) -> pa.Table:
        """Return the company's columns and the title for each (wanted) question."""
        company_of = part.company_of if are_wanted is None else part.company_of[are_wanted]
        title_of = part.title_of if are_wanted is None else part.title_of[are_wanted]
        titles = pa.array(list(self._titles), pa.string()).take(pa.array(title_of))
        return part.companies.take(pa.array(company_of)).append_column("title", titles)


def _folded_json(text: str) -> str:
    return json_text(folded(text))


def _counted(*columns: Numbers) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield each combination of values that occurs, small numbers all, and how often it does."""
    shape = [int(column.max(initial=0)) + 1 for column in columns]
    counts = np.bincount(np.ravel_multi_index(columns, shape), minlength=1)
    for place in np.flatnonzero(counts):
        yield tuple(int(value) for value in np.unravel_index(place, shape)), int(counts[place])


def _hex(digests: pa.Array) -> pa.Array:
    """Return the digests as text, all written at once."""
    written = hexlify(b"".join(listed(digests)))
    of_one = pa.binary(2 * DIGEST_BYTES)
    buffers = [None, pa.py_buffer(written)]
    return pa.FixedSizeBinaryArray.from_buffers(of_one, len(digests), buffers).cast(pa.binary()).cast(pa.string())


def _without_blanks(column: pa.ChunkedArray) -> pa.Array:
    plain = column.combine_chunks()
    return pc.if_else(pc.equal(plain, ""), pa.scalar(None, pa.string()), plain)
