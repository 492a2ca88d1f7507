"""Reader of NRRD: images (``.nrrd``), 3D Slicer sequences (``.seq.nrrd``) and PLUS sequences (``.igs.nrrd``)."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote

import nrrd
import numpy as np
from nrrd.errors import NRRDError
from numpy.typing import NDArray

from striq.data.cine import Cine
from striq.data.readers.limits import MAX_HEADER_BYTES
from striq.data.readers.pixel_bytes import compressed_array, raw_array, text_array
from striq.data.readers.plus import has_frame_fields, parse_times, refuse_radio_frequency, sequence_times
from striq.data.readers.raster import Raster, cine_from_raster
from striq.data.readers.reader_errors import bad_header, missing_pixel_file, one_line

# C type names in NRRD headers; fixed-width names (uint8, uint8_t, ...) are derived from the keys.
C_TYPES = {
    "i1": ("signed char",),
    "u1": ("uchar", "unsigned char"),
    "i2": ("short", "short int", "signed short", "signed short int"),
    "u2": ("ushort", "unsigned short", "unsigned short int"),
    "i4": ("int", "signed int"),
    "u4": ("uint", "unsigned int"),
    "f4": ("float",),
    "f8": ("double",),
}
FRAME_KINDS = {"list", "time"}
ORIENTATION = ("space", "space dimension", "space directions", "kinds")
CHANNEL_KINDS = {"vector", "rgb-color", "rgba-color", "3-color", "4-color", "2-vector", "3-vector", "4-vector"}
SECONDS_PER_UNIT = {"s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6}
HEADER_ERRORS = (
    NRRDError,
    OSError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    OverflowError,
    StopIteration,
    RuntimeWarning,
)
CODECS = {"gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2"}
TEXT_ENCODINGS = ("ascii", "text", "txt")
LINE_PART_BYTES = 65536


def open_nrrd(path: Path, *, frame_axis: int | None = None) -> Cine:
    """Return the cine of an NRRD file.

    Args:
        path: File with the header.
        frame_axis: Axis that counts the frames, axis 0 varying fastest; by default, the axis of kind ``list`` or
            ``time``.

    Raises:
        ReadError: If the header or the pixel file is missing or damaged, or describes a 3-D volume.
    """
    try:
        with path.open("rb") as file:
            header = _header(file)
            offset = file.tell()
        sizes = tuple(int(size) for size in header["sizes"])
        dtype = _dtype(header)
    except HEADER_ERRORS as error:
        raise bad_header(path, "a complete NRRD header", one_line(error)) from error
    if len(sizes) > 1 and header.get("dimension") != len(sizes):
        raise bad_header(path, f"a dimension that fits the {len(sizes)} sizes", f"dimension {header.get('dimension')}")
    refuse_radio_frequency(path, _plus_field(header, "UltrasoundImageType"))
    kinds = [str(kind).lower() for kind in header.get("kinds", ())][: len(sizes)]
    frame_axis_in_header = _frame_axis(header, kinds)
    raster = Raster(
        sizes=sizes,
        load=_loader(path, header, offset, dtype, sizes),
        spacing_mm=_spacing(header, len(sizes)),
        frame_axis=frame_axis_in_header,
        channel_axis=_first(kinds, CHANNEL_KINDS),
        times_s=sequence_times(path, header) or _index_times(path, header, frame_axis_in_header),
        orientation=_plus_field(header, "UltrasoundImageOrientation"),
        has_orientation=has_frame_fields(header) or any(name in header for name in ORIENTATION),
    )
    return cine_from_raster(path, raster, frame_axis)


def _plus_field(header: Mapping[str, Any], name: str) -> str:
    """Return a field of PLUS, which is written ``UltrasoundImageType`` or ``ultrasound image type``."""
    keys = (key for key in header if key.replace(" ", "").lower() == name.lower())
    return next((str(header[key]) for key in keys), "")


def _frame_axis(header: Mapping[str, Any], kinds: list[str]) -> int | None:
    """Return the axis that the kinds name. Of three axes, a list with a spacing or without frames makes a volume."""
    axis = _first(kinds, FRAME_KINDS)
    if axis is None or kinds[axis] != "list" or len(kinds) - (_first(kinds, CHANNEL_KINDS) is not None) > 3:
        return axis
    described = has_frame_fields(header) or any(re.fullmatch(r"axis \d+ index values", name) for name in header)
    spacing = _spacing(header, len(kinds))
    return axis if described or (spacing is not None and not math.isfinite(spacing[axis])) else None


def _first(kinds: list[str], candidates: set[str]) -> int | None:
    return next((axis for axis, kind in enumerate(kinds) if kind in candidates), None)


def _dtype(header: Mapping[str, Any]) -> np.dtype:
    name = header["type"].removesuffix("_t")
    code = next((code for code, names in C_TYPES.items() if name in (*names, np.dtype(code).name)), None)
    if code is None:
        msg = f"pixels of type {name!r}"
        raise ValueError(msg)
    dtype = np.dtype(code)
    is_text = str(header.get("encoding", "")).lower() in TEXT_ENCODINGS
    if dtype.itemsize > 1 and not is_text and "endian" not in header:
        msg = f"values of {dtype.itemsize} bytes without the field 'endian', which tells their order"
        raise ValueError(msg)
    return dtype.newbyteorder(">" if header.get("endian") == "big" else "<")


def _header(file: IO[bytes]) -> Any:
    """Return the parsed header and leave the file at its end, which is an empty line or the end of the file.

    Raises:
        ValueError: If the header is too large.
    """
    lines: list[bytes] = []
    while (line := file.readline(MAX_HEADER_BYTES)).strip():
        lines.append(line)
        if file.tell() > MAX_HEADER_BYTES:
            msg = "no end of the header in the first 64 MB"
            raise ValueError(msg)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)  # raised for sizes that are no whole numbers
        return nrrd.read_header(io.BytesIO(b"".join(lines)))


def _loader(
    path: Path, header: Any, offset: int, dtype: np.dtype, sizes: tuple[int, ...]
) -> Callable[[], NDArray[Any]]:
    """Return a function that returns the array, shape ``sizes[::-1]``; compressed data is decoded once and cached."""
    if len(sizes) < 2 or min(sizes) < 1:
        return lambda: np.empty(sizes[::-1], np.uint8)
    detached = header.get("data file", header.get("datafile"))
    pixel_file = path if detached is None else path.parent / str(detached)
    if not pixel_file.is_file():
        raise missing_pixel_file(path, pixel_file)
    encoding, byte_skip = str(header.get("encoding", "")).lower(), _skip(header, "byte")
    offset = _skip_lines(path, pixel_file, offset if detached is None else 0, _skip(header, "line"))
    shape = sizes[::-1]
    if encoding == "raw":
        if byte_skip == -1:  # the pixels are the last bytes of the file
            offset, byte_skip = max(0, pixel_file.stat().st_size - math.prod(sizes) * dtype.itemsize), 0
        return raw_array(pixel_file, offset=offset + max(0, byte_skip), dtype=dtype, shape=shape)
    if byte_skip < 0:
        raise bad_header(path, f"a byte skip of 0 or more with the encoding {encoding!r}", str(byte_skip))
    if encoding in CODECS:
        codec = CODECS[encoding]
        return compressed_array(pixel_file, codec, offset=offset, dtype=dtype, shape=shape, skip=byte_skip)
    if encoding in TEXT_ENCODINGS:
        return text_array(pixel_file, offset=offset + byte_skip, dtype=dtype, shape=shape)
    known = ", ".join(("raw", *CODECS, *TEXT_ENCODINGS))
    raise bad_header(path, f"one of the encodings {known}", repr(encoding))


def _skip(header: Mapping[str, Any], unit: str) -> int:
    return int(header.get(f"{unit} skip", header.get(f"{unit}skip", 0)))


def _skip_lines(path: Path, pixel_file: Path, offset: int, count: int) -> int:
    """Return the position after a number of lines."""
    left = pixel_file.stat().st_size - offset
    if not 0 <= count <= left:
        raise bad_header(path, f"a line skip from 0 to {left}, the bytes of the file", str(count))
    with pixel_file.open("rb") as file:
        file.seek(offset)
        for _ in range(count):
            while (line := file.readline(LINE_PART_BYTES)) and not line.endswith(b"\n"):
                pass
            if not line:
                raise bad_header(path, f"{count} lines to skip", "the end of the file")
        return file.tell()


def _spacing(header: Mapping[str, Any], num_axes: int) -> tuple[float, ...] | None:
    """Return the spacing per axis; not for PLUS sequences, which state 1 for unknown spacing."""
    if has_frame_fields(header):
        return None
    if "space directions" in header:
        spacing = [float(np.linalg.norm(row)) for row in _rows(header["space directions"])]
    else:
        spacing = [float(step) for step in header.get("spacings", ())]
    if len(spacing) != num_axes or not any(math.isfinite(step) and step > 0 for step in spacing):
        return None
    return tuple(spacing)


def _rows(directions: Sequence[Any]) -> list[Any]:
    return [[math.nan] if row is None else row for row in directions]


def _index_times(path: Path, header: Mapping[str, Any], frame_axis: int | None) -> list[float] | None:
    """Return the index values of a Slicer sequence in seconds, or ``None`` if its index is not time."""
    if frame_axis is None:
        return None
    unit = _entry(header, "units", frame_axis) or str(header.get(f"axis {frame_axis} index unit", ""))
    # Slicer does not count the color axis, so the number in the key can differ from that of the frame axis.
    values = next((header[key] for key in ("axis 0 index values", "axis 3 index values") if key in header), "")
    seconds = SECONDS_PER_UNIT.get(unit.lower())
    if seconds is None or not values:
        return None
    times = parse_times(path, [("an index value", unquote(value)) for value in str(values).split()])
    return None if times is None else [time * seconds for time in times]


def _entry(header: Mapping[str, Any], key: str, axis: int) -> str:
    entries = header.get(key, ())
    return str(entries[axis]).strip() if axis < len(entries) else ""
