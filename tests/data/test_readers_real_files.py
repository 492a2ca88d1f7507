"""Tests of the readers on real ultrasound files: orientation, crop, times and contrast."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from striq.data.readers import find_sources, open_cine

# name: frames, shape, crop; each was looked at once on a screen.
DICOM_FILES = {
    "ExplVR_BigEnd.dcm": (1, (60, 80), None),
    "OBXXXX1A_rle_2frame.dcm": (2, (459, 680), (60, 120, 519, 800)),
    "US1_J2KR.dcm": (1, (480, 640), None),
    "YBR_FULL-RLE.dcm": (1, (368, 400), (48, 84, 416, 484)),
    "apical_cine_30f_ybr422_jpeg.dcm": (30, (240, 320), None),  # its region belongs to the unscaled cine
    "apical_cine_65f_ybr422_jpeg.dcm": (65, (344, 522), (48, 27, 392, 549)),
    "examples_palette.dcm": (1, (350, 800), None),  # its region reaches below the stored rows
    "examples_rgb_color.dcm": (1, (240, 320), None),
    "gdcm-US-ALOKA-16.dcm": (1, (392, 304), (24, 32, 416, 336)),
}


def assert_plausible(pixels: NDArray[np.float32]) -> None:
    assert pixels.dtype == np.float32
    assert 0 <= pixels.min() < pixels.max() <= 1
    assert pixels.std() > 0.02


@pytest.mark.parametrize("name", DICOM_FILES)
def test_dicom_file_has_its_frames_and_crop(name: str, real_data: Path) -> None:
    num_frames, shape, crop = DICOM_FILES[name]
    cine = open_cine(real_data / "dicom_us" / name)
    assert (len(cine), cine.crop) == (num_frames, crop)
    for frame in (cine[0], cine[-1]):
        assert frame.pixels.shape == shape
        assert_plausible(frame.pixels)


def test_palette_frame_equals_its_uncompressed_twin(real_data: Path) -> None:
    # examples_palette.dcm holds the upper 350 rows of the first frame of the RLE file.
    compressed = open_cine(real_data / "dicom_us/OBXXXX1A_rle_2frame.dcm")[0].pixels
    plain = open_cine(real_data / "dicom_us/examples_palette.dcm")[0].pixels
    np.testing.assert_array_equal(compressed[:290], plain[60:350, 120:800])


def test_echo_cine_has_spacing_and_the_uneven_times_of_its_vector(real_data: Path) -> None:
    cine = open_cine(real_data / "dicom_us/apical_cine_65f_ybr422_jpeg.dcm")
    assert cine.spacing_mm == pytest.approx((0.52478, 0.52478), abs=1e-5)
    assert cine.times_s is not None
    assert cine.times_s[:4] == pytest.approx((0.0, 0.033333, 0.083333, 0.116666))


def test_frame_of_a_cine_is_the_same_alone_and_in_order(real_data: Path) -> None:
    path = real_data / "dicom_us/apical_cine_65f_ybr422_jpeg.dcm"
    alone = open_cine(path)[7].pixels
    *_, in_order = (frame.pixels for frame in open_cine(path)[:8])
    np.testing.assert_array_equal(alone, in_order)


def test_plus_sequence_is_the_same_as_mha_and_nrrd(real_data: Path) -> None:
    mha = open_cine(real_data / "sequences/NwirePhantomFreehand.igs.mha")
    nrrd = open_cine(real_data / "sequences/NwirePhantomFreehand.igs.nrrd")
    assert len(mha) == len(nrrd) == 97
    assert mha.times_s == nrrd.times_s
    for index in (0, 48, 96):
        np.testing.assert_array_equal(mha[index].pixels, nrrd[index].pixels)
    assert_plausible(mha[48].pixels)


def test_skin_line_of_the_spine_phantom_is_at_the_top(real_data: Path) -> None:
    pixels = open_cine(real_data / "sequences/SpinePhantomFreehand.igs.mha")[10].pixels
    assert pixels[:150].mean() > 5 * pixels[-150:].mean()


@pytest.mark.parametrize("patient", ["patient0001", "patient0002", "patient0003"])
def test_camus_is_the_same_as_nifti_and_metaimage(patient: str, real_data: Path) -> None:
    # The NIfTI release keeps every second row of the MetaImage release: 0.308 mm instead of 0.154 mm.
    stored = open_cine(real_data / f"camus_official/{patient}/{patient}_4CH_ED.mhd")[0]
    nifti = open_cine(real_data / f"camus_a4c/database_nifti/{patient}/{patient}_4CH_ED.nii.gz")[0]
    assert stored.spacing_mm == pytest.approx((0.154, 0.308))
    assert nifti.spacing_mm == pytest.approx((0.308, 0.308))
    half = stored.pixels[::2][: len(nifti.pixels)]
    assert np.corrcoef(half.ravel(), nifti.pixels.ravel())[0, 1] > 0.98
    assert np.corrcoef(half[::-1].ravel(), nifti.pixels.ravel())[0, 1] < 0.7


@pytest.mark.parametrize("patient", ["patient0001", "patient0002", "patient0003"])
def test_apex_of_the_camus_sector_is_at_the_top(patient: str, real_data: Path) -> None:
    pixels = open_cine(real_data / f"camus_a4c/database_nifti/{patient}/{patient}_4CH_ED.nii.gz")[0].pixels
    lit = pixels > 0.05
    columns = np.flatnonzero(lit[: len(lit) // 10].any(axis=0))
    assert columns.size
    assert np.ptp(columns) < lit.shape[1] / 4
    assert abs(columns.mean() / lit.shape[1] - 0.5) < 0.1


@pytest.mark.parametrize("name", ["hc18_head/006_HC.png", "liver/benign_105.jpg"])
def test_picture_is_plausible(name: str, real_data: Path) -> None:
    assert_plausible(open_cine(real_data / name)[0].pixels)


def test_folder_of_camus_gives_headers_only(real_data: Path) -> None:
    sources = find_sources([real_data / "camus_official/patient0001"])
    assert {path.suffix for path in sources} == {".mhd"}
    assert len(sources) == 6
