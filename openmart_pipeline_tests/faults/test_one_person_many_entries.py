"""F50: one person with several addresses, pages and numbers, colleagues at one mailbox, and others of the same name."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from openmart_pipeline.api.models import DenyKind
from openmart_pipeline.contacts.identifiers import identifier_of
from openmart_pipeline.ledger import schema
from openmart_pipeline.ledger import unmatched_results as unmatched
from openmart_pipeline.pipeline import forgetting, retiring, steps
from openmart_pipeline.pipeline.forgetting import NotForgotten
from openmart_pipeline.privacy import holdings
from openmart_pipeline.privacy.holdings import SeveralPeople
from openmart_pipeline.services import ApiSession, Services
from openmart_pipeline_tests.faults.held_people import (
    HEADER,
    KEY,
    ROWS,
    holding,
    person,
    put_answers,
)
from openmart_pipeline_tests.faults.shop import Shop
from openmart_pipeline_tests.money import at_work, company_file, planned
from openmart_pipeline_tests.traces import traces
from openmart_pipeline_tests.warehouse.warehouse_children import exit_code_of

WHO = {"who": "tests", "why": "ticket 7"}
SWITCHBOARD = "+1 212 555 0199"
# Each entry of Jane Doe's shares something with another one, and none shares anything with all.
HOSTILE = {
    "held0.com": [
        person("Jane Doe", "jane@held0.com", "020 7946 0958", page="jane-first"),
        person("Jane Doe"),
        person("Bob Ray", "info@held0.com"),
    ],
    "held1.com": [person("JANE  DOE", "jane.doe@private.org", "+44 20 7946 0958")],
    "held2.com": [person("Jané Doe", "Jane.Doe@Private.org", page="jane-second")],
    "held3.com": [
        person("Doe, Jane", "info@held3.com", "+44 7700 900123", page="jane-second"),
        person("Carla Diaz", "info@held3.com", "+1 212 555 0100"),
    ],
    "held4.com": [person("Jane Doe", None, "+447700900123")],
    "held5.com": [person("Jane Doe", "jane@held5.com", "+1 212 555 0177", page="jane-elsewhere")],
    "held6.com": [
        person("Jane Doe", "j.doe@held6.com", SWITCHBOARD, page="jane-first"),
        person("Jane Doe", "other.jane@held6.com"),
        person("Ed Poe", "ed@held6.com", SWITCHBOARD),
    ],
}
EMAILS = ["j.doe@held6.com", "jane.doe@private.org", "jane@held0.com"]
PHONES = ["+442079460958", "+447700900123"]
NEEDLES = (*EMAILS, *PHONES, "7946 0958", "7700 900123", "jane-first", "jane-second")
OTHERS = ["Bob Ray", "Carla Diaz", "Ed Poe", "Jane Doe", "Jane Doe", "Jane Doe"]  # by name, elsewhere, other address
NAMES = "SELECT full_name FROM contacts ORDER BY full_name"


@contextmanager
def hostile(tmp_path: Path, shop: Shop, *, loads: bool = True) -> Iterator[tuple[Services, ApiSession]]:
    with holding(tmp_path, shop.simulator, HOSTILE, loads=loads) as (work, session):
        yield work, session


def names(work: Services) -> list[str]:
    return [name for (name,) in work.warehouse.query(NAMES)]


@pytest.mark.parametrize("given", ["jane@held0.com", "+44 7700 900123", "linkedin.com/in/jane-second"])
def test_all_that_leads_to_a_person_goes_and_the_vendor_hears_of_all(tmp_path: Path, shop: Shop, given: str) -> None:
    with hostile(tmp_path, shop) as (work, session):
        assert len(names(work)) == 12
        done = forgetting.forget(work, session.client, [identifier_of(given)], **WHO)
        assert traces(tmp_path, *NEEDLES) == []
        assert names(work) == OTHERS
        assert work.warehouse.query("SELECT full_name FROM call_list WHERE full_name = 'Jane Doe'") == [("Jane Doe",)]
        assert done.suppressed == {"email": 3, "phone": 2, "linkedin": 2}
        assert done.told_vendor == {"email": 3, "phone": 2}
        assert set(session.client.denied(DenyKind.EMAIL, EMAILS).values()) == {True}
        assert set(session.client.denied(DenyKind.PHONE, PHONES).values()) == {True}
        session.client.undeny(DenyKind.EMAIL, EMAILS)
        session.client.undeny(DenyKind.PHONE, PHONES)


def test_what_somebody_else_is_found_by_too_is_named_and_left_alone(tmp_path: Path, shop: Shop) -> None:
    with hostile(tmp_path, shop) as (work, _):
        found = holdings.find(work, [identifier_of("jane@held0.com")])
        shared = {identifier.value: sorted(names) for identifier, names in found.followed.shared.items()}
        assert shared == {"info@held3.com": ["Carla Diaz", "Doe, Jane"], "+12125550199": ["Ed Poe", "Jane Doe"]}
        by_name = {
            (entry.companies, tuple(i.value for i in entry.identifiers)) for entry in found.followed.by_name.values()
        }
        assert by_name == {(("held0.com",), ()), (("held6.com",), ("other.jane@held6.com",))}
        done = forgetting.forget(work, None, [identifier_of("jane@held0.com")], **WHO)
        assert (done.shared, done.by_name) == ({"email": 1, "phone": 1}, 2)
        listed = work.suppressions.current()
        assert not any(listed.has(identifier_of(value)) for value in shared)


def test_an_entry_by_name_only_goes_when_a_person_says_so_and_stays_away(tmp_path: Path, shop: Shop) -> None:
    with hostile(tmp_path, shop) as (work, _):
        theirs = [identifier_of("Doe, JANE at held0.com")]
        forgetting.forget(work, None, [identifier_of("jane@held0.com")], include=theirs, **WHO)
        remaining = work.warehouse.query("SELECT company_domain FROM contacts WHERE full_name = 'Jane Doe' ORDER BY 1")
        assert remaining == [("held5.com",), ("held6.com",)]
        put_answers(work, {"held0.com": [person("Jane Doe")], "held1.com": [person("Jane Doe")]})
        steps.load_contacts(work, KEY, run_id="run")
        assert work.warehouse.query("SELECT company_domain FROM contacts") == [("held1.com",)], "kept out at held0.com"


def test_two_people_at_one_given_address_stop_it_until_a_person_chooses(tmp_path: Path, shop: Shop) -> None:
    mailbox = identifier_of("info@held3.com")
    with hostile(tmp_path, shop) as (work, _):
        before = names(work)
        with pytest.raises(SeveralPeople, match="--only NAME") as refused:
            forgetting.forget(work, None, [mailbox], **WHO)
        assert "Carla" not in str(refused.value)
        assert (names(work), bool(work.suppressions.current())) == (before, False)
        done = forgetting.forget(work, None, [mailbox], only="Carla Diaz", **WHO)
        assert names(work) == [name for name in before if name != "Carla Diaz"]
        assert traces(tmp_path, "Diaz", "+12125550100") == []
        assert done.suppressed == {"phone": 1}
        assert not work.suppressions.current().has(mailbox)


def test_a_mailbox_said_to_be_the_persons_goes_with_everybody_at_it(tmp_path: Path, shop: Shop) -> None:
    with hostile(tmp_path, shop) as (work, _):
        mailbox = identifier_of("info@held3.com")
        forgetting.forget(work, None, [mailbox], include=[mailbox], **WHO)
        assert traces(tmp_path, "info@held3.com", "Diaz") == []
        assert work.suppressions.current().has(mailbox)


def test_answers_that_are_not_loaded_left_or_matched_are_searched_too(tmp_path: Path, shop: Shop) -> None:
    with hostile(tmp_path, shop, loads=False) as (work, _):
        company_file(tmp_path, KEY, [ROWS[0], *ROWS[3:]], header=HEADER)  # held1 and held2 leave: the way to held3
        planned(work, KEY)
        make_unmatched(work, "held4.com")
        found = holdings.find(work, [identifier_of("jane@held0.com")])
        assert {entry.answer.companies for entry in found.answers if entry.answer and entry.answer.task_no} == {
            (f"held{number}.com",) for number in (0, 1, 2, 3, 6)
        }
        assert found.searched.unmatched_answers == 1
        assert len(found.answers) == 6
        forgetting.forget(work, None, [identifier_of("jane@held0.com")], **WHO)
        assert traces(tmp_path, *NEEDLES) == []


NUMBER = "+44 20 7946 0958"
JANE = person("Jane Doe", "jane@held0.com", NUMBER)
BRIDGES = [
    ("", "Bob Ray"),  # an entry without a name
    ("J. D.", "John Dean"),
    ("Jane", "Jane Roe"),
]


@pytest.mark.parametrize(("between", "other"), BRIDGES)
def test_an_entry_that_may_be_anybodys_is_no_bridge_to_somebody_else(
    tmp_path: Path, shop: Shop, between: str, other: str
) -> None:
    far = person(other, "other@held1.com", "+44 7700 900123")
    items = {"held0.com": [JANE], "held1.com": [person(between, "other@held1.com", NUMBER)], "held2.com": [far]}
    with holding(tmp_path, shop.simulator, items) as (work, _):
        done = forgetting.forget(work, None, [identifier_of("jane@held0.com")], **WHO)
        assert names(work) == [other]
        assert done.shared == {"email": 1}, "and a person is asked"
        assert not work.suppressions.current().has(identifier_of("+44 7700 900123"))


@pytest.mark.parametrize(
    "written",
    [
        "Jane Doe <jane@held0.com>",
        "mailto:jane@held0.com",
        {"email": "jane.doe@private.org; jane@held0.com"},
        [{"email": "jane@held0.com", "verified": True}],
        {"value": ["jane@held0.com"]},
    ],
)
def test_an_address_that_is_written_badly_leads_to_its_person_too(tmp_path: Path, shop: Shop, written: object) -> None:
    badly = {**person("Jane Doe", None, "+44 7700 900123", page="jane-first"), "email": written}
    with holding(tmp_path, shop.simulator, {"held1.com": [badly]}) as (work, _):
        done = forgetting.forget(work, None, [identifier_of("jane@held0.com")], **WHO)
        assert names(work) == []
        assert traces(tmp_path, *NEEDLES, "jane@held0.com") == []
        assert (done.suppressed["phone"], done.suppressed["linkedin"]) == (1, 1)
        put_answers(work, {"held2.com": [badly]})
        assert forgetting.forget(work, None, [identifier_of("+44 7700 900123")], **WHO).answers == 1


def test_a_domain_in_its_own_letters_and_in_punycode_is_one(tmp_path: Path, shop: Shop) -> None:
    items = {
        "held0.com": [person("Jane Doe", "jane@bücher.com")],
        "held1.com": [person("Jane Doe", "jane@xn--bcher-kva.com")],
    }
    with holding(tmp_path, shop.simulator, items) as (work, _):
        forgetting.forget(work, None, [identifier_of("jane@xn--bcher-kva.com")], **WHO)
        assert names(work) == []


def test_an_address_as_the_name_of_a_field_goes_too(tmp_path: Path, shop: Shop) -> None:
    other = {**person("Bob Ray", "bob@held1.com"), "seen_with": {"jane@held0.com": 2}}
    with holding(tmp_path, shop.simulator, {"held0.com": [JANE], "held1.com": [other]}) as (work, _):
        forgetting.forget(work, None, [identifier_of("jane@held0.com")], **WHO)
        assert (names(work), traces(tmp_path, "jane@held0.com")) == (["Bob Ray"], [])


@pytest.mark.parametrize("written", ["020 7946 0958", "0044 20 7946 0958", "(44) 20-7946-0958", "٠٢٠ ٧٩٤٦ ٠٩٥٨"])
def test_a_number_whose_country_nobody_said_leads_to_its_person(tmp_path: Path, shop: Shop, written: str) -> None:
    """The list of hashes can't recognise it: the person is kept out by name at that company."""
    items = {"held0.com": [JANE], "held5.com": [person("Doe, Jane", None, written), person("Al Fox", "al@held5.com")]}
    with holding(tmp_path, shop.simulator, items) as (work, _):
        done = forgetting.forget(work, None, [identifier_of("jane@held0.com")], **WHO)
        assert (names(work), done.suppressed) == (["Al Fox"], {"email": 1, "phone": 1, "name": 1})
        assert traces(tmp_path, written) == []


