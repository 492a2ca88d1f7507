"""Tests of key frames as DICOM: read back by pydicom and highdicom, checked by dicom-validator."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_validator.validator.iod_validator import IODValidator
from highdicom.ko import KeyObjectSelectionDocument
from pydicom.dataset import Dataset

from striq.errors import ReadError
from striq.reporting.key_frames import write_key_frames
from striq.reporting.secondary_capture import write_secondary_captures
from tests.reporting.images import SOP_INSTANCE_UID, write_dicom
from tests.reporting.standard_tables import standard_tables

PATIENT_AND_STUDY = ("PatientID", "PatientName", "PatientSex", "StudyInstanceUID", "StudyDate", "AccessionNumber")


def errors_in(written: Dataset) -> int:
    return IODValidator(written, standard_tables()).validate().errors


def same_context(written: Dataset, image: Dataset) -> bool:
    return all(str(written.get(keyword, "")) == str(image.get(keyword, "")) for keyword in PATIENT_AND_STUDY)


def test_document_names_the_frames_in_their_order_and_the_patient_of_the_image(tmp_path: Path) -> None:
    image = write_dicom(tmp_path / "cine.dcm", num_frames=6)
    path = write_key_frames(tmp_path / "key.dcm", image, [4, 0], description="Best frames by Q")
    written, source = pydicom.dcmread(path), pydicom.dcmread(image)
    assert errors_in(written) == 0
    assert same_context(written, source)
    assert written.Modality == "KO"
    document = KeyObjectSelectionDocument.from_dataset(written)
    (reference,) = document.content.get_references()
    assert reference.referenced_sop_instance_uid == SOP_INSTANCE_UID
    assert reference.referenced_frame_numbers == [5, 1]
    assert document.resolve_reference(SOP_INSTANCE_UID) == (
        source.StudyInstanceUID,
        source.SeriesInstanceUID,
        SOP_INSTANCE_UID,
    )
    assert "PixelData" not in written


def test_image_of_one_frame_is_referenced_as_a_whole(tmp_path: Path) -> None:
    image = write_dicom(tmp_path / "still.dcm", is_multiframe=False)
    document = KeyObjectSelectionDocument.from_dataset(
        pydicom.dcmread(write_key_frames(tmp_path / "key.dcm", image, [0]))
    )
    assert document.content.get_references()[0].referenced_frame_numbers is None


def test_every_document_is_an_instance_of_its_own_in_one_series(tmp_path: Path) -> None:
    image = write_dicom(tmp_path / "cine.dcm", num_frames=3)
    first, second = (pydicom.dcmread(write_key_frames(tmp_path / f"{n}.dcm", image, [n])) for n in (0, 1))
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert first.SeriesInstanceUID == second.SeriesInstanceUID
    assert first.SOPInstanceUID.is_valid
    assert first.SeriesInstanceUID.is_valid


@pytest.mark.parametrize("indices", [[], [3], [-1]])
def test_frames_that_the_image_does_not_have_are_refused(tmp_path: Path, indices: list[int]) -> None:
    image = write_dicom(tmp_path / "cine.dcm", num_frames=3)
    with pytest.raises(ValueError, match="key frames from 0 to 2"):
        write_key_frames(tmp_path / "key.dcm", image, indices)
    assert not (tmp_path / "key.dcm").exists()


def test_picture_that_is_not_dicom_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cine.png").write_bytes(b"no header")
    with pytest.raises(ReadError, match="another format"):
        write_key_frames(tmp_path / "key.dcm", tmp_path / "cine.png", [0])


@pytest.mark.parametrize("channels", [(), (3,)], ids=["gray", "color"])
def test_captures_keep_pixels_and_form_one_study(tmp_path: Path, channels: tuple[int, ...]) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 5, 7, *channels), dtype=np.uint8)
    paths = write_secondary_captures(tmp_path, pictures, ["Q 0.9", "Q 0.8"], patient_id="A 1", spacing_mm=(0.3, 0.4))
    written = [pydicom.dcmread(path) for path in paths]
    for picture, image in zip(pictures, written, strict=True):
        np.testing.assert_array_equal(image.pixel_array, picture)
        assert errors_in(image) == 0
        assert image.PatientID == "A 1"
        assert list(image.NominalScannedPixelSpacing) == [0.3, 0.4]
        assert image.SOPInstanceUID.is_valid
    assert [image.ImageComments for image in written] == ["Q 0.9", "Q 0.8"]
    assert len({image.SOPInstanceUID for image in written}) == 2
    assert len({(image.StudyInstanceUID, image.SeriesInstanceUID) for image in written}) == 1


def test_captures_belong_to_the_study_of_the_header_if_there_is_one(tmp_path: Path) -> None:
    image = pydicom.dcmread(write_dicom(tmp_path / "cine.dcm", num_frames=3))
    (path,) = write_secondary_captures(
        tmp_path, np.zeros((1, 4, 4), np.uint8), [""], context=image, patient_id="not this"
    )
    written = pydicom.dcmread(path)
    assert same_context(written, image)
    assert written.SeriesInstanceUID != image.SeriesInstanceUID


@pytest.mark.parametrize("shape", [(1, 4, 4, 4), (0, 4, 4), (4, 4)])
def test_pictures_of_another_shape_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="Expected uint8 pictures"):
        write_secondary_captures(tmp_path, np.zeros(shape, np.uint8), [""])
