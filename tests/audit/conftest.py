"""Small archives that the tests of the audit share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import set_pixel_data
from pydicom.uid import ExplicitVRLittleEndian

from striq.audit.plan import AuditSettings
from striq.data.phantom import make_phantom_cine
from striq.reporting.identity import ModelIdentity

PATIENT = "Secret^Patient"


def write_cine(path: Path, *, seed: int = 0, num_frames: int = 3, plane: str = "a4c", **header: str) -> Path:
    """Write a phantom cine as DICOM with some values of its header."""
    frames = make_phantom_cine(plane, num_frames, seed=seed, size=(96, 96))
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.3.1", f"1.2.3.{seed}"
    dataset.PatientName, dataset.PatientID = PATIENT, "4711-secret"
    stack = np.stack([np.round(frame.pixels * 255).astype(np.uint8) for frame in frames])
    set_pixel_data(dataset, stack, "MONOCHROME2", 8)
    for keyword, value in header.items():
        setattr(dataset, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_still(path: Path, seed: int = 0) -> Path:
    """Write a phantom frame as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = make_phantom_cine("a4c", 1, seed=seed, size=(96, 96))[0].pixels
    Image.fromarray(np.round(pixels * 255).astype(np.uint8)).save(path)
    return path


def write_archive(folder: Path, num_studies: int = 3, *, num_frames: int = 3) -> Path:
    """Write studies of two cines each, from two sites, with a broken file and a still in between."""
    for study in range(num_studies):
        for cine in range(2):
            write_cine(
                folder / f"study_{study:02d}" / f"cine_{cine}.dcm",
                seed=2 * study + cine,
                num_frames=num_frames,
                plane=("a4c", "abdomen")[study % 2],
                StudyInstanceUID=f"1.2.{study}",
                InstitutionName=("North", "South")[study % 2],
                OperatorsName=f"Operator^{study % 3}",
                StudyDate=f"2024{study % 12 + 1:02d}15",
            )
    write_still(folder / "stills" / "a.png")
    (folder / "stills" / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n but nothing after the signature")
    return folder


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Three studies of two cines, a still and a broken file."""
    return write_archive(tmp_path / "archive")


@pytest.fixture
def settings(tiny_model: Path) -> AuditSettings:
    """Settings of the small model."""
    return AuditSettings(ModelIdentity.of(tiny_model, 0.5).sha256, "model.pt", "0", 0.5, shard_size=2)