def test_such_a_number_of_somebody_else_is_named_and_left_alone(tmp_path: Path, shop: Shop) -> None:
    items = {"held0.com": [JANE], "held5.com": [person("Al Fox", None, "020 7946 0958")]}
    with holding(tmp_path, shop.simulator, items) as (work, _):
        done = forgetting.forget(work, None, [identifier_of("jane@held0.com")], **WHO)
        assert (names(work), done.shared) == (["Al Fox"], {"phone": 1})


def test_a_copy_that_a_plan_was_made_from_is_named_when_its_file_is_gone(tmp_path: Path, shop: Shop) -> None:
    with holding(tmp_path, shop.simulator, {"held0.com": [JANE]}) as (work, _):
        planned(work, company_file(tmp_path, "gone.csv", ["held0.com,see jane@held0.com"], header="Website,Notes"))
        (tmp_path / "input" / "gone.csv").unlink()
        done = forgetting.forget(work, None, [identifier_of("jane@held0.com")], **WHO)
        assert (done.copies_naming, done.still_naming) == (["gone.csv"], [])
        retiring.retire(work, "gone.csv", remove_data=True, **WHO)
        assert traces(tmp_path, "jane@held0.com") == []
        assert forgetting.forget(work, None, [identifier_of("jane@held0.com")], **WHO).copies_naming == []


