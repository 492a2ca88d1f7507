"""Writer of small DICOM ultrasound files in which single elements are as a test needs them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage


def ultrasound(pixels: NDArray[Any], photometric: str = "", syntax: str = ExplicitVRLittleEndian) -> Dataset:
    """Return an ultrasound image of pixels ``(H, W)``, ``(N, H, W)`` or the same with a last axis of 3 colors."""
    is_color = pixels.shape[-1] == 3
    shape = pixels.shape[:-1] if is_color else pixels.shape
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = UltrasoundMultiFrameImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = "1.2.3"
    dataset.Modality = "US"
    dataset.Rows, dataset.Columns = shape[-2:]
    dataset.SamplesPerPixel = 3 if is_color else 1
    dataset.PhotometricInterpretation = photometric or ("RGB" if is_color else "MONOCHROME2")
    if is_color:
        dataset.PlanarConfiguration = 0
    if len(shape) == 3:
        dataset.NumberOfFrames = shape[0]
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.dtype.itemsize
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, int(pixels.dtype.kind == "i")
    dataset.PixelData = np.ascontiguousarray(pixels).tobytes()
    dataset["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"
    return dataset


def set_codestreams(dataset: Dataset, codestreams: Sequence[bytes], syntax: str) -> Dataset:
    """Replace the pixels by compressed frames."""
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate(list(codestreams))
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return dataset


def save(dataset: Dataset, path: Path) -> Path:
    """Write a file and return its path."""
    big_endian = dataset.file_meta.TransferSyntaxUID == ExplicitVRBigEndian
    encoding = {"implicit_vr": False, "little_endian": False} if big_endian else {}
    dataset.save_as(path, enforce_file_format=True, **encoding)
    return path
