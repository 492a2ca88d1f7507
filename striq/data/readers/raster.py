"""Cines from n-dimensional arrays (NIfTI, MetaImage, NRRD): which axis is time, and where is up."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from striq.data.cine import Cine
from striq.data.readers.intensity import to_unit_gray
from striq.data.readers.reader_errors import one_line
from striq.errors import ReadError

# How compressed or vanished data shows up when it is read at last.
LOAD_ERRORS = (OSError, EOFError, zlib.error, ValueError)


@dataclass(frozen=True)
class Raster:
    """The array of a file and what its header says about the axes.

    Convention:
        - ``sizes``, ``spacing_mm`` and axis numbers are in file order: axis 0 varies fastest.
        - ``load()`` returns the array in C order, shape ``sizes[::-1]``.
        - Without the special axes, axis 0 runs along a row of the picture and axis 1 down its columns. Orientation
          matrices are not applied: the picture is taken as stored, which is what ultrasound exporters mean.
        - ``orientation`` is the PLUS code of the stored picture, such as ``"MF"``.
    """

    sizes: tuple[int, ...]
    load: Callable[[], NDArray]
    spacing_mm: tuple[float, ...] | None = None
    frame_axis: int | None = None
    channel_axis: int | None = None
    times_s: Sequence[float] | None = None
    orientation: str = ""


def cine_from_raster(path: Path, raster: Raster, frame_axis: int | None = None) -> Cine:
    """Return the cine of an n-dimensional file.

    The frame axis is, in this order: what the caller says, what the header says, or the last axis of a file that
    names itself a sequence (``patient0001_4CH_sequence.mhd``, as CAMUS does).

    Raises:
        ReadError: If the file has no picture, or a third spatial axis (a volume).
    """
    _refuse_without_picture(path, raster)
    time_axis = _frame_axis(path, raster, frame_axis)
    column_axis, row_axis = _picture_axes(path, raster, time_axis)

    def read_pixels(index: int) -> NDArray[np.float32]:
        try:
            data = raster.load()
        except LOAD_ERRORS as error:
            raise _damaged(path, error) from error
        picture = _picture(data, (row_axis, column_axis), raster.channel_axis, (time_axis, index))
        return upright(to_unit_gray(picture), raster.orientation)

    num_frames = 1 if time_axis is None else raster.sizes[time_axis]
    spacing = None
    if raster.spacing_mm is not None:
        down, along = (column_axis, row_axis) if _is_transposed(raster.orientation) else (row_axis, column_axis)
        spacing = (raster.spacing_mm[down], raster.spacing_mm[along])
    times = raster.times_s if raster.times_s is not None and len(raster.times_s) == num_frames else None
    return Cine(str(path), num_frames, read_pixels, spacing_mm=spacing, times_s=times)


def upright(picture: NDArray[np.float32], orientation: str) -> NDArray[np.float32]:
    """Turn a stored picture so that columns run to the marked side and rows run away from the probe.

    The PLUS code names the direction of increasing column and of increasing row: M marked, U unmarked side; F far
    from, N near the probe. ``MF`` is how PLUS itself keeps and shows B-mode. A third letter is the direction across
    the picture and is ignored; an unknown code such as ``XX`` leaves the picture as stored.
    """
    code = orientation.upper()[:2]
    if _is_transposed(orientation):
        picture, code = picture.T, code[::-1]
    if code[:1] == "U":
        picture = picture[:, ::-1]
    return picture[::-1] if code[1:] == "N" else picture


def _is_transposed(orientation: str) -> bool:
    return orientation.upper()[:2] in {"FM", "FU", "NM", "NU"}


def _refuse_without_picture(path: Path, raster: Raster) -> None:
    if len(raster.sizes) < 2 or min(raster.sizes) < 1:
        raise ReadError(
            what="The file has no picture",
            where=path,
            expected="at least 1 row and 1 column of pixels",
            got=f"sizes {_times(raster.sizes)}",
            remedy="Record or export the file with its images, not with tracking data alone.",
        )


def _frame_axis(path: Path, raster: Raster, requested: int | None) -> int | None:
    if requested is not None:
        if not 0 <= requested < len(raster.sizes):
            raise ReadError(
                what="The file has no such frame axis",
                where=path,
                expected=f"'frame_axis' from 0 (fastest) to {len(raster.sizes) - 1}",
                got=str(requested),
                remedy=f"Choose one of the axes; their sizes are {_times(raster.sizes)}.",
            )
        return requested
    if raster.frame_axis is not None:
        return raster.frame_axis
    names_itself_sequence = "sequence" in re.split(r"[^a-z0-9]+", path.name.lower())
    num_picture_axes = len(raster.sizes) - (raster.channel_axis is not None)
    return len(raster.sizes) - 1 if names_itself_sequence and num_picture_axes > 2 else None


def _picture_axes(path: Path, raster: Raster, time_axis: int | None) -> tuple[int, int]:
    """Return the column and the row axis; every further axis must have size 1."""
    special = {time_axis, raster.channel_axis}
    spatial = [axis for axis in range(len(raster.sizes)) if axis not in special]
    if len(spatial) < 2 or any(raster.sizes[axis] > 1 for axis in spatial[2:]):
        raise ReadError(
            what="This is a 3-D volume where frames are wanted" if len(spatial) > 2 else "The file has no picture axes",
            where=path,
            expected="2-D pictures, or 2-D pictures over time",
            got=f"sizes {_times(raster.sizes)} with {len(spatial)} spatial axes",
            remedy="If one axis is time, save the file as a sequence (in Slicer: .seq.nrrd) or name that axis "
            "with open_cine(path, frame_axis=...).",
        )
    return spatial[0], spatial[1]


def _picture(
    data: NDArray, picture_axes: tuple[int, int], channel_axis: int | None, frame: tuple[int | None, int]
) -> NDArray:
    """Cut one frame out of the array: shape ``(H, W)``, or ``(H, W, C)`` with a channel axis."""
    kept = [*picture_axes] if channel_axis is None else [*picture_axes, channel_axis]
    file_axes = data.transpose()  # now in file order, axis 0 fastest
    selection = tuple(
        slice(None) if axis in kept else frame[1] if axis == frame[0] else 0 for axis in range(file_axes.ndim)
    )
    remaining = sorted(kept)
    return np.array(file_axes[selection].transpose([remaining.index(axis) for axis in kept]))


def _damaged(path: Path, error: Exception) -> ReadError:
    return ReadError(
        what="The pixel data is damaged or cut off",
        where=path,
        expected="the pixels that the header announces",
        got=one_line(error),
        remedy="Copy or export the file again.",
    )


def _times(sizes: Sequence[int]) -> str:
    return " x ".join(str(size) for size in sizes)
