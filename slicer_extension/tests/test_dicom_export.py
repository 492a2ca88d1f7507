"""Tests of results as DICOM, clicked as a user does and read back by pydicom and highdicom."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
import qt
import slicer
from conftest import LPS, NUM_FRAMES, Clicker, add_sequence_browser, results_of, shown
from highdicom.ko import KeyObjectSelectionDocument
from highdicom.sr import srread
from pydicom.pixels import set_pixel_data
from standin import mrml
from UltrasoundPlaneQCLib.DicomExport import DicomError, asShown, openDatabase
from UltrasoundPlaneQCLib.FrameSource import SourceError
from UltrasoundPlaneQCLib.KeyFrames import keyFrames
from UltrasoundPlaneQCLib.ModelHolder import ModelHolder
from UltrasoundPlaneQCLib.WorkerClient import WorkerClient

from tests.reporting.images import dicom_image

CONTEXT = ("PatientID", "PatientName", "PatientBirthDate", "StudyInstanceUID", "StudyDate", "AccessionNumber")


@pytest.fixture
def image(cine_pixels: np.ndarray, tmp_path: Path) -> Path:
    """A DICOM file of the cine, in Slicer's database."""
    dataset = dicom_image(NUM_FRAMES)
    set_pixel_data(dataset, cine_pixels, "MONOCHROME2", 8)
    path = tmp_path / "cine.dcm"
    dataset.save_as(path, enforce_file_format=True)
    slicer.dicomDatabase.files[str(dataset.SOPInstanceUID)] = str(path)
    return path


class Shared:
    """The process that all tests share, which outlives an export."""

    def __init__(self, client: WorkerClient) -> None:
        self.start, self.send, self.poll = client.start, client.send, client.poll

    def stop(self) -> None:
        """Nothing: the other tests go on with it."""


@pytest.fixture(autouse=True)
def shared(clicker: Clicker, holder: ModelHolder) -> None:
    """Write in the process that scores, because starting one takes seconds."""
    clicker.panel.dicom.export._client = Shared(holder.client)


@pytest.fixture
def dicom(clicker: Clicker, image: Path, cine_pixels, tiny_model: Path, scene: mrml.Scene) -> Clicker:
    """The panel after a cine from the database was scored."""
    uid = str(pydicom.dcmread(image, stop_before_pixels=True).SOPInstanceUID)
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "cine")
    volume = slicer.util.addVolumeFromArray(cine_pixels[0][None].copy(), LPS, "frame")
    volume.SetAttribute("DICOM.instanceUIDs", uid)
    for number, picture in enumerate(cine_pixels):
        slicer.util.updateVolumeFromArray(volume, picture[None].copy())
        sequence.SetDataNodeAtValue(volume, str(number))
    slicer.mrmlScene.RemoveNode(volume)
    clicker.score(add_sequence_browser(sequence, scene), tiny_model)
    return clicker


