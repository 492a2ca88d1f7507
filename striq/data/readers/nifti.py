"""Reader of NIfTI files (``.nii``, ``.nii.gz``), based on nibabel: one image, or a cine along the fourth axis."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.imageglobals import logger as nibabel_logger
from nibabel.nifti1 import Nifti1Image
from nibabel.nifti2 import Nifti2Image
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from striq.data.cine import Cine
from striq.data.readers.raster import LOAD_ERRORS, Raster, cine_from_raster
from striq.data.readers.reader_errors import bad_header, one_line, truncated

logger = logging.getLogger(__name__)

SECONDS_PER_UNIT = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
MM_PER_UNIT = {"unknown": 1.0, "meter": 1000.0, "mm": 1.0, "micron": 1e-3}  # CAMUS states no unit and uses mm
TIME_AXIS = 3  # the fourth axis of a NIfTI file is time by definition
GZIP_RATIO = 1032  # largest possible compression ratio of deflate


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
            image = _load(path)
            raster = _raster(path, image)
    except (*LOAD_ERRORS, ImageFileError, HeaderDataError, KeyError, OverflowError) as error:
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


def _load(path: Path) -> Any:
    errors: list[Exception] = []
    for kind in (Nifti1Image, Nifti2Image):
        try:
            return kind.from_filename(path)
        except (ImageFileError, HeaderDataError) as error:
            errors.append(error)
    raise errors[0]


def _raster(path: Path, image: Any) -> Raster:
    header = image.header
    sizes = tuple(int(size) for size in header.get_data_shape())
    color = header.get_data_dtype().fields is not None
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
        times = [index * steps[TIME_AXIS] * seconds for index in range(sizes[TIME_AXIS])]
    if sizes and min(sizes) > 0:
        _refuse_short_file(path, math.prod(sizes) * header.get_data_dtype().itemsize)
    return Raster(
        sizes=(len(header.get_data_dtype().fields),) * shift + sizes if color else sizes,
        load=_loader(image),
        spacing_mm=(1.0,) * shift + spacing if all(step > 0 for step in spacing[:2]) else None,
        frame_axis=TIME_AXIS + shift if len(sizes) > TIME_AXIS else None,
        channel_axis=0 if color else None,
        times_s=times,
    )


def _refuse_short_file(path: Path, num_bytes: int) -> None:
    """Check the size before allocating memory, which a damaged or malicious header could otherwise exhaust."""
    max_bytes = path.stat().st_size * (GZIP_RATIO if path.name.lower().endswith(".gz") else 1)
    if max_bytes < num_bytes:
        raise truncated(path, num_bytes, max_bytes)


def _loader(image: Any) -> Callable[[], NDArray[Any]]:
    """Return a function that returns the array in C order, memory-mapped, or decoded once if it is compressed."""

    @cache
    def stored() -> NDArray[Any]:
        array = np.asanyarray(image.dataobj.get_unscaled()).T
        fields = array.dtype.fields
        return array if fields is None else np.stack([array[name] for name in fields], axis=-1)

    slope, intercept = image.dataobj.slope, image.dataobj.inter
    if slope == 1 and intercept == 0:
        return stored

    def scaled() -> NDArray[Any]:
        with np.errstate(over="ignore", invalid="ignore"):  # the cine refuses frames with values that are not finite
            return stored().astype(np.float32) * np.float32(slope) + np.float32(intercept)

    return scaled
