"""Tests of cines that Slicer's DICOM reader made: numbered frames in RGB, which must score as their files do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import slicer
from conftest import ROOT, add_sequence_browser
from pydicom.pixels import pixel_array
from standin import mrml
from UltrasoundPlaneQCLib.FrameSource import openFrames
from UltrasoundPlaneQCLib.Logic import PlaneQualityLogic
from UltrasoundPlaneQCLib.Results import Results

from striq.data.readers import open_cine

DATA = ROOT.parent / "shared" / "data" / "dicom_us"
# Luma and chroma with a region, the same with a region that is a part of the picture, RGB, and reversible color.
FILES = [
    "apical_cine_30f_ybr422_jpeg.dcm",
    "apical_cine_65f_ybr422_jpeg.dcm",
    "YBR_FULL-RLE.dcm",
    "examples_rgb_color.dcm",
    "US1_J2KR.dcm",
]
NUM_FRAMES = 4


def load(path: Path, scene: mrml.Scene) -> slicer.vtkMRMLSequenceBrowserNode:
    """Load a file as Slicer's reader of image sequences does."""
    header = pydicom.dcmread(path, stop_before_pixels=True)
    pictures = pixel_array(path)  # in RGB
    pictures = pictures.reshape(-1, *pictures.shape[-3:])[:NUM_FRAMES]
    uid = str(header.SOPInstanceUID)
    slicer.dicomDatabase.files[uid] = str(path)
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", path.stem)
    sequence.SetIndexName("frame")
    sequence.SetIndexUnit("")
    volume = slicer.util.addVolumeFromArray(
        pictures[0][None].copy(), np.diag([-1.0, -1.0, 1.0, 1.0]), "frame", "vtkMRMLVectorVolumeNode"
    )
    volume.SetAttribute("DICOM.instanceUIDs", uid)
    for number, picture in enumerate(pictures):
        slicer.util.updateVolumeFromArray(volume, picture[None].copy())
        sequence.SetDataNodeAtValue(volume, str(number))
    slicer.mrmlScene.RemoveNode(volume)
    return add_sequence_browser(sequence, scene)


def qualitiesOf(table: slicer.vtkMRMLTableNode) -> list[float]:
    return [result.quality for result in Results(table)]


@pytest.fixture(params=FILES)
def path(request: pytest.FixtureRequest) -> Path:
    found = DATA / request.param
    if not found.exists():
        pytest.skip(f"{found} is absent")
    return found


def test_sequence_scores_exactly_as_its_file(
    path: Path, logic: PlaneQualityLogic, scene: mrml.Scene, tiny_model: Path, tiny_scorer
) -> None:
    expected = [score.quality for score in tiny_scorer.score(open_cine(path)[:NUM_FRAMES])]
    table = logic.scoreSequence(load(path, scene), modelPath=str(tiny_model), device="cpu")
    assert qualitiesOf(table) == pytest.approx(expected, abs=1e-5)


def test_times_are_those_of_the_header(scene: mrml.Scene) -> None:
    path = DATA / FILES[0]
    if not path.exists():
        pytest.skip(f"{path} is absent")
    found = openFrames(load(path, scene)).timesS
    assert found == pytest.approx([frame.time_s for frame in open_cine(path)[:NUM_FRAMES]])


def test_pictures_that_were_edited_are_scored_as_they_are(
    logic: PlaneQualityLogic, scene: mrml.Scene, tiny_model: Path
) -> None:
    path = DATA / FILES[0]
    if not path.exists():
        pytest.skip(f"{path} is absent")
    browser = load(path, scene)
    before = qualitiesOf(logic.scoreSequence(browser, modelPath=str(tiny_model), device="cpu"))
    sequence = browser.GetMasterSequenceNode()
    for number in range(NUM_FRAMES):
        stored = slicer.util.arrayFromVolume(sequence.GetNthDataNode(number))
        stored[:, 60:160, 100:200] //= 2
    after = qualitiesOf(logic.scoreSequence(browser, modelPath=str(tiny_model), device="cpu"))
    assert not np.isnan(after).any()
    assert after != before
