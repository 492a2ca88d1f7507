"""Tests that draw panel, slice view and plot as a user sees them; ``--pictures docs/pictures`` keeps the pictures."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import slicer
from conftest import Clicker, add_browser
from PySide6 import QtCore, QtGui, QtWidgets
from standin import controls as slicer_controls
from standin import mrml
from standin.rendering import SliceView, drawChart, pixmap
from UltrasoundPlaneQCLib import Overlays
from UltrasoundPlaneQCLib.Installation import READY, Part
from UltrasoundPlaneQCLib.Samples import SAMPLE

from striq.anchors.thumbnails import write_thumbnails
from striq.data.preprocessing import prepare_batch
from striq.data.readers import open_cine

VIEW_SIZE, PLOT_SIZE = (860, 640), (860, 420)


@pytest.fixture
def wide_view(view: SliceView) -> Iterator[SliceView]:
    """The slice view as large as on a screen."""
    before = view.window.GetSize()
    for size in (VIEW_SIZE, before):
        view.window.SetSize(*size)
        view.logic.ResizeSliceNode(*size)
        if size == VIEW_SIZE:
            yield view


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where pictures go."""
    return Path(request.config.getoption("--pictures") or tmp_path)


@pytest.fixture
def model(request: pytest.FixtureRequest, tiny_model: Path) -> Path:
    """The model that scores: the small one of the tests, or one that makes a better picture."""
    return Path(request.config.getoption("--model") or tiny_model)


@pytest.fixture
def plane(request: pytest.FixtureRequest) -> str:
    """The plane: recognized by a given model, fixed for the small one."""
    return "auto" if request.config.getoption("--model") else "a4c"


@pytest.fixture
def sample(scene: mrml.Scene) -> slicer.vtkMRMLSequenceBrowserNode:
    """The sample cine, as it is after loading."""
    return load_sample(scene)


def load_sample(scene: mrml.Scene) -> slicer.vtkMRMLSequenceBrowserNode:
    cine = open_cine(SAMPLE)
    return add_browser(np.stack([np.round(frame.pixels * 255).astype(np.uint8) for frame in cine]), scene, "sample")


def keep_window(path: Path, clicker: Clicker, view: SliceView, open_sections: tuple[str, ...]) -> np.ndarray:
    """Draw the whole window into a file and return what the slice view shows."""
    for section in clicker.widget.parent.findChildren(slicer_controls.ctkCollapsibleButton):
        section.collapsed = section.property("objectName") not in open_sections
    clicker.passTime(0.05)
    shown = view.picture()
    chart = slicer.app.layoutManager().plotWidget(0).mrmlPlotViewNode().GetPlotChartNode()
    clicker.ui.modelPath.blockSignals(True)
    clicker.ui.modelPath.setText("")  # where the test's model lies says nothing to a reader
    window = QtWidgets.QWidget()
    window.setStyleSheet("background: #f3f4f6")
    row, column = QtWidgets.QHBoxLayout(window), QtWidgets.QVBoxLayout()
    panel = QtWidgets.QLabel()
    panel.setPixmap(clicker.widget.parent.grab())
    panel.setAlignment(QtCore.Qt.AlignTop)
    row.addWidget(panel)
    row.addLayout(column)
    for picture in (shown, drawChart(chart, PLOT_SIZE)):
        label = QtWidgets.QLabel()
        label.setPixmap(pixmap(picture))
        column.addWidget(label)
    path.parent.mkdir(parents=True, exist_ok=True)
    window.adjustSize()
    assert window.grab().save(str(path))
    window.deleteLater()
    clicker.ui.modelPath.blockSignals(False)
    return shown


def test_picture_of_a_scored_cine(
    clicker: Clicker, sample, model: Path, plane: str, wide_view: SliceView, folder: Path
) -> None:
    clicker.ui.planeSelector.setCurrentText(plane)
    clicker.score(sample, model)
    clicker.click("bestButton")
    shown = keep_window(folder / "slicer_scored.png", clicker, wide_view, ("inputsSection", "resultsSection"))
    assert shown.shape[:2] == VIEW_SIZE[::-1]
    assert (shown.max(axis=2) > 60).mean() > 0.1  # the fan fills a good part of the view


