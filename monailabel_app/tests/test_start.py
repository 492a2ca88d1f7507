"""Tests that a wrong setting ends the start of the server with a message."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from serving import APP, STRIQ_PYTHON, server_environment


@pytest.mark.parametrize(
    ("conf", "complaint"),
    [
        ({}, "does not know where STRIQ is installed"),
        ({"striq_python": sys.executable}, "No module named"),  # MONAI Label's own environment has no striq
        ({"striq_python": STRIQ_PYTHON, "striq_model": str(APP / "main.py")}, "cannot be read as a checkpoint"),
    ],
)
def test_wrong_setting_ends_the_start(conf: dict[str, str], complaint: str, tmp_path: Path) -> None:
    pairs = [part for pair in conf.items() for part in ("--conf", *pair)]
    environment = server_environment(HOME=str(tmp_path))
    environment.pop("STRIQ_PYTHON")
    command = [sys.executable, "-m", "monailabel.main", "start_server", "--app", str(APP), "--studies", str(tmp_path)]
    finished = subprocess.run(
        [*command, "-i", "127.0.0.1", "-p", "0", *pairs],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert finished.returncode != 0
    assert complaint in finished.stdout + finished.stderr