def test_a_place_that_names_a_person_is_no_part_of_a_question(tmp_path: Path, shop: Shop) -> None:
    """It would go to the API and stay in the ledger, where `forget` finds no words."""
    with holding(tmp_path, shop.simulator, {"held0.com": [JANE]}) as (work, _):
        rows = ['held0.com,"Berlin, ask jane@held0.com"', "held1.com,Bonn"]
        planned(work, company_file(tmp_path, "places.csv", rows, header="Website,City"))
        with work.ledger.read() as connection:
            cities = set(connection.execute(sa.select(schema.questions.c.city)).scalars())
        assert cities == {None, "Bonn"}
        forgetting.forget(work, None, [identifier_of("jane@held0.com")], **WHO)
        left = {place.split("/")[0] for place in traces(tmp_path, "jane@held0.com")}
        assert left == {"files", "input"}, "the person's row is in a file of the user's own"


def test_whoever_stands_in_an_unmatched_result_only_leaves_its_table_too(tmp_path: Path, shop: Shop) -> None:
    """The table for analysts lists the domains of its addresses, and a domain may be one person's own."""
    with holding(tmp_path, shop.simulator, {"held7.com": [person("Kim Oh", "me@kim-oh.net")]}) as (work, _):
        make_unmatched(work, "held7.com")
        steps.load_contacts(work, KEY, run_id="run")
        assert work.warehouse.query("SELECT address_domains FROM unmatched_results") == [(["kim-oh.net"],)]
        forgetting.forget(work, None, [identifier_of("me@kim-oh.net")], **WHO)
        assert traces(tmp_path, "kim-oh.net", "Kim", "me@kim") == []
        assert work.warehouse.query("SELECT address_domains FROM unmatched_results") == [([],)]


