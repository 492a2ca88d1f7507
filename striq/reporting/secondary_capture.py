"""Pictures that no DICOM file holds, as DICOM Secondary Capture images.

Written with pydicom: highdicom's class needs the orientation of the patient, which an ultrasound picture does not tell.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

import striq
from striq.about import PUBLISHER
from striq.atomic_files import replacing
from striq.reporting.patient_context import complete_context
from striq.reporting.report_uids import new_uid

SERIES_NUMBER = 9102
SERIES_DESCRIPTION = "STRIQ key frames (research only, not for diagnosis)"
COPIED = (  # attributes of patient and study
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyID", "StudyDate"),
    *("StudyTime", "AccessionNumber", "ReferringPhysicianName"),
)


def write_secondary_captures(
    folder: str | Path,
    pictures: NDArray[Any],
    comments: Sequence[str],
    *,
    context: Dataset | None = None,
    patient_id: str = "",
    spacing_mm: tuple[float, float] | None = None,
) -> list[Path]:
    """Write pictures as one series, each atomically, and return the paths.

    Args:
        folder: Takes the files ``key_frame_1.dcm`` and so on.
        pictures: Pixels as shown, ``uint8``, shape ``(N, H, W)`` in gray or ``(N, H, W, 3)`` in RGB.
        comments: A text for each picture, such as its quality; no names of patients.
        context: Header that patient and study are copied from; a new study without it.
        patient_id: Identifier of the patient if there is no ``context``; may be empty.
        spacing_mm: Distance between neighboring rows, then columns.

    Raises:
        ValueError: If the pictures are of another shape or type, or do not match the comments.
        OSError: If a file cannot be written.
    """
    if pictures.dtype != np.uint8 or not (pictures.ndim == 3 or pictures.shape[3:] == (3,)) or not len(pictures):
        msg = f"Expected uint8 pictures of shape (N, H, W) or (N, H, W, 3), got {pictures.dtype} {pictures.shape}."
        raise ValueError(msg)
    if len(comments) != len(pictures):
        msg = f"Expected one comment per picture ({len(pictures)}), got {len(comments)}."
        raise ValueError(msg)
    series, now = _series(context, patient_id), datetime.now().astimezone()
    paths: list[Path] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about unusual but readable values of the header
        for number, (picture, comment) in enumerate(zip(pictures, comments, strict=True), start=1):
            path = Path(folder) / f"key_frame_{number}.dcm"
            image = _image(series, picture, now)
            image.InstanceNumber, image.ImageComments = number, comment
            if spacing_mm is not None:
                image.NominalScannedPixelSpacing = [f"{distance:.8g}" for distance in spacing_mm]
            with replacing(path) as stream:
                image.save_as(stream, enforce_file_format=True)
            paths.append(path)
    return paths


def _series(context: Dataset | None, patient_id: str) -> Dataset:
    """Return what all images of the series have in common."""
    known = complete_context(Dataset() if context is None else context)
    series = Dataset()
    for keyword in COPIED:
        setattr(series, keyword, known.get(keyword, ""))
    if context is None:
        series.PatientID, series.StudyInstanceUID = patient_id, new_uid()
    series.SpecificCharacterSet = "ISO_IR 192"
    series.SeriesInstanceUID = new_uid()
    series.SeriesNumber, series.SeriesDescription = SERIES_NUMBER, SERIES_DESCRIPTION
    series.Modality, series.ConversionType = "US", "WSD"  # made on a workstation
    series.Manufacturer, series.ManufacturerModelName = PUBLISHER, "STRIQ"
    series.SoftwareVersions = striq.__version__
    series.PatientOrientation = series.Laterality = ""  # not known
    return series


def _image(series: Dataset, picture: NDArray[np.uint8], now: datetime) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = SecondaryCaptureImageStorage, ExplicitVRLittleEndian
    meta.MediaStorageSOPInstanceUID = new_uid()
    image = FileDataset("", {}, preamble=b"\0" * 128, file_meta=meta)
    image.update(series)
    image.SOPClassUID, image.SOPInstanceUID = SecondaryCaptureImageStorage, meta.MediaStorageSOPInstanceUID
    image.InstanceCreationDate = image.DateOfSecondaryCapture = now.strftime("%Y%m%d")
    image.InstanceCreationTime = image.TimeOfSecondaryCapture = now.strftime("%H%M%S")
    image.ImageType = ["DERIVED", "SECONDARY"]
    image.Rows, image.Columns = picture.shape[:2]
    is_gray = picture.ndim == 2
    image.SamplesPerPixel = 1 if is_gray else 3
    image.PhotometricInterpretation = "MONOCHROME2" if is_gray else "RGB"
    if not is_gray:
        image.PlanarConfiguration = 0
    image.BitsAllocated = image.BitsStored = 8
    image.HighBit, image.PixelRepresentation = 7, 0
    stored = np.ascontiguousarray(picture).tobytes()
    image.PixelData = stored + b"\0" * (len(stored) % 2)
    return image
