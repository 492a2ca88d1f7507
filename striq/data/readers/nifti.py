"""NIfTI-1 (``.nii``, ``.nii.gz``): one picture, or pictures along the fourth axis."""

from __future__ import annotations

import gzip
import math
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from striq.data.cine import Cine
from striq.data.readers.complaints import bad_header, cut_off, one_line
from striq.data.readers.pixel_bytes import raw_array
from striq.data.readers.raster import LOAD_ERRORS, Raster, cine_from_raster

HEADER_BYTES = 348
RGB24, RGBA32 = 128, 2304
DATA_TYPES = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    RGB24: "u1",
    RGBA32: "u1",
}
SECONDS_PER_UNIT = {8: 1.0, 16: 1e-3, 24: 1e-6}  # NIfTI codes of s, ms and us
MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 1e-3}  # unknown (as CAMUS), m, mm, um
TIME_AXIS = 3  # the fourth axis of a NIfTI file is time by definition


def open_nifti(path: Path, *, frame_axis: int | None = None) -> Cine:
    """Return the cine of a NIfTI file.

    Raises:
        ReadError: If the header is not NIfTI-1, the file is cut off, or it holds a 3-D volume.
    """
    try:
        with _opened(path) as file:
            header = file.read(HEADER_BYTES)
    except LOAD_ERRORS as error:
        raise bad_header(path, "a gzip file with a NIfTI-1 header", one_line(error)) from error
    order = next((order for order in "<>" if header[:4] == struct.pack(f"{order}i", HEADER_BYTES)), None)
    if order is None or len(header) < HEADER_BYTES or header[344:347] != b"n+1":
        raise bad_header(path, "a single-file NIfTI-1 header (348 bytes)", f"{len(header)} bytes of another kind")
    num_axes, *all_sizes = struct.unpack(f"{order}8h", header[40:56])
    data_type = struct.unpack(f"{order}h", header[70:72])[0]
    if not 1 <= num_axes <= 7 or data_type not in DATA_TYPES:
        raise bad_header(path, "1 to 7 axes of integers, floats or RGB", f"{num_axes} axes of type {data_type}")
    return cine_from_raster(path, _raster(path, header, order, tuple(all_sizes[:num_axes]), data_type), frame_axis)


def _opened(path: Path) -> gzip.GzipFile | BinaryIO:
    return gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb")


def _raster(path: Path, header: bytes, order: str, sizes: tuple[int, ...], data_type: int) -> Raster:
    num_channels = {RGB24: 3, RGBA32: 4}.get(data_type, 1)
    shift = 1 if num_channels > 1 else 0  # color is interleaved: the fastest axis of the array
    steps = struct.unpack(f"{order}7f", header[80:108])[: len(sizes)]
    units = header[123]
    spacing = tuple(abs(step) * MM_PER_UNIT.get(units & 7, 1.0) for step in steps)
    times = None
    if len(sizes) > TIME_AXIS and (seconds := SECONDS_PER_UNIT.get(units & 56)) and steps[TIME_AXIS] > 0:
        times = [index * steps[TIME_AXIS] * seconds for index in range(sizes[TIME_AXIS])]
    shaped = (num_channels,) * shift + sizes
    dtype = np.dtype(DATA_TYPES[data_type]).newbyteorder(order)  # type: ignore[arg-type]
    return Raster(
        sizes=shaped,
        load=_scaled(_loader(path, header, order, dtype, shaped[::-1]), header, order),
        spacing_mm=(1.0,) * shift + spacing if all(step > 0 for step in spacing[:2]) else None,
        frame_axis=TIME_AXIS + shift if len(sizes) > TIME_AXIS else None,
        channel_axis=0 if num_channels > 1 else None,
        times_s=times,
    )


def _loader(path: Path, header: bytes, order: str, dtype: np.dtype, shape: tuple[int, ...]) -> Callable[[], NDArray]:
    """Return the function that gives the stored array; a ``.gz`` file is decoded once and kept."""
    offset = struct.unpack(f"{order}f", header[108:112])[0]
    offset = int(offset) if HEADER_BYTES <= offset < 2**31 else HEADER_BYTES + 4
    if min(shape) < 1:
        return lambda: np.empty(shape, dtype)
    if not path.name.lower().endswith(".gz"):
        return raw_array(path, offset=offset, dtype=dtype, shape=shape)

    @cache
    def load() -> NDArray:
        num_bytes = math.prod(shape) * dtype.itemsize
        with gzip.open(path, "rb") as file:
            data = file.read(offset + num_bytes)[offset:]
        if len(data) < num_bytes:
            raise cut_off(path, num_bytes, len(data))
        return np.frombuffer(data, dtype=dtype).reshape(shape)

    return load


def _scaled(load: Callable[[], NDArray], header: bytes, order: str) -> Callable[[], NDArray]:
    """Apply the slope and intercept of the header, if it has any that change the values."""
    slope, intercept = struct.unpack(f"{order}2f", header[112:120])
    if slope == 0 or not np.isfinite([slope, intercept]).all() or (slope == 1 and intercept == 0):
        return load

    def scaled() -> NDArray:
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused with the finished frame
            return load().astype(np.float32) * np.float32(slope) + np.float32(intercept)

    return scaled