def make_unmatched(work: Services, domain: str) -> None:
    """Turn the answer about a company into one that names no task of ours."""
    with work.ledger.write() as connection:
        row = connection.execute(
            sa.select(schema.tasks, schema.batches.c.vendor_batch_id)
            .join(schema.questions, schema.questions.c.question_id == schema.tasks.c.question_id)
            .join(schema.batches, schema.batches.c.batch_no == schema.tasks.c.batch_no)
            .where(schema.questions.c.domain == domain)
        ).one()
        connection.execute(
            schema.unmatched_results.insert().values(
                batch_no=row.batch_no,
                vendor_task_id=row.vendor_task_id,
                vendor_batch_id=row.vendor_batch_id,
                reason=unmatched.NO_ID,
                state=row.state,
                raw=row.raw,
                people=1,
                emails=1,
                phones=1,
                reads=unmatched.READS,
                read_at=work.ledger.clock(),
            )
        )
        connection.execute(schema.tasks.update().where(schema.tasks.c.task_no == row.task_no).values(raw=None))


def test_everybody_whom_the_directory_takes_for_the_person_goes(tmp_path: Path, shop: Shop) -> None:
    """But for colleagues at the mailbox of a role, whom it may take for one person."""
    twice = [person("Ann Lee", None, "+1 212 555 0111"), person("Ann Lee", None, "+1 212 555 0122")]
    with holding(tmp_path, shop.simulator, {**HOSTILE, "held7.com": twice}) as (work, _):
        of_several = work.warehouse.query(
            "SELECT any_value(coalesce(linkedin_url, email, phone)), list(contact_id) FROM contacts "
            "JOIN contact_persons USING (contact_id) WHERE NOT coalesce(is_role_address, false) "
            "GROUP BY person_id HAVING count(*) > 1"
        )
        assert len(of_several) == 3
        for value, contact_ids in of_several:
            found = holdings.find(work, [identifier_of(value)])
            assert {row["contact_id"] for row in found.contacts} >= set(contact_ids), value


