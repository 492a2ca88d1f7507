"""Tests of the reader of image files: the same frames come back upright from every format."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from striq.data.readers import open_cine
from striq.errors import ReadError

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


# --- transparency, wide colors and pages ---


@pytest.mark.parametrize("mode", ["gray", "color", "wide"])
def test_color_that_a_png_declares_transparent_is_black(
    mode: str, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    white = np.where(stored_cine[0] < 30, 255, stored_cine[0].clip(0, 254)).astype(np.uint8)  # a white background
    expected = np.where(white == 255, 0, white) / 255
    if mode == "wide":
        content = png_of_depth_16(white[..., None].astype(np.uint16) * 257, color_type=0, transparent=b"\xff\xff")
        (tmp_path / "frame.png").write_bytes(content)
    else:
        picture = white if mode == "gray" else np.repeat(white[..., None], 3, axis=-1)
        transparent = 255 if mode == "gray" else (255, 255, 255)
        Image.fromarray(picture).save(tmp_path / "frame.png", transparency=transparent)
    np.testing.assert_allclose(open_cine(tmp_path / "frame.png")[0].pixels, expected, atol=1e-6)


def png_of_depth_16(values: NDArray[np.uint16], color_type: int, transparent: bytes = b"") -> bytes:
    """Return a PNG of 16 bits per sample, values of shape ``(H, W, C)``, which Pillow cannot write in color."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in values.astype(">u2"))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">2I5B", width, height, 16, color_type, 0, 0, 0))
        + (chunk(b"tRNS", transparent) if transparent else b"")
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("bits", [8, 12, 14, 15, 16])
@pytest.mark.parametrize(("color_type", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_wide_colors_are_right_or_refused(
    color_type: int, channels: int, bits: int, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    values = np.repeat((stored_cine[0] / 255 * (2**bits - 1)).astype(np.uint16)[..., None], channels, axis=-1)
    if channels in (2, 4):
        values[..., -1] = 65535
    (tmp_path / "frame.png").write_bytes(png_of_depth_16(values, color_type))
    if bits < 16:
        with pytest.raises(ReadError, match="highest bit"):
            _ = open_cine(tmp_path / "frame.png")[0]
    else:
        pixels = open_cine(tmp_path / "frame.png")[0].pixels
        np.testing.assert_allclose(pixels, stored_cine[0] / 255, atol=1 / 255)


def test_uncompressed_planes_of_16_bits_are_refused(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    planes = np.repeat(stored_cine[0].astype("<u2")[None] * 257, 3, axis=0)
    height, width = stored_cine[0].shape
    tags = [(256, 3, width), (257, 3, height), (259, 3, 1), (262, 3, 2), (277, 3, 3), (278, 3, height), (284, 3, 2)]
    start = 8 + 2 + 12 * (len(tags) + 3) + 4
    bits, offsets, counts = start, start + 6, start + 18
    entries = [struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags]
    entries += [
        struct.pack("<HHII", tag, kind, 3, place)
        for tag, kind, place in ((258, 3, bits), (273, 4, offsets), (279, 4, counts))
    ]
    size = planes[0].nbytes
    places = [start + 30 + size * number for number in range(3)]
    (tmp_path / "frame.tif").write_bytes(
        b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(sorted(entries, key=lambda e: e[1::-1])) + bytes(4)
        + struct.pack("<3H3I3I", 16, 16, 16, *places, size, size, size) + planes.tobytes()
    )  # fmt: skip
    with pytest.raises(ReadError, match="separate planes"):
        _ = open_cine(tmp_path / "frame.tif")[0]


@pytest.mark.parametrize("default_image", [False, True])
def test_every_frame_of_an_animated_png_is_read(
    default_image: bool, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    first, *rest = [Image.fromarray(frame) for frame in stored_cine]
    first.save(tmp_path / "cine.png", save_all=True, append_images=rest, default_image=default_image)
    read = np.stack([frame.pixels for frame in open_cine(tmp_path / "cine.png")])
    np.testing.assert_allclose(read, stored_cine[default_image:] / 255, atol=1e-6)


@pytest.mark.parametrize("kind", [1, 4])  # thumbnail, mask
@pytest.mark.parametrize("place", [0, 1, 2])
def test_thumbnails_and_masks_among_the_pages_of_a_tiff_are_no_frames(
    kind: int, place: int, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    pages = [Image.fromarray(frame) for frame in stored_cine[:2]]
    other = Image.fromarray(stored_cine[0][::2, ::2]) if kind == 1 else Image.fromarray(stored_cine[0] > 90)
    other.encoderinfo = {"tiffinfo": {254: kind}}  # type: ignore[attr-defined]
    pages.insert(place, other)
    first, *rest = pages
    infos = {"tiffinfo": {254: kind if place == 0 else 0}}
    for page in rest:
        page.encoderinfo = {"tiffinfo": {254: kind if page is other else 0}}  # type: ignore[attr-defined]
    first.save(tmp_path / "cine.tif", save_all=True, append_images=rest, **infos)
    read = np.stack([frame.pixels for frame in open_cine(tmp_path / "cine.tif")])
    np.testing.assert_allclose(read, stored_cine[:2] / 255, atol=1e-6)


@pytest.mark.parametrize(
    "description",
    ["ImageJ=1.54f\nimages=3\nframes=3\nloop=false\n", '{"shape": [3, 40, 56], "truncated": true}'],
)
def test_stack_whose_images_have_no_pages_is_refused(
    description: str, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    Image.fromarray(stored_cine[0]).save(tmp_path / "cine.tif", description=description)
    with pytest.raises(ReadError, match="no page of their own"):
        open_cine(tmp_path / "cine.tif")


def test_pages_of_which_some_are_inverted_are_refused(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    wide = [Image.fromarray(frame.astype(np.uint16) * 257) for frame in stored_cine[:2]]
    wide[1].encoderinfo = {"tiffinfo": {262: 0}}  # type: ignore[attr-defined]
    wide[0].save(tmp_path / "cine.tif", save_all=True, append_images=wide[1:])
    with pytest.raises(ReadError, match="white"):
        open_cine(tmp_path / "cine.tif")


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_tiff_is_upright(
    orientation: int, compression: str | None, tmp_path: Path, stored_cine: NDArray[np.uint8]
) -> None:
    frame = stored_cine[0]
    upright = [
        frame,
        frame[:, ::-1],
        frame[::-1, ::-1],
        frame[::-1],
        frame.T,
        np.rot90(frame, -1),
        frame[::-1, ::-1].T,
        np.rot90(frame),
    ]
    Image.fromarray(frame).save(tmp_path / "frame.tif", compression=compression, tiffinfo={274: orientation})
    expected = upright[orientation - 1] / 255
    np.testing.assert_allclose(open_cine(tmp_path / "frame.tif")[0].pixels, expected, atol=1e-6)


@pytest.mark.parametrize("suffix", [".gif", ".tif", ".png"])
def test_earlier_pages_are_not_decoded_again_for_each_page(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = [np.random.default_rng(index).integers(0, 256, (70, 80), np.uint8) for index in range(12)]
    first, *rest = (Image.fromarray(page) for page in pages)
    first.save(tmp_path / f"cine{suffix}", save_all=True, append_images=rest)
    cine = open_cine(tmp_path / f"cine{suffix}")
    places: list[int] = []
    with Image.open(tmp_path / f"cine{suffix}") as opened:
        kind = type(opened)
    seek = kind._seek

    def counted(image: Image.Image, place: int, *arguments: object) -> None:
        places.append(place)
        seek(image, place, *arguments)

    monkeypatch.setattr(kind, "_seek", counted)
    for index in (*range(12), 5, 11, 0):
        np.testing.assert_allclose(cine[index].pixels, pages[index] / 255, atol=1e-6)
    assert len(places) < 40  # 78 if every page were reached from the first


def test_file_of_pages_is_closed_with_its_cine(tmp_path: Path, stored_cine: NDArray[np.uint8]) -> None:
    cine = open_cine(write_tiff_pages(tmp_path, stored_cine))
    _ = cine[0]
    open_files = Path("/proc/self/fd")
    if not open_files.exists():
        pytest.skip("open files can be listed on Linux alone")
    del cine, _
    links = [path.readlink() for path in open_files.iterdir() if path.is_symlink()]
    assert not any(link.name == "cine.tiff" for link in links)
