"""The arrows between the layers, and the rules that a reader of one file relies on in all the others."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "openmart_pipeline"
MODULES = sorted(PACKAGE.rglob("*.py"))
TYPICAL_LINES = 150
MOST_LINES = 470


def below(folder: str) -> list[Path]:
    return [path for path in MODULES if path.is_relative_to(PACKAGE / folder)]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in the file."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}: relative imports hide which way they go"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def offenders(paths: list[Path], *forbidden: str) -> list[str]:
    return [
        f"{name_of(path)} imports {module}"
        for path in paths
        for module in imported(path)
        if any(module == name or module.startswith(f"{name}.") for name in forbidden)
    ]


@pytest.mark.parametrize(
    ("layer", "forbidden"),
    [
        ("api", ("pandas", "duckdb", "sqlalchemy", "pyarrow", "dagster", "rich")),
        ("api", ("openmart_pipeline.enrichment", "openmart_pipeline.defs", "openmart_pipeline.cli")),
        ("api", ("openmart_pipeline.settings", "openmart_pipeline.wiring", "openmart_pipeline.definitions")),
        ("enrichment", ("dagster", "httpx", "aiohttp", "click", "rich")),
        ("enrichment", ("openmart_pipeline.defs", "openmart_pipeline.cli", "openmart_pipeline.api.simulator")),
        ("enrichment", ("openmart_pipeline.settings", "openmart_pipeline.wiring", "openmart_pipeline.definitions")),
        ("defs", ("openmart_pipeline.cli", "openmart_pipeline.definitions", "duckdb", "sqlalchemy", "httpx")),
        ("web", ("openmart_pipeline.enrichment", "openmart_pipeline.defs", "openmart_pipeline.cli")),
        ("web", ("openmart_pipeline.api", "openmart_pipeline.settings", "openmart_pipeline.definitions")),
        ("cli", ("duckdb", "httpx", "aiohttp", "openmart_pipeline.definitions")),
    ],
)
def test_a_layer_imports_only_what_lies_below_it(layer: str, forbidden: tuple[str, ...]) -> None:
    assert below(layer)
    assert offenders(below(layer), *forbidden) == []


def test_only_the_warehouse_knows_duckdb() -> None:
    others = [path for path in MODULES if not path.is_relative_to(PACKAGE / "enrichment" / "warehouse")]
    assert offenders(others, "duckdb") == []


def test_the_ledger_and_the_warehouse_do_not_know_each_other() -> None:
    assert offenders(below("enrichment/warehouse"), "openmart_pipeline.enrichment.ledger") == []
    assert offenders(below("enrichment/ledger"), "openmart_pipeline.enrichment.warehouse") == []


def test_whoever_changes_how_files_are_read_needs_to_know_nothing_else() -> None:
    inside = ("openmart_pipeline.enrichment.intake", "openmart_pipeline.enrichment.refusals")
    known = {
        f"{name_of(path)} imports {module}"
        for path in below("enrichment/intake")
        for module in imported(path)
        if module.startswith("openmart_pipeline.") and not module.startswith(inside)
    }
    assert known == set()


def test_the_simulator_shares_nothing_with_what_it_judges() -> None:
    inside = "openmart_pipeline.api.simulator"
    shared = [
        f"{name_of(path)} imports {module}"
        for path in below("api/simulator")
        for module in imported(path)
        if module.startswith("openmart_pipeline.")
        and not module.startswith(inside)
        and module != "openmart_pipeline.api"
    ]
    assert shared == []


def test_dagster_is_loaded_only_by_commands_that_need_it() -> None:
    top_level = [
        f"{name_of(path)}: {ast.unparse(node)}"
        for path in below("cli")
        for node in tree_of(path).body
        if isinstance(node, ast.Import | ast.ImportFrom) and "dagster" in ast.unparse(node).replace("to_dagster", "")
    ]
    assert top_level == []


def calls(path: Path, method: str) -> int:
    return sum(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method
        for node in ast.walk(tree_of(path))
    )


def test_there_is_one_spender() -> None:
    assert {name_of(path): calls(path, "submit") for path in MODULES if calls(path, "submit")} == {
        "openmart_pipeline/enrichment/submit.py": 1
    }
    assert {name_of(path): calls(path, "post_once") for path in MODULES if calls(path, "post_once")} == {}
    named = [path for path in MODULES if "post_once(" in path.read_text()]
    assert [name_of(path) for path in named] == ["openmart_pipeline/api/client.py", "openmart_pipeline/api/submit.py"]


READ_THE_ENVIRONMENT = {
    "openmart_pipeline/cli/environment.py",  # the command line's one look
    "openmart_pipeline/definitions.py",  # Dagster's
}


def test_the_environment_is_read_at_the_two_doors_only() -> None:
    readers = {
        name_of(path)
        for path in MODULES
        for node in ast.walk(tree_of(path))
        if (isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.environb"))
        or (isinstance(node, ast.Call) and ast.unparse(node.func) == "os.getenv")
        or (isinstance(node, ast.ImportFrom) and node.module == "os" and "environ" in {a.name for a in node.names})
    }
    assert readers - READ_THE_ENVIRONMENT == set()


def test_every_module_says_what_lives_in_it() -> None:
    assert [name_of(path) for path in MODULES if not ast.get_docstring(tree_of(path))] == []
    assert [name_of(path) for path in MODULES if path.stem in ("utils", "helpers", "common", "misc")] == []


def test_modules_are_small_enough_to_be_read_at_one_sitting() -> None:
    lengths = sorted((len(path.read_text().splitlines()), name_of(path)) for path in MODULES)
    assert lengths[len(lengths) // 2][0] <= TYPICAL_LINES
    assert [name for length, name in lengths if length > MOST_LINES] == []


def test_nothing_speaks_of_the_machine_it_was_written_on() -> None:
    here = [f"{folder}/" for folder in (ROOT, Path.home()) if folder != Path("/")]
    words = (*here, "/root/", "/home/", "/Users/")
    texts = [*MODULES, *sorted((ROOT / "openmart_pipeline_tests").rglob("*.py")), *sorted(ROOT.glob("*.md"))]
    texts += [ROOT / "Makefile", ROOT / ".ci" / "run", ROOT / ".env.example", ROOT / "pyproject.toml"]
    found = [
        f"{name_of(path)}: {word}"
        for path in texts
        for word in words
        if path != Path(__file__).resolve() and word in path.read_text()
    ]
    assert found == []
