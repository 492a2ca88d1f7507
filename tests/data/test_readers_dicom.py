"""Tests of the DICOM reader: frames come back unchanged from every encoding, with crop, spacing and times."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import compress, pixel_array, set_pixel_data
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from striq.data.cine import Cine
from striq.data.readers import open_cine
from striq.data.readers.intensity import to_unit_gray

Writer = Callable[[Path, NDArray[np.uint8]], Path]


def dicom_of(pixels: NDArray, photometric: str, bits_stored: int = 8, syntax: str = ExplicitVRLittleEndian) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.3.1"
    dataset.SOPInstanceUID = "1.2.3"
    dataset.Modality = "US"
    set_pixel_data(dataset, pixels, photometric, bits_stored)
    dataset.SOPInstanceUID = "1.2.3"
    return dataset


def save(dataset: Dataset, path: Path) -> Path:
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_dicom(folder: Path, cine: NDArray[np.uint8]) -> Path:
    return save(dicom_of(cine, "MONOCHROME2"), folder / "cine.dcm")


def write_dicom_single(folder: Path, cine: NDArray[np.uint8]) -> Path:
    return save(dicom_of(cine[0], "MONOCHROME2"), folder / "frame")


def write_dicom_inverted(folder: Path, cine: NDArray[np.uint8]) -> Path:
    return save(dicom_of(255 - cine, "MONOCHROME1"), folder / "cine.dcm")


def write_dicom_12_bit(folder: Path, cine: NDArray[np.uint8]) -> Path:
    return save(dicom_of((cine.astype(np.uint32) * 4095 // 255).astype(np.uint16), "MONOCHROME2", 12), folder / "c.dcm")


def write_dicom_rgb(folder: Path, cine: NDArray[np.uint8]) -> Path:
    return save(dicom_of(np.repeat(cine[..., None], 3, axis=-1), "RGB"), folder / "cine.dcm")


def write_dicom_big_endian(folder: Path, cine: NDArray[np.uint8]) -> Path:
    dataset = dicom_of(cine[0].astype(np.uint16) * 257, "MONOCHROME2", 16)
    dataset.PixelData = (cine[0].astype(np.uint16) * 257).byteswap().tobytes()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    dataset.save_as(folder / "f.dcm", implicit_vr=False, little_endian=False, enforce_file_format=True)
    return folder / "f.dcm"


def write_dicom_rle(folder: Path, cine: NDArray[np.uint8]) -> Path:
    dataset = dicom_of(cine, "MONOCHROME2")
    compress(dataset, RLELossless, generate_instance_uid=False)
    return save(dataset, folder / "cine.dcm")


def write_dicom_rle_rgb(folder: Path, cine: NDArray[np.uint8]) -> Path:
    dataset = dicom_of(np.repeat(cine[..., None], 3, axis=-1), "RGB")
    compress(dataset, RLELossless, generate_instance_uid=False)
    return save(dataset, folder / "cine.dcm")


def write_dicom_jpeg_ls(folder: Path, cine: NDArray[np.uint8]) -> Path:
    dataset = dicom_of(cine, "MONOCHROME2")
    compress(dataset, JPEGLSLossless, generate_instance_uid=False)
    return save(dataset, folder / "cine.dcm")


def write_dicom_jpeg_2000(folder: Path, cine: NDArray[np.uint8]) -> Path:
    dataset = dicom_of(cine, "MONOCHROME2")
    compress(dataset, JPEG2000Lossless, generate_instance_uid=False)
    return save(dataset, folder / "cine.dcm")


WRITERS = (
    write_dicom,
    write_dicom_single,
    write_dicom_inverted,
    write_dicom_rgb,
    write_dicom_big_endian,
    write_dicom_rle,
    write_dicom_rle_rgb,
    write_dicom_jpeg_ls,
    write_dicom_jpeg_2000,
)


@pytest.mark.parametrize("write", WRITERS)
def test_every_frame_comes_back_as_it_was(write: Writer, tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    cine = open_cine(write(tmp_path, stored_cine))
    read = np.stack([frame.pixels for frame in cine])
    np.testing.assert_allclose(read, stored_cine[: len(cine)] / 255, atol=1e-6)


def test_twelve_bit_values_are_divided_by_4095(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    pixels = open_cine(write_dicom_12_bit(tmp_path, stored_cine))[0].pixels
    np.testing.assert_allclose(pixels, stored_cine[0] / 255, atol=1 / 4095)


def test_full_range_ybr_becomes_the_luma_it_stores(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    # Y of YBR_FULL is the BT.601 luma; Cb = Cr = 128 is no color.
    ybr = np.stack([stored_cine, np.full_like(stored_cine, 128), np.full_like(stored_cine, 128)], axis=-1)
    cine = open_cine(save(dicom_of(ybr, "YBR_FULL"), tmp_path / "cine.dcm"))
    np.testing.assert_allclose(cine[1].pixels, stored_cine[1] / 255, atol=1.5 / 255)


def colored(cine: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Soft colors whose RGB values stay within 0 to 255, so that nothing is clipped by conversions."""
    luma = 64 + cine // 2
    return np.stack([luma, np.full_like(luma, 140), np.full_like(luma, 120)], axis=-1)


