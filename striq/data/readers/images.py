"""Reader of PNG, JPEG, BMP, TIFF and GIF images, based on Pillow; several pages (TIFF, GIF, PNG) are a cine."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from striq.data.cine import Cine
from striq.data.readers.gray_frames import GrayFrames
from striq.data.readers.image_pages import frame_pages, is_inverted
from striq.data.readers.limits import refuse_large_frame
from striq.data.readers.reader_errors import one_line
from striq.errors import ReadError

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "GIF")
# Raised by Pillow for damaged files; it raises SyntaxError for a damaged PNG.
IMAGE_ERRORS = (
    UnidentifiedImageError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    KeyError,
    TypeError,
    IndexError,
    struct.error,
)
BITS_PER_SAMPLE, PLANAR_CONFIGURATION = 258, 284  # tags of a TIFF
SEPARATE_PLANES = 2  # value of PlanarConfiguration
# Pillow reads the upper 8 bits of 16-bit colors. If the highest of them is 0, the file may hold values of fewer bits.
UPPER_HALF = 128
# Pillow modes whose pixels are used unchanged; all other modes are converted to RGB or RGBA.
PLAIN_MODES = {"L", "LA", "RGB", "RGBA", "F", "I", "I;16", "I;16B", "I;16L"}


def open_image(path: Path, *, frame_axis: int | None = None) -> Cine:
    """Return the cine of an image file: one frame, or one per page of a TIFF or GIF.

    Args:
        path: Image file.
        frame_axis: Ignored; only pages can be frames.

    Raises:
        ReadError: If the file is damaged, truncated or not an image.
    """
    del frame_axis
    pages, inverted = _examine(path)
    frames = GrayFrames(str(path), len(pages), lambda index: _read(path, pages[index]), inverted=inverted)
    return Cine(str(path), len(pages), frames)


def pictures_of(image: Image.Image) -> NDArray[Any]:
    """Return the pixels of an open picture, or of all pages of one with pages, as its file would be read.

    Args:
        image: Picture of Pillow.

    Returns:
        Shape ``(T, H, W)`` or ``(T, H, W, C)``.

    Raises:
        ReadError: If the picture is damaged, or its pages differ in size.
    """
    name = str(getattr(image, "filename", "") or "picture")
    place = image.tell()
    with warnings.catch_warnings():
        _configure_warnings()
        try:
            refuse_large_frame(Path(name), image.height, image.width)
            pages: list[NDArray[Any]] = []
            for number in frame_pages(image, Path(name)):
                image.seek(number)
                pages.append(_pixels(image))
            image.seek(place)
            return np.stack(pages)
        except IMAGE_ERRORS as error:
            raise _damaged(Path(name), error) from error


def _examine(path: Path) -> tuple[list[int], bool]:
    """Return the pages that are frames, and whether the smallest value is white."""
    with warnings.catch_warnings():
        _configure_warnings()
        try:
            with Image.open(path, formats=FORMATS) as image:
                return frame_pages(image, path), is_inverted(image)
        except IMAGE_ERRORS as error:
            raise _damaged(path, error) from error


def _read(path: Path, page: int) -> NDArray[Any]:
    with warnings.catch_warnings():
        _configure_warnings()
        try:
            with Image.open(path, formats=FORMATS) as image:
                if page:
                    image.seek(page)
                refuse_large_frame(path, image.height, image.width)
                return _pixels(image)
        except IMAGE_ERRORS as error:
            raise _damaged(path, error) from error


def _pixels(image: Image.Image) -> NDArray[Any]:
    """Return the pixels as displayed (camera rotation applied); palettes and rare modes become RGB."""
    is_16_bit_png = image.format == "PNG" and image.mode == "I"  # Pillow before 12 opens 16-bit PNG files in this mode
    has_wide_colors = ";16" in str(getattr(image, "tile", "")) and len(image.getbands()) >= 3
    if _has_wide_planes(image):
        msg = "uncompressed 16-bit colors in separate planes, which cannot be read"
        raise ValueError(msg)
    upright = ImageOps.exif_transpose(image)
    if upright.mode == "1":
        return np.asarray(upright, dtype=np.bool_)
    if upright.mode not in PLAIN_MODES:
        upright = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    pixels = np.asarray(upright)
    if has_wide_colors and pixels[..., :3].max() < UPPER_HALF:
        msg = "16-bit colors that do not use the highest bit, of which only the upper 8 bits can be read"
        raise ValueError(msg)
    pixels = pixels.astype(np.uint16) if is_16_bit_png else pixels
    return _without_transparent_color(pixels, image.info.get("transparency"))


def _has_wide_planes(image: Image.Image) -> bool:
    """Return whether a TIFF has uncompressed planes of more than 8 bits, whose bytes Pillow would read as pixels."""
    if not isinstance(image, TiffImageFile) or image.use_load_libtiff or len(image.getbands()) == 1:
        return False
    bits = np.max(image.tag_v2.get(BITS_PER_SAMPLE, 1))
    return image.tag_v2.get(PLANAR_CONFIGURATION) == SEPARATE_PLANES and bool(bits > 8)


def _without_transparent_color(pixels: NDArray[Any], transparent: object) -> NDArray[Any]:
    """Return pixels in which the one color that a PNG declares transparent is black; palettes have been converted."""
    has_alpha = pixels.ndim == 3 and pixels.shape[-1] in (2, 4)
    if has_alpha or not isinstance(transparent, int | tuple):
        return pixels
    found = pixels == np.asarray(transparent)
    return np.where(found if pixels.ndim == 2 else found.all(axis=-1, keepdims=True), pixels.dtype.type(0), pixels)


def _configure_warnings() -> None:
    """Silence Pillow's warnings about unusual metadata, but raise its warning about extremely large images."""
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)


def _damaged(path: Path, error: Exception | Warning) -> ReadError:
    return ReadError(
        what="The image cannot be read",
        where=path,
        expected=f"a complete {', '.join(FORMATS[:-1])} or {FORMATS[-1]} file",
        got=one_line(error),
        remedy="Copy or export the file again.",
    )
