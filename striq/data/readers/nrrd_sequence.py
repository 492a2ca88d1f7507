"""Reader of NRRD: images (``.nrrd``), 3D Slicer sequences (``.seq.nrrd``) and PLUS sequences (``.igs.nrrd``)."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import nrrd
import numpy as np
from nrrd.errors import NRRDError
from numpy.typing import NDArray

from striq.data.cine import Cine
from striq.data.readers.pixel_bytes import raw_array
from striq.data.readers.plus import has_frame_fields, parse_times, refuse_radio_frequency, sequence_times
from striq.data.readers.raster import Raster, cine_from_raster
from striq.data.readers.reader_errors import bad_header, missing_pixel_file, one_line
from striq.errors import ReadError

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
CHANNEL_KINDS = {"vector", "rgb-color", "rgba-color", "3-color", "4-color", "2-vector", "3-vector", "4-vector"}
SECONDS_PER_UNIT = {"s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6}
HEADER_ERRORS = (NRRDError, OSError, ValueError, KeyError, IndexError, TypeError)
DATA_ERRORS = (NRRDError, OSError, EOFError, ValueError, TypeError, KeyError, MemoryError, zlib.error)


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
            header = nrrd.read_header(file)
            offset = file.tell()
        sizes = tuple(int(size) for size in header["sizes"])
        dtype = _dtype(header)
    except HEADER_ERRORS as error:
        raise bad_header(path, "a complete NRRD header", one_line(error)) from error
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
    return dtype.newbyteorder(">" if header.get("endian") == "big" else "<")


def _loader(
    path: Path, header: Any, offset: int, dtype: np.dtype, sizes: tuple[int, ...]
) -> Callable[[], NDArray[Any]]:
    """Return a function that returns the array, shape ``sizes[::-1]``; compressed data is decoded once and cached."""
    if not sizes or min(sizes) < 1:
        return lambda: np.empty(sizes[::-1], np.uint8)
    detached = header.get("data file", header.get("datafile"))
    pixel_file = path if detached is None else path.parent / str(detached)
    if not pixel_file.is_file():
        raise missing_pixel_file(path, pixel_file)
    skips = {int(header.get(key, 0)) for key in ("line skip", "lineskip", "byte skip", "byteskip")}
    if header.get("encoding") == "raw" and skips == {0}:
        start = offset if detached is None else 0
        return raw_array(pixel_file, offset=start, dtype=dtype, shape=sizes[::-1])

    @cache
    def load() -> NDArray[Any]:
        try:
            return nrrd.read(str(path), index_order="C")[0]
        except DATA_ERRORS as error:
            raise ReadError(
                what="The pixel data is damaged or truncated",
                where=path,
                expected=f"{math.prod(sizes)} values",
                got=one_line(error),
                remedy="Copy or export the file again.",
            ) from error

    return load


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