def test_picture_of_an_overlay(
    clicker: Clicker, sample, model: Path, plane: str, wide_view: SliceView, folder: Path
) -> None:
    clicker.ui.planeSelector.setCurrentText(plane)
    clicker.score(sample, model)
    clicker.click("bestButton")
    clicker.click("explainButton")
    clicker.waitFor(lambda: bool(Overlays.shownOverlays()))
    shown = keep_window(folder / "slicer_overlay.png", clicker, wide_view, ("resultsSection", "whySection"))
    colored = np.ptp(shown.astype(int), axis=2) > 15
    assert colored.mean() > 0.1


def test_picture_of_a_reference(
    clicker: Clicker, sample, model: Path, plane: str, wide_view: SliceView, folder: Path, tmp_path: Path
) -> None:
    hasPictures = any(folder.joinpath("anchors").is_dir() for folder in (model, model / "models", model.parent))
    pictured = model if hasPictures else tmp_path
    if not hasPictures:  # the small model has no pictures: any will do for the test
        shutil.copy(model, tmp_path / "model.pt")
        frames = prepare_batch(list(open_cine(SAMPLE))[:3], (128, 128))
        write_thumbnails(tmp_path, {"a4c": frames})
    clicker.ui.planeSelector.setCurrentText(plane)
    clicker.score(sample, pictured)
    clicker.click("bestButton")
    clicker.ui.overlaySelector.setCurrentText("reference")
    clicker.click("explainButton")
    clicker.waitFor(lambda: bool(Overlays.shownOverlays()))
    shown = keep_window(folder / "slicer_reference.png", clicker, wide_view, ("resultsSection", "whySection"))
    assert Overlays.shownOverlays()[0].GetTransformNodeID()  # a picture is moved onto the frame, a residual is not
    assert (shown.max(axis=2) > 60).mean() > 0.1


