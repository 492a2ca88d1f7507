"""Fixtures of the app's tests: phantom files, the small model and a running server."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import ROOT, STRIQ_PYTHON, Server, scores_of_command_line, striq

os.environ.setdefault("OMP_NUM_THREADS", "1")
STILLS = ("good.png", "poor.png")


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of files that ``tests/ultrasound_files.py`` writes."""
    assert STRIQ_PYTHON, "Set STRIQ_PYTHON to the python of an environment with STRIQ; `make test-label` does."
    folder = tmp_path_factory.mktemp("files")
    striq(ROOT / "tests" / "ultrasound_files.py", folder)
    return folder


@pytest.fixture(scope="session")
def expected(files: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], dict]:
    """The rows of ``striq score`` for the readable files."""
    paths = [*(files / name for name in STILLS), files / "cine.dcm", files / "series"]
    return scores_of_command_line(tmp_path_factory.mktemp("expected") / "s.csv", files / "model.pt", *paths)


@pytest.fixture(scope="session")
def conf(files: Path) -> dict[str, str]:
    """The settings that the servers are started with."""
    return {"striq_python": STRIQ_PYTHON, "striq_model": str(files / "model.pt"), "device": "cpu"}


@pytest.fixture(scope="module")
def server(files: Path, conf: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with two stills, a cine and a file that is not a picture."""
    studies = tmp_path_factory.mktemp("studies")
    for name in (*STILLS, "cine.dcm", "broken.png"):
        shutil.copy(files / name, studies)
    running = Server(tmp_path_factory.mktemp("server"), studies, conf)
    running.studies = studies
    yield running
    running.stop()
