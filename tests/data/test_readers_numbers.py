"""Tests of numbers that leave their range a little, or that their header scales, orders or counts wrongly."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from striq.data.readers import open_cine
from striq.errors import ReadError


@pytest.fixture
def frame() -> NDArray[np.uint8]:
    """A smooth picture that is never white, shape ``(70, 96)``."""
    rows, columns = np.mgrid[:70, :96]
    return (20 + rows + columns).astype(np.uint8)


def write_nifti(path: Path, pixels: NDArray[np.generic], slope: float = 1.0, intercept: float = 0.0) -> Path:
    image = nibabel.Nifti1Image(pixels.T, np.diag([-0.3, -0.3, 1, 1]), dtype=pixels.dtype)
    nibabel.save(image, path)
    content = path.read_bytes()
    scale = np.array([slope, intercept], "<f4").tobytes()
    path.write_bytes(content[:112] + scale + content[120:])
    return path


def write_nrrd(path: Path, kind: str, encoding: str, data: bytes, sizes: tuple[int, int] = (96, 70)) -> Path:
    text = f"NRRD0004\ntype: {kind}\ndimension: 2\nsizes: {sizes[0]} {sizes[1]}\nencoding: {encoding}\n\n"
    path.write_bytes(text.encode() + data)
    return path


@pytest.mark.parametrize("rounding", [1e-9, 1e-6])
@pytest.mark.parametrize("white", [1.0, 255.0])
def test_rounding_does_not_rescale_a_picture(
    white: float, rounding: float, tmp_path: Path, frame: NDArray[np.uint8]
) -> None:
    values = (frame / np.float32(255 / white)).astype(np.float32)
    values[0, :3] = -rounding * white, (1 + rounding) * white, 0.3 * white
    expected = np.clip(values / white, 0, 1)
    pixels = open_cine(write_nifti(tmp_path / "frame.nii", values))[0].pixels
    np.testing.assert_allclose(pixels, expected, atol=2e-6)


def test_lowest_value_just_below_black_is_black(tmp_path: Path, frame: NDArray[np.uint8]) -> None:
    values = (frame / 255).astype(np.float32)  # never white
    values[0, 0] = -1e-8
    pixels = open_cine(write_nifti(tmp_path / "frame.nii", values))[0].pixels
    np.testing.assert_allclose(pixels, values.clip(0), atol=1e-6)


@pytest.mark.parametrize(
    ("slope", "intercept"), [(2, 0), (1 / 255, 0), (0.5, 10), (1, -1024), (1e-30, 0), (-1, 255), (-3, 7)]
)
def test_bytes_are_gray_whatever_their_scale(
    slope: float, intercept: float, tmp_path: Path, frame: NDArray[np.uint8]
) -> None:
    stored = frame if slope > 0 else 255 - frame
    pixels = open_cine(write_nifti(tmp_path / "frame.nii", stored, slope, intercept))[0].pixels
    np.testing.assert_allclose(pixels, frame / 255, atol=1e-6)


def test_tiny_values_are_no_black_picture(tmp_path: Path, frame: NDArray[np.uint8]) -> None:
    path = write_nifti(tmp_path / "frame.nii", frame.astype(np.int16), 1e-12)
    assert np.ptp(open_cine(path)[0].pixels) == pytest.approx(1)


@pytest.mark.parametrize("kind", ["uint16", "short", "float", "double"])
def test_order_of_bytes_must_be_stated(kind: str, tmp_path: Path, frame: NDArray[np.uint8]) -> None:
    dtype = {"uint16": "u2", "short": "i2", "float": "f4", "double": "f8"}[kind]
    with pytest.raises(ReadError, match="endian"):
        open_cine(write_nrrd(tmp_path / "a.nrrd", kind, "raw", (frame * 7.0).astype(f">{dtype}").tobytes()))


@pytest.mark.parametrize("change", ["negative", "large", "more"])
def test_numbers_that_do_not_fit_their_type_or_count_are_refused(
    change: str, tmp_path: Path, frame: NDArray[np.uint8]
) -> None:
    numbers = frame.astype(int).reshape(-1)
    right = write_nrrd(tmp_path / "a.nrrd", "uint8", "ascii", " ".join(map(str, numbers)).encode() + b"\n")
    np.testing.assert_allclose(open_cine(right)[0].pixels, frame / 255, atol=1e-6)
    wrong = {"negative": numbers - 100, "large": numbers * 3, "more": np.append(numbers, 7)}[change]
    path = write_nrrd(tmp_path / "b.nrrd", "uint8", "ascii", " ".join(map(str, wrong)).encode())
    with pytest.raises(ReadError, match=r"beyond the type|do not fit"):
        _ = open_cine(path)[0]


@pytest.mark.parametrize("field", ["ElementByteOrderMSB", "BinaryDataByteOrderMSB", "CompressedData"])
def test_field_of_a_metaimage_is_true_or_false(field: str, tmp_path: Path, frame: NDArray[np.uint8]) -> None:
    text = f"ObjectType = Image\nNDims = 2\nDimSize = 96 70\n{field} = Yes\nElementType = MET_USHORT\n"
    pixels = (frame.astype(">u2") * 16).tobytes()
    (tmp_path / "frame.mha").write_bytes(f"{text}ElementDataFile = LOCAL\n".encode() + pixels)
    with pytest.raises(ReadError, match=f"True or False in the field {field}"):
        open_cine(tmp_path / "frame.mha")
