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
from striq.processors import num_processors
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


def seconds(command: list[str]) -> float:
    """Return how long a command takes."""
    kept = {name: value for name, value in os.environ.items() if name not in (VARIABLE, "OMP_NUM_THREADS")}
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=kept)
    return time.perf_counter() - start


def commands(folder: Path) -> dict[str, list[str]]:
    """Return a scoring and a training of half a minute at most, on a phantom."""
    table = write_phantom(folder / "phantom", 20, 1, planes=("a4c",))
    striq = [sys.executable, "-m", "striq.cli"]
    return {
        "score": [*striq, "score", str(table.parent), "--out", str(folder / "scores.csv")],
        "train": [*striq, "train", str(table), "--out", str(folder / "run"), "--epochs", "1"],
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["score", "train"])
def test_work_beside_busy_programs_takes_at_most_two_and_a_half_times_as_long(name: str, tmp_path: Path) -> None:
    """With one busy loop per processor, at most half of the processors' time is left, and no core is ever free."""
    command, processors = commands(tmp_path)[name], num_processors()
    quiet = min(seconds([*command, "--threads", str(processors)]) for _ in range(2))
    with ExitStack() as stack:
        for _ in range(processors):
            loop = stack.enter_context(subprocess.Popen(LOOP))
            stack.callback(loop.kill)
        time.sleep(1)
        busy = min(seconds(command) for _ in range(2))
    print(f"{name}: {quiet:.1f} s quiet, {busy:.1f} s busy, ratio {busy / quiet:.2f}")  # noqa: T201
    assert busy < 2.5 * quiet
