"""Reader of MetaImage files (``.mha``, ``.mhd`` with ``.raw``), including PLUS image sequences (``.igs.mha``).

The format is parsed here instead of by ITK, so that a long cine can be read frame by frame and a damaged file gives
one clear error. ITK writes to the terminal and reports a different cause.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striq.data.cine import Cine
from striq.data.readers.limits import MAX_HEADER_BYTES
from striq.data.readers.pixel_bytes import compressed_array, raw_array
from striq.data.readers.plus import has_frame_fields, refuse_radio_frequency, sequence_times
from striq.data.readers.raster import Raster, cine_from_raster
from striq.data.readers.reader_errors import bad_header, missing_pixel_file
from striq.errors import ReadError, as_read_error

logger = logging.getLogger(__name__)

ELEMENT_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
MAX_LINE = 65536  # bytes; a longer line is not text


def open_metaimage(path: Path, *, frame_axis: int | None = None) -> Cine:
    """Return the cine of a MetaImage file.

    Args:
        path: File with the header.
        frame_axis: Axis that counts the frames, axis 0 varying fastest; by default, the header decides.

    Raises:
        ReadError: If the header or the pixel file is missing, damaged or of an unsupported type.
    """
    header, offset = _read_header(path)
    sizes = tuple(int(size) for size in _numbers(path, header, "DimSize"))
    num_channels = int(_numbers(path, header, "ElementNumberOfChannels", "1")[0])
    shift = 1 if num_channels > 1 else 0  # channels are the fastest axis of the array
    sizes = (num_channels,) * shift + sizes
    refuse_radio_frequency(path, header.get("UltrasoundImageType", ""))
    raster = Raster(
        sizes=sizes,
        load=_loader(path, header, offset, sizes),
        spacing_mm=_spacing(path, header, shift, num_axes=len(sizes)),
        frame_axis=_frame_axis(header, shift, num_axes=len(sizes)),
        channel_axis=0 if num_channels > 1 else None,
        times_s=sequence_times(path, header),
        orientation=header.get("UltrasoundImageOrientation", ""),
    )
    return cine_from_raster(path, raster, frame_axis)


def stored_values(path: Path) -> NDArray[Any]:
    """Return the values of a MetaImage file of one channel as stored, such as the labels of a mask.

    The shape is that of the file in C order: the slowest axis first.

    Raises:
        ReadError: If the header or the pixel file is missing, damaged or of an unsupported type.
    """
    with as_read_error(path):
        header, offset = _read_header(path)
        sizes = tuple(int(size) for size in _numbers(path, header, "DimSize"))
        return _loader(path, header, offset, sizes)()


def _frame_axis(header: dict[str, str], shift: int, *, num_axes: int) -> int | None:
    """Return the axis that the kinds name. Of three axes, a list without fields for its frames is one of a volume."""
    kinds = header.get("Kinds", "").lower().split()
    names = {"time"} if num_axes - shift < 4 and not has_frame_fields(header) else {"time", "list"}
    axis = next((axis for axis, kind in enumerate(kinds) if kind in names), None)
    return axis + shift if axis is not None and axis + shift < num_axes else None


def _read_header(path: Path) -> tuple[dict[str, str], int]:
    """Return the fields of the header and the offset of its end."""
    header: dict[str, str] = {}
    with path.open("rb") as file:
        while "ElementDataFile" not in header:
            line = file.readline(MAX_LINE)
            key, separator, value = line.decode("latin-1").partition("=")
            if not separator and line.strip(b"\r\n\t \0"):
                raise bad_header(path, "MetaImage lines 'key = value'", f"a line of {len(line)} bytes without '='")
            if not line:
                raise bad_header(path, "a MetaImage header that ends with ElementDataFile", "the end of the file")
            if file.tell() > MAX_HEADER_BYTES:
                raise bad_header(path, "a MetaImage header that ends with ElementDataFile", "none in the first 64 MB")
            if separator:
                header[key.strip()] = value.strip()
        return header, file.tell()


def _loader(path: Path, header: dict[str, str], offset: int, sizes: tuple[int, ...]) -> Callable[[], NDArray[Any]]:
    """Return a function that returns the array of pixels, shape ``sizes[::-1]``."""
    if len(sizes) < 2 or min(sizes) < 1:
        return lambda: np.empty(sizes[::-1], np.uint8)
    element = header.get("ElementType", "none")
    if element not in ELEMENT_TYPES or not _is_true(path, header, "BinaryData", "True"):
        raise bad_header(path, f"binary pixels of type {', '.join(ELEMENT_TYPES)}", f"ElementType {element}")
    msb_first = _is_true(path, header, "BinaryDataByteOrderMSB") or _is_true(path, header, "ElementByteOrderMSB")
    dtype = np.dtype(ELEMENT_TYPES[element]).newbyteorder(">" if msb_first else "<")
    pixel_file = path
    if header["ElementDataFile"].upper() != "LOCAL":
        pixel_file, offset = path.parent / header["ElementDataFile"], 0
        if not pixel_file.is_file():
            raise missing_pixel_file(path, pixel_file)
    shape = sizes[::-1]
    if _is_true(path, header, "CompressedData"):
        return compressed_array(pixel_file, "zlib", offset=offset, dtype=dtype, shape=shape)
    header_size = int(_numbers(path, header, "HeaderSize", "0")[0])
    if header_size == -1:  # in MetaImage, -1 means that the pixels are the last bytes of the file
        offset = max(0, pixel_file.stat().st_size - math.prod(shape) * dtype.itemsize)
    return raw_array(pixel_file, offset=offset + max(0, header_size), dtype=dtype, shape=shape)


def _spacing(path: Path, header: dict[str, str], shift: int, *, num_axes: int) -> tuple[float, ...] | None:
    """Return the spacing per axis of the array; not for PLUS sequences, which state 1 for unknown spacing."""
    key = "ElementSpacing" if "ElementSpacing" in header else "ElementSize"
    if key not in header or has_frame_fields(header):
        return None
    try:
        spacing = (1.0,) * shift + _numbers(path, header, key)
    except ReadError as error:  # pixels do not depend on it
        logger.warning("%s: the spacing is unknown: %s is %s.", path, key, error.got)
        return None
    return spacing if len(spacing) == num_axes and min(spacing) > 0 else None


def _numbers(path: Path, header: dict[str, str], key: str, default: str = "") -> tuple[float, ...]:
    text = header.get(key, default)
    try:
        numbers = tuple(float(word) for word in text.split())
    except ValueError:
        numbers = ()
    if not numbers or not np.isfinite(numbers).all():
        raise bad_header(path, f"numbers in the field {key}", repr(text[:40]))
    return numbers


def _is_true(path: Path, header: dict[str, str], key: str, default: str = "False") -> bool:
    text = header.get(key, default).lower()
    if text not in {"true", "t", "1", "false", "f", "0"}:
        raise bad_header(path, f"True or False in the field {key}", repr(text[:40]))
    return text in {"true", "t", "1"}
