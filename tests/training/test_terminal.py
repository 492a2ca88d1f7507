"""Training in a terminal: a pseudo-terminal in which no progress library but rich can be imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from striq.data.phantom import write_phantom

pty = pytest.importorskip("pty", reason="pseudo-terminals are POSIX's")
PROGRAM = "import sys; sys.modules['tqdm'] = None; from striq.cli import main; main()"


def run_in_terminal(*arguments: object) -> tuple[int, str]:
    """Return exit status and output of ``striq`` run in a terminal of 80 columns."""
    parent, child = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    process = subprocess.Popen(command, stdin=child, stdout=child, stderr=child, env=environment)
    os.close(child)
    written = b""
    while True:
        try:
            part = os.read(parent, 4096)
        except OSError:  # Linux reports the end of the other side as an error
            part = b""
        if not part:
            break
        written += part
    os.close(parent)
    return process.wait(), written.decode("utf-8", "replace")


def test_training_shows_its_progress_and_finishes(tmp_path: Path) -> None:
    table = write_phantom(tmp_path / "phantom", 4, 2, planes=("kidney",), size=(96, 96))
    status, written = run_in_terminal("train", table, "--epochs", 1, "--out", tmp_path / "run", "--num-anchors", 3)
    assert status == 0, written
    assert "Training, loss" in written
    assert "Traceback" not in written
    assert (tmp_path / "run" / "model.pt").is_file()
