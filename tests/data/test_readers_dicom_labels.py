"""Tests of DICOM files whose elements beside the pixels mislead: planar configuration, tables, windows, lengths."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels import compress
from pydicom.sequence import Sequence
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from striq.data.readers import open_cine
from striq.data.readers.intensity import LUMA_601
from striq.errors import ReadError
from tests.dicom_writer import save, set_codestreams, ultrasound
from tests.lossless_jpeg import codestream_of, save_as_lossless_jpeg

GROUP_LENGTHS = (0, 5, 123456, 0xFFFFFFFF)


@pytest.fixture
def color() -> NDArray[np.uint8]:
    """A picture with a different gradient in every channel, shape ``(70, 96, 3)``."""
    rows, columns = np.mgrid[:70, :96]
    return np.stack([rows * 3, columns * 2, (rows + columns) % 200], axis=-1).astype(np.uint8)


def assert_luma(path: Path, color: NDArray[np.uint8], atol: float = 1e-6) -> None:
    np.testing.assert_allclose(open_cine(path)[0].pixels, color @ LUMA_601 / 255, atol=atol)


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("syntax", [JPEG2000, JPEG2000Lossless, JPEGLSLossless, RLELossless])
def test_planar_configuration_of_compressed_frames_is_not_followed(
    syntax: str, planar: int, tmp_path: Path, color: NDArray[np.uint8]
) -> None:
    dataset = ultrasound(color)
    compress(dataset, syntax, generate_instance_uid=False, **({"j2k_cr": [1]} if syntax == JPEG2000 else {}))
    dataset.PlanarConfiguration = planar
    assert_luma(save(dataset, tmp_path / "c.dcm"), color, atol=0.02 if syntax == JPEG2000 else 1e-6)


@pytest.mark.parametrize("factor", [1, 257], ids=["8 bits", "16 bits"])
def test_colors_of_lossless_jpeg_without_markers_are_read(
    factor: int, tmp_path: Path, color: NDArray[np.uint8]
) -> None:
    pixels = color.astype(np.uint16) * 257 if factor > 1 else color
    path = save_as_lossless_jpeg(ultrasound(pixels), tmp_path / "c.dcm")
    assert_luma(path, color)
    codestream = without_application_markers(codestream_of(path))
    assert_luma(save(set_codestreams(ultrasound(pixels), [codestream], JPEGLosslessSV1), tmp_path / "d.dcm"), color)


def without_application_markers(codestream: bytes) -> bytes:
    """Remove the segments at the start that tell the color space."""
    while 0xE0 <= codestream[3] <= 0xEF:
        codestream = codestream[:2] + codestream[4 + int.from_bytes(codestream[4:6], "big") :]
    return codestream


# --- group lengths ---


def with_group_lengths(path: Path, length: int) -> bytes:
    """Return a data set of explicit VR with elements of group lengths, which were retired and are often wrong."""
    content = path.read_bytes()
    for group, first in ((8, b"\x16\0UI"), (0x28, b"\x02\0US"), (0x7FE0, b"\x10\0OB")):
        place = content.index(struct.pack("<H", group) + first)
        content = content[:place] + struct.pack("<HH2sHL", group, 0, b"UL", 4, length) + content[place:]
    return content


@pytest.mark.parametrize("length", GROUP_LENGTHS)
def test_group_lengths_do_no_harm(length: int, tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    path = save(ultrasound(stored_cine), tmp_path / "c.dcm")
    path.write_bytes(with_group_lengths(path, length))
    np.testing.assert_allclose(open_cine(path)[2].pixels, stored_cine[2] / 255, atol=1e-6)


@pytest.mark.parametrize("length", GROUP_LENGTHS)
def test_group_lengths_in_a_deflated_file_do_no_harm(
    length: int, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    plain = save(ultrasound(stored_cine), tmp_path / "a.dcm")
    content = with_group_lengths(plain, length)
    path = save(ultrasound(stored_cine, syntax=DeflatedExplicitVRLittleEndian), tmp_path / "b.dcm")
    deflated = path.read_bytes()
    meta = deflated[: 144 + int.from_bytes(deflated[140:144], "little")]
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    body = content[content.index(struct.pack("<HH2s", 8, 0, b"UL")) :]
    path.write_bytes(meta + deflater.compress(body) + deflater.flush())
    np.testing.assert_allclose(open_cine(path)[2].pixels, stored_cine[2] / 255, atol=1e-6)


# --- tables, windows and slopes ---


@pytest.mark.parametrize("sequence", ["ModalityLUTSequence", "VOILUTSequence"])
@pytest.mark.parametrize("place", [0, -1])
def test_table_with_one_exception_still_falls(
    place: int, sequence: str, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    entries = list(range(255, -1, -1))
    entries[place] = 255 - entries[place]
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [256, 0, 8])
    table.add_new("LUTData", "US", entries)
    dataset = ultrasound(255 - stored_cine)
    setattr(dataset, sequence, Sequence([table]))
    np.testing.assert_allclose(open_cine(save(dataset, tmp_path / "c.dcm"))[0].pixels, stored_cine[0] / 255, atol=1e-6)


def test_slope_of_all_frames_of_an_enhanced_image_is_followed(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    rescaling, group = Dataset(), Dataset()
    rescaling.RescaleSlope, rescaling.RescaleIntercept, rescaling.RescaleType = -1, 255, "US"
    group.PixelValueTransformationSequence = Sequence([rescaling])
    dataset = ultrasound(255 - stored_cine)
    dataset.SharedFunctionalGroupsSequence = Sequence([group])
    np.testing.assert_allclose(open_cine(save(dataset, tmp_path / "c.dcm"))[0].pixels, stored_cine[0] / 255, atol=1e-6)


@pytest.mark.parametrize("white", [65535, 65536])
def test_window_of_the_whole_type_says_nothing(white: int, tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    dataset = ultrasound(stored_cine.astype(np.uint16) << 4)
    dataset.WindowCenter, dataset.WindowWidth = white / 2, white
    np.testing.assert_allclose(open_cine(save(dataset, tmp_path / "c.dcm"))[0].pixels, stored_cine[0] / 255, atol=1e-6)


@pytest.mark.parametrize(("num_entries", "num_bytes"), [(256, 256), (251, 252), (256, 512), (200, 512)])
@pytest.mark.parametrize("is_right", [True, False])
def test_palette_has_a_byte_or_a_word_for_each_entry(
    is_right: bool, num_entries: int, num_bytes: int, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    indices = np.minimum(stored_cine[0], 199)
    dataset = ultrasound(indices, "PALETTE COLOR")
    entries = np.arange(256).astype(np.uint8 if num_bytes < 512 else "<u2")
    for channel in ("Red", "Green", "Blue"):
        descriptor = [num_entries if is_right else num_entries + 60, 0, 16]
        setattr(dataset, f"{channel}PaletteColorLookupTableDescriptor", descriptor)
        setattr(dataset, f"{channel}PaletteColorLookupTableData", entries.tobytes()[:num_bytes])
    path = save(dataset, tmp_path / "c.dcm")
    if is_right or (num_entries + 60) * 2 <= num_bytes:
        assert np.ptp(open_cine(path)[0].pixels - indices / 255) < 1e-6
    else:
        with pytest.raises(ReadError, match="a palette of"):
            open_cine(path)


# --- samples and bits that the header counts wrongly ---


@pytest.mark.parametrize("declared", [None, 1])
@pytest.mark.parametrize("kind", ["gray in three samples", "color", "16 bits"])
def test_samples_that_the_header_counts_wrongly_are_no_frames(
    kind: str, declared: int | None, tmp_path: Path, color: NDArray[np.uint8]
) -> None:
    gray = color[..., 2]
    noise = np.random.default_rng(0).integers(0, 20, gray.shape, dtype=np.uint8)
    stored = {
        "gray in three samples": np.repeat((gray + noise)[..., None], 3, axis=-1),
        "color": color,
        "16 bits": (gray + noise).astype("<u2") * 12,
    }[kind]
    dataset = ultrasound(np.zeros(gray.shape, np.uint8))
    dataset.PixelData = stored.tobytes()
    if declared:
        dataset.NumberOfFrames = declared
    with pytest.raises(ReadError, match="bytes per pixel"):
        open_cine(save(dataset, tmp_path / "c.dcm"))


@pytest.mark.parametrize("num_frames", [2, 3, 6])
def test_frames_without_number_are_no_samples(num_frames: int, tmp_path: Path) -> None:
    rows, columns = np.mgrid[:70, :96]
    noise = np.random.default_rng(0).integers(0, 40, (num_frames, 70, 96))
    frames = ((rows + columns) + noise).astype(np.uint8)
    frames[:, :, :30] = 0
    dataset = ultrasound(frames)
    del dataset.NumberOfFrames
    cine = open_cine(save(dataset, tmp_path / "c.dcm"))
    np.testing.assert_allclose(np.stack([frame.pixels for frame in cine]), frames / 255, atol=1e-6)
