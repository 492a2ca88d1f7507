"""Reader of PNG, JPEG, BMP, TIFF and GIF images, based on Pillow; several pages (TIFF, GIF, PNG) are a cine."""

from __future__ import annotations

import os
import struct
import warnings
import weakref
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from striq.data.cine import Cine
from striq.data.readers.gray_frames import GrayFrames
from striq.data.readers.image_pages import WITH_PAGES, frame_pages, is_inverted
from striq.data.readers.jpeg_end import refuse_cut_off
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
JPEG = ("JPEG", "MPO")  # MPO is JPEG with further pictures after its end
BITS_PER_SAMPLE, PLANAR_CONFIGURATION = 258, 284  # tags of a TIFF
SEPARATE_PLANES = 2  # value of PlanarConfiguration
SAMPLE_FORMAT = 339  # tag of a TIFF
UNSIGNED, SIGNED = 1, 2  # values of SampleFormat
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
    reader = _PageReader(path)
    frames = GrayFrames(str(path), len(pages), lambda index: reader.read(pages[index]), inverted=inverted)
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


class _PageReader:
    """Reads pages of one file. A file of several stays open, so that the earlier ones are not decoded again for each.

    Args:
        path: File.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._process = path, os.getpid()
        self._image: Image.Image | None = None
        self._close: Callable[[], object] = lambda: None

    def read(self, page: int) -> NDArray[Any]:
        """Return the pixels of a page.

        Raises:
            ReadError: If the page is damaged.
        """
        if self._process != os.getpid():  # a forked process shares the position in the file with its parent
            self._image, self._process = None, os.getpid()
        image, self._image = self._image, None
        with warnings.catch_warnings():
            _configure_warnings()
            try:
                image = image or self._open()
                image.seek(page)
                refuse_large_frame(self._path, image.height, image.width)
                pixels = _pixels(image)
            except IMAGE_ERRORS as error:
                self._close()
                raise _damaged(self._path, error) from error
        if image.format in WITH_PAGES:
            self._image = image
        else:
            self._close()
        return pixels

    def _open(self) -> Image.Image:
        self._close()
        file = self._path.open("rb")  # not by its name: Pillow would map it, and mix up the sides of a turned TIFF
        self._close = weakref.finalize(self, file.close)
        return Image.open(file, formats=FORMATS)


def _pixels(image: Image.Image) -> NDArray[Any]:
    """Return the pixels as displayed (camera rotation applied); palettes and rare modes become RGB."""
    is_16_bit_png = image.format == "PNG" and image.mode == "I"  # Pillow before 12 opens 16-bit PNG files in this mode
    has_wide_colors = ";16" in str(getattr(image, "tile", "")) and len(image.getbands()) >= 3
    if _has_wide_planes(image):
        msg = "uncompressed 16-bit colors in separate planes, which cannot be read"
        raise ValueError(msg)
    _load(image)
    # Pillow turns a TIFF when it loads it.
    upright = image if isinstance(image, TiffImageFile) else ImageOps.exif_transpose(image)
    if upright.mode == "1":
        return np.asarray(upright, dtype=np.bool_)
    if upright.mode not in PLAIN_MODES:
        upright = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    pixels = np.asarray(upright)
    if has_wide_colors and pixels[..., :3].max() < UPPER_HALF:
        msg = "16-bit colors that do not use the highest bit, of which only the upper 8 bits can be read"
        raise ValueError(msg)
    if isinstance(image, TiffImageFile):
        pixels = _of_stored_type(image, pixels)
    pixels = pixels.astype(np.uint16) if is_16_bit_png else pixels
    return _without_transparent_color(pixels, image.info.get("transparency"))


def _load(image: Image.Image) -> None:
    """Decode the open page.

    Raises:
        ValueError: If it is a JPEG that ends early.
    """
    stream = getattr(image, "fp", None)  # none if it is decoded already
    if image.format not in JPEG or stream is None:
        image.load()
        return
    stream.seek(0)
    codestream = stream.read()
    image.load()
    refuse_cut_off(codestream, np.asarray(image), lambda longer: np.asarray(Image.open(BytesIO(longer))))


def _of_stored_type(image: TiffImageFile, pixels: NDArray[Any]) -> NDArray[Any]:
    """Return the pixels of a TIFF with their sign, which Pillow ignores for 8 bits and assumes for 32."""
    sample_format = np.max(image.tag_v2.get(SAMPLE_FORMAT, UNSIGNED))
    if sample_format == SIGNED and pixels.dtype == np.uint8 and image.mode == "L":
        return pixels.view(np.int8)
    return pixels.view(np.uint32) if sample_format == UNSIGNED and pixels.dtype == np.int32 else pixels


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
