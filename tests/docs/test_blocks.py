"""Commands and examples in documents are run by a test, or ``<!-- not run: reason -->`` before them says why not."""

from __future__ import annotations

import csv
import logging
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from documents import DOCUMENTS, ROOT, Block, marked_blocks, name_of
from ultrasound_files import phantom_pictures, write_ultrasound

from striq.cli import main
from striq.scoring.checkpoint import default_checkpoint

NUM_FRAMES = 2  # of each cine
# Run here, from top to bottom, in a folder with the files that the pages name.
RUN = {
    "README.md": ["scores.csv", "report.html", "why.png", "audit/_summary.html"],
    "docs/how-to/audit.md": ["audit/_summary.html"],
    "docs/how-to/bundle.md": [],
    "docs/how-to/explain.md": ["why.png"],
    "docs/how-to/report.md": ["report.html"],
    "docs/how-to/score.md": ["scores.csv"],
    "docs/how-to/threshold.md": ["runs/threshold/threshold.md"],
}
SLOW_RUN = {"docs/how-to/export.md": ["model.onnx", "kidney.ts", "mine.pt2"]}
ELSEWHERE = re.compile(r"docs/for-[a-z-]+\.md|docs/how-to/add-[a-z-]+\.md|docs/api/.*")  # other tests here run them
TESTS = re.compile(r"\b(?:tests|docs)/[\w/-]+\.(?:py|md)")
pytestmark = [
    pytest.mark.skipif(not default_checkpoint().is_file(), reason="no shipped model"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
PAGES = [path for path in DOCUMENTS if path.name != "CHANGELOG.md" and not ELSEWHERE.fullmatch(name_of(path))]


@pytest.mark.parametrize("document", PAGES, ids=name_of)
def test_every_block_is_run_or_says_why_not(document: Path) -> None:
    programs = [block for block in marked_blocks(document) if block.is_program]
    if name_of(document) not in {**RUN, **SLOW_RUN}:
        assert [block.code for block in programs if not block.reason] == []
    named = {name for block in programs for name in TESTS.findall(block.reason)}
    assert [name for name in sorted(named) if not (ROOT / name).is_file()] == []


@pytest.fixture(autouse=True)
def loggers_as_before() -> Iterator[None]:
    """Remove the handlers that MONAI sets up for a bundle; they write to a stream that ends with the test."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def desk(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a cine, an archive, ratings and a model of its own."""
    for number, place in enumerate(("cine.dcm", "archive/one.dcm", "archive/two.dcm"), start=1):
        pictures = phantom_pictures("kidney", NUM_FRAMES, seed=number)
        write_ultrasound(tmp_path / place, pictures, series=f"1.2.{number}", study=f"1.3.{number}")
    rows = [(name, frame, 1 + 2 * frame) for name in ("one.dcm", "two.dcm") for frame in range(NUM_FRAMES)]
    with (tmp_path / "ratings.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([("path", "frame", "rating"), *rows])
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    shutil.copy(tiny_model, tmp_path / "runs" / "mine" / "model.pt")
    (tmp_path / "monai_bundle").symlink_to(ROOT / "monai_bundle")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def printing_to(place: str) -> Iterator[None]:
    """Let standard output go to a file, if one is named."""
    if not place:
        yield
        return
    with Path(place).open("w", encoding="utf-8") as file, redirect_stdout(file):
        yield


def run(block: Block, names: dict[str, Any]) -> None:
    """Run a block; examples of a page share their names."""
    if block.language == "python":
        exec(compile(block.code, "example", "exec"), names)
        return
    for line in block.code.replace("\\\n", " ").splitlines():
        program, *words = shlex.split(line, comments=True)
        assert program == "striq", f"{line}: mark why it is not run"
        place = words[words.index(">") + 1] if ">" in words else ""
        with printing_to(place), pytest.raises(SystemExit) as ended:
            main(words[: words.index(">")] if place else words)
        assert ended.value.code in {0, None}, line


@pytest.mark.parametrize("page", [*RUN, *(pytest.param(page, marks=pytest.mark.slow) for page in SLOW_RUN)])
def test_page_runs_from_top_to_bottom(page: str, desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    blocks = [block for block in marked_blocks(ROOT / page) if block.is_program and not block.reason]
    assert blocks
    for block in blocks:
        capsys.readouterr()
        run(block, names)
        if "    print(score." in block.code:  # once for each frame of the cine
            assert len(capsys.readouterr().out.splitlines()) == NUM_FRAMES
    assert [place for place in {**RUN, **SLOW_RUN}[page] if not (desk / place).is_file()] == []
