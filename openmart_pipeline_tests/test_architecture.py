"""The arrows between the layers, and the rules that a reader of one file relies on in all the others."""

import ast
import collections
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


# Package -> the packages that it may import; a module at the top has its own name. One way only: no two import each other.
ALLOWED: dict[str, set[str]] = {
    "simulator": set(),
    "api": set(),
    "web": set(),
    "home": set(),
    "private_files": set(),
    "model": {"api"},
    "intake": set(),
    "contacts": {"api", "intake", "model"},
    "ledger": {"contacts", "model"},
    "planning": {"api", "contacts", "intake", "ledger", "model"},
    "purchase": {"api", "ledger", "model"},
    "collection": {"api", "contacts", "ledger", "model"},
    "warehouse": {"contacts", "intake", "model", "private_files"},
    "report": {"warehouse"},
    "services": {"api", "collection", "intake", "ledger", "model", "warehouse"},
    "privacy": {"api", "contacts", "intake", "ledger", "model", "services"},
    "pipeline": {
        "api",
        "collection",
        "contacts",
        "intake",
        "ledger",
        "model",
        "planning",
        "privacy",
        "purchase",
        "services",
        "warehouse",
    },
    "checks": {"contacts", "ledger", "model", "pipeline", "planning", "services", "warehouse"},
    "settings": {"api", "collection", "home", "ledger", "model"},
    "wiring": {"api", "intake", "ledger", "model", "private_files", "services", "settings", "warehouse"},
    "defs": {
        "checks",
        "collection",
        "contacts",
        "intake",
        "ledger",
        "model",
        "pipeline",
        "planning",
        "private_files",
        "purchase",
        "services",
        "settings",
        "warehouse",
        "wiring",
    },
    "definitions": {"defs"},
    "cli": {
        "api",
        "checks",
        "collection",
        "contacts",
        "defs",
        "home",
        "intake",
        "ledger",
        "model",
        "pipeline",
        "planning",
        "privacy",
        "private_files",
        "purchase",
        "report",
        "services",
        "settings",
        "warehouse",
        "wiring",
    },
    "__main__": {"cli"},
}
LIBRARIES = [  # where they are used, and nowhere else
    ("dagster", {"defs", "definitions", "web", "cli"}),
    ("dagster_webserver", {"web"}),
    ("duckdb", {"warehouse"}),
    ("sqlalchemy", {"ledger", "pipeline", "purchase"}),
    ("httpx", {"api"}),
    ("aiohttp", {"api"}),
    ("click", {"cli", "simulator", "web"}),
    ("rich", {"cli"}),
    ("pandas", {"intake", "warehouse"}),
]


def package_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def test_every_package_imports_only_what_the_table_allows() -> None:
    arrows = {
        (package_of(path), module.split(".")[1])
        for path in MODULES
        for module in imported(path)
        if module.startswith("openmart_pipeline.") and module != "openmart_pipeline.__version__"
    }
    strays = {(one, other) for one, other in arrows if one != other and other not in ALLOWED.get(one, set())}
    assert strays == set()
    unused = {(name, other) for name, allowed in ALLOWED.items() for other in allowed} - arrows
    assert unused == set(), "an arrow that is not there needs no place in the table"


def test_no_two_packages_import_each_other() -> None:
    levels: list[str] = []
    left = dict(ALLOWED)
    while left:
        ready = [name for name, allowed in left.items() if allowed <= set(levels)]
        assert ready, f"a circle among {sorted(left)}"
        levels += ready
        left = {name: allowed for name, allowed in left.items() if name not in ready}


@pytest.mark.parametrize(("library", "users"), LIBRARIES)
def test_a_library_is_used_in_its_place_only(library: str, users: set[str]) -> None:
    assert offenders([path for path in MODULES if package_of(path) not in users], library) == []


def test_no_package_holds_more_than_a_quarter_of_the_product() -> None:
    lines = collections.Counter[str]()
    for path in MODULES:
        lines[package_of(path)] += len(path.read_text().splitlines())
    assert {name: count for name, count in lines.items() if count * 4 > lines.total()} == {}


def test_no_file_name_stands_for_two_things() -> None:
    names = collections.Counter(path.name for path in MODULES if path.stem not in ("__init__", "__main__"))
    assert [name for name, count in names.items() if count > 1] == []


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
        "openmart_pipeline/purchase/submit.py": 1
    }
    assert {name_of(path): calls(path, "post_once") for path in MODULES if calls(path, "post_once")} == {}
    named = [path for path in MODULES if "post_once(" in path.read_text()]
    assert [name_of(path) for path in named] == ["openmart_pipeline/api/client.py", "openmart_pipeline/api/post.py"]


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
