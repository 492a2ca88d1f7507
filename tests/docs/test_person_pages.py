"""Tests that run the commands and examples of the pages for people, in order, as a reader would."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from documents import ROOT, marked_blocks

from striq.scoring.checkpoint import default_checkpoint

PAGES = {name: ROOT / "docs" / f"for-{name}.md" for name in ("sonographers", "researchers", "monai-users", "hospitals")}
LONG = ("researchers", "monai-users")  # they train
BESIDE = {
    "sonographers": ["scores.csv", "report.html", "pictures/sample_face.dcm.png", "named.csv"],
    "researchers": ["runs/mine/train_report.html", "runs/evaluation/evaluation.md", "anchors.png"],
    "monai-users": ["results/quality.csv", "results_of_python/quality.csv", "runs/evaluated/evaluation.md"],
    "hospitals": ["audit/_summary.html", "scores.csv", "report.html", "reports/sample_face.dcm.sr.dcm"],
}


def run_block(language: str, code: str, folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if language == "python":
        commands = [[sys.executable, "-c", code]]
    else:
        lines = [shlex.split(line.split("  #")[0]) for line in code.replace("\\\n", " ").splitlines()]
        programs = {"striq": [sys.executable, "-m", "striq.cli"], "python": [sys.executable]}
        commands = [[*programs[line[0]], *line[1:]] for line in lines]
    for command in commands:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=900
        )
        assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"


@pytest.mark.parametrize("name", PAGES)
def test_every_block_is_run_or_says_why_not(name: str) -> None:
    found = marked_blocks(PAGES[name])
    assert any(not block.reason for block in found)
    for block in found:
        assert block.language in {"", "python"}, block.code
        if not block.reason and not block.language:
            assert all(line.startswith(("striq ", "python ")) for line in block.code.splitlines()), block.code


@pytest.mark.skipif(not default_checkpoint().is_file(), reason="no shipped model")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in PAGES]
)
def test_page_runs_from_top_to_bottom(name: str, tmp_path: Path) -> None:
    (tmp_path / "monai_bundle").symlink_to(ROOT / "monai_bundle")
    for block in marked_blocks(PAGES[name]):
        if not block.reason:
            run_block(block.language, block.code, tmp_path)
    assert [place for place in BESIDE[name] if not (tmp_path / place).is_file()] == []


def test_page_on_the_paper_has_every_table_and_figure() -> None:
    rows = [
        line for line in (ROOT / "docs" / "paper.md").read_text(encoding="utf-8").splitlines() if line.startswith("| ")
    ]
    for kind, last in (("Table", 5), ("Figure", 6)):
        for number in range(1, last + 1):
            of_it = [row for row in rows if row.startswith(f"| {kind} {number}")]
            assert of_it, f"{kind} {number}"
            assert all("`striq " in row or "none" in row or "](" in row for row in of_it), of_it
