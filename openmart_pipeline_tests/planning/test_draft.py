"""A draft reckoned by the column says what reckoning it row by row says.

The row-by-row draft below is the plainest way to write the rules; it is the measure, not a helper.
"""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmart_pipeline.ledger.outstanding import AskStatus
from openmart_pipeline.model.questions import Access, Ask, Question, folded
from openmart_pipeline.planning.draft import Draft
from openmart_pipeline.planning.question_settings import QuestionSettings, merged_over
from openmart_pipeline_tests.ledger.desk import price_table

PRICES = price_table()
SCHEMA = pa.schema(
    {
        "source_row": pa.int64(),
        "company_name": pa.string(),
        "domain": pa.string(),
        "titles": pa.list_(pa.string()),
        "max_k": pa.int64(),
        "info_access": pa.string(),
        "city": pa.string(),
        "state": pa.string(),
        "country": pa.string(),
        "version": pa.int64(),
        "tracking_id": pa.string(),
    }
)


def companies(*rows):
    blank = dict.fromkeys(SCHEMA.names) | {"titles": [], "domain": "acme.com"}
    return pa.Table.from_pylist([{**blank, "source_row": n + 2, **row} for n, row in enumerate(rows)], schema=SCHEMA)


def drafted(tables, choices=None, is_suppressed=None):
    draft = Draft(merged_over(QuestionSettings(), **(choices or {})), PRICES, is_suppressed)
    for table in tables:
        draft.add(table)
    return draft


def rows_of(draft):
    return [row for table in draft.rows() for row in table.to_pylist()]


def one_by_one(tables, settings_, is_suppressed):
    """The asks and rows of a plan, a row and a title at a time."""
    asked, rows = {}, []
    for number, company in enumerate((row for table in tables for row in table.to_pylist()), start=1):
        is_beyond = settings_.limit is not None and number > settings_.limit
        own = company["titles"] or list(settings_.titles)
        titles = own if len(own) == 1 else list({folded(t): t for t in reversed(own)}.values())[::-1]
        place = {part: company[part] or None for part in ("city", "state", "country")}
        if settings_.location == "none":
            place = dict.fromkeys(place)
        elif not any(place.values()):
            place = {part: settings_.place.get(part) for part in place}
        max_k = settings_.max_k if company["max_k"] is None else company["max_k"]
        access = Access.named(company["info_access"] or settings_.info_access)
        version = settings_.version if company["version"] is None else company["version"]
        for title in titles:
            question = Question(domain=company["domain"], title=title, version=version, **place)
            if is_suppressed(company["domain"]):
                rows.append((company, question, max_k, access, "suppressed", None))
            elif is_beyond:
                rows.append((company, question, max_k, access, "beyond_limit", None))
            elif question.fingerprint in asked:
                first = asked[question.fingerprint]
                first["max_k"] = max(first["max_k"], max_k)
                first["access"] |= access
                first["name"] = first["name"] or company["company_name"]
                rows.append((company, question, max_k, access, "duplicate", first))
            else:
                first = {"question": question, "max_k": max_k, "access": access, "row": company["source_row"]}
                first["name"] = company["company_name"]
                asked[question.fingerprint] = first
                rows.append((company, question, max_k, access, None, first))
    return asked, rows


WORDS = st.sampled_from(["CEO", "ceo ", "Head of Sales", "CTO", 'a "b"', "Über\\", "ﬁn"])
COMPANIES = st.lists(
    st.fixed_dictionaries(
        {
            "domain": st.sampled_from(["a.com", "b.com", "c.de", "no.com"]),
            "company_name": st.none() | st.sampled_from(["A", "B"]),
            "titles": st.lists(WORDS, max_size=3),
            "max_k": st.none() | st.integers(1, 8),
            "info_access": st.sampled_from([None, "EMAIL", "PHONE", "EMAIL_AND_PHONE"]),
            "city": st.sampled_from([None, None, "", "Austin", "AUSTIN", "São\tPaulo"]),
            "country": st.sampled_from([None, None, "US"]),
            "version": st.sampled_from([None, None, 0, 1]),
            "tracking_id": st.sampled_from([None, "7"]),
        }
    ),
    max_size=12,
)
CHOICES = st.fixed_dictionaries(
    {},
    optional={
        "titles": st.lists(WORDS, min_size=1, max_size=3),
        "max_k": st.integers(1, 8),
        "info_access": st.sampled_from(["EMAIL", "PHONE"]),
        "location": st.sampled_from(["row", "none", "city=Oslo; country=NO"]),
        "version": st.sampled_from([0, 1]),
        "limit": st.integers(1, 6),
    },
)
STANDINGS = st.dictionaries(st.integers(0, 12), st.sampled_from(list(AskStatus)))


