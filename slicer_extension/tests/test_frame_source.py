"""Tests of ``UltrasoundPlaneQCLib.FrameSource`` on real MRML nodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import slicer
from conftest import FRAME_RATE, LPS, NUM_FRAMES
from standin import mrml
from UltrasoundPlaneQCLib.FrameSource import SourceError, openFrames

from striq.data.readers import open_cine
from striq.data.readers.intensity import to_unit_gray


def test_browser_gives_every_stored_picture(browser, cine_pixels) -> None:
    source = openFrames(browser)
    assert source.numFrames == NUM_FRAMES
    for index in range(NUM_FRAMES):
        np.testing.assert_array_equal(source.frame(index), cine_pixels[index])
    assert source.timesS == pytest.approx([index / FRAME_RATE for index in range(NUM_FRAMES)])
    assert source.spacingMm == pytest.approx((0.3, 0.4))  # rows first


def test_volume_that_a_browser_updates_stands_for_the_browser(browser, cine_pixels) -> None:
    source = openFrames(openFrames(browser).volume)
    assert source.node is browser
    assert source.numFrames == NUM_FRAMES


def test_sequence_stands_for_its_browser(browser) -> None:
    assert openFrames(browser.GetMasterSequenceNode()).node is browser


def test_frames_equal_those_that_the_command_line_reads(browser, tmp_path: Path) -> None:
    path = tmp_path / "cine.seq.nrrd"
    storage = browser.GetMasterSequenceNode().CreateDefaultStorageNode()
    storage.SetFileName(str(path))
    assert storage.WriteData(browser.GetMasterSequenceNode())
    cine, source = open_cine(path), openFrames(browser)
    assert len(cine) == source.numFrames
    assert cine.spacing_mm == pytest.approx(source.spacingMm)
    assert cine[3].time_s == pytest.approx(source.timesS[3])
    for index in range(NUM_FRAMES):
        np.testing.assert_array_equal(cine[index].pixels, to_unit_gray(source.frame(index)))


@pytest.mark.parametrize("matrix", [LPS, np.eye(4), np.diag([0.4, -0.3, -1, 1])])
def test_direction_of_the_volume_does_not_turn_the_picture(matrix: np.ndarray, cine_pixels) -> None:
    volume = slicer.util.addVolumeFromArray(cine_pixels[:1].copy(), ijkToRAS=matrix, name="one")
    np.testing.assert_array_equal(openFrames(volume).frame(0), cine_pixels[0])


def test_stack_has_one_frame_per_slice(cine_pixels) -> None:
    volume = slicer.util.addVolumeFromArray(cine_pixels.copy(), ijkToRAS=LPS, name="stack")
    source = openFrames(volume)
    assert source.numFrames == NUM_FRAMES
    np.testing.assert_array_equal(source.frame(4), cine_pixels[4])
    assert source.timesS is None


def test_stack_moves_the_slice_view_to_the_frame(cine_pixels) -> None:
    volume = slicer.util.addVolumeFromArray(cine_pixels.copy(), ijkToRAS=LPS, name="stack")
    view = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceNode", "Red")
    view.SetLayoutName("Red")
    view.SetOrientationToAxial()
    source = openFrames(volume)
    source.select(6)
    assert source.currentIndex() == 6
    source.select(2)
    assert source.currentIndex() == 2


def test_color_pictures_keep_their_channels(cine_pixels) -> None:
    color = np.stack([cine_pixels[:1], cine_pixels[1:2], cine_pixels[2:3]], axis=-1)
    volume = slicer.util.addVolumeFromArray(color.copy(), nodeClassName="vtkMRMLVectorVolumeNode", name="color")
    np.testing.assert_array_equal(openFrames(volume).frame(0), color[0])


def test_browser_shows_the_selected_frame(browser, cine_pixels, scene: mrml.Scene) -> None:
    source = openFrames(browser)
    source.select(5)
    scene.update()
    assert source.currentIndex() == 5
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(source.volume)[0], cine_pixels[5])


def test_pictures_are_found_beside_a_master_that_holds_transforms(cine_pixels, browser) -> None:
    tracking = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "tracking")
    tracking.SetIndexName("time")
    tracking.SetIndexUnit("s")
    for index in range(4):  # fewer items, at other times: the picture before counts
        tracking.SetDataNodeAtValue(slicer.vtkMRMLLinearTransformNode(), f"{index * 0.08 + 0.01:.3f}")
    pictures = browser.GetMasterSequenceNode()
    tracked = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "tracked")
    tracked.SetAndObserveMasterSequenceNodeID(tracking.GetID())
    tracked.AddSynchronizedSequenceNode(pictures)
    source = openFrames(tracked)
    assert source.numFrames == 4
    np.testing.assert_array_equal(source.frame(2), cine_pixels[4])


def test_nodes_without_pictures_are_refused(cine_pixels, scene: mrml.Scene) -> None:
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "numbers")
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "nothing")
    bare = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", "bare")
    for node, complaint in (
        (None, "No input is chosen"),
        (table, "numbers is a Table. Expected a sequence browser or a volume"),
        (empty, "nothing has no picture yet"),
        (bare, "bare has no pictures"),
    ):
        with pytest.raises(SourceError, match=complaint):
            openFrames(node)


def test_sequence_of_volumes_is_refused(cine_pixels, scene: mrml.Scene) -> None:
    from conftest import add_browser

    sequence = add_browser(cine_pixels, scene, "heart").GetMasterSequenceNode()
    deep = slicer.util.addVolumeFromArray(cine_pixels[:3].copy(), name="deep")
    sequence.RemoveAllDataNodes()
    sequence.SetDataNodeAtValue(deep, "0")
    with pytest.raises(SourceError, match=r"3-D volumes.*one picture per time point"):
        openFrames(slicer.util.getNode("heart browser"))
