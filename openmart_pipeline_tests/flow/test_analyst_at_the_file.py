"""An analyst's process in the published database during a whole job: nothing waits for it, nothing fails."""

import subprocess
import sys
from pathlib import Path

from openmart_pipeline_tests.cli.terminal import Terminal

# Holds a cursor half read, as a tool with a grid of rows does; looks again when it is told to.
ANALYST = """
import duckdb, sys
session = duckdb.connect(sys.argv[1], read_only=True)
half_read = session.cursor().execute("SELECT input_file FROM contacts")
half_read.fetchone()
for _ in sys.stdin:
    print(session.execute("SELECT string_agg(DISTINCT input_file ORDER BY input_file) FROM contacts").fetchone()[0])
    sys.stdout.flush()
"""


class Analyst(subprocess.Popen[str]):
    """A session in a process of its own, for as long as the `with` lasts."""

    def __init__(self, database: Path) -> None:
        pipe = subprocess.PIPE
        super().__init__([sys.executable, "-c", ANALYST, str(database)], stdin=pipe, stdout=pipe, text=True)
        assert self.sees()  # it is in

    def sees(self) -> str:
        """The files whose contacts the session sees."""
        assert self.stdin is not None
        assert self.stdout is not None
        self.stdin.write("look\n")
        self.stdin.flush()
        return self.stdout.readline().strip()


def test_a_whole_job_goes_by_while_an_analyst_holds_the_published_database(terminal: Terminal) -> None:
    """Whoever waited for the session would wait for ever: it is let go only after the job has ended."""
    published = terminal.data / "published" / "contacts.duckdb"
    assert terminal("run", terminal.companies("a.csv", 20), "--yes").exit_code == 0
    with Analyst(published) as first:
        assert terminal("run", terminal.companies("b.csv", 120), "--yes").exit_code == 0
        with Analyst(published) as second:
            assert terminal("rebuild").exit_code == 0
            assert terminal("run", terminal.companies("c.csv", 20), "--yes").exit_code == 0
            with Analyst(published) as third:
                assert first.sees() == "a.csv"
                assert second.sees() == "a.csv,b.csv"
                assert third.sees() == "a.csv,b.csv,c.csv"
