"""Fixtures of the extension's tests: a real scene, a small model and an asymmetric cine."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
os.environ.setdefault("OMP_NUM_THREADS", "1")

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MODULE = HERE.parent / "UltrasoundPlaneQC"
sys.path[:0] = [str(MODULE), str(HERE)]

import numpy as np  # noqa: E402 (the environment above comes first)
import pytest  # noqa: E402
import slicer  # noqa: E402
from standin import mrml  # noqa: E402
from standin.rendering import SliceView  # noqa: E402

_SCENE = mrml.install()

_spec = importlib.util.spec_from_file_location("package_fixtures", ROOT / "tests" / "conftest.py")
assert _spec is not None
assert _spec.loader is not None
_fixtures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_fixtures)
tiny_scorer, tiny_model = _fixtures.tiny_scorer, _fixtures.tiny_model  # the small fitted scorer of the package's tests

from UltrasoundPlaneQCLib.Logic import PlaneQualityLogic  # noqa: E402
from UltrasoundPlaneQCLib.Scoring import ModelHolder  # noqa: E402
from UltrasoundPlaneQCLib.WorkerClient import WorkerClient  # noqa: E402

LPS = np.diag([-0.4, -0.3, 0.4, 1.0])  # columns 0.4 mm, rows 0.3 mm apart; shows stored pictures upright
NUM_FRAMES = 9
FRAME_RATE = 25.0


@pytest.fixture(autouse=True)
def scene() -> Iterator[mrml.Scene]:
    """The scene, empty at first."""
    _SCENE.clear()
    yield _SCENE
    _SCENE.clear()


@pytest.fixture(scope="session")
def red_view() -> SliceView:
    """The one slice view, which outlives scenes as in the application."""
    return SliceView(_SCENE)


@pytest.fixture
def view(red_view: SliceView, scene: mrml.Scene) -> SliceView:
    """The slice view, empty at first."""
    red_view.reset()
    return red_view


@pytest.fixture(scope="session")
def cine_pixels() -> np.ndarray:
    """A phantom cine of 8 bits in which no symmetry hides a flip: wide, a margin of its own on each side."""
    from striq.data.phantom import make_phantom_cine

    frames = make_phantom_cine("a4c", NUM_FRAMES, seed=2, size=(64, 80))
    pixels = np.stack([np.round(frame.pixels * 255).astype(np.uint8) for frame in frames])
    return np.pad(pixels, ((0, 0), (7, 0), (3, 11)))


@pytest.fixture
def browser(cine_pixels: np.ndarray, scene: mrml.Scene) -> slicer.vtkMRMLSequenceBrowserNode:
    """A sequence browser of the cine."""
    return add_browser(cine_pixels, scene)


def add_browser(pixels: np.ndarray, scene: mrml.Scene, name: str = "cine") -> slicer.vtkMRMLSequenceBrowserNode:
    """Return a browser of 2-D pictures, as Slicer has after loading a cine."""
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", name)
    sequence.SetIndexName("time")
    sequence.SetIndexUnit("s")
    volume = slicer.util.addVolumeFromArray(pixels[0][None].copy(), ijkToRAS=LPS, name=f"{name} picture")
    for index, picture in enumerate(pixels):
        slicer.util.updateVolumeFromArray(volume, picture[None].copy())
        sequence.SetDataNodeAtValue(volume, f"{index / FRAME_RATE:.3f}")
    slicer.mrmlScene.RemoveNode(volume)
    browser = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", f"{name} browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    scene.update()
    return browser


@pytest.fixture(scope="session")
def holder() -> Iterator[ModelHolder]:
    """One worker process for all tests."""
    shared = ModelHolder(WorkerClient([sys.executable, "-m", "striq.worker"]))
    yield shared
    shared.stop()


@pytest.fixture
def logic(holder: ModelHolder) -> Iterator[PlaneQualityLogic]:
    """The logic on the shared worker."""
    shared = PlaneQualityLogic(holder)
    yield shared
    shared.explainer.close()


@pytest.fixture
def scored(logic: PlaneQualityLogic, browser: slicer.vtkMRMLSequenceBrowserNode, tiny_model: Path) -> slicer.vtkMRMLTableNode:
    """The table of the scored cine."""
    return logic.scoreSequence(browser, modelPath=str(tiny_model), device="cpu")