def test_luma_of_compressed_ybr_is_the_gray_of_its_colors(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    dataset = dicom_of(colored(stored_cine), "YBR_FULL")
    dataset.compress(RLELossless, generate_instance_uid=False)
    file = save(dataset, tmp_path / "cine.dcm")
    pixels = open_cine(file)[1].pixels
    np.testing.assert_allclose(pixels, colored(stored_cine)[1, ..., 0] / 255, atol=1e-6)
    np.testing.assert_allclose(pixels, to_unit_gray(pixel_array(file, index=1)), atol=1.5 / 255)


def test_luma_of_a_jpeg_is_the_gray_of_its_colors(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    pictures = []
    for ybr in colored(stored_cine):
        stream = BytesIO()
        Image.fromarray(ybr, mode="YCbCr").save(stream, "JPEG", quality=95, subsampling="4:2:2")
        pictures.append(stream.getvalue())
    dataset = dicom_of(colored(stored_cine), "YBR_FULL")
    dataset.file_meta.TransferSyntaxUID, dataset.PhotometricInterpretation = JPEGBaseline8Bit, "YBR_FULL_422"
    dataset.PixelData = encapsulate(pictures)
    dataset["PixelData"].is_undefined_length = True
    file = save(dataset, tmp_path / "cine.dcm")
    expected = to_unit_gray(pixel_array(file, index=1))
    np.testing.assert_allclose(open_cine(file)[1].pixels, expected, atol=1.5 / 255)


def test_palette_is_looked_up(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    dataset = dicom_of(stored_cine, "MONOCHROME2")
    dataset.PhotometricInterpretation = "PALETTE COLOR"
    for color in ("Red", "Green", "Blue"):  # a palette that inverts: 16-bit entries, 257 * (255 - index)
        dataset[f"{color}PaletteColorLookupTableDescriptor"] = _element(color, "Descriptor", "US", [256, 0, 16])
        entries = (257 * (255 - np.arange(256))).astype("<u2").tobytes()
        dataset[f"{color}PaletteColorLookupTableData"] = _element(color, "Data", "OW", entries)
    cine = open_cine(save(dataset, tmp_path / "cine.dcm"))
    np.testing.assert_allclose(cine[2].pixels, 1 - stored_cine[2] / 255, atol=1e-6)


def _element(color: str, name: str, vr: str, value: object) -> DataElement:
    return DataElement(f"{color}PaletteColorLookupTable{name}", vr, value)


def region(x0: int, y0: int, x1: int, y1: int, **changes: float) -> Dataset:
    """A tissue region with inclusive corners and pixels of 0.05 cm by 0.02 cm."""
    dataset = Dataset()
    dataset.RegionSpatialFormat, dataset.RegionDataType = 1, 1
    dataset.RegionLocationMinX0, dataset.RegionLocationMinY0 = x0, y0
    dataset.RegionLocationMaxX1, dataset.RegionLocationMaxY1 = x1, y1
    dataset.PhysicalUnitsXDirection = dataset.PhysicalUnitsYDirection = 3
    dataset.PhysicalDeltaX, dataset.PhysicalDeltaY = 0.05, 0.02
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    return dataset


@pytest.fixture
def open_with(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> Callable[..., Cine]:
    """Open the stored cine as DICOM with further header elements."""

    def open_dicom(**elements: object) -> Cine:
        dataset = dicom_of(stored_cine, "MONOCHROME2")
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)
        return open_cine(save(dataset, tmp_path / "cine.dcm"))

    return open_dicom


def test_crop_is_the_largest_tissue_region(open_with: Callable[..., Cine], stored_cine: NDArray[np.uint8]) -> None:
    doppler = region(0, 0, 55, 39, RegionSpatialFormat=3, RegionDataType=3)
    cine = open_with(SequenceOfUltrasoundRegions=[doppler, region(1, 1, 4, 4), region(3, 5, 20, 17)])
    assert cine[0].crop == (5, 3, 18, 21)
    np.testing.assert_allclose(cine[1].pixels, stored_cine[1, 5:18, 3:21] / 255, atol=1e-6)


def test_spacing_of_the_region_is_turned_from_centimeters_to_millimeters(open_with: Callable[..., Cine]) -> None:
    cine = open_with(SequenceOfUltrasoundRegions=[region(3, 5, 20, 17, PhysicalDeltaX=-0.05)], PixelSpacing=[9, 9])
    assert cine.spacing_mm == pytest.approx((0.2, 0.5))


def test_region_that_reaches_one_pixel_too_far_is_cut_to_the_picture(open_with: Callable[..., Cine]) -> None:
    assert open_with(SequenceOfUltrasoundRegions=[region(3, 5, 56, 40)]).crop == (5, 3, 40, 56)


def test_region_of_another_resolution_is_not_used(open_with: Callable[..., Cine]) -> None:
    cine = open_with(SequenceOfUltrasoundRegions=[region(3, 5, 120, 80)])
    assert (cine.crop, cine.spacing_mm) == (None, None)


def test_pixel_spacing_counts_without_regions(open_with: Callable[..., Cine]) -> None:
    assert open_with(PixelSpacing=[0.3, 0.4]).spacing_mm == pytest.approx((0.3, 0.4))


@pytest.mark.parametrize(
    ("elements", "times"),
    [
        ({"FrameTime": 40}, [0.0, 0.04, 0.08]),
        ({"FrameTimeVector": [0, 30, 50]}, [0.0, 0.03, 0.08]),
        ({"CineRate": 20}, [0.0, 0.05, 0.1]),
        ({"RecommendedDisplayFrameRate": 10}, [0.0, 0.1, 0.2]),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_times_come_from_the_header(
    elements: dict[str, object], times: list[float], open_with: Callable[..., Cine]
) -> None:
    assert open_with(**elements).times_s == pytest.approx(times)


def test_times_are_unknown_without_timing_or_with_too_few_increments(open_with: Callable[..., Cine]) -> None:
    assert open_with().times_s is None
    assert open_with(FrameTimeVector=[0, 30]).times_s is None
