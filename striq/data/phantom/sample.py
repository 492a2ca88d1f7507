"""The sample: a drawn cine as a scanner would store it, to try the programs on without any patient's data."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage, generate_uid

from striq.atomic_files import write_bytes
from striq.data.phantom.cine import make_phantom_cine

PLANE, FRAMES, SUBJECT = "face", 24, 1001  # a subject that no model was trained on
FRAME_TIME_MS = 40.0
NAME = "sample_face.dcm"


def write_sample(
    path: str | Path,
    *,
    plane: str = PLANE,
    num_frames: int = FRAMES,
    subject: int = SUBJECT,
    size: tuple[int, int] = (256, 256),
) -> Path:
    """Draw a sweep through a plane, write it as one DICOM ultrasound cine, and return the path.

    Convention:
        - The same arguments give the same bytes.
        - The patient is called ``Phantom^Synthetic``; nothing in the file is of a person.

    Args:
        path: File to write.
        plane: One of ``PHANTOM_PLANES``.
        num_frames: Number of frames; the middle one shows the ideal plane.
        subject: Seed of anatomy, pose and speckle.
        size: Height and width, pixels.

    Raises:
        ValueError: If the plane is unknown or there is no frame.
    """
    frames = make_phantom_cine(plane, num_frames, subject, size=size)
    pictures = np.stack([np.round(frame.pixels * 255).astype(np.uint8) for frame in frames])
    stream = io.BytesIO()
    _as_dicom(pictures, f"{plane} {subject} {num_frames} {size}").save_as(stream, enforce_file_format=True)
    return write_bytes(path, stream.getvalue())


def _as_dicom(pictures: NDArray[np.uint8], name: str) -> Dataset:
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = UltrasoundMultiFrameImageStorage
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID = _uid(name, "instance")
    image.StudyInstanceUID, image.SeriesInstanceUID = _uid(name, "study"), _uid(name, "series")
    image.PatientID, image.PatientName, image.Modality = "phantom", "Phantom^Synthetic", "US"
    image.PatientBirthDate, image.PatientSex, image.ReferringPhysicianName, image.AccessionNumber = "", "", "", ""
    image.StudyDate, image.StudyTime, image.StudyID = "20260101", "120000", "1"
    image.SeriesNumber, image.InstanceNumber = 1, 1
    image.ImageType = ["DERIVED", "SECONDARY"]
    image.SeriesDescription = "Drawn by a program"
    image.NumberOfFrames, image.Rows, image.Columns = pictures.shape
    image.FrameTime, image.FrameIncrementPointer = FRAME_TIME_MS, 0x00181063
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated = image.BitsStored = 8
    image.HighBit, image.PixelRepresentation = 7, 0
    image.PixelData = pictures.tobytes()
    return image


def _uid(name: str, kind: str) -> UID:
    return generate_uid(entropy_srcs=["striq sample", name, kind])
