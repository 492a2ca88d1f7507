"""Reader of NIfTI files (``.nii``, ``.nii.gz``), based on nibabel: one image, or a cine along the fourth axis."""

from __future__ import annotations

import gzip
import io
import logging
import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.imageglobals import logger as nibabel_logger
from nibabel.nifti1 import Nifti1Image
from nibabel.nifti2 import Nifti2Image
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from striq.data.cine import Cine
from striq.data.readers.limits import CHANNELS, refuse_many_frames
from striq.data.readers.pixel_bytes import compressed_array, raw_array
from striq.data.readers.raster import LOAD_ERRORS, Raster, cine_from_raster
from striq.data.readers.reader_errors import bad_header, one_line

logger = logging.getLogger(__name__)

SECONDS_PER_UNIT = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
MM_PER_UNIT = {"unknown": 1.0, "meter": 1000.0, "mm": 1.0, "micron": 1e-3}  # CAMUS states no unit and uses mm
TIME_AXIS, VECTOR_AXIS = 3, 4  # the fourth axis of a NIfTI file is time, the fifth counts the parts of a vector
MAX_START_BYTES = 2**22  # of the file, decoded, which must hold the header and its extensions
HEADER_ERRORS = (*LOAD_ERRORS, ImageFileError, HeaderDataError, WrapStructError, KeyError, OverflowError)


def open_nifti(path: Path, *, frame_axis: int | None = None) -> Cine:
    """Return the cine of a NIfTI file.

    Args:
        path: NIfTI file.
        frame_axis: Axis that counts the frames, axis 0 varying fastest; by default, the header decides.

    Raises:
        ReadError: If the header is not NIfTI, the file is truncated, or it contains a 3-D volume.
    """
    try:
        with _quiet():
            raster = _raster(path, _read_header(path))
    except HEADER_ERRORS as error:
        raise bad_header(path, "a single-file NIfTI header", one_line(error)) from error
    return cine_from_raster(path, raster, frame_axis)


@contextmanager
def _quiet() -> Generator[None, None, None]:
    """Silence nibabel's messages about repaired headers; errors are reported by ``ReadError`` alone."""
    level = nibabel_logger.level
    nibabel_logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        nibabel_logger.setLevel(level)


def _read_header(path: Path) -> Any:
    """Return the header; no more than it may take is read, or decoded, from the file."""
    with path.open("rb") as file:
        stream = gzip.GzipFile(fileobj=file, mode="rb") if _is_compressed(path) else file
        start = stream.read(MAX_START_BYTES)
    errors: list[Exception] = []
    for kind in (Nifti1Image, Nifti2Image):
        try:
            return kind.header_class.from_fileobj(io.BytesIO(start))
        except (ImageFileError, HeaderDataError, WrapStructError) as error:
            errors.append(error)
    raise errors[0]


def _is_compressed(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def _raster(path: Path, header: Any) -> Raster:
    sizes = tuple(int(size) for size in header.get_data_shape())
    dtype = header.get_data_dtype()
    load = _loader(path, header, sizes)
    color = dtype.fields is not None
    shift = 1 if color else 0  # color is interleaved, so channels are the fastest axis of the array
    steps = [abs(float(step)) for step in header.get_zooms()]
    try:
        length_unit, time_unit = header.get_xyzt_units()
    except KeyError:  # a code that does not exist
        logger.warning("%s: the units of spacing and time are unknown.", path)
        length_unit, time_unit = "mm", "unknown"
    spacing = tuple(step * MM_PER_UNIT[length_unit] for step in steps)
    times = None
    if len(sizes) > TIME_AXIS and (seconds := SECONDS_PER_UNIT.get(time_unit)) and 0 < steps[TIME_AXIS] < math.inf:
        refuse_many_frames(path, sizes[TIME_AXIS])
        times = [index * steps[TIME_AXIS] * seconds for index in range(sizes[TIME_AXIS])]
    return Raster(
        sizes=(len(dtype.fields),) * shift + sizes if color else sizes,
        load=load,
        spacing_mm=(1.0,) * shift + spacing if all(step > 0 for step in spacing[:2]) else None,
        frame_axis=TIME_AXIS + shift if len(sizes) > TIME_AXIS else None,
        channel_axis=0 if color else _vector_axis(sizes),
        times_s=times,
        has_orientation=_has_orientation(header),
        rescale=_rescaling(header),
    )


def _has_orientation(header: Any) -> bool:
    """Return whether the header says how the axes lie; nibabel writes the identity for an array without an affine."""
    stated = [matrix for matrix, code in (header.get_sform(coded=True), header.get_qform(coded=True)) if code]
    return any(not np.array_equal(matrix, np.eye(4)) for matrix in stated)


def _vector_axis(sizes: tuple[int, ...]) -> int | None:
    """Return the axis of colors that are written as vectors, as ITK does."""
    return VECTOR_AXIS if len(sizes) > VECTOR_AXIS and sizes[VECTOR_AXIS] in CHANNELS[1:] else None


def _loader(path: Path, header: Any, sizes: tuple[int, ...]) -> Callable[[], NDArray[Any]]:
    """Return a function that returns the array in C order, memory-mapped, or decoded once if it is compressed."""
    if len(sizes) < 2 or min(sizes) < 1:
        return lambda: np.empty(sizes[::-1], np.uint8)
    dtype, shape, offset = header.get_data_dtype(), sizes[::-1], int(header.get_data_offset())
    if _is_compressed(path):
        load = compressed_array(path, "gzip", offset=0, dtype=dtype, shape=shape, skip=offset)
    else:
        load = raw_array(path, offset=offset, dtype=dtype, shape=shape)
    fields = dtype.fields
    if fields is None:
        return load
    return lambda: (stored := load()).view(next(iter(fields.values()))[0]).reshape(*stored.shape, len(fields))


def _rescaling(header: Any) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Return the function from stored to real values; it leaves values without slope and intercept as they are.

    Bytes are gray of 8 bits whatever their scale. Only a falling one inverts them.
    """
    slope, intercept = header.get_slope_inter()
    if header.get_data_dtype() == np.uint8 and slope is not None:
        return (lambda stored: stored) if slope > 0 else (lambda stored: 255 - stored)
    if slope in (None, 1) and intercept in (None, 0):
        return lambda stored: stored

    def scaled(stored: NDArray[Any]) -> NDArray[Any]:
        with np.errstate(over="ignore", invalid="ignore"):  # the cine refuses frames with values that are not finite
            return stored.astype(np.float32) * np.float32(1 if slope is None else slope) + np.float32(intercept or 0)

    return scaled
