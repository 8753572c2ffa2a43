"""F51: a row leaves its file after it was answered; whoever was found for it is read as before."""

from pathlib import Path

from openmart_pipeline.contacts.identifiers import identifier_of
from openmart_pipeline.pipeline import forgetting, steps
from openmart_pipeline.pipeline.rebuilding import rebuild
from openmart_pipeline.services import Services
from openmart_pipeline_tests.faults.held_people import HEADER, KEY, ROWS, holding, person
from openmart_pipeline_tests.faults.shop import Shop
from openmart_pipeline_tests.money import company_file, planned

NATIONAL = person("Jane Doe", None, "020 7946 0958", page="jane-doe")
CALLS = "SELECT full_name, phone FROM call_list"


def withdraw_first_row(work: Services) -> None:
    company_file(work.data.input.parent, KEY, ROWS[1:], header=HEADER)
    planned(work, KEY)
    steps.load_contacts(work, KEY, run_id="run")


def test_a_national_number_is_read_with_its_questions_country_after_the_row_left(tmp_path: Path, shop: Shop) -> None:
    with holding(tmp_path, shop.simulator, {"held0.com": [NATIONAL]}) as (work, _):
        before = work.warehouse.query(CALLS)
        assert before == [("Jane Doe", "+442079460958")]
        withdraw_first_row(work)
        assert work.warehouse.query("SELECT is_withdrawn FROM contacts") == [(True,)]
        assert work.warehouse.query(CALLS) == before
        rebuild(work, run_id="rebuild")
        assert work.warehouse.query(CALLS) == before


def test_who_is_kept_out_by_their_number_stays_out_after_the_row_left(tmp_path: Path, shop: Shop) -> None:
    with holding(tmp_path, shop.simulator, {"held0.com": [NATIONAL]}) as (work, _):
        forgetting.suppress(work, None, [identifier_of("+44 20 7946 0958")], who="tests", why="ticket 7")
        steps.load_contacts(work, KEY, run_id="run")
        assert work.warehouse.query("SELECT full_name FROM contacts") == []
        withdraw_first_row(work)
        assert work.warehouse.query("SELECT full_name FROM contacts") == []
        assert work.warehouse.query("SELECT count(*) FROM task_results WHERE raw LIKE '%7946%'") == [(0,)]
