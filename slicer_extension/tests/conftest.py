"""Fixtures of the extension's tests: a real scene, a small model and an asymmetric cine."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
os.environ.setdefault("OMP_NUM_THREADS", "1")

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MODULE = HERE.parent / "UltrasoundPlaneQC"
sys.path[:0] = [str(MODULE), str(HERE)]
sys.path.append(str(ROOT / "tests"))  # for the files that the package's tests write

import numpy as np  # noqa: E402 (the environment above comes first)
import pytest  # noqa: E402
import slicer  # noqa: E402
from standin import application, controls, mrml, qtdialect  # noqa: E402
from standin.rendering import SliceView  # noqa: E402

_SCENE = mrml.install()
_QT = qtdialect.install()
controls.install(_QT)
_VIEW = SliceView(_SCENE)
application.install(_SCENE, _VIEW)
_MAKE_PANEL = application.loadModule(MODULE / "UltrasoundPlaneQC.py")

_spec = importlib.util.spec_from_file_location("package_fixtures", ROOT / "tests" / "conftest.py")
assert _spec is not None
assert _spec.loader is not None
_fixtures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_fixtures)
tiny_scorer, tiny_model = _fixtures.tiny_scorer, _fixtures.tiny_model  # the small fitted scorer of the package's tests

from UltrasoundPlaneQCLib.Logic import PlaneQualityLogic  # noqa: E402
from UltrasoundPlaneQCLib.ModelHolder import ModelHolder  # noqa: E402
from UltrasoundPlaneQCLib.Results import Results  # noqa: E402
from UltrasoundPlaneQCLib.WorkerClient import WorkerClient  # noqa: E402

LPS = np.diag([-0.4, -0.3, 0.4, 1.0])  # columns 0.4 mm, rows 0.3 mm apart; shows stored pictures upright
NUM_FRAMES = 9
FRAME_RATE = 25.0
PATIENCE_SECONDS = 600  # a test machine may be busy; what is slow is measured elsewhere


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pictures", help="folder that keeps the pictures of the window")
    parser.addoption("--write-references", action="store_true", help="write the reference pictures again; look at them")
    parser.addoption("--model", help="model that scores in the pictures; the small one of the tests by default")


@pytest.fixture(autouse=True)
def scene() -> Iterator[mrml.Scene]:
    """The scene, empty at first."""
    _SCENE.clear()
    yield _SCENE
    _SCENE.clear()


@pytest.fixture
def view(scene: mrml.Scene) -> SliceView:
    """The red slice view, which outlives scenes as in the application; empty at first, as the others."""
    layouts = slicer.app.layoutManager()
    for name in layouts.sliceViewNames():
        layouts.sliceWidget(name).view.reset()
    layouts.showAll()
    return _VIEW


class Clicker:
    """The module's panel as a user has it: controls by name, and an event loop that runs."""

    def __init__(self, widget: object, scene: mrml.Scene) -> None:
        self.widget, self.panel, self.ui, self._scene = widget, widget.panel, widget.ui, scene

    def click(self, control: object) -> None:
        """Press a button, given itself or by its name, with the mouse; a disabled button is an error of the test."""
        from PySide6 import QtCore, QtTest, QtWidgets

        button = getattr(self.ui, control) if isinstance(control, str) else control
        assert button.isEnabled(), f"{control} is disabled: {button.toolTip}"
        for section in self.widget.parent.findChildren(controls.ctkCollapsibleButton):
            if section.isAncestorOf(button) and section.collapsed:
                section.collapsed = False
        for tabs in self.widget.parent.findChildren(QtWidgets.QTabWidget):
            pages = [tabs.widget(number) for number in range(tabs.property("count"))]
            for page in pages:
                if page.isAncestorOf(button):
                    tabs.setCurrentWidget(page)
        isBox = isinstance(button, QtWidgets.QCheckBox)  # which takes clicks on the box and the text only
        place = QtCore.QPoint(8, button.rect.height() // 2) if isBox else button.rect.center()
        QtTest.QTest.mouseClick(button, QtCore.Qt.LeftButton, QtCore.Qt.NoModifier, place)

    def passTime(self, seconds: float = 0.0) -> None:
        """Let the event loop run, as it does all the time in the application."""
        until = time.monotonic() + seconds
        while True:
            _QT.application.processEvents()
            self._scene.update()
            if time.monotonic() >= until:
                return
            time.sleep(0.002)

    def waitFor(self, isDone: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
        """Let time pass until something has happened."""
        until = time.monotonic() + seconds
        while not isDone():
            self.passTime()
            time.sleep(0.002)
            assert time.monotonic() < until, self.ui.statusLabel.text

    def choose(self, browser: object, model: Path | str) -> None:
        """Choose frames, a model and the CPU."""
        self.ui.inputSelector.setCurrentNode(browser)
        self.ui.modelPath.setText(str(model))
        self.ui.deviceSelector.setCurrentText("cpu")

    def score(self, browser: object, model: Path) -> None:
        """Choose frames, press Score and wait for the end."""
        self.choose(browser, model)
        self.click("scoreButton")
        self.waitFor(lambda: self.panel.score.run is None)


@pytest.fixture
def clicker(view: SliceView, holder: ModelHolder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clicker]:
    """The panel with the shared scoring process."""
    monkeypatch.setattr("UltrasoundPlaneQCLib.Logic.ModelHolder", lambda: holder)
    monkeypatch.setattr(holder, "stop", lambda: None)  # all tests share the process
    widget = _MAKE_PANEL()
    widget.parent.resize(520, 1080)
    widget.parent.show()
    yield Clicker(widget, _SCENE)
    widget.cleanup()
    for child in widget.parent.findChildren(slicer.qMRMLWidget):
        child.setMRMLScene(None)
    widget.parent.deleteLater()
    _QT.application.processEvents()


def draw_cine(seed: int) -> np.ndarray:
    """Return a phantom cine of 8 bits in which no symmetry hides a flip: wide, a margin of its own on each side."""
    from striq.data.phantom import make_phantom_cine

    frames = make_phantom_cine("a4c", NUM_FRAMES, seed=seed, size=(96, 120))
    pixels = np.stack([np.round(frame.pixels * 255).astype(np.uint8) for frame in frames])
    return np.pad(pixels, ((0, 0), (7, 0), (3, 11)))


@pytest.fixture(scope="session")
def cine_pixels() -> np.ndarray:
    """A cine whose frames the small model scores from low to high."""
    return draw_cine(9)


@pytest.fixture
def browser(cine_pixels: np.ndarray, scene: mrml.Scene) -> slicer.vtkMRMLSequenceBrowserNode:
    """A sequence browser of the cine."""
    return add_browser(cine_pixels, scene)


def add_browser(pixels: np.ndarray, scene: mrml.Scene, name: str = "cine") -> slicer.vtkMRMLSequenceBrowserNode:
    """Return a browser of 2-D pictures, as Slicer has after loading a cine."""
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", name)
    sequence.SetIndexName("time")
    sequence.SetIndexUnit("s")
    kind = "vtkMRMLVectorVolumeNode" if pixels.ndim == 4 else "vtkMRMLScalarVolumeNode"
    volume = slicer.util.addVolumeFromArray(pixels[0][None].copy(), LPS, f"{name} picture", kind)
    for index, picture in enumerate(pixels):
        slicer.util.updateVolumeFromArray(volume, picture[None].copy())
        sequence.SetDataNodeAtValue(volume, f"{index / FRAME_RATE:.3f}")
    slicer.mrmlScene.RemoveNode(volume)
    return add_sequence_browser(sequence, scene)


def add_sequence_browser(sequence: slicer.vtkMRMLSequenceNode, scene: mrml.Scene) -> slicer.vtkMRMLSequenceBrowserNode:
    """Return a browser of a sequence, which Slicer makes when it loads one."""
    browser = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", f"{sequence.GetName()} browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    scene.update()
    return browser


@pytest.fixture(scope="session")
def holder() -> Iterator[ModelHolder]:
    """One scoring process for all tests."""
    shared = ModelHolder(WorkerClient([sys.executable, "-m", "striq.service"]))
    yield shared
    shared.stop()


@pytest.fixture
def logic(holder: ModelHolder) -> Iterator[PlaneQualityLogic]:
    """The logic with the shared scoring process."""
    shared = PlaneQualityLogic(holder)
    yield shared
    shared.explainer.close()


@pytest.fixture
def scored(
    logic: PlaneQualityLogic, browser: slicer.vtkMRMLSequenceBrowserNode, tiny_model: Path
) -> slicer.vtkMRMLTableNode:
    """The table of the scored cine."""
    return logic.scoreSequence(browser, modelPath=str(tiny_model), device="cpu")


@pytest.fixture
def done(clicker: Clicker, browser, tiny_model: Path) -> Clicker:
    """The panel after the cine was scored."""
    clicker.score(browser, tiny_model)
    return clicker


def results_of(clicker: Clicker) -> Results:
    return Results(clicker.panel.session.parameters.resultsNode)


def shown(clicker: Clicker) -> int:
    clicker.passTime()
    return clicker.panel.session.source.currentIndex()
