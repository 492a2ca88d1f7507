"""Cines from n-dimensional arrays (NIfTI, MetaImage, NRRD): choice of the frame axis, and orientation."""

from __future__ import annotations

import logging
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striq.data.cine import Cine
from striq.data.readers.gray_frames import GrayFrames
from striq.data.readers.limits import CHANNELS, refuse_large_frame, refuse_many_frames, refuse_other_channels
from striq.data.readers.reader_errors import one_line
from striq.errors import ReadError

logger = logging.getLogger(__name__)
# Raised when pixel data, read on access, is damaged or has been removed.
LOAD_ERRORS = (OSError, EOFError, zlib.error, ValueError)


@dataclass(frozen=True)
class Raster:
    """The pixel array of a file and the description of its axes.

    Convention:
        - ``sizes``, ``spacing_mm`` and axis numbers are in file order: axis 0 varies fastest.
        - ``load()`` returns the array in C order, shape ``sizes[::-1]``.
        - Apart from the frame and channel axes, axis 0 runs along the rows of the image and axis 1 down its columns.
          Orientation matrices are ignored, because ultrasound exporters store images as displayed.
        - ``orientation`` is the PLUS orientation code of the stored image, such as ``"MF"``.
        - ``has_orientation`` is false if the file says nothing of how its axes lie, as an array that a program of its
          user has saved.
        - ``rescale`` maps stored to real values; it is applied to one frame at a time.
    """

    sizes: tuple[int, ...]
    load: Callable[[], NDArray[Any]]
    spacing_mm: tuple[float, ...] | None = None
    frame_axis: int | None = None
    channel_axis: int | None = None
    times_s: Sequence[float] | None = None
    orientation: str = ""
    has_orientation: bool = True
    rescale: Callable[[NDArray[Any]], NDArray[Any]] = lambda stored: stored


def cine_from_raster(path: Path, raster: Raster, frame_axis: int | None = None) -> Cine:
    """Return the cine of an n-dimensional file.

    The frame axis is the one that the caller states, or else the one that the header states, or else the last axis if
    the file name contains the word "sequence" (``patient0001_4CH_sequence.mhd`` in CAMUS).

    Args:
        path: File, for its name and for messages.
        raster: Its pixel array and axes.
        frame_axis: Axis that counts the frames, axis 0 varying fastest; by default, the header decides.

    Raises:
        ReadError: If the file has no image, a third spatial axis (a volume), or larger frames than can be read.
    """
    _refuse_without_image(path, raster)
    time_axis = _frame_axis(path, raster, frame_axis)
    column_axis, row_axis = _image_axes(path, raster, time_axis)
    refuse_large_frame(path, raster.sizes[row_axis], raster.sizes[column_axis])
    if raster.channel_axis is not None:
        refuse_other_channels(path, raster.sizes[raster.channel_axis])

    if not raster.has_orientation:
        logger.warning(
            "%s: the file does not say how its axes lie. Axis %d (%d pixels) is read along the rows of the picture, "
            "axis %d (%d pixels) down its columns, as ITK, MONAI and 3D Slicer do; save an array (H, W) transposed.",
            path,
            column_axis,
            raster.sizes[column_axis],
            row_axis,
            raster.sizes[row_axis],
        )

    def read_stored(index: int) -> NDArray[Any]:
        try:
            data = raster.load()
        except LOAD_ERRORS as error:
            raise _damaged(path, error) from error
        image = _extract_frame(data, (row_axis, column_axis), raster.channel_axis, (time_axis, index))
        _refuse_vectors(path, image, index)
        return raster.rescale(image)

    num_frames = 1 if time_axis is None else raster.sizes[time_axis]
    refuse_many_frames(path, num_frames)
    frames = GrayFrames(str(path), num_frames, read_stored)
    spacing = None
    if raster.spacing_mm is not None:
        down, along = (column_axis, row_axis) if _is_transposed(raster.orientation) else (row_axis, column_axis)
        spacing = (raster.spacing_mm[down], raster.spacing_mm[along])
    times = raster.times_s if raster.times_s is not None and len(raster.times_s) == num_frames else None
    return Cine(
        str(path),
        num_frames,
        lambda index: upright(frames(index), raster.orientation),
        spacing_mm=spacing,
        times_s=times,
    )