def forget_and_die(data_dir: Path, url: str) -> None:
    def on_step(done: str) -> None:
        if done == "answers cleaned":
            os.kill(os.getpid(), signal.SIGKILL)

    with at_work(data_dir, url) as (work, _):
        forgetting.forget(work, None, [identifier_of("jane@held0.com")], **WHO, on_step=on_step)


def test_after_a_kill_the_same_call_finishes_although_less_is_found(tmp_path: Path, shop: Shop) -> None:
    """Only the first call saw the second address; an old copy of a company file names it."""
    with hostile(tmp_path, shop) as (work, _):
        company_file(tmp_path, "named.csv", ["held0.com,Owner: jane.doe@private.org"], header="Website,Notes")
        planned(work, "named.csv")
        company_file(tmp_path, "named.csv", ["held0.com,"], header="Website,Notes")
        planned(work, "named.csv")
    assert exit_code_of(forget_and_die, tmp_path, shop.url) == -signal.SIGKILL
    with at_work(tmp_path, shop.url) as (work, _):
        done = forgetting.forget(work, None, [identifier_of("jane@held0.com")], **WHO)
        assert done.copies_removed == 1
        assert traces(tmp_path, *NEEDLES) == []


@pytest.mark.parametrize("why", ["Jane Doe asked us", "jane@held0.com", "request of doe, jane", "+44 7700 900123"])
def test_the_reason_can_not_name_the_person_by_anything_that_was_found(tmp_path: Path, shop: Shop, why: str) -> None:
    with hostile(tmp_path, shop) as (work, _):
        with pytest.raises(NotForgotten, match="reference"):
            forgetting.forget(work, None, [identifier_of("jane@held0.com")], who="tests", why=why)
        assert not work.suppressions.current()
