"""Score the sample in a whole window on the screen of ``DISPLAY``: ``full_window.py MODEL PLANE PICTURE``.

A process of its own, because Qt talks to one kind of screen only. The mouse clicks what a user
clicks: buttons of the panel, then a point of the plot.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import conftest
import numpy as np
from PySide6 import QtCore, QtGui, QtTest
from standin.window import makeWindow
from test_pictures import load_sample

PATIENCE_SECONDS = 900


def click_point(clicker: conftest.Clicker, chart: object, frame: int) -> None:
    """Click the point of a frame in the plot with the mouse."""
    clicker.passTime(0.5)
    QtTest.QTest.mouseClick(chart, QtCore.Qt.LeftButton, QtCore.Qt.NoModifier, chart.placeOf(0, frame))
    clicker.passTime(0.5)


def main(model: str, plane: str, picture: str) -> dict[str, object]:
    """Go through the steps of a user and keep a picture of the screen."""
    scene, screen = conftest._SCENE, QtGui.QGuiApplication.primaryScreen()
    scene.clear()
    widget = conftest._MAKE_PANEL()
    clicker = conftest.Clicker(widget, scene)
    chart = makeWindow(widget.parent, conftest._VIEW, screen.size())
    widget.enter()
    clicker.ui.liveSection.collapsed = clicker.ui.whySection.collapsed = True
    clicker.choose(load_sample(scene), Path(model))
    clicker.ui.planeSelector.setCurrentText(plane)
    clicker.click("scoreButton")
    clicker.waitFor(lambda: clicker.panel.score.run is None, PATIENCE_SECONDS)
    qualities = [result.quality for result in conftest.results_of(clicker)]
    worst, best = int(np.argmin(qualities)), int(np.argmax(qualities))
    click_point(clicker, chart, worst)
    at_worst = conftest.shown(clicker)
    clicker.click("bestButton")
    at_best = conftest.shown(clicker)
    clicker.ui.modelPath.blockSignals(True)
    clicker.ui.modelPath.setText("")  # where the test's model lies says nothing to a reader
    clicker.passTime(0.5)
    kept = screen.grabWindow(0).save(picture)
    found = {"clicked": worst, "at_click": at_worst, "best": best, "at_best": at_best, "kept": kept}
    widget.cleanup()
    return found


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])), flush=True)  # noqa: T201 (its output)
