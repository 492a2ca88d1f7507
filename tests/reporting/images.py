"""DICOM images and results that tests of the reports share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import set_pixel_data
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundImageStorage, UltrasoundMultiFrameImageStorage

from striq.quality.terms import TERMS
from striq.reporting.identity import ModelIdentity
from striq.reporting.structured_report import write_structured_report
from striq.scoring.results import FrameResult
from striq.types import FrameScore
from tests.score_factory import make_score

MODEL = ModelIdentity("a model", "0123456789abcdef" * 4, 0.5, "1.2.3")
SOP_INSTANCE_UID = "1.2.826.0.1.3680043.8.498.1"


def dicom_image(num_frames: int = 3, *, is_multiframe: bool = True, color: bool = False, **changes: Any) -> Dataset:
    """Return an ultrasound image with patient and study; ``None`` takes an attribute away."""
    shape = (num_frames,) * is_multiframe + (96, 96) + (3,) * color
    pixels = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = UltrasoundMultiFrameImageStorage if is_multiframe else UltrasoundImageStorage
    dataset.SOPInstanceUID = SOP_INSTANCE_UID
    set_pixel_data(dataset, pixels, "RGB" if color else "MONOCHROME2", 8)
    values = {
        "SpecificCharacterSet": "ISO_IR 100",
        "SOPInstanceUID": SOP_INSTANCE_UID,
        "StudyInstanceUID": "1.2.826.0.1.3680043.8.498.2",
        "SeriesInstanceUID": "1.2.826.0.1.3680043.8.498.3",
        "Modality": "US",
        "PatientID": "P 1",
        "PatientName": "Müller^Änne",
        "PatientBirthDate": "19500101",
        "PatientSex": "F",
        "StudyID": "4",
        "StudyDate": "20240102",
        "StudyTime": "101112",
        "AccessionNumber": "A5",
        "ReferringPhysicianName": "",
        "InstanceNumber": 6,
    }
    for keyword, value in {**values, **changes}.items():
        if value is None:
            dataset.pop(keyword, None)
        else:
            setattr(dataset, keyword, value)
    return dataset


def write_dicom(path: Path, num_frames: int = 3, **given: Any) -> Path:
    """Write such an image."""
    dicom_image(num_frames, **given).save_as(path, enforce_file_format=True)
    return path


def results_of(qualities: Sequence[float | None], source: str = "cine.dcm", plane: str = "A4C") -> list[FrameResult]:
    """Return one result per quality; ``None`` is a frame that could not be scored."""
    return [
        FrameResult(source, index, error=f"{source}, frame {index}: The frame is empty.")
        if quality is None
        else FrameResult(source, index, score_of(quality, index, plane))
        for index, quality in enumerate(qualities)
    ]


def report_on(folder: Path, qualities: Sequence[float | None], model: ModelIdentity = MODEL, **given: Any) -> Path:
    """Write an image of so many frames and the report about it; return the report's path."""
    image = write_dicom(folder / "cine.dcm", len(qualities), **given)
    return write_structured_report(folder / "cine.sr.dcm", image, results_of(qualities), model)


def score_of(quality: float, index: int = 0, plane: str = "A4C") -> FrameScore:
    """Return the score of a frame, accepted above 0.5."""
    return make_score(
        quality,
        plane,
        scored_plane="A4C",
        plane_probabilities={plane: 0.75, "none": 0.25},
        terms={name: number / 10 for number, name in enumerate(TERMS, start=1)},
        index=index,
        time_s=index / 25,
    )
