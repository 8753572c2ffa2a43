"""The front door is true: the queries, files and targets that it names are there. Commands: `test_documentation`."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_first_queries_are_those_of_the_analysts_page_with_the_same_results() -> None:
    shown = re.findall(r"```sql\n.*?\n```\n\n```text\n.*?\n```", README, re.DOTALL)
    page = (ROOT / "docs" / "analysts.md").read_text(encoding="utf-8")
    assert len(shown) == 5
    assert all(block in page for block in shown)


def test_every_file_it_links_to_exists() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists()


def test_every_target_of_make_it_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", README)) <= targets


def test_the_same_code_location_is_named_everywhere() -> None:
    name = "openmart_pipeline"
    assert f"location_name: {name}" in (ROOT / "workspace.yaml").read_text(encoding="utf-8")
    assert f'code_location_name = "{name}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_nothing_names_a_registry_or_a_folder_of_somebody_s_machine() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    assert "--hash=sha256:" in lock
