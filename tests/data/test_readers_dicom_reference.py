"""Tests against other readers: every file that pydicom decodes gives the pixels of ``pixel_array``, and of GDCM."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.pixels.processing import apply_color_lut

from striq.data.cine import Cine
from striq.data.readers import open_cine
from striq.data.readers.intensity import LUMA_601
from striq.errors import ReadError
from tests.dicom_writer import save, ultrasound

MASKS_AND_MAPS = ("liver", "rtdose", "SEG")  # refused on purpose
REAL_DATA = Path(__file__).parents[3] / "shared" / "data" / "dicom_us"
TOLERANCE = 1.5 / 255  # decoders of JPEG differ by a rounding
YBR = ("YBR_FULL", "YBR_FULL_422")


def packaged_files() -> list[Path]:
    """Files that are on this machine: those in the package of pydicom, and real ones if they are there."""
    packaged = Path(pydicom.__file__).parent / "data" / "test_files"  # pydicom's own search would download more
    found = [*packaged.glob("*.dcm"), *packaged.glob("dicomdirtests/*/*/*"), *REAL_DATA.glob("*.dcm")]
    return sorted(path for path in found if path.is_file())


def reference(path: Path) -> NDArray[np.float64] | None:
    """Return the luma of all frames as pydicom decodes them, shape ``(N, H, W)``; ``None`` if it cannot."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            dataset = pydicom.dcmread(path, force=True)
            pixels = dataset.pixel_array
            if str(dataset.PhotometricInterpretation) in YBR:  # conversion to RGB would clip some colors
                pixels = pydicom.pixels.pixel_array(dataset, raw=True)[..., 0]
            if dataset.PhotometricInterpretation == "PALETTE COLOR":
                pixels = apply_color_lut(pixels, dataset)[..., :3]
        except (AttributeError, ValueError, RuntimeError, NotImplementedError, TypeError, KeyError):
            return None
    is_color = pixels.ndim > 2 and pixels.shape[-1] == 3
    luma = pixels.astype(np.float64) @ LUMA_601.astype(np.float64) if is_color else pixels.astype(np.float64)
    return luma.reshape(-1, dataset.Rows, dataset.Columns)


def frames_of(cine: Cine) -> NDArray[np.float64]:
    # Not through cine[i], which crops to the region and refuses empty frames.
    return np.stack([cine._read_pixels(index) for index in range(len(cine))]).astype(np.float64)


def assert_same_up_to_range(read: NDArray[np.float64], luma: NDArray[np.float64]) -> None:
    """Check that gray values are a linear function of the reference between black and white."""
    assert read.shape == luma.shape
    inside = (read > 0) & (read < 1)
    if np.unique(read[inside]).size < 3:
        return
    slope, intercept = np.polyfit(read[inside], luma[inside], 1)
    error = np.abs(np.polyval((slope, intercept), read[inside]) - luma[inside]) / abs(slope)
    assert error.max() < TOLERANCE


@pytest.mark.parametrize("path", packaged_files(), ids=lambda path: path.name)
def test_frames_are_those_that_pydicom_decodes(path: Path) -> None:
    luma = reference(path)
    if luma is None:
        with pytest.raises(ReadError):
            _ = open_cine(path)[-1]
        return
    if path.name.startswith(MASKS_AND_MAPS):
        with pytest.raises(ReadError, match="mask or map"):
            open_cine(path)
        return
    assert_same_up_to_range(frames_of(open_cine(path)), luma)


def test_overlay_above_the_stored_bits_is_removed_as_by_gdcm(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    gdcm = pytest.importorskip("gdcm")
    overlay = (np.indices((40, 56)).sum(0) % 2).astype(np.uint16) << 15
    dataset = ultrasound(stored_cine[0].astype(np.uint16) * 16 + 5 | overlay)
    dataset.BitsStored, dataset.HighBit = 12, 11
    path = save(dataset, tmp_path / "c.dcm")
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    buffer = reader.GetImage().GetBuffer().encode("utf-8", "surrogateescape")
    decoded = np.frombuffer(buffer, np.uint16).reshape(40, 56)
    np.testing.assert_allclose(open_cine(path)[0].pixels, decoded / 4095, atol=1e-6)
