"""Tests that the steps of every page docs/how-to/add-*.md work, on a copy of the package and its tests.

A block with a title changes a file: ``python`` creates it, ``diff`` edits it. Then the lines that begin with ``pytest``
are run. A new page needs no change here.
"""

from __future__ import annotations

import os
import re
import shlex
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
SLOW = {"add-an-engine"}  # runs the conformance tests of engines
COMMAND = re.compile(r"^pytest (.+)$", re.MULTILINE)
NOT_COPIED = ("__pycache__", "*.pt")
LAYERS = "tests/test_architecture.py"  # run with the first command: the steps must respect the layers


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


def commands_of(page: Path) -> list[list[str]]:
    return [shlex.split(arguments) for arguments in COMMAND.findall(page.read_text(encoding="utf-8"))]


def copy_project(root: Path) -> None:
    for folder in ("striq", "tests"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns(*NOT_COPIED))
    shutil.copy(ROOT / "pyproject.toml", root)


def run_tests(root: Path, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    environment = os.environ | {"PYTHONPATH": str(root)}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, id=page.stem, marks=[pytest.mark.slow] if page.stem in SLOW else []) for page in PAGES],
)
def test_steps_of_the_page_work(page: Path, tmp_path: Path) -> None:
    copy_project(tmp_path)
    for step in steps_of(page):
        step.apply(tmp_path)
    first, *others = commands_of(page)
    for arguments in [[LAYERS, *first], *others]:
        result = run_tests(tmp_path, arguments)
        assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_page_changes_the_package_and_runs_the_tests_it_adds(page: Path) -> None:
    files = [step.file for step in steps_of(page)]
    added_tests = {file for file in files if file.startswith("tests/")}
    assert any(file.startswith("striq/") for file in files)
    assert added_tests
    assert added_tests <= {argument for arguments in commands_of(page) for argument in arguments}


def test_there_are_pages() -> None:
    names = {page.stem.removeprefix("add-") for page in PAGES}
    assert names >= {"a-control", "a-reader", "a-term", "an-anchor-strategy", "an-engine"}


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
