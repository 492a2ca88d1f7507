"""PNG, JPEG, BMP and TIFF through Pillow; a TIFF of several pages is a cine."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from striq.data.cine import Cine
from striq.data.readers.intensity import to_unit_gray
from striq.data.readers.reader_errors import one_line
from striq.errors import ReadError

FORMATS = ("PNG", "JPEG", "BMP", "TIFF")
# Pillow reports a damaged file by any of these; SyntaxError is its own "broken PNG".
PICTURE_ERRORS = (
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
# Pillow modes whose pixels are taken as they are; every other mode becomes RGB first.
PLAIN_MODES = {"L", "LA", "RGB", "RGBA", "F", "I", "I;16", "I;16B", "I;16L"}


def open_picture(path: Path) -> Cine:
    """Return the cine of a picture file: one frame, or one per page of a TIFF.

    Raises:
        ReadError: If the file is damaged, cut off or not a picture.
    """
    num_frames = _counted(path)
    return Cine(str(path), num_frames, lambda index: _read(path, index))


def _counted(path: Path) -> int:
    with warnings.catch_warnings():
        _configure_warnings()
        try:
            with Image.open(path, formats=FORMATS) as picture:
                return getattr(picture, "n_frames", 1) if picture.format == "TIFF" else 1
        except PICTURE_ERRORS as error:
            raise _damaged(path, error) from error


def _read(path: Path, index: int) -> NDArray[np.float32]:
    with warnings.catch_warnings():
        _configure_warnings()
        try:
            with Image.open(path, formats=FORMATS) as picture:
                if index:
                    picture.seek(index)
                return to_unit_gray(_stored(picture))
        except PICTURE_ERRORS as error:
            raise _damaged(path, error) from error


def _stored(picture: Image.Image) -> NDArray:
    """Return the pixels as displayed (camera rotation applied), palettes and rare modes as RGB."""
    is_16_bit_png = picture.format == "PNG" and picture.mode == "I"  # how Pillow before 12 opens them
    shown = ImageOps.exif_transpose(picture)
    if shown.mode == "1":
        return np.asarray(shown, dtype=np.bool_)
    pixels = np.asarray(shown if shown.mode in PLAIN_MODES else shown.convert("RGB"))
    return pixels.astype(np.uint16) if is_16_bit_png else pixels


def _configure_warnings() -> None:
    """Keep Pillow's remarks about odd metadata away from the user, but refuse absurdly large pictures."""
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", Image.DecompressionBombWarning)


def _damaged(path: Path, error: Exception | Warning) -> ReadError:
    return ReadError(
        what="The picture cannot be read",
        where=path,
        expected=f"a complete {', '.join(FORMATS[:-1])} or {FORMATS[-1]} file",
        got=one_line(error),
        remedy="Copy or export the file again.",
    )
