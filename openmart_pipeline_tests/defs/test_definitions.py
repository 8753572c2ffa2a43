import subprocess
import sys
import tomllib
from pathlib import Path

import dagster as dg
import yaml

from openmart_pipeline.definitions import build_definitions
from openmart_pipeline.defs.checks import CHECKS
from openmart_pipeline.warehouse import data_dictionary

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ["companies", "contacts", "enrichment_plan", "published_database", "submitted_batches", "task_results"]


def _specs() -> dict[str, dg.AssetSpec]:
    graph = build_definitions({}).resolve_asset_graph()
    return {key.to_user_string(): graph.get(key) for key in graph.get_all_asset_keys()}


def test_definitions_load_in_an_empty_environment_and_nothing_happens(tmp_path):
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "import dagster as dg\n"
        "from openmart_pipeline.definitions import defs\n"
        "dg.Definitions.validate_loadable(defs)\n"
    )
    loaded = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", program],
        env={},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert loaded.returncode == 0, loaded.stderr
    assert list(tmp_path.iterdir()) == []


def test_assets_are_nouns_that_speak_for_themselves():
    specs = _specs()

    assert sorted(specs) == ASSETS
    for spec in specs.values():
        assert len(spec.description) > 100
        assert all((spec.group_name, spec.kinds, spec.owners, spec.code_version))


def test_assets_carry_the_names_of_their_tables_and_columns():
    tables = {entry.table for entry in data_dictionary()}
    for name, spec in _specs().items():
        if name == "published_database":
            continue
        assert name in tables
        assert spec.metadata["dagster/table_name"].value == f"contacts.main.{name}"
        columns = {column.name for column in spec.metadata["dagster/column_schema"].schema.columns}
        assert columns == {entry.column for entry in data_dictionary() if entry.table == name and entry.column}


def _sources() -> dict[tuple[str, str], list[tuple[str, str]]]:
    """What each column is made of, as the UI is told: (asset, column) -> [(asset, column)]."""
    return {
        (name, column): [(source.asset_key.to_user_string(), source.column_name) for source in sources]
        for name, spec in _specs().items()
        if "dagster/column_lineage" in spec.metadata
        for column, sources in spec.metadata["dagster/column_lineage"].value.deps_by_column.items()
    }


def test_every_column_leads_back_to_the_companies():
    known = {(entry.table, entry.column) for entry in data_dictionary() if entry.column}
    sources = _sources()
    made = {(table, column) for table, column in known if table in ASSETS and table != "companies"}
    assert set(sources) == made, "every column of every table but the first has sources, and nothing else has"
    assert {source for of in sources.values() for source in of} <= known

    def leads_back(column: tuple[str, str]) -> bool:
        return column[0] == "companies" or any(leads_back(source) for source in sources[column])

    assert [column for column in sources if not leads_back(column)] == []


def test_checks_are_unpartitioned_sentences_on_assets_that_exist():
    definitions = build_definitions({})
    graph = definitions.resolve_asset_graph()

    assert {key.name for key in graph.asset_check_keys} == {promise.name for promise in CHECKS}
    assert all("_" in promise.name and promise.description.endswith(".") for promise in CHECKS)
    assert all(graph.get(key).partitions_def is None for key in graph.asset_check_keys)


def test_only_what_spends_asks_for_a_credit_limit_and_a_plan_and_has_no_default_for_them():
    definitions = build_definitions({})
    asked = {}
    for name in (job.name for job in definitions.resolve_all_job_defs()):
        job = definitions.resolve_job_def(name)
        for node in job.all_node_defs:
            fields = getattr(node.config_schema.config_type, "fields", {}) if node.config_schema else {}
            if "credit_limit" in fields:
                asked[node.name] = {name for name, field in fields.items() if field.is_required}
    assert asked == {"submitted_batches": {"credit_limit", "plan"}}


def test_every_job_runs_its_steps_in_one_process():
    definitions = build_definitions({})

    assert {job.executor_def.name for job in definitions.resolve_all_job_defs()} == {"in_process"}


def test_buying_and_purging_are_off_until_a_person_switches_them_on():
    definitions = build_definitions({})
    schedules = {schedule.name: schedule.default_status.value for schedule in definitions.schedules}
    sensors = {sensor.name: sensor.default_status.value for sensor in definitions.sensors}

    assert schedules == {
        "plan_company_files_daily": "RUNNING",
        "buy_planned_contacts_daily": "STOPPED",
        "refresh_stale_contacts_monthly": "STOPPED",
        "purge_old_answers_daily": "STOPPED",
    }
    assert sensors == {"company_files_sensor": "RUNNING", "batch_readiness_sensor": "RUNNING"}


def test_every_way_of_starting_gives_the_code_location_one_name():
    [workspace] = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["dg"]["project"]

    assert workspace["python_module"]["location_name"] == project["code_location_name"] == "openmart_pipeline"
    assert workspace["python_module"]["module_name"] == project["code_location_target_module"]