@settings(max_examples=100, deadline=None)
@given(rows=COMPANIES, choices=CHOICES, chunk_rows=st.integers(1, 5), ask_statuses=STANDINGS)
def test_the_columns_say_what_the_rows_say(rows, choices, chunk_rows, ask_statuses):
    whole = companies(*rows)
    tables = [whole.slice(start, chunk_rows) for start in range(0, len(rows), chunk_rows)]
    draft = drafted(tables, choices, lambda domain: domain == "no.com")
    settings_ = merged_over(QuestionSettings(), **choices)
    asked, expected = one_by_one(tables, settings_, lambda domain: domain == "no.com")
    asks = list(draft.asks())
    assert asks == [
        Ask(question=ask["question"], max_k=ask["max_k"], access=ask["access"], company_name=ask["name"]).row._replace(
            source_row=ask["row"]
        )
        for ask in asked.values()
    ]
    assert len(draft) == len(asks)
    known = {ask.fingerprint: ask_statuses[number] for number, ask in enumerate(asks) if number in ask_statuses}
    draft.learn(known.items())
    found = rows_of(draft)
    assert len(found) == len(expected)
    for position, (row, (company, question, max_k, access, outcome, first)) in enumerate(
        zip(found, expected, strict=True)
    ):
        stands = known.get(question.fingerprint, AskStatus.TO_BUY)
        widest = (max_k, access) if outcome else (first["max_k"], first["access"])
        assert row["fingerprint"] == question.fingerprint
        assert (row["question_position"], row["source_row"]) == (position, company["source_row"])
        assert (row["domain"], row["title"], row["title_folded"]) == (
            question.domain, question.title, folded(question.title),
        )  # fmt: skip
        assert [row[part] for part in ("city", "state", "country")] == [
            question.city, question.state, question.country,
        ]  # fmt: skip
        assert (row["version"], row["max_k"], row["info_access"]) == (question.version, widest[0], widest[1].label)
        assert (row["company_name"], row["tracking_id"]) == (company["company_name"], company["tracking_id"])
        assert row["outcome"] == (outcome or stands.value)
        assert (row["outcome_detail"] is None) == (row["outcome"] == "to_buy")
        assert row["first_source_row"] == (first["row"] if outcome == "duplicate" else None)
        worst = PRICES.worst_case(*widest) if row["outcome"] == "to_buy" else None
        assert row["estimated_worst_case_credits"] == worst
    widths = {}
    for ask in asks:
        of_standing = widths.setdefault(known.get(ask.fingerprint, AskStatus.TO_BUY), {})
        of_standing[ask.max_k, ask.info_access] = of_standing.get((ask.max_k, ask.info_access), 0) + 1
    assert {standing: counts for standing, counts in draft.widths().items() if counts} == widths
    assert draft.companies == len(rows)
    assert sum(draft.outcomes().values()) == len(expected)


def test_a_file_without_a_company_asks_nothing():
    draft = drafted([])
    draft.learn([])
    assert (len(draft), list(draft.asks()), rows_of(draft), draft.companies) == (0, [], [], 0)
    assert not any(draft.widths().values())


def test_what_the_ledger_knows_of_other_questions_changes_nothing():
    draft = drafted([companies({})])
    draft.learn([("00" * 16, AskStatus.OWNED)])
    assert [row["outcome"] for row in rows_of(draft)] == ["to_buy"]


def test_a_question_with_an_unknown_price_has_no_worst_case():
    prices = price_table(email=None)
    draft = Draft(QuestionSettings(), prices)
    draft.add(companies({"info_access": "PHONE"}, {"domain": "b.com"}))
    draft.learn([])
    assert [row["estimated_worst_case_credits"] for row in rows_of(draft)] == [24.0, None]


FROZEN = {
    ("acme.com", "Owner", None, None, None, None): "32e7f9b7cc1f8758206867b6aeacaafc",
    ("xn--bcher-kva.de", "Head of  Märketing", "Berlin", None, "DE", 1): "e494a4374b8a45b392d2c3960e6f90b0",
    ("a.co.uk", 'VP "Sales" \\ EMEA', "São Paulo", "SP", "BR", 0): "989546ce6699a221aa06270ad3901802",
}


@pytest.mark.parametrize("fields", FROZEN)
def test_a_fingerprint_never_changes(fields):
    """Raise `FINGERPRINT_VERSION` and re-key what is owned before touching this table."""
    domain, title, city, state, country, version = fields
    row = {"domain": domain, "city": city, "state": state, "country": country, "version": version}
    (ask,) = drafted([companies(row)], {"titles": [title]}).asks()
    assert ask.fingerprint == FROZEN[fields]
