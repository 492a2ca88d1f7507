"""Tests of ``striq.waiting``: threads wait briefly in every program that STRIQ starts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from striq.data.phantom import write_phantom
from striq.waiting import TURNS, VARIABLE

LOOP = [sys.executable, "-c", "while True: pass"]
SHOW = "import os, sys; print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)"
COMMAND = f"import atexit; atexit.register(lambda: exec({SHOW!r})); from striq.cli import main; main(['--version'])"


def last_line(code: str, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name != VARIABLE}
    shown = subprocess.run(
        [sys.executable, "-c", code], env={**kept, **environment}, capture_output=True, text=True, check=True
    )
    return shown.stdout.splitlines()[-1]


def test_the_command_line_limits_spinning_before_torch_is_loaded() -> None:
    assert last_line(COMMAND) == f"{TURNS} False"


def test_a_value_that_the_user_set_stays() -> None:
    assert last_line(COMMAND, **{VARIABLE: "7"}) == "7 False"


def test_the_scoring_process_limits_spinning() -> None:
    code = "import runpy, sys; sys.stdin.close(); sys.stdin = open('/dev/null')\n"
    code += f"try:\n    runpy.run_module('striq.service', run_name='__main__')\nfinally:\n    {SHOW}"
    kept = {name: value for name, value in os.environ.items() if name != VARIABLE}
    shown = subprocess.run([sys.executable, "-c", code], env=kept, capture_output=True, text=True, check=True)
    assert f"{TURNS} True" in shown.stdout + shown.stderr


@pytest.mark.slow
def test_scoring_on_busy_cores_takes_at_most_three_times_as_long(tmp_path: Path) -> None:
    # Two threads that share two cores with two other programs have half of the cores.
    folder = write_phantom(tmp_path / "phantom", 20, 1, planes=("a4c",)).parent
    command = [sys.executable, "-m", "striq.cli", "score", str(folder), "--out", str(tmp_path / "scores.csv")]

    def seconds() -> float:
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - start

    quiet = min(seconds() for _ in range(2))
    with ExitStack() as stack:
        for _ in range(os.cpu_count() or 1):
            loop = stack.enter_context(subprocess.Popen(LOOP))
            stack.callback(loop.kill)
        busy = seconds()
    assert busy < 3 * quiet
