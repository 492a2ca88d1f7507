"""Ultrasound files of the phantom, for tests of the programs that STRIQ is built into.

``python tests/ultrasound_files.py FOLDER`` writes ``good.png``, ``poor.png``, ``cine.dcm``, the folder ``series`` of
two instances, ``broken.png``, which is no picture, and ``model.pt``, the small model of the tests.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, UltrasoundMultiFrameImageStorage, generate_uid

from striq.data.phantom import make_phantom_cine, render_phantom

SIZE = (96, 120)  # higher than wide, or the reverse, would show as another score
FRAME_TIME_MS = 40.0


def phantom_pictures(plane: str, count: int, *, seed: int = 5) -> NDArray[np.uint8]:
    """Return a cine as stored, shape ``(N, H, W)``, with black margins that no two sides share."""
    pixels = np.stack([frame.pixels for frame in make_phantom_cine(plane, count, seed, size=SIZE)])
    return np.pad(np.round(pixels * 255).astype(np.uint8), ((0, 0), (9, 2), (4, 17)))


def poor_picture(plane: str, *, seed: int = 5) -> NDArray[np.uint8]:
    """Return the plane as the end of a sweep shows it, behind a wide shadow, shape ``(H, W)``."""
    ideal = make_phantom_cine(plane, 3, seed, size=SIZE).parameters[1]
    poor = replace(ideal, presence=(0.2,) * len(ideal.presence), off_plane=0.9, shadow=0.9)
    pixels = render_phantom(poor, SIZE).pixels
    return np.pad(np.round(pixels * 255).astype(np.uint8), ((9, 2), (4, 17)))


def write_ultrasound(path: Path, pictures: NDArray[np.uint8], *, series: str, study: str, number: int = 1) -> Path:
    """Write pictures, shape ``(N, H, W)``, as one DICOM ultrasound instance and return the path."""
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = UltrasoundMultiFrameImageStorage
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID = generate_uid(entropy_srcs=[series, str(number)])
    image.StudyInstanceUID, image.SeriesInstanceUID, image.InstanceNumber = study, series, number
    image.PatientID, image.PatientName, image.Modality = "phantom", "Phantom^Synthetic", "US"
    image.StudyDate, image.StudyTime, image.StudyID, image.SeriesNumber = "20260101", "120000", "1", 1
    image.NumberOfFrames, image.Rows, image.Columns = pictures.shape
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated = image.BitsStored = 8
    image.HighBit, image.PixelRepresentation, image.FrameTime = 7, 0, FRAME_TIME_MS
    image.PixelData = pictures.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save_as(path, enforce_file_format=True)
    return path


def write_files(folder: Path) -> None:
    """Write the files named above."""
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(phantom_pictures("abdomen", 3)[1]).save(folder / "good.png")
    Image.fromarray(poor_picture("abdomen")).save(folder / "poor.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nthis is no picture")
    study, single, pair = (generate_uid(entropy_srcs=[name]) for name in ("study", "single", "pair"))
    write_ultrasound(folder / "cine.dcm", phantom_pictures("a4c", 5), series=single, study=study)
    for number in (1, 2):
        pictures = phantom_pictures("kidney", number, seed=number)
        write_ultrasound(folder / "series" / f"{3 - number}.dcm", pictures, series=pair, study=study, number=number)


if __name__ == "__main__":
    from conftest import fit_tiny_scorer  # beside this file

    write_files(Path(sys.argv[1]))
    fit_tiny_scorer().save(Path(sys.argv[1]) / "model.pt")
