"""Tests that draw the section *Study* as a user sees it, light and dark; ``--pictures docs/pictures`` keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import Clicker
from PySide6 import QtGui, QtWidgets
from ultrasound_files import write_ultrasound
from UltrasoundPlaneQCLib.Checklist import Checklist, keepChecklist
from UltrasoundPlaneQCLib.Ratings import Ratings
from UltrasoundPlaneQCLib.Study import Study

from striq.data.phantom import SYNTHETIC, make_phantom_cine

WIDTH = 620  # pixels of the panel
NUM_FRAMES = 12
PHANTOM = ("face", "four_chamber", "abdomen", "kidney")  # the shipped model knows them, with SYNTHETIC in front
DARK = {
    QtGui.QPalette.Window: "#2b2f36",
    QtGui.QPalette.WindowText: "#e6e8eb",
    QtGui.QPalette.Base: "#1f2228",
    QtGui.QPalette.AlternateBase: "#262a31",
    QtGui.QPalette.Text: "#e6e8eb",
    QtGui.QPalette.Button: "#363b44",
    QtGui.QPalette.ButtonText: "#e6e8eb",
    QtGui.QPalette.Highlight: "#3d6fb4",
    QtGui.QPalette.HighlightedText: "#ffffff",
    QtGui.QPalette.ToolTipBase: "#363b44",
    QtGui.QPalette.ToolTipText: "#e6e8eb",
}


@pytest.fixture(params=["light", "dark"])
def shade(request: pytest.FixtureRequest) -> Iterator[str]:
    """The colors of the application."""
    application = QtWidgets.QApplication.instance()
    before, style = application.palette(), application.style().objectName()
    application.setStyle("fusion")
    palette = QtGui.QPalette(before)
    if request.param == "dark":
        for role, color in DARK.items():
            palette.setColor(role, QtGui.QColor(color))
        for role in (QtGui.QPalette.Text, QtGui.QPalette.ButtonText, QtGui.QPalette.WindowText):
            palette.setColor(QtGui.QPalette.Disabled, role, QtGui.QColor("#7d838c"))
    application.setPalette(palette)
    yield request.param
    application.setPalette(before)
    application.setStyle(style)


def keep(clicker: Clicker, path: Path, tab: int) -> np.ndarray:
    """Draw the section with one of its tabs into a file and return the picture."""
    for name in ("inputsSection", "resultsSection", "whySection", "liveSection"):
        getattr(clicker.ui, name).collapsed = True
    section = clicker.ui.studySection
    section.collapsed = False
    clicker.panel.study.tabs.setCurrentIndex(tab)
    clicker.widget.parent.resize(WIDTH, 900)
    clicker.passTime(0.4)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = section.grab()
    assert picture.save(str(path))
    image = picture.toImage().convertToFormat(QtGui.QImage.Format_RGB888)
    return np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)[:, : 3 * image.width()]


def test_pictures_of_a_study(
    shade: str, clicker: Clicker, tmp_path: Path, tiny_model: Path, request: pytest.FixtureRequest
) -> None:
    given = request.config.getoption("--model")
    folder = Path(request.config.getoption("--pictures") or tmp_path / "pictures")
    drawn = PHANTOM if given else ("a4c", "abdomen")
    planes = tuple(f"{SYNTHETIC}{plane}" for plane in drawn) if given else drawn
    study_folder = tmp_path / "study"
    for number, (plane, name) in enumerate(zip(drawn, planes, strict=True)):
        frames = make_phantom_cine(plane, NUM_FRAMES, seed=5 + number, size=(192, 256))
        pixels = np.stack([np.round(frame.pixels * 255).astype(np.uint8) for frame in frames])
        write_ultrasound(study_folder / f"{name}.dcm", pixels, series=f"1.2.{number}", study="1.3")
    (study_folder / "truncated.dcm").write_bytes(b"DICM" * 400)
    tab = clicker.panel.study.cines
    clicker.ui.modelPath.setText(str(given or tiny_model))
    clicker.ui.deviceSelector.setCurrentText("cpu")
    tab.addFolder(str(study_folder))
    clicker.waitFor(lambda: len(tab.table.rows) == len(planes) + 1)
    tab.onScore()
    clicker.waitFor(lambda: tab.run is None)
    end = "" if shade == "light" else "_dark"
    shown = keep(clicker, folder / f"slicer_study{end}.png", 0)
    assert (shown.mean() < 110) == (shade == "dark")
    study = Study.find()
    assert study is not None
    keepChecklist(study, Checklist("Phantom 1: sweep", (*planes, "fetal_head", "spine")))
    clicker.panel.study.checklist.show()
    keep(clicker, folder / f"slicer_checklist{end}.png", 1)
    assert clicker.panel.study.checklist.statusLabel.text != ""
    results = study.results("1")
    assert results is not None
    for rater, wrong in (("Anna", {1, 7}), ("Ben", {1, 4, 5})):
        for frame, quality in enumerate(results.column("quality")):
            isGood = (quality > results.threshold) != (frame in wrong)
            Ratings(results).rate(rater, frame, "accepted" if isGood else "rejected")
    tab.open("1")
    clicker.waitFor(lambda: clicker.panel.session.results is not None)
    clicker.panel.study.raters.raterSelector.setCurrentText("Anna")
    clicker.panel.study.refresh()
    keep(clicker, folder / f"slicer_rating{end}.png", 2)
    assert len(clicker.panel.study.raters.table.rows) == 3
