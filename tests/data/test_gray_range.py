"""Tests of the range of gray values: the same frame comes back the same from every type and container."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.pixels import compress
from pydicom.uid import ExplicitVRBigEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from striq.data.cine import Cine
from striq.data.readers import open_cine
from striq.data.readers.gray_frames import NUM_EXAMINED, GrayFrames
from striq.data.readers.intensity import GrayRange, to_unit_gray, used_range
from striq.errors import ReadError
from tests.dicom_writer import save, ultrasound

Writer = Callable[[Path, NDArray[np.uint8]], Path]
META_TYPES = {
    "u2": "MET_USHORT",
    "i2": "MET_SHORT",
    "u4": "MET_UINT",
    "i4": "MET_INT",
    "f4": "MET_FLOAT",
    "f8": "MET_DOUBLE",
}
WIDE_TYPES = tuple(META_TYPES)


def write_png(folder: Path, frame: NDArray) -> Path:
    Image.fromarray(frame).save(folder / "f.png")
    return folder / "f.png"


def write_tiff(folder: Path, frame: NDArray) -> Path:
    Image.fromarray(frame).save(folder / "f.tif")
    return folder / "f.tif"


def write_nifti(folder: Path, frame: NDArray) -> Path:
    nibabel.save(nibabel.Nifti1Image(frame.T, np.eye(4), dtype=frame.dtype), folder / "f.nii.gz")
    return folder / "f.nii.gz"


def write_nifti_scaled(folder: Path, frame: NDArray) -> Path:
    image = nibabel.Nifti1Image(frame.T, np.eye(4), dtype=frame.dtype)
    image.header.set_slope_inter(1.0, 0.0)
    nibabel.save(image, folder / "f.nii")
    return folder / "f.nii"


def write_meta(folder: Path, frame: NDArray) -> Path:
    height, width = frame.shape
    header = (
        f"ObjectType = Image\nNDims = 2\nDimSize = {width} {height}\n"
        f"ElementType = {META_TYPES[frame.dtype.str[1:]]}\nElementDataFile = LOCAL\n"
    )
    (folder / "f.mha").write_bytes(header.encode() + frame.tobytes())
    return folder / "f.mha"


def write_nrrd(folder: Path, frame: NDArray) -> Path:
    height, width = frame.shape
    name = {"f4": "float", "f8": "double"}.get(frame.dtype.str[1:], frame.dtype.name)
    header = f"NRRD0004\ntype: {name}\ndimension: 2\nsizes: {width} {height}\nendian: little\nencoding: gzip\n\n"
    (folder / "f.nrrd").write_bytes(header.encode() + gzip.compress(frame.tobytes()))
    return folder / "f.nrrd"


def write_dicom(folder: Path, frame: NDArray) -> Path:
    return save(ultrasound(frame), folder / "f.dcm")


def write_dicom_with_window(folder: Path, frame: NDArray) -> Path:
    dataset = ultrasound(frame)
    dataset.WindowCenter, dataset.WindowWidth = "128", "256"
    return save(dataset, folder / "f.dcm")


def write_dicom_with_narrow_window(folder: Path, frame: NDArray) -> Path:
    """A window that 8-bit files with it do not apply either."""
    dataset = ultrasound(frame)
    dataset.WindowCenter, dataset.WindowWidth = "40", "80"
    return save(dataset, folder / "f.dcm")


def write_dicom_12_bits_with_window(folder: Path, frame: NDArray) -> Path:
    dataset = ultrasound(frame)
    dataset.BitsStored, dataset.HighBit = 12, 11
    dataset.WindowCenter, dataset.WindowWidth = "127", "255"
    return save(dataset, folder / "f.dcm")


def write_dicom_8_bits_stored(folder: Path, frame: NDArray) -> Path:
    dataset = ultrasound(frame)
    dataset.BitsStored, dataset.HighBit = 8, 7
    return save(dataset, folder / "f.dcm")


def write_dicom_big_endian(folder: Path, frame: NDArray) -> Path:
    dataset = ultrasound(frame.astype(">u2"), syntax=ExplicitVRBigEndian)
    return save(dataset, folder / "f.dcm")


def dicom_compressed(syntax: str) -> Writer:
    def write(folder: Path, frame: NDArray) -> Path:
        dataset = ultrasound(frame)
        compress(dataset, syntax, generate_instance_uid=False)
        return save(dataset, folder / "f.dcm")

    return write


def write_dicom_j2k_of_8_bits(folder: Path, frame: NDArray) -> Path:
    """The header says 16 bits, the codestream 8."""
    dataset = ultrasound(frame.astype(np.uint8))
    compress(dataset, JPEG2000Lossless, generate_instance_uid=False)
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit = 15
    return save(dataset, folder / "f.dcm")


CONTAINERS = [
    *((write_png, code) for code in ("u2",)),
    *((write_tiff, code) for code in ("u2", "i4", "f4")),
    *((write_nifti, code) for code in WIDE_TYPES),
    *((write_nifti_scaled, code) for code in ("u2", "i2", "f4")),
    *((write_meta, code) for code in WIDE_TYPES),
    *((write_nrrd, code) for code in WIDE_TYPES),
    *((write_dicom, code) for code in ("u2", "i2", "u4")),
    *((write_dicom_with_window, code) for code in ("u2", "i2", "u4")),
    *((write_dicom_with_narrow_window, code) for code in ("u1", "u2", "i2", "u4")),
    (write_dicom_12_bits_with_window, "u2"),
    (write_dicom_8_bits_stored, "u2"),
    (write_dicom_big_endian, "u2"),
    *((dicom_compressed(syntax), "u2") for syntax in (RLELossless, JPEG2000Lossless, JPEGLSLossless)),
    (write_dicom_j2k_of_8_bits, "u2"),
]


@pytest.fixture
def dim_frame(stored_cine: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A frame that is nowhere white, so that a stretch from its minimum to its maximum would change it."""
    return np.clip(stored_cine[0], 3, 200)