def upright(image: NDArray[np.float32], orientation: str) -> NDArray[np.float32]:
    """Reorient a stored image so that columns increase toward the marked side and rows away from the probe.

    The letters of a PLUS code are the directions of increasing column and of increasing row: M toward the marked side
    and U toward the unmarked side of the probe, F far from and N near the probe. PLUS itself displays B-mode as
    ``MF``. A third letter is the direction across the image and is ignored. Images with an unknown code such as ``XX``
    are returned as stored.

    Args:
        image: Stored image, shape ``(H, W)``.
        orientation: PLUS orientation code, or an empty string.
    """
    code = orientation.upper()[:2]
    if _is_transposed(orientation):
        image, code = image.T, code[::-1]
    if code[:1] == "U":
        image = image[:, ::-1]
    return image[::-1] if code[1:] == "N" else image


def _is_transposed(orientation: str) -> bool:
    return orientation.upper()[:2] in {"FM", "FU", "NM", "NU"}


def _refuse_without_image(path: Path, raster: Raster) -> None:
    if len(raster.sizes) < 2 or min(raster.sizes) < 1:
        raise ReadError(
            what="The file has no image",
            where=path,
            expected="at least 1 row and 1 column of pixels",
            got=f"sizes {_by(raster.sizes)}",
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
                remedy=f"Choose one of the axes; their sizes are {_by(raster.sizes)}.",
            )
        return requested
    if raster.frame_axis is not None:
        return raster.frame_axis
    is_named_sequence = "sequence" in re.split(r"[^a-z0-9]+", path.name.lower())
    num_axes = len(raster.sizes) - (raster.channel_axis is not None)
    return len(raster.sizes) - 1 if is_named_sequence and num_axes > 2 else None


def _image_axes(path: Path, raster: Raster, time_axis: int | None) -> tuple[int, int]:
    """Return the column and the row axis; all other spatial axes must have size 1, wherever they are."""
    special = {time_axis, raster.channel_axis}
    spatial = [axis for axis in range(len(raster.sizes)) if axis not in special]
    extended = [axis for axis in spatial if raster.sizes[axis] > 1]
    if len(extended) == 2:
        return extended[0], extended[1]
    if len(spatial) < 2 or len(extended) > 2:
        colors = [axis for axis in extended if raster.sizes[axis] in CHANNELS[1:]] if len(extended) == 3 else []
        raise ReadError(
            what="The file is a 3-D volume" if len(spatial) > 2 else "The file has no image axes",
            where=path,
            expected="2-D images, or 2-D images over time",
            got=f"sizes {_by(raster.sizes)} with {len(spatial)} spatial axes",
            remedy=f"If axis {colors[0]} holds colors, save them as gray, or as vectors (in NIfTI: type RGB24)."
            if colors
            else "If one axis is time, save the file as a sequence (in Slicer: .seq.nrrd) or name that axis "
            "with open_cine(path, frame_axis=...).",
        )
    return spatial[0], spatial[1]


def _extract_frame(
    data: NDArray[Any], image_axes: tuple[int, int], channel_axis: int | None, frame: tuple[int | None, int]
) -> NDArray[Any]:
    """Return one frame of the array, shape ``(H, W)``, or ``(H, W, C)`` with a channel axis."""
    result_axes = [*image_axes] if channel_axis is None else [*image_axes, channel_axis]
    in_file_order = data.transpose()  # axis 0 varies fastest
    selection = tuple(
        slice(None) if axis in result_axes else frame[1] if axis == frame[0] else 0
        for axis in range(in_file_order.ndim)
    )
    remaining = sorted(result_axes)
    return np.array(in_file_order[selection].transpose([remaining.index(axis) for axis in result_axes]))


def _refuse_vectors(path: Path, image: NDArray[Any], index: int) -> None:
    """Raise ``ReadError`` for complex numbers, and for vectors, which colors with negative values are."""
    if image.dtype.kind == "c" or (image.ndim == 3 and image.size and image.min() < 0):
        raise ReadError(
            what="The pixels are neither gray nor color",
            where=f"{path}, frame {index}",
            expected="gray values or colors",
            got="complex numbers" if image.dtype.kind == "c" else "channels with negative values",
            remedy="Export gray or color images; compute the envelope of complex samples.",
        )


def _damaged(path: Path, error: Exception) -> ReadError:
    return ReadError(
        what="The pixel data is damaged or truncated",
        where=path,
        expected="the pixels that the header describes",
        got=one_line(error),
        remedy="Copy or export the file again.",
    )


def _by(sizes: Sequence[int]) -> str:
    return " x ".join(str(size) for size in sizes)
