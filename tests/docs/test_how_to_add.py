"""The steps of every docs/how-to/add-*.md work: they are applied to a copy of the package, whose tests are then run.

A fenced block with a title names a file: ``python`` creates it, ``diff`` edits it. New pages are found by themselves.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "how-to").glob("add-*.md"))
BLOCK = re.compile(
    r'^```(?P<language>python|diff) title="(?P<file>[^"]+)"\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL
)
NOT_COPIED = ("__pycache__", "*.pt")
# Run with every page: a step must not break the rules of the package.
RULES = ("tests/test_architecture.py", "tests/anchors/test_selection.py")


@dataclass(frozen=True)
class Step:
    """One titled block of a page."""

    language: str
    file: str
    text: str

    def apply(self, root: Path) -> None:
        """Create or edit the file below a folder."""
        target = root / self.file
        if self.language == "python":
            assert not target.exists(), f"{self.file} exists already; use a diff block."
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(self.text, encoding="utf-8")
            return
        lines = self.text.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if not line.startswith("+"))
        new = "".join(line[1:] for line in lines if not line.startswith("-"))
        content = target.read_text(encoding="utf-8")
        assert content.count(old) == 1, f"{self.file}: these lines must occur exactly once:\n{old}"
        target.write_text(content.replace(old, new), encoding="utf-8")


def steps_of(page: Path) -> list[Step]:
    return [Step(**match.groupdict()) for match in BLOCK.finditer(page.read_text(encoding="utf-8"))]


def copy_package(root: Path) -> None:
    shutil.copytree(ROOT / "striq", root / "striq", ignore=shutil.ignore_patterns(*NOT_COPIED))
    for file in ("pyproject.toml", *RULES):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, root / file)


def run_tests(root: Path, *files: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    environment = os.environ | {"PYTHONPATH": str(root)}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_steps_of_the_page_work(page: Path, tmp_path: Path) -> None:
    steps = steps_of(page)
    tests = [step.file for step in steps if Path(step.file).name.startswith("test_")]
    assert tests, f"{page.name} has no step that adds a test."
    assert len(steps) > len(tests), f"{page.name} has no step that changes the package."
    copy_package(tmp_path)
    for step in steps:
        step.apply(tmp_path)
    result = run_tests(tmp_path, *tests, *RULES)
    assert result.returncode == 0, result.stdout + result.stderr


def test_there_are_pages() -> None:
    assert {page.stem for page in PAGES} >= {"add-a-reader", "add-an-anchor-strategy"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_python_block_of_the_page_is_a_step(page: Path) -> None:
    fences = re.findall(r"^```(?:python|diff)\b", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(fences) == len(steps_of(page))


def test_an_edit_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "table.py").write_text("A = 1\nB = 2\n")
    Step("diff", "table.py", " A = 1\n+C = 3\n B = 2\n").apply(tmp_path)
    assert (tmp_path / "table.py").read_text() == "A = 1\nC = 3\nB = 2\n"
    with pytest.raises(AssertionError, match="must occur exactly once"):
        Step("diff", "table.py", "-D = 4\n+C = 3\n").apply(tmp_path)
