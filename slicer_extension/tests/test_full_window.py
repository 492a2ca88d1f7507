"""Tests of the whole window on a screen of X11, which Xvfb keeps in memory; ``--pictures docs/pictures`` keeps it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from ctypes.util import find_library
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PACKAGES = "xvfb libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxkbcommon-x11-0"
PROGRAM = Path(__file__).parent / "full_window.py"
SIZE = (1600, 1000)


@pytest.fixture
def screen() -> Iterator[str]:
    """A screen of its own; its name goes into ``DISPLAY``."""
    if shutil.which("Xvfb") is None or find_library("xcb-cursor") is None:
        pytest.skip(f"needs Xvfb and Qt's X libraries (on Debian: apt-get install {PACKAGES})")
    described = f"{SIZE[0]}x{SIZE[1]}x24"
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", described, "-nolisten", "tcp"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    yield f":{server.stdout.readline().strip()}"
    server.terminate()
    server.wait()
    server.stdout.close()


def test_user_scores_and_clicks_a_point_in_a_whole_window(
    screen: str, request: pytest.FixtureRequest, tiny_model: Path, tmp_path: Path
) -> None:
    picture = Path(request.config.getoption("--pictures") or tmp_path) / "slicer_window.png"
    model = request.config.getoption("--model")
    asked = (model, "auto") if model else (tiny_model, "a4c")
    environment = {
        **os.environ,
        "DISPLAY": screen,
        "QT_QPA_PLATFORM": "xcb",
        "VTK_DEFAULT_OPENGL_WINDOW": "vtkXOpenGLRenderWindow",
    }
    done = subprocess.run(
        [sys.executable, str(PROGRAM), *map(str, asked), str(picture)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["at_click"] == found["clicked"]
    assert found["at_best"] == found["best"]
    with Image.open(picture) as kept:
        assert kept.size == SIZE
        shown = np.array(kept.convert("RGB"), dtype=int)
    slice_view = shown[40:560, 700:1580]
    assert 0.1 < (slice_view.max(axis=2) > 60).mean() < 0.9  # the fan on black
    curve = np.abs(shown[660:960, 600:1580] - np.array([38, 89, 166])).max(axis=2) < 40
    assert curve.sum() > 100  # the blue line of the scores