def test_picture_of_live_scoring(
    clicker: Clicker, sample, model: Path, plane: str, wide_view: SliceView, folder: Path
) -> None:
    frames = open_cine(SAMPLE)
    clicker.ui.modelPath.setText(str(model))
    clicker.ui.deviceSelector.setCurrentText("cpu")
    stored = np.round(frames[0].pixels * 255).astype(np.uint8)
    matrix = np.diag([-0.8, -0.8, 0.8, 1.0])
    stream = slicer.util.addVolumeFromArray(stored[None].copy(), ijkToRAS=matrix, name="Image_Reference")
    stream.CreateDefaultDisplayNodes()
    clicker.ui.planeSelector.setCurrentText(plane)
    clicker.ui.liveSelector.setCurrentNode(stream)
    clicker.click("liveButton")
    live = clicker.panel.live.live
    for index in range(16):
        picture = np.round(frames[index].pixels * 255).astype(np.uint8)
        slicer.util.updateVolumeFromArray(stream, picture[None].copy())
        clicker.waitFor(lambda index=index: live.scored == index + 1)
    shown = keep_window(folder / "slicer_live.png", clicker, wide_view, ("inputsSection", "liveSection"))
    assert clicker.ui.liveVerdictLabel.text
    assert (np.ptp(shown[: VIEW_SIZE[1] // 8].astype(int), axis=2) > 40).any()  # the verdict in the corner


DARK = {  # the palette of Slicer's dark style, as far as the pictures show it
    "Window": "#2b2b2b", "WindowText": "#dddddd", "Base": "#1e1e1e", "Text": "#dddddd", "Button": "#3a3a3a",
    "ButtonText": "#dddddd", "Highlight": "#2a82da", "HighlightedText": "#ffffff", "PlaceholderText": "#999999",
}  # fmt: skip


@pytest.fixture(params=["light", "dark"])
def look(request: pytest.FixtureRequest, clicker: Clicker) -> Iterator[str]:
    """The panel in the light and in the dark style."""
    application = QtWidgets.QApplication.instance()
    before, style = application.palette(), application.style().objectName()
    if request.param == "dark":
        application.setStyle("fusion")
        palette = QtGui.QPalette()
        for role, color in DARK.items():
            palette.setColor(getattr(QtGui.QPalette, role), QtGui.QColor(color))
        palette.setColor(QtGui.QPalette.Disabled, QtGui.QPalette.ButtonText, QtGui.QColor("#888888"))
        application.setPalette(palette)
    yield request.param
    application.setPalette(before)
    application.setStyle(style)


def keep_panel(path: Path, clicker: Clicker, open_sections: tuple[str, ...]) -> QtGui.QImage:
    """Draw the panel into a file with some sections open."""
    for section in clicker.widget.parent.findChildren(slicer_controls.ctkCollapsibleButton):
        section.collapsed = section.property("objectName") not in open_sections
    clicker.ui.modelPath.blockSignals(True)
    clicker.ui.modelPath.setText("")  # where the test's model lies says nothing to a reader
    clicker.widget.parent.resize(520, clicker.widget.parent.minimumSizeHint().height() + 40)
    clicker.passTime(0.05)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = clicker.widget.parent.grab()
    assert picture.save(str(path))
    clicker.ui.modelPath.blockSignals(False)
    return picture.toImage()


def is_dark(picture: QtGui.QImage) -> bool:
    return QtGui.QColor(picture.pixel(2, picture.height() - 3)).lightness() < 128


def test_picture_of_the_live_hint(
    clicker: Clicker, sample, model: Path, plane: str, look: str, wide_view: SliceView, folder: Path
) -> None:
    frames = open_cine(SAMPLE)
    clicker.ui.modelPath.setText(str(model))
    clicker.ui.deviceSelector.setCurrentText("cpu")
    clicker.ui.planeSelector.setCurrentText(plane)
    stored = [np.round(frames[index].pixels * 255).astype(np.uint8) for index in range(len(frames))]
    matrix = np.diag([-0.8, -0.8, 0.8, 1.0])
    stream = slicer.util.addVolumeFromArray(stored[0][None].copy(), ijkToRAS=matrix, name="Image_Reference")
    clicker.ui.liveSelector.setCurrentNode(stream)
    clicker.ui.thresholdSlider.setValue(0.5)
    clicker.click("liveButton")
    live = clicker.panel.live.live
    for number, index in enumerate((10, 13, 16)):
        slicer.util.updateVolumeFromArray(stream, stored[index][None].copy())
        clicker.waitFor(lambda number=number: live.scored == number + 1)
    picture = keep_panel(folder / f"slicer_hint_{look}.png", clicker, ("inputsSection", "liveSection"))
    assert clicker.panel.hints.hintLabel.text
    assert is_dark(picture) == (look == "dark")


def test_picture_of_the_tabs(clicker: Clicker, sample, model: Path, plane: str, look: str, folder: Path) -> None:
    clicker.ui.planeSelector.setCurrentText(plane)
    clicker.score(sample, model)
    clicker.click("bestButton")
    clicker.click(clicker.panel.dicom.markButton)
    installed = clicker.panel.install.work
    installed.parts = [
        Part("monai", "1.6.0", 3_100_000),
        Part("scipy", "1.17.0", None),
        Part("striq", "0.1.0", 42_000_000),
    ]
    installed.state = READY
    clicker.panel.remote.addressSelector.setCurrentText("https://server:8765")
    clicker.panel.remote.tokenEdit.setText("a secret that is not shown")
    clicker.panel.install.refresh()
    more = clicker.panel.more
    row = QtWidgets.QWidget()
    layout = QtWidgets.QHBoxLayout(row)
    for page in (clicker.panel.dicom.page, clicker.panel.remote.page, clicker.panel.install.page):
        more.showPage(page)
        clicker.passTime(0.05)
        label = QtWidgets.QLabel()
        label.setPixmap(more.section.grab())
        layout.addWidget(label)
    path = folder / f"slicer_tabs_{look}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    row.adjustSize()
    picture = row.grab()
    assert picture.save(str(path))
    row.deleteLater()
    assert is_dark(picture.toImage()) == (look == "dark")
    assert picture.toImage().height() < 500
    installed.stop()
