"""What Dagster shows of a file that was read: its columns, its rows with examples, and nothing that a browser obeys."""

from pathlib import Path

from openmart_pipeline.defs.reading_metadata import rows_markdown
from openmart_pipeline.warehouse import RowOutcome
from openmart_pipeline_tests.cli.terminal import Terminal, sentence
from openmart_pipeline_tests.defs.world import World, failure, shown

SCRIPT = "<script>alert(1)</script>"
CANARY = "sk-canary-7f3a9c"


def test_columns_matched_and_rows_by_outcome_are_shown_with_examples(world: World):
    key = world.file(
        "a.csv",
        *("acme.com,x,1", "https://www.Beta.io/en,y,2", "facebook.com/acme,z,3", "http://,w,4"),
        header=f"Website,{SCRIPT},Size",
    )
    planned = world.plan(key)
    metadata = shown(planned, "companies")
    assert "| domain | Website |" in metadata["columns"]
    assert metadata["other_columns"] == "Size, 1 more"
    assert metadata["format"] == "csv, utf-8, separated by ','"
    rows = metadata["rows_by_outcome"]
    assert "| asked about | 2 | row 2: acme.com<br>row 3: beta.io |" in rows
    assert "| set aside: shared\\_platform | 1 | row 4: '…' is on facebook.com" in rows
    assert "| set aside: blank\\_domain | 1 | row 5: '…' has no host in it |" in rows
    assert shown(planned, "enrichment_plan")["rows_by_outcome"] == rows


def test_no_cell_of_a_file_goes_into_the_history():
    told = rows_markdown(
        [
            RowOutcome(None, 2, ((2, f"{CANARY} <jane.doe@acme.com> is asked about as acme.com"),)),
            RowOutcome("not_a_domain", 1, ((3, f"'{SCRIPT}|x\nhi' and 'jane@ac…' is words"),)),
            RowOutcome("blank_domain", 1, ((3, f"\"it's {CANARY}\" and 'a \"\\' {CANARY}' can't be; don't"),)),
            RowOutcome("shared_platform", 1, ((4, "'linkedin.com/in/jane-doe' is on linkedin.com"),)),
        ]
    )
    assert "| asked about | 2 | row 2: acme.com |" in told
    assert "'…' and '…' is words" in told
    assert "row 3: '…' and '…' can't be; don't |" in told
    assert "jane" not in told
    assert CANARY not in told
    assert all(line.count("|") - line.count("\\|") == 4 for line in told.splitlines())


def test_columns_named_in_the_launchpad_are_heard_and_kept_for_the_next_version(world: World):
    key = world.file("a.csv", "a.com,b.com", header="Website,Homepage")
    plan = {"companies": {"columns": {"domain": "Homepage"}}}
    told = shown(world.run("plan_company_files_job", key, **plan), "companies")
    assert "| domain | Homepage, as a person said |" in told["columns"]
    assert told["read_as_told"] == "domain is column 'Homepage'"
    world.file("a.csv", "a.com,b.com", "c.com,d.com", header="Website,Homepage")
    assert "Homepage, as a person said" in shown(world.plan(key), "companies")["columns"]
    with world.work() as work:
        assert work.warehouse.query("SELECT domain FROM enrichment_plan ORDER BY 1") == [("b.com",), ("d.com",)]
    wrong = world.run("plan_company_files_job", key, companies={"encoding": "klingon"})
    assert failure(wrong) == "'klingon' is no encoding: say utf-8, cp1252, utf-16 or the like. Nothing was read."


HOSTILE = ("x'; DROP TABLE contacts;--.csv", "a\nb\u202egnp<script>alert(1).csv", "a,b [1]|2...3.csv")


def test_hostile_file_names_go_all_the_way_as_names(world: World):
    """From the input folder through partition, plan and purchase to the published database; F27."""
    folder = world.folder / "data" / "input"
    folder.mkdir(parents=True)
    for number, name in enumerate(HOSTILE):
        (folder / name).write_text(f"Website\nhostile-{number}.com\n", encoding="utf-8")
    (folder / ("n" * 240 + ".csv")).write_text("Website\nlong.com\n")
    outside = world.folder / "secret.csv"
    outside.write_text("Website\nsecret.com\n")
    with world.work() as work:
        keys = [work.data.key(path) for path in work.data.listed() if path.name in HOSTILE]
    assert len(keys) == len(HOSTILE)
    world.instance.add_dynamic_partitions("input_files", keys)
    world.planned(*keys[1:])
    assert world.plan(keys[0]).success
    assert world.buy(keys[0]).success
    assert world.collect(keys[0]).success
    with world.work() as work:
        assert work.warehouse.query("SELECT count(*) FROM input_files") == [(len(HOSTILE),)]
        assert {key for (key,) in work.warehouse.query("SELECT input_file FROM enrichment_plan")} == set(keys)
    climbing = "../../secret.csv"
    world.instance.add_dynamic_partitions("input_files", [climbing])
    assert "leads out of the input folder" in failure(world.plan(climbing))
    assert outside.read_text() == "Website\nsecret.com\n"
    assert not list(Path(folder).glob("**/secret*"))


def test_a_link_puts_no_secret_into_terminal_history_or_check(world: World, terminal: Terminal) -> None:
    secret = world.folder / "hidden"
    secret.write_text(f"OPENMART_API_KEY={CANARY}\nPASSWORD=hunter2\n")
    folder = world.folder / "data" / "input"
    folder.mkdir(parents=True)
    (folder / "x.csv").symlink_to(secret)
    (terminal.folder / "lists").mkdir()
    (terminal.folder / "lists" / "y.csv").symlink_to(secret)
    world.instance.add_dynamic_partitions("input_files", ["x.csv"])
    assert "is a link" in failure(world.plan("x.csv"))
    checked = world.check_now("every_input_file_is_readable")
    assert not checked.passed
    shown = [
        terminal("run", folder / "x.csv", "--yes", OPENMART_DATA_DIR=str(world.folder / "data")),
        terminal("run", "lists/y.csv", "--yes"),
        terminal("run", "lists", "--yes"),
    ]
    for ended in shown:
        assert ended.exit_code == 2
        assert "is a link" in sentence(ended)
    [run] = world.instance.get_runs()
    history = [str(entry) for entry in world.instance.all_logs(run.run_id)]
    assert CANARY not in " ".join([*history, str(checked), *(ended.output for ended in shown)])
    kept = [path for path in tmp_files(world.folder, terminal.data) if path != secret]
    assert [path for path in kept if CANARY.encode() in path.read_bytes()] == []


def tmp_files(*folders: Path) -> list[Path]:
    """Every ordinary file below these folders."""
    return [path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