@pytest.mark.parametrize(("write", "code"), CONTAINERS)
def test_8_bit_gray_is_the_same_in_every_container(
    write: Writer, code: str, tmp_path: Path, dim_frame: NDArray[np.uint8]
) -> None:
    frame = open_cine(write(tmp_path, dim_frame.astype(code)))[0]
    np.testing.assert_allclose(frame.pixels, dim_frame / 255, atol=1e-6)


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("write", [write_png, write_tiff, write_nifti, write_meta, write_nrrd, write_dicom])
def test_gray_of_more_bits_is_the_same_in_every_container(
    write: Writer, bits: int, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    white = 2**bits - 1
    frame = open_cine(write(tmp_path, np.round(stored_cine[2] / 255 * white).astype("<u2")))[0]
    np.testing.assert_allclose(frame.pixels, stored_cine[2] / 255, atol=0.6 / white)


def test_window_that_shows_all_values_is_used(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    dataset = ultrasound(np.round(stored_cine[2] / 255 * 1200).astype(np.uint16))
    dataset.WindowCenter, dataset.WindowWidth = "600.5", "1201"
    frame = open_cine(save(dataset, tmp_path / "f.dcm"))[0]
    np.testing.assert_allclose(frame.pixels, stored_cine[2] / 255, atol=1 / 1200)


@pytest.mark.parametrize(("factor", "name"), [(256, "high byte"), (16, "left aligned in 12 bits"), (257, "both bytes")])
def test_shifted_8_bit_gray_is_the_same(factor: int, name: str, dim_frame: NDArray[np.uint8]) -> None:
    del name
    frame = dim_frame.copy()
    frame[0, 0] = 255  # the top bit of a shifted picture is seen only if it is used
    np.testing.assert_allclose(to_unit_gray(frame.astype(np.uint16) * factor), frame / 255, atol=1e-6)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_8_bit_gray_shifted_into_declared_bits_is_the_same(
    bits: int, tmp_path: Path, dim_frame: NDArray[np.uint8]
) -> None:
    dataset = ultrasound(np.stack([dim_frame, dim_frame // 2]).astype(np.uint16) << (bits - 8))
    dataset.BitsStored, dataset.HighBit = bits, bits - 1
    frames = open_cine(save(dataset, tmp_path / "f.dcm"))
    np.testing.assert_allclose(frames[1].pixels, (dim_frame // 2) / 255, atol=1e-6)
    dataset.PixelData = (np.frombuffer(dataset.PixelData, np.uint16) | 1).tobytes()
    frames = open_cine(save(dataset, tmp_path / "g.dcm"))
    stored = (dim_frame.astype(np.uint16) << (bits - 8)) | 1
    np.testing.assert_allclose(frames[0].pixels, stored / (2**bits - 1), atol=1e-6)


def test_picture_of_few_gray_values_is_not_taken_for_a_shifted_one() -> None:
    frame = (np.arange(16, dtype=np.uint16) * 16).reshape(4, 4)
    np.testing.assert_allclose(to_unit_gray(frame), frame / 255, atol=1e-6)


def test_interpolated_8_bit_gray_is_divided_by_255() -> None:
    frame = np.linspace(0.3, 201.7, 20, dtype=np.float32).reshape(4, 5)
    np.testing.assert_allclose(to_unit_gray(frame), frame / 255, atol=1e-6)


def test_decibels_are_rescaled() -> None:
    frame = np.linspace(-60, 0, 20, dtype=np.float32).reshape(4, 5)
    np.testing.assert_allclose(to_unit_gray(frame), (frame + 60) / 60, atol=1e-6)


def test_transparent_pixels_are_black() -> None:
    frame = np.full((2, 2, 4), 200, np.uint8)
    frame[0, 0, 3], frame[0, 1, 3], frame[1, :, 3] = 0, 128, 255
    expected = np.array([[0, 128 / 255], [1, 1]]) * 200 / 255
    np.testing.assert_allclose(to_unit_gray(frame), expected, atol=1e-6)


def cine_of(frames: NDArray, **options: object) -> Cine:
    return Cine("loop", len(frames), GrayFrames("loop", len(frames), lambda index: frames[index], **options))


def test_range_is_that_of_the_file_not_of_the_frame(caplog: pytest.LogCaptureFixture) -> None:
    frames = np.stack([np.arange(12).reshape(3, 4) * gain for gain in (1, 90, 20)]).astype(np.uint16)
    cine = cine_of(frames)
    for index in (0, 2, 1):
        np.testing.assert_allclose(cine[index].pixels, frames[index] / 1023, atol=1e-6)
    assert [record.getMessage() for record in caplog.records] == [
        "loop: the file does not declare its range of gray values; by the values it uses, 0 is black and 1023 is white."
    ]


def test_range_that_is_declared_or_natural_is_not_mentioned(caplog: pytest.LogCaptureFixture) -> None:
    frames = np.arange(24).reshape(2, 3, 4)
    _ = cine_of(frames.astype(np.uint8))[0]
    _ = cine_of(frames.astype(np.float32) / 24)[0]
    _ = cine_of(frames.astype(np.uint16) * 2801)[0]
    _ = cine_of(frames.astype(np.uint16), declared=GrayRange(0.0, 31.0))[0]
    assert not caplog.records


def test_frame_beyond_the_range_of_those_examined_is_refused() -> None:
    frames = np.tile(np.arange(12, dtype=np.uint16).reshape(3, 4) * 20, (10 * NUM_EXAMINED, 1, 1))
    frames[5] *= 9  # not among the frames that are examined when frame 0 is read
    cine = cine_of(frames)
    np.testing.assert_allclose(cine[0].pixels, frames[0] / 255, atol=1e-6)
    with pytest.raises(ReadError, match=r"values from 0 to 255.*got values from 0 to 1980"):
        _ = cine[5]


def test_unreadable_frame_does_not_decide_about_the_others() -> None:
    def read_stored(index: int) -> NDArray[np.uint16]:
        if index == 1:
            raise ReadError("broken", where="loop", expected="", got="", remedy="")
        return np.arange(12, dtype=np.uint16).reshape(3, 4) * 20

    assert Cine("loop", 3, GrayFrames("loop", 3, read_stored))[0].pixels.max() == pytest.approx(220 / 255)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_have_no_influence_and_stay(value: float) -> None:
    frame = np.linspace(0, 255, 12, dtype=np.float32).reshape(3, 4)
    frame[1, 1] = value
    assert used_range([frame]) == GrayRange(0.0, 255.0)
    assert not np.isfinite(to_unit_gray(frame)[1, 1])


@pytest.mark.parametrize("bits", [8, 16])
def test_tiff_whose_smallest_value_is_white_is_inverted(
    bits: int, tmp_path: Path, dim_frame: NDArray[np.uint8]
) -> None:
    stored = (255 - dim_frame).astype(np.uint16) * 257 if bits == 16 else 255 - dim_frame
    stored.flat[0], dim_frame.flat[0] = 2**bits - 1, 0
    Image.fromarray(stored).save(tmp_path / "f.tif")
    content = bytearray((tmp_path / "f.tif").read_bytes())
    entry = content.index((262).to_bytes(2, "little") + (3).to_bytes(2, "little"))
    content[entry + 8 : entry + 10] = b"\0\0"  # PhotometricInterpretation: white is zero
    (tmp_path / "f.tif").write_bytes(content)
    np.testing.assert_allclose(open_cine(tmp_path / "f.tif")[0].pixels, dim_frame / 255, atol=1e-6)


def test_dark_16_bit_colors_whose_lower_bits_are_lost_are_refused(
    tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    for factor in (1, 16, 257):
        path = write_png_of_16_bit_colors(tmp_path / f"{factor}.png", stored_cine[2].astype(np.uint16) * factor)
        if factor == 257:
            np.testing.assert_allclose(open_cine(path)[0].pixels, stored_cine[2] / 255, atol=1e-6)
        else:
            with pytest.raises(ReadError, match="16-bit colors that do not use the highest bit"):
                _ = open_cine(path)[0]


def write_png_of_16_bit_colors(path: Path, gray: NDArray[np.uint16]) -> Path:
    """Write a PNG that Pillow can read and not write."""
    height, width = gray.shape
    rows = np.repeat(gray[..., None], 3, axis=-1).astype(">u2").tobytes()
    lines = b"".join(b"\0" + rows[i * width * 6 : (i + 1) * width * 6] for i in range(height))
    chunks = (
        (b"IHDR", struct.pack(">2L5B", width, height, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines)),
        (b"IEND", b""),
    )
    packed = (
        struct.pack(">L", len(data)) + name + data + struct.pack(">L", zlib.crc32(name + data)) for name, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(packed))
    return path
