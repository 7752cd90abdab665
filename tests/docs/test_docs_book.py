"""The book: its tables are made from the program and current, its links lead somewhere, its examples are accepted."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stratum1.config import parse_config

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), *ROOT.glob("*/README.md"), ROOT / "deploy" / "ansible" / "README.md"])
EXAMPLES = [(page, block) for page in PAGES for block in re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL)]


def tables(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(root / "tools" / "docs_tables.py"), *arguments], capture_output=True, text=True, check=False, timeout=50
    )


def test_the_tables_are_current() -> None:
    result = tables(ROOT, "--check")
    assert result.returncode == 0, f"run tools/docs_tables.py\n{result.stdout}{result.stderr}"


def test_a_stale_table_is_found_and_mended(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    for name in ("stratum1", "hw", "tests/testkit", "tools"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(ROOT / name) if name != "tools" else shutil.copytree(ROOT / name, tmp_path / name)
    page = tmp_path / "docs" / "configure.md"
    right = page.read_text()
    page.write_text(right.replace("`pps-edge`", "`pps-egde`"))
    assert "docs/configure.md: stale" in tables(tmp_path, "--check").stdout
    assert tables(tmp_path).returncode == 0
    assert page.read_text() == right


def test_links_lead_to_files() -> None:
    links = [
        (page, target)
        for page in PAGES
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
        if not target.startswith(("http://", "https://"))
    ]
    assert len(links) > 15
    assert [f"{page.relative_to(ROOT)}: {target}" for page, target in links if not (page.parent / target).exists()] == []


@pytest.mark.parametrize(("page", "example"), EXAMPLES, ids=[f"{page.name}-{i}" for i, (page, _) in enumerate(EXAMPLES)])
def test_examples_are_accepted(page: Path, example: str) -> None:
    assert parse_config(example, page.name).server


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 3


def test_decisions_are_numbered_listed_and_short() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
    index = (ROOT / "docs" / "decisions" / "index.md").read_text()
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        assert page.name in index
        assert re.findall(r"^- \*\*(\w+)\*\*", page.read_text(), re.MULTILINE) == ["Date", "Need", "Choice", "Why", "Not"]


def test_every_page_is_in_the_contents() -> None:
    contents = (ROOT / "mkdocs.yml").read_text()
    pages = sorted((ROOT / "docs").glob("*.md"))
    assert [page.name for page in pages if f": {page.name}" not in contents] == []


def test_every_dependency_has_a_decision() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    names = re.findall(r'^  "([a-zA-Z0-9-]+)[>=]', project.partition("\ndependencies = [")[2].partition("]")[0], re.MULTILINE)
    decisions = " ".join(page.read_text() for page in (ROOT / "docs" / "decisions").glob("0*.md"))
    assert len(names) >= 10
    assert [name for name in names if name not in decisions] == []
