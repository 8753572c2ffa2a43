"""The queries of `docs/analysts.md`: run against the demo's files, and written back into the page.

`python -m openmart_pipeline_tests.documented_queries` brings the outputs on the page up to date. A test compares them.
"""

import re
import shutil
import tempfile
from pathlib import Path

from click.testing import CliRunner

from openmart_pipeline.cli.query import query
from openmart_pipeline_tests.money import at_work, whole_run
from openmart_pipeline_tests.simulator_process import SimulatorProcess

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "analysts.md"
SAMPLES = ROOT / "data" / "samples"

_QUERY = re.compile(r"```sql\n(?P<sql>.*?)```\n(?:\n```text\n(?P<output>.*?)```\n)?", re.DOTALL)


def demo_world(folder: Path) -> Path:
    """Buy what the demo buys: every sample, as the vendor's client would ask; return the data folder."""
    data_dir = folder / "data"
    shutil.copytree(SAMPLES, data_dir / "input")
    with SimulatorProcess(folder / "simulator") as simulator, at_work(data_dir, simulator.url) as (work, session):
        whole_run(work, session, *sorted(path.name for path in SAMPLES.iterdir()))
    return data_dir


def documented() -> list[tuple[str, str]]:
    """Every query of the page with the output that stands under it."""
    return [(match["sql"], match["output"] or "") for match in _QUERY.finditer(PAGE.read_text(encoding="utf-8"))]


def output_of(data_dir: Path, sql: str) -> str:
    """What `openmart-pipeline query` prints."""
    done = CliRunner().invoke(query, [sql], obj={"OPENMART_DATA_DIR": str(data_dir)})
    assert done.exit_code == 0, done.output
    return "\n".join(line.rstrip() for line in done.stdout.splitlines()).strip("\n") + "\n"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        data_dir = demo_world(Path(folder))

        def with_output(match: re.Match[str]) -> str:
            return f"```sql\n{match['sql']}```\n\n```text\n{output_of(data_dir, match['sql'])}```\n"

        PAGE.write_text(_QUERY.sub(with_output, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
