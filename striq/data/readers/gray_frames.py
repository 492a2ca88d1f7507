"""Gray frames of a file whose pixel type does not say which value is white; decided once per file."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striq.data.readers.intensity import (
    GrayRange,
    range_of_declared_depth,
    range_of_depth,
    range_of_type,
    used_range,
)
from striq.data.readers.tint import luma_of_white, untinted
from striq.errors import ReadError

logger = logging.getLogger(__name__)
NUM_EXAMINED = 16  # frames, evenly spaced, whose values decide


class GrayFrames:
    """Reads the frames of one file as gray values in [0, 1], all by the same range of stored values.

    The range is the one that the file declares, or that of 8-bit pixels, or else the one that the file's values use
    (:func:`striq.data.readers.intensity.used_range`), which is logged as a warning unless it is a window of the file.
    A gray scale of one tint is read as the gray scale without it.

    Args:
        source: Name of the file, for messages.
        num_frames: Number of frames.
        read_stored: Function that reads one stored image, shape ``(H, W)`` or ``(H, W, C)``.
        declared: Range that the file declares.
        window: Range in which the file asks to be displayed; used if nothing is declared and it fits the values.
        inverted: Whether the smallest value is white.
        read_colors: Reads an image in RGB whose ``read_stored`` may have left out the chroma; it may be reduced.
    """

    def __init__(
        self,
        source: str,
        num_frames: int,
        read_stored: Callable[[int], NDArray[Any]],
        *,
        declared: GrayRange | None = None,
        window: GrayRange | None = None,
        inverted: bool = False,
        read_colors: Callable[[int], NDArray[Any]] | None = None,
    ) -> None:
        self._source, self._num_frames, self._read_stored = source, num_frames, read_stored
        self._declared, self._window, self._inverted = declared, window, inverted
        self._used: GrayRange | None = None
        self._read_colors = read_colors
        self._white: float | None = None  # luma of the brightest color, once it is known
        self._depth: int | None = None  # of the declared range, once it is known

    def __call__(self, index: int) -> NDArray[np.float32]:
        """Return one frame, shape ``(H, W)``, float32 in [0, 1].

        Raises:
            ReadError: If the frame has values outside the range that other frames of the file use.
        """
        stored = self._read_stored(index)
        known = self._declared_range(index, stored) or range_of_type(stored.dtype)
        gray = known.apply(stored) if known else self._by_used_range(index, stored)
        if self._read_colors is not None or (stored.ndim == 3 and stored.shape[-1] >= 3):
            gray = untinted(gray, self._white_of_tint(index, stored))
        return np.float32(1.0) - gray if self._inverted else gray

    def _white_of_tint(self, index: int, stored: NDArray[Any]) -> float:
        """Return the luma of white, which the first frame decides."""
        if self._white is None:
            try:
                first = stored if index == 0 and stored.ndim == 3 else (self._read_colors or self._read_stored)(0)
                self._white = luma_of_white(first) if first.ndim == 3 else 1.0
            except ReadError:
                self._white = 1.0
        return self._white

    def _declared_range(self, index: int, stored: NDArray[Any]) -> GrayRange | None:
        if self._declared is not None and self._depth is None:
            self._depth = _depth_of(self._declared)
            if stored.dtype.kind != "u":
                self._depth = 0
            elif self._depth and stored.dtype.itemsize > 1:
                self._declared = range_of_declared_depth(self._depth, self._examined(index, stored))
        if self._declared is not None and self._depth and not self._declared.holds(stored):
            raise self._outside(self._declared, index, stored)
        return self._declared

    def _by_used_range(self, index: int, stored: NDArray[Any]) -> NDArray[np.float32]:
        if self._used is None:
            self._used = used_range(self._examined(index, stored), self._window)
            if self._used not in {self._window, GrayRange(0.0, 1.0), range_of_depth(stored.dtype.itemsize * 8)}:
                logger.warning(
                    "%s: the file does not declare its range of gray values; by the values it uses, %g is black and "
                    "%g is white.",
                    self._source,
                    self._used.black,
                    self._used.white,
                )
        if self._used != self._window and not self._used.holds(stored):
            raise self._outside(self._used, index, stored)
        return self._used.apply(stored)

    def _outside(self, expected: GrayRange, index: int, stored: NDArray[Any]) -> ReadError:
        return ReadError(
            what="The frame has values outside the range of the file",
            where=f"{self._source}, frame {index}",
            expected=f"values from {expected.black:g} to {expected.white:g}, as in the frames examined",
            got=f"values from {stored.min():g} to {stored.max():g}",
            remedy="Export the file with 8 bits per pixel.",
        )

    def _examined(self, known_index: int, known: NDArray[Any]) -> Iterator[NDArray[Any]]:
        """Yield the frames that decide; those that cannot be read have no influence."""
        yield known
        indices = np.linspace(0, self._num_frames - 1, min(self._num_frames, NUM_EXAMINED)).astype(int)
        for index in (int(index) for index in indices if index != known_index):
            try:
                stored = self._read_stored(index)
            except ReadError:
                continue
            if range_of_type(stored.dtype) is None:
                yield stored


def _depth_of(declared: GrayRange) -> int:
    """Return the number of bits of a range of unsigned integers; 0 for any other range."""
    depth = int(declared.white).bit_length()
    return depth if declared == range_of_depth(depth) else 0