def save(clicker: Clicker, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Press *Save to folder*, choose one, wait, and return the files."""
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    panel = clicker.panel.dicom
    clicker.click(panel.folderButton)
    clicker.waitFor(lambda: not panel.export.isBusy)
    return sorted(path for path in folder.rglob("*.dcm"))


def test_report_and_key_frames_of_a_dicom_cine_are_saved_with_its_patient_and_study(
    dicom: Clicker, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = dicom.panel.dicom
    for frame in (6, 2):
        dicom.panel.session.source.select(frame)
        dicom.passTime()
        dicom.click(panel.markButton)
    dicom.click("rejectButton")
    key, report = save(dicom, tmp_path / "out", monkeypatch)
    assert "key_frames.ko.dcm" in panel.statusLabel.text
    source = pydicom.dcmread(image, stop_before_pixels=True)
    for path in (key, report):
        written = pydicom.dcmread(path)
        assert {name: str(written[name].value) for name in CONTEXT} == {n: str(source[n].value) for n in CONTEXT}
        assert written.SOPInstanceUID.is_valid
    document = KeyObjectSelectionDocument.from_dataset(pydicom.dcmread(key))
    (reference,) = document.content.get_references()
    assert reference.referenced_sop_instance_uid == source.SOPInstanceUID
    assert reference.referenced_frame_numbers == [3, 7]
    groups = srread(report).content.get_image_measurement_groups()[1:]
    qualities = [float(group.get_measurements()[0].value) for group in groups]
    assert qualities == pytest.approx([result.quality for result in results_of(dicom)], abs=1e-5)
    verdicts = [group.get_qualitative_evaluations()[0].value.value for group in groups]
    assert verdicts[2] == "rejected_user"
    assert set(verdicts[:2] + verdicts[3:]) <= {"accepted", "not_accepted"}


def test_best_frame_is_the_key_frame_where_none_is_chosen(
    dicom: Clicker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, _report = save(dicom, tmp_path / "out", monkeypatch)
    best = dicom.panel.session.logic.bestFrame(results_of(dicom))
    document = KeyObjectSelectionDocument.from_dataset(pydicom.dcmread(key))
    assert document.content.get_references()[0].referenced_frame_numbers == [best + 1]
    assert f"so the best one: {best}" in dicom.panel.dicom.keyLabel.text


def test_best_frame_is_not_told_while_scores_are_hidden(dicom: Clicker) -> None:
    panel = dicom.panel
    best = panel.session.logic.bestFrame(results_of(dicom))
    assert panel.dicom.keyLabel.text.endswith(f": {best}")
    panel.session.parameters.isBlind = True
    panel.session.changed()
    assert panel.dicom.keyLabel.text.endswith("so the best one")


def test_files_go_into_the_database_by_a_process_that_ends(dicom: Clicker) -> None:
    panel, files = dicom.panel.dicom, slicer.dicomDatabase.files
    own = panel.export._client = WorkerClient([sys.executable, "-m", "striq.service"])
    before = set(files)
    dicom.click(panel.databaseButton)
    dicom.waitFor(lambda: not panel.export.isBusy)
    added = [pydicom.dcmread(files[uid]) for uid in set(files) - before]  # copies: the folder was temporary
    assert {written.Modality for written in added} == {"SR", "KO"}
    assert panel.statusLabel.text.startswith("In the DICOM database")
    assert not own.isRunning()


@pytest.mark.parametrize("color", [False, True])
def test_pictures_that_are_not_dicom_are_captured(
    clicker: Clicker, cine_pixels, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, color: bool
) -> None:
    pixels = np.repeat(cine_pixels[:3, ..., None], 3, axis=3) if color else cine_pixels[:3]
    kind = "vtkMRMLVectorVolumeNode" if color else "vtkMRMLScalarVolumeNode"
    clicker.score(slicer.util.addVolumeFromArray(pixels.copy(), LPS, "stack", kind), tiny_model)
    panel = clicker.panel.dicom
    panel.patientEdit.setText("P 7")
    clicker.panel.session.source.select(1)
    clicker.passTime()
    clicker.click(panel.markButton)
    (path,) = save(clicker, tmp_path / "out", monkeypatch)
    written = pydicom.dcmread(path)
    np.testing.assert_array_equal(written.pixel_array, pixels[1])
    assert written.SOPClassUID.name == "Secondary Capture Image Storage"
    assert written.PatientID == "P 7"
    assert list(written.NominalScannedPixelSpacing) == pytest.approx([0.3, 0.4])
    assert written.ImageComments.startswith(f"Q {results_of(clicker)[1].quality:.3f}, ")


def test_key_frames_stay_with_the_table_and_can_be_taken_back(done: Clicker) -> None:
    panel = done.panel.dicom
    assert not panel.clearButton.isEnabled()
    done.click(panel.markButton)
    first = shown(done)
    assert panel.markButton.isChecked()
    assert keyFrames(results_of(done)) == [first]
    done.panel.session.source.select(4)
    done.passTime()
    assert not panel.markButton.isChecked()
    done.click(panel.markButton)
    assert keyFrames(results_of(done)) == sorted({first, 4})
    done.click(panel.markButton)
    assert keyFrames(results_of(done)) == [first]
    done.click(panel.clearButton)
    assert keyFrames(results_of(done)) == []


def test_buttons_say_what_is_missing(clicker: Clicker, browser) -> None:
    clicker.ui.inputSelector.setCurrentNode(browser)
    for button in (clicker.panel.dicom.folderButton, clicker.panel.dicom.databaseButton):
        assert not button.isEnabled()
        assert button.toolTip == "Score frames first"


def test_closed_database_is_an_error_that_names_a_way_out(dicom: Clicker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slicer.dicomDatabase, "isOpen", False)
    with pytest.raises(DicomError, match="save to a folder"):
        openDatabase()
    dicom.click(dicom.panel.dicom.databaseButton)
    assert "Open the module DICOM once" in dicom.panel.dicom.statusLabel.text


def test_folder_that_cannot_be_written_is_an_error_and_the_panel_goes_on(
    dicom: Clicker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    assert save(dicom, tmp_path / "file", monkeypatch) == []
    assert "file" in dicom.panel.dicom.statusLabel.text
    assert len(save(dicom, tmp_path / "out", monkeypatch)) == 2


def test_pictures_of_other_types_are_stretched_and_odd_ones_refused() -> None:
    np.testing.assert_array_equal(asShown(np.array([[100, 200], [300, 612]], np.int16)), [[0, 50], [100, 255]])
    assert asShown(np.zeros((2, 2, 4), np.uint8)).shape == (2, 2, 3)
    assert asShown(np.full((2, 2, 1), 7.0)).shape == (2, 2)
    with pytest.raises(SourceError, match="2 channels"):
        asShown(np.zeros((2, 2, 2), np.uint8))
