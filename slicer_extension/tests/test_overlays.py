"""Tests of overlays on rendered slice views: upright, and aligned with the frame pixel by pixel."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import slicer
import vtk
from conftest import LPS, draw_cine
from PIL import Image
from scipy import ndimage
from standin.rendering import SliceView
from UltrasoundPlaneQCLib import Overlays
from UltrasoundPlaneQCLib.FrameSource import openFrames
from UltrasoundPlaneQCLib.Views import Views

ROWS, COLUMNS = 60, 90
CROP = (10, 20, 50, 80)  # top, left, bottom, right
REFERENCES = Path(__file__).parent / "references"
ALLOWED_GRAY = 3.0  # mean difference to a reference picture: drivers round differently


def frame_with_spots() -> np.ndarray:
    """Dark, with one bright spot near the top left and one of half that brightness at the bottom right."""
    frame = np.full((ROWS, COLUMNS), 20, np.uint8)
    frame[6:10, 8:12] = 240
    frame[50:54, 70:74] = 120
    return frame


def place_of(view: SliceView, volume, row: float, column: float) -> tuple[int, int]:
    """Return where the view shows a pixel of the first slice of a volume."""
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return view.pixelOf(matrix.MultiplyPoint((column, row, 0, 1))[:3])


def shown(picture: np.ndarray, view: SliceView, volume, row: float, column: float) -> np.ndarray:
    """Return the color shown at a pixel of a frame."""
    return picture[place_of(view, volume, row, column)].astype(int)


def add_volume(pixels: np.ndarray, name: str = "frame", matrix: np.ndarray = LPS):
    volume = slicer.util.addVolumeFromArray(pixels[None].copy(), ijkToRAS=matrix, name=name)
    volume.CreateDefaultDisplayNodes()
    volume.GetDisplayNode().AutoWindowLevelOff()
    volume.GetDisplayNode().SetWindowLevelMinMax(0, 255)
    return volume


def test_frame_is_shown_upright(view: SliceView) -> None:
    volume = add_volume(frame_with_spots())
    view.show(volume)
    picture = view.picture()[..., 0]
    height, width = picture.shape
    bright_row, bright_column = ndimage.center_of_mass(picture > 200)
    dim_row, dim_column = ndimage.center_of_mass((picture > 90) & (picture < 150))
    assert bright_row < height / 2 < dim_row
    assert bright_column < width / 2 < dim_column


def test_residual_lies_on_the_pixels_it_belongs_to(view: SliceView) -> None:
    volume = add_volume(frame_with_spots())
    residual = np.full((ROWS, COLUMNS), np.nan, np.float32)
    residual[10:50, 20:80] = 0.2  # differs a little: what is alike is transparent
    residual[30:40, 60:75] = 2.0
    view.show(volume)
    before = view.picture()
    node = Overlays.showResidual(volume, 0, residual, frame=4)
    Overlays.showOver(node, volume, 1.0)
    after = view.picture()
    assert node.GetAttribute("STRIQ.frame") == "4"
    hot, cold = shown(after, view, volume, 35, 67), shown(after, view, volume, 20, 30)
    assert hot[0] > 240 > 160 > hot[2]  # yellow
    assert cold[2] > cold[0]  # dark blue
    for row, column in ((8, 10), (52, 72), (5, 45), (30, 10)):  # outside the fan the frame is seen as it is
        np.testing.assert_array_equal(shown(after, view, volume, row, column), shown(before, view, volume, row, column))
    changed = np.abs(after.astype(int) - before).sum(axis=-1) > 60
    edges = [place_of(view, volume, *corner) for corner in ((9.5, 19.5), (49.5, 79.5))]
    rows, columns = np.nonzero(changed)
    assert (rows.min(), columns.min()) == pytest.approx(edges[0], abs=3)
    assert (rows.max(), columns.max()) == pytest.approx(edges[1], abs=3)


def blob(rows: int, columns: int, row: float, column: float) -> np.ndarray:
    y, x = np.mgrid[0:rows, 0:columns]
    return np.round(230 * np.exp(-(((y - row) / 4) ** 2 + ((x - column) / 4) ** 2))).astype(np.uint8)


@pytest.mark.parametrize(
    "matrix",
    [LPS, np.diag([0.5, -0.5, 1, 1.0]), np.array([[0, -0.4, 0, 3], [-0.4, 0, 0, -7], [0, 0, 1, 0], [0, 0, 0, 1.0]])],
    ids=["LPS", "mirrored", "turned"],
)
def test_reference_is_moved_onto_the_frame(matrix: np.ndarray, view: SliceView) -> None:
    # The reference has its blob at one place; the pull-back says which place of the frame shows it.
    anchor = blob(64, 64, 20, 40)
    turn = math.radians(15)
    pull_back = np.array([[math.cos(turn), math.sin(turn), 0.2], [-math.sin(turn), math.cos(turn), -0.1]])
    at_anchor = np.array([(40 + 0.5) / 32 - 1, (20 + 0.5) / 32 - 1])
    x, y = np.linalg.solve(pull_back[:, :2], at_anchor - pull_back[:, 2])
    top, left, bottom, right = CROP
    column, row = left + (x + 1) / 2 * (right - left) - 0.5, top + (y + 1) / 2 * (bottom - top) - 0.5
    volume = add_volume(np.zeros((ROWS, COLUMNS), np.uint8), matrix=matrix)
    view.show(volume)
    node = Overlays.showAnchor(volume, 0, anchor, pull_back, CROP, frame=0)
    Overlays.showOver(node, volume, 1.0)
    found = ndimage.center_of_mass(np.where(view.picture()[..., 0] > 100, view.picture()[..., 0], 0).astype(float))
    assert found == pytest.approx(place_of(view, volume, row, column), abs=2.0)
    assert node.GetParentTransformNode().GetName() == Overlays.TRANSFORM_NAME


def test_without_its_transform_the_reference_fills_the_box(view: SliceView) -> None:
    volume = add_volume(np.zeros((ROWS, COLUMNS), np.uint8))
    view.show(volume)
    node = Overlays.showAnchor(volume, 0, np.full((64, 64), 200, np.uint8), np.eye(2, 3), CROP, frame=0)
    Overlays.showOver(node, volume, 1.0)
    rows, columns = np.nonzero(view.picture()[..., 0] > 100)
    first, last = place_of(view, volume, 9.5, 19.5), place_of(view, volume, 49.5, 79.5)
    assert (rows.min(), columns.min()) == pytest.approx(first, abs=3)
    assert (rows.max(), columns.max()) == pytest.approx(last, abs=3)


def test_overlays_follow_a_transform_of_the_frame(view: SliceView) -> None:
    volume = add_volume(frame_with_spots())
    probe = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "ImageToReference")
    slicer.util.updateTransformMatrixFromArray(
        probe, np.array([[1, 0, 0, 12.0], [0, 1, 0, -5], [0, 0, 1, 3], [0, 0, 0, 1]])
    )
    volume.SetAndObserveTransformNodeID(probe.GetID())
    residual = Overlays.showResidual(volume, 0, np.ones((ROWS, COLUMNS), np.float32), frame=0)
    anchor = Overlays.showAnchor(volume, 0, np.ones((64, 64), np.uint8), np.eye(2, 3), CROP, frame=0)
    frame_bounds, residual_bounds, anchor_bounds = np.zeros(6), np.zeros(6), np.zeros(6)
    for node, bounds in ((volume, frame_bounds), (residual, residual_bounds), (anchor, anchor_bounds)):
        node.GetRASBounds(bounds)
    np.testing.assert_allclose(residual_bounds, frame_bounds)
    assert frame_bounds[0] < anchor_bounds[0] < anchor_bounds[1] < frame_bounds[1]
    assert frame_bounds[2] < anchor_bounds[2] < anchor_bounds[3] < frame_bounds[3]


def test_residual_of_a_stack_lies_on_its_slice(view: SliceView, cine_pixels) -> None:
    stack = slicer.util.addVolumeFromArray(cine_pixels.copy(), ijkToRAS=LPS, name="stack")
    node = Overlays.showResidual(stack, 5, np.ones(cine_pixels.shape[1:], np.float32), frame=5)
    assert node.GetOrigin()[2] == pytest.approx(stack.GetOrigin()[2] + 5 * 0.4)


def test_overlay_is_taken_away_and_other_foregrounds_stay(view: SliceView) -> None:
    volume, other = add_volume(frame_with_spots()), add_volume(frame_with_spots(), "other")
    view.show(volume)
    node = Overlays.showResidual(volume, 0, np.ones((ROWS, COLUMNS), np.float32), frame=0)
    Overlays.showOver(node, volume, 0.5)
    assert Overlays.shownOverlays() == [node]
    Overlays.showOver(None, volume, 0.5)
    assert Overlays.shownOverlays() == []
    composite = view.logic.GetSliceCompositeNode()
    composite.SetForegroundVolumeID(other.GetID())
    Overlays.showOver(None, volume, 0.5)
    assert composite.GetForegroundVolumeID() == other.GetID()


def test_second_explanation_reuses_the_nodes() -> None:
    volume = add_volume(frame_with_spots())
    for frame in (1, 2):
        Overlays.showResidual(volume, 0, np.ones((ROWS, COLUMNS), np.float32), frame=frame)
        Overlays.showAnchor(volume, 0, np.ones((64, 64), np.uint8), np.eye(2, 3), CROP, frame=frame)
    assert len(slicer.util.getNodesByClass("vtkMRMLVolumeNode")) == 3
    assert slicer.mrmlScene.GetNodesByName(Overlays.TRANSFORM_NAME).GetNumberOfItems() == 1


def test_explanation_of_the_scoring_process_is_shown(browser, logic, tiny_model: Path, view: SliceView, scored) -> None:
    source = openFrames(browser)
    source.select(3)
    view.show(source.volume)
    plain = view.picture()
    explanation = logic.explain(source, 3, modelPath=str(tiny_model), device="cpu")
    node = logic.showExplanation(explanation, "reference", 0.5)  # no pictures in this model: the residual
    assert node.GetName() == Overlays.RESIDUAL_NAME
    assert (np.abs(view.picture().astype(int) - plain) > 10).any(axis=-1).mean() > 0.1
    assert logic.showExplanation(explanation, "none", 0.5) is None
    np.testing.assert_array_equal(view.picture(), plain)


def assert_looks_like(name: str, found: np.ndarray) -> None:
    """Compare a view with its reference picture; ``--write-references`` of the command line makes that anew."""
    wanted = np.array(Image.open(REFERENCES / f"{name}.png"), dtype=int)
    found = found.astype(int)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).mean() < ALLOWED_GRAY
    assert np.abs(found[:, ::-1] - wanted).mean() > 2 * ALLOWED_GRAY  # the limit would notice a mirrored view


def show_gradient(view: SliceView) -> None:
    """Show a frame with a residual that grows to the right in its lower half."""
    pixels = draw_cine(2)[4]
    volume = add_volume(pixels)
    view.show(volume)
    rows, columns = pixels.shape
    residual = np.tile(np.linspace(0, 2, columns, dtype=np.float32), (rows, 1))
    residual[: rows // 2] = np.nan
    Overlays.showOver(Overlays.showResidual(volume, 0, residual, 0), volume, 0.6)


def show_anchor(view: SliceView) -> None:
    """Show a reference, turned and moved, over a frame."""
    cine = draw_cine(2)
    volume = add_volume(cine[4])
    view.show(volume)
    turn = math.radians(20)
    pull_back = np.array([[math.cos(turn), math.sin(turn), 0.1], [-math.sin(turn), math.cos(turn), -0.2]])
    Overlays.showOver(Overlays.showAnchor(volume, 0, cine[0], pull_back, (7, 3, 71, 83), 0), volume, 0.7)


def show_verdict(view: SliceView) -> None:
    """Show a frame with its verdict in the corner."""
    volume = add_volume(draw_cine(2)[4])
    view.show(volume)
    Views(lambda *_: None).showVerdict("rejected  Q 0.31", "rejected")


@pytest.mark.parametrize("arrange", [show_gradient, show_anchor, show_verdict], ids=["residual", "anchor", "verdict"])
def test_slice_view_looks_like_the_reference_picture(
    arrange: Callable[[SliceView], None], view: SliceView, request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.id
    props = view.props()
    arrange(view)
    found = view.picture()
    view.removeBut(props)
    if request.config.getoption("--write-references"):
        Image.fromarray(found).save(REFERENCES / f"{name}.png")
    assert_looks_like(name, found)
