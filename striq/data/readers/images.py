"""Reader of PNG, JPEG, BMP, TIFF and GIF images, based on Pillow; TIFF or GIF with several pages is a cine."""

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
from striq.data.readers.limits import refuse_large_frame
from striq.data.readers.reader_errors import one_line
from striq.errors import ReadError

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "GIF")
WITH_PAGES = ("TIFF", "GIF")
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
PHOTOMETRIC_INTERPRETATION, WHITE_IS_ZERO = 262, 0  # tag of a TIFF, and its value
# Pillow reads the upper 8 bits of 16-bit colors. If they are all below this, the file holds 8- to 13-bit values.
DARKEST_WHITE = 31
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
    num_frames, inverted = _examine(path)
    frames = GrayFrames(str(path), num_frames, lambda index: _read(path, index), inverted=inverted)
    return Cine(str(path), num_frames, frames)


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
    place = image.tell() if _has_pages(image) else 0
    with warnings.catch_warnings():
        _configure_warnings()
        try:
            refuse_large_frame(Path(name), image.height, image.width)
            pages: list[NDArray[Any]] = []
            for number in range(getattr(image, "n_frames", 1) if _has_pages(image) else 1):
                if _has_pages(image):
                    image.seek(number)
                pages.append(_pixels(image))
            if _has_pages(image):
                image.seek(place)
            return np.stack(pages)
        except IMAGE_ERRORS as error:
            raise _damaged(Path(name), error) from error


def is_inverted(image: Image.Image) -> bool:
    """Return whether the smallest value of an open picture is white; Pillow inverts those of up to 8 bits itself."""
    if not isinstance(image, TiffImageFile):
        return False
    return image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == WHITE_IS_ZERO and image.mode.startswith(("I", "F"))


def _has_pages(image: Image.Image) -> bool:
    return image.format in WITH_PAGES and getattr(image, "n_frames", 1) > 1


def _examine(path: Path) -> tuple[int, bool]:
    """Return the number of frames, and whether the smallest value is white."""
    with warnings.catch_warnings():
        _configure_warnings()
        try:
            with Image.open(path, formats=FORMATS) as image:
                if not isinstance(image, TiffImageFile):
                    return getattr(image, "n_frames", 1) if image.format in WITH_PAGES else 1, False
                return image.n_frames, is_inverted(image)
        except IMAGE_ERRORS as error:
            raise _damaged(path, error) from error


def _read(path: Path, index: int) -> NDArray[Any]:
    with warnings.catch_warnings():
        _configure_warnings()
        try:
            with Image.open(path, formats=FORMATS) as image:
                if index:
                    image.seek(index)
                refuse_large_frame(path, image.height, image.width)
                return _pixels(image)
        except IMAGE_ERRORS as error:
            raise _damaged(path, error) from error


def _pixels(image: Image.Image) -> NDArray[Any]:
    """Return the pixels as displayed (camera rotation applied); palettes and rare modes become RGB."""
    is_16_bit_png = image.format == "PNG" and image.mode == "I"  # Pillow before 12 opens 16-bit PNG files in this mode
    has_wide_colors = ";16" in str(getattr(image, "tile", "")) and len(image.getbands()) >= 3
    upright = ImageOps.exif_transpose(image)
    if upright.mode == "1":
        return np.asarray(upright, dtype=np.bool_)
    if upright.mode not in PLAIN_MODES:
        upright = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    pixels = np.asarray(upright)
    if has_wide_colors and pixels.max() <= DARKEST_WHITE:
        msg = "16-bit colors that use few of their upper 8 bits, which are all that can be read"
        raise ValueError(msg)
    return pixels.astype(np.uint16) if is_16_bit_png else pixels


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
