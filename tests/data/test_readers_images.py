"""Tests of the reader of image files: the same frames come back upright from every format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from striq.data.readers import open_cine

Writer = Callable[[Path, NDArray[np.uint8]], Path]


def write_png(folder: Path, cine: NDArray[np.uint8]) -> Path:
    Image.fromarray(cine[0]).save(folder / "frame.png")
    return folder / "frame.png"


def write_png_rgb(folder: Path, cine: NDArray[np.uint8]) -> Path:
    Image.fromarray(np.repeat(cine[0][..., None], 3, axis=-1)).save(folder / "frame.png")
    return folder / "frame.png"


def write_png_palette(folder: Path, cine: NDArray[np.uint8]) -> Path:
    picture = Image.fromarray(255 - cine[0])  # index 0 of the palette is white
    picture.putpalette([value for gray in range(256) for value in [255 - gray] * 3])
    picture.save(folder / "frame.png")
    return folder / "frame.png"


def write_png_16_bit(folder: Path, cine: NDArray[np.uint8]) -> Path:
    Image.fromarray(cine[0].astype(np.uint16) * 257).save(folder / "frame.png")
    return folder / "frame.png"


def write_png_without_suffix(folder: Path, cine: NDArray[np.uint8]) -> Path:
    return write_png(folder, cine).rename(folder / "frame")


def write_bmp(folder: Path, cine: NDArray[np.uint8]) -> Path:
    Image.fromarray(cine[0]).save(folder / "frame.bmp")
    return folder / "frame.bmp"


def write_tiff_pages(folder: Path, cine: NDArray[np.uint8]) -> Path:
    first, *rest = [Image.fromarray(frame) for frame in cine]
    first.save(folder / "cine.tiff", save_all=True, append_images=rest)
    return folder / "cine.tiff"


def write_tiff_float(folder: Path, cine: NDArray[np.uint8]) -> Path:
    Image.fromarray(cine[0].astype(np.float32) / 255).save(folder / "frame.tif")
    return folder / "frame.tif"


WRITERS = (
    write_png,
    write_png_rgb,
    write_png_palette,
    write_png_16_bit,
    write_png_without_suffix,
    write_bmp,
    write_tiff_float,
    write_tiff_pages,
)


@pytest.mark.parametrize("write", WRITERS)
def test_every_frame_comes_back_as_it_was(write: Writer, tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    cine = open_cine(write(tmp_path, stored_cine))
    assert len(cine) == (len(stored_cine) if write is write_tiff_pages else 1)
    read = np.stack([frame.pixels for frame in cine])
    np.testing.assert_allclose(read, stored_cine[: len(cine)] / 255, atol=1e-6)


def test_jpeg_comes_back_within_its_compression(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    Image.fromarray(stored_cine[0]).save(tmp_path / "frame.jpg", quality=95)
    pixels = open_cine(tmp_path / "frame.jpg")[0].pixels
    assert np.abs(pixels - stored_cine[0] / 255).max() < 0.05


def test_camera_rotation_of_a_jpeg_is_undone(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    turned = Image.fromarray(stored_cine[0]).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees clockwise to display"
    turned.save(tmp_path / "frame.jpg", quality=95, exif=exif)
    assert np.abs(open_cine(tmp_path / "frame.jpg")[0].pixels - stored_cine[0] / 255).max() < 0.05


@pytest.mark.parametrize("color", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 120, 40)])
def test_color_becomes_luma_of_bt_601(color: tuple[int, int, int], tmp_path: Path) -> None:
    picture = np.zeros((4, 6, 3), np.uint8)
    picture[1, 2] = color
    Image.fromarray(picture).save(tmp_path / "frame.png")
    red, green, blue = color
    expected = (299 * red + 587 * green + 114 * blue) / 255000
    pixels = open_cine(tmp_path / "frame.png")[0].pixels
    assert pixels[1, 2] == pytest.approx(expected, abs=1e-6)
    assert pixels.sum() == pytest.approx(expected, abs=1e-6)


def test_transparent_color_of_a_palette_is_black(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    picture = Image.fromarray(stored_cine[0])
    picture.putpalette([value for gray in range(256) for value in [gray] * 3])
    picture.save(tmp_path / "frame.png", transparency=250)
    expected = np.where(stored_cine[0] == 250, 0, stored_cine[0]) / 255
    np.testing.assert_allclose(open_cine(tmp_path / "frame.png")[0].pixels, expected, atol=1e-6)
