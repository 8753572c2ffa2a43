import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from openmart_pipeline.defs.instance_home import HomeUnprepared, prepare_home

ROOT = Path(__file__).resolve().parents[2]
OPEN_IT = (
    "import sys; from pathlib import Path; from openmart_pipeline.defs.instance_home import prepare_home;"
    "assert 'dagster' not in sys.modules; home = prepare_home(Path(sys.argv[1]));"
    "import dagster as dg; dg.DagsterInstance.from_config(str(home)).get_runs_count()"
)


def test_two_processes_may_open_a_fresh_home_at_once(tmp_path):
    home = tmp_path / "dagster_home"
    children = [subprocess.Popen([sys.executable, "-c", OPEN_IT, str(home)], cwd=ROOT) for _ in range(2)]

    assert [child.wait(60) for child in children] == [0, 0]


def test_the_home_is_configured_as_the_project_says(prepared_home):
    with dg.DagsterInstance.from_config(str(prepared_home)) as instance:
        assert not instance.telemetry_enabled
        assert not instance.run_retries_enabled
        assert instance.run_monitoring_enabled
        assert instance.run_monitoring_cancel_timeout_seconds >= 120  # a POST in flight may take so long
        limits = {
            limit["key"]: limit["limit"]
            for limit in instance.get_concurrency_config().run_queue_config.tag_concurrency_limits
        }
        assert limits == {"openmart/kind": 3, "openmart/work": 1}


def test_what_the_owner_changed_in_the_home_stays(tmp_path, prepared_home):
    home = tmp_path / "dagster_home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")

    prepare_home(home)

    assert (home / "dagster.yaml").read_text() == "telemetry: {enabled: false}\n"


def test_a_home_that_can_not_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(HomeUnprepared, match="can't be prepared for Dagster"):
        prepare_home(tmp_path / "file" / "dagster_home")
