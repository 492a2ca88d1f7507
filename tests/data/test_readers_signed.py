"""Tests that signed pixels are the gray they were made from, or are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin
from pydicom.dataset import Dataset
from pydicom.pixels import compress
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from striq.data.readers import open_cine
from striq.errors import ReadError
from tests.dicom_writer import save, ultrasound

Pixels = NDArray[np.generic]
SAMPLE_FORMAT = 339


@pytest.fixture
def frame() -> NDArray[np.uint8]:
    """A smooth picture on black that is brighter than half its scale, but never white; shape ``(70, 96)``."""
    rows, columns = np.mgrid[:70, :96]
    disc = 200 * np.exp(-((rows - 35) ** 2 + (columns - 48) ** 2) / 600)
    return (disc + np.random.default_rng(0).integers(0, 8, disc.shape)).astype(np.uint8) // 4 * 4


def shifted(frame: NDArray[np.uint8], bits: int) -> Pixels:
    """Return the frame with values of more bits, less half their range."""
    return ((frame.astype(np.int32) << (bits - 8)) - 2 ** (bits - 1)).astype(np.int8 if bits == 8 else np.int16)


def write_nifti(path: Path, pixels: Pixels) -> Path:
    nibabel.save(nibabel.Nifti1Image(pixels.T, np.diag([-0.3, -0.3, 1, 1]), dtype=pixels.dtype), path)
    return path


def write_nrrd(path: Path, pixels: Pixels) -> Path:
    text = f"NRRD0004\ntype: {pixels.dtype.name}\ndimension: 2\nsizes: {pixels.shape[1]} {pixels.shape[0]}\n"
    path.write_bytes(f"{text}endian: little\nencoding: raw\nkinds: domain domain\n\n".encode() + pixels.tobytes())
    return path


def write_metaimage(path: Path, pixels: Pixels) -> Path:
    kind = {"int8": "MET_CHAR", "int16": "MET_SHORT"}[pixels.dtype.name]
    text = f"ObjectType = Image\nNDims = 2\nDimSize = {pixels.shape[1]} {pixels.shape[0]}\nElementType = {kind}\n"
    path.write_bytes(f"{text}ElementDataFile = LOCAL\n".encode() + pixels.tobytes())
    return path


def write_tiff(path: Path, pixels: Pixels) -> Path:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[SAMPLE_FORMAT] = 2
    tags.tagtype[SAMPLE_FORMAT] = 3
    is_wide = pixels.dtype.itemsize > 1
    picture = Image.fromarray(pixels.astype(np.int32) if is_wide else pixels.view(np.uint8))
    picture.save(path, tiffinfo={} if is_wide else tags)
    return path


def write_dicom(path: Path, pixels: Pixels) -> Path:
    return save(ultrasound(pixels), path)


WRITERS: dict[str, Callable[[Path, Pixels], Path]] = {
    ".nii": write_nifti,
    ".nrrd": write_nrrd,
    ".mha": write_metaimage,
    ".tif": write_tiff,
    ".dcm": write_dicom,
}


def assert_is(path: Path, frame: NDArray[np.uint8], atol: float = 1e-6) -> None:
    np.testing.assert_allclose(open_cine(path)[0].pixels, frame / 255, atol=atol)


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("suffix", WRITERS)
def test_gray_less_half_its_range_is_the_same_gray(
    suffix: str, bits: int, tmp_path: Path, frame: NDArray[np.uint8]
) -> None:
    assert frame.min() == 0
    assert_is(WRITERS[suffix](tmp_path / f"frame{suffix}", shifted(frame, bits)), frame, atol=1 / 255)


@pytest.mark.parametrize("suffix", WRITERS)
def test_signed_bytes_need_no_black_to_be_known(suffix: str, tmp_path: Path, frame: NDArray[np.uint8]) -> None:
    bright = frame // 2 + 100
    assert_is(WRITERS[suffix](tmp_path / f"frame{suffix}", shifted(bright, 8)), bright)


@pytest.mark.parametrize("syntax", [None, JPEG2000Lossless, JPEGLSLossless, RLELossless])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_intercept_of_dicom_makes_signed_values_unsigned(
    bits: int, syntax: str | None, tmp_path: Path, frame: NDArray[np.uint8]
) -> None:
    bright = frame // 2 + 100  # without black
    dataset = ultrasound(shifted(bright, bits))
    dataset.BitsStored, dataset.HighBit = bits, bits - 1
    dataset.RescaleIntercept, dataset.RescaleSlope = 2 ** (bits - 1), 1
    if syntax:
        compress(dataset, syntax, generate_instance_uid=False)
    assert_is(save(dataset, tmp_path / "c.dcm"), bright, atol=1 / 255)


def of_bits(pixels: Pixels, bits: int) -> Dataset:
    dataset = ultrasound(pixels)
    dataset.BitsStored, dataset.HighBit = bits, bits - 1
    return dataset


@pytest.mark.parametrize("syntax", [None, JPEG2000Lossless, JPEGLSLossless, RLELossless])
@pytest.mark.parametrize("bits", [8, 12])
def test_header_that_wrongly_says_signed_is_not_followed(
    bits: int, syntax: str | None, tmp_path: Path, frame: NDArray[np.uint8]
) -> None:
    pixels: Any = frame if bits == 8 else frame.astype(np.uint16) << 4
    dataset = of_bits(pixels, bits)
    if syntax:
        compress(dataset, syntax, generate_instance_uid=False)
    dataset.PixelRepresentation = 1
    assert_is(save(dataset, tmp_path / "c.dcm"), frame, atol=1 / 255)


def test_signed_codestream_under_an_unsigned_header_is_refused(tmp_path: Path, frame: NDArray[np.uint8]) -> None:
    dataset = of_bits(shifted(frame, 8), 8)
    compress(dataset, JPEG2000Lossless, generate_instance_uid=False)
    dataset.PixelRepresentation = 0
    with pytest.raises(ReadError, match="signed values"):
        _ = open_cine(save(dataset, tmp_path / "c.dcm"))[0]


def test_tiff_of_32_bits_is_unsigned(tmp_path: Path, frame: NDArray[np.uint8]) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[SAMPLE_FORMAT] = 1
    wide = (frame.astype(np.uint32) * 0x01010101).view(np.int32)
    Image.fromarray(wide).save(tmp_path / "frame.tif", tiffinfo=tags)
    content = (tmp_path / "frame.tif").read_bytes()
    written, wanted = (bytes([0x53, 1, 3, 0, 1, 0, 0, 0, kind, 0]) for kind in (2, 1))
    (tmp_path / "frame.tif").write_bytes(content.replace(written, wanted))
    assert_is(tmp_path / "frame.tif", frame)
