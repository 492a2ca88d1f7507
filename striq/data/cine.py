"""Cine: a sequence of ultrasound frames, each read from its file on access."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import overload

import numpy as np
from numpy.typing import NDArray

from striq.data.fan.geometry import CineFan, KnownFan
from striq.errors import ReadError, as_read_error
from striq.types import FanFinder, Frame

SMALLEST_SIDE = 64  # pixels of a fan that can be judged; smaller ones, as of thumbnails, show neither walls nor speckle
SAMPLED = 8  # every eighth row and column
NEAR = 0.03  # of the range of gray values, from black or white, by which compression changes them
MOST_LABELS = 4
LARGEST_EDGE = 0.15  # of the lit pixels of a mask, whose gray is between black and white: smoothed or compressed edges


class Cine(Sequence[Frame]):
    """A lazy, read-only sequence of frames from one source; a still image is a cine of one frame.

    Convention:
        - ``read_pixels(i)`` returns the stored image ``i`` as gray values in [0, 1], shape ``(H, W)``.
        - The cine crops stored images to ``crop``, so every frame has the shape of the crop.
        - Reading a frame that cannot be scored (values not finite, outside [0, 1] or all equal), or that cannot be
          read, raises ``ReadError``; the other frames remain readable.

    Args:
        source: Name of the file, as used in results and errors.
        num_frames: Number of frames.
        read_pixels: Function that reads one stored image.
        spacing_mm: Distance between neighboring rows, then columns.
        times_s: Time of every frame in seconds; times are counted from the first frame.
        crop: ``(top, left, bottom, right)`` in pixels of the stored image.
        fan: Finds the fan of the frames; by default, that of the first frame is the fan of all that show the same
            geometry (:class:`striq.data.fan.geometry.CineFan`).
    """

    def __init__(
        self,
        source: str,
        num_frames: int,
        read_pixels: Callable[[int], NDArray[np.float32]],
        *,
        spacing_mm: tuple[float, float] | None = None,
        times_s: Sequence[float] | None = None,
        crop: tuple[int, int, int, int] | None = None,
        fan: FanFinder | None = None,
    ) -> None:
        if num_frames < 1:
            msg = f"'num_frames' must be at least 1, got {num_frames}."
            raise ValueError(msg)
        if times_s is not None and len(times_s) != num_frames:
            msg = f"'times_s' must hold one time per frame ({num_frames}), got {len(times_s)}."
            raise ValueError(msg)
        self.source = source
        self.spacing_mm = spacing_mm
        self.times_s = None if times_s is None else tuple(float(time) - float(times_s[0]) for time in times_s)
        self.crop = crop
        self._num_frames = num_frames
        self._read_pixels = read_pixels
        # Without a reference to the cine, which would keep its file open.
        own = CineFan(partial(_read, read_pixels, 0, crop, source)) if fan is None and num_frames > 1 else None
        self.fan, self._own_fan = fan or own, own
        self._ahead: Frame | ReadError | None = None

    def __len__(self) -> int:
        return self._num_frames

    def __repr__(self) -> str:
        return f"Cine({self.source!r}, {self._num_frames} frames)"

    @overload
    def __getitem__(self, index: int) -> Frame: ...
    @overload
    def __getitem__(self, index: slice) -> list[Frame]: ...
    def __getitem__(self, index: int | slice) -> Frame | list[Frame]:
        if isinstance(index, slice):
            return [self._frame(i) for i in range(*index.indices(self._num_frames))]
        position = index + self._num_frames if index < 0 else index
        if not 0 <= position < self._num_frames:
            msg = f"{self.source} has {self._num_frames} frames, so index {index} is out of range."
            raise IndexError(msg)
        return self._frame(position)

    def read_ahead(self) -> None:
        """Read the frame of a still image and find its fan now; the next access returns it, or raises its error."""
        if self._num_frames == 1 and self._ahead is None:
            try:
                frame = self._frame(0)
                self._ahead = replace(frame, fan=KnownFan.of(frame.pixels))
            except ReadError as error:
                self._ahead = error

    def _frame(self, position: int) -> Frame:
        """Return one frame; ``position`` lies in ``range(len(self))``."""
        ahead, self._ahead = self._ahead, None
        if isinstance(ahead, ReadError):
            raise ahead
        if ahead is not None:
            return ahead
        pixels = _read(self._read_pixels, position, self.crop, self.source)
        if position == 0 and self._own_fan is not None:
            self._own_fan.offer_first(pixels)
        return Frame(
            pixels=pixels,
            source=self.source,
            index=position,
            spacing_mm=self.spacing_mm,
            time_s=None if self.times_s is None else self.times_s[position],
            crop=self.crop,
            fan=self.fan,
        )


def _read(
    read_pixels: Callable[[int], NDArray[np.float32]],
    position: int,
    crop: tuple[int, int, int, int] | None,
    source: str,
) -> NDArray[np.float32]:
    """Read, crop and check the pixels of one frame."""
    with as_read_error(f"{source}, frame {position}"):
        pixels = read_pixels(position)
    if crop is not None:
        top, left, bottom, right = crop
        pixels = pixels[top:bottom, left:right]
    pixels = np.ascontiguousarray(pixels, dtype=np.float32)
    _refuse_unusable(pixels, f"{source}, frame {position}")
    return pixels


def _refuse_unusable(pixels: NDArray[np.float32], where: str) -> None:
    """Raise ``ReadError`` if the pixels cannot be scored."""
    if pixels.ndim != 2 or pixels.size == 0:
        raise ReadError(
            what="The frame is not a two-dimensional image",
            where=where,
            expected="pixels of shape (H, W)",
            got=f"shape {pixels.shape}",
            remedy="Save the frame as a plain gray or color image.",
        )
    low, high = float(pixels.min()), float(pixels.max())  # NaN if a pixel is
    if not np.isfinite([low, high]).all():
        num_bad = int(pixels.size - np.isfinite(pixels).sum())
        raise ReadError(
            what="The frame has values that are not finite",
            where=where,
            expected="a finite number in every pixel",
            got=f"{num_bad} of {pixels.size} pixels NaN or infinite",
            remedy="Export the frame again, or leave it out.",
        )
    if low < 0 or high > 1:
        raise ReadError(
            what="The frame is not a gray image in [0, 1]",
            where=where,
            expected="gray values from 0 to 1",
            got=f"values from {low:.3g} to {high:.3g}",
            remedy="Divide the stored values by their largest possible one, as striq.data.readers does.",
        )
    if low < high and min(pixels.shape) >= SMALLEST_SIDE and _is_mask(pixels, low, high):
        raise ReadError(
            what="The frame is a mask or a drawing, not an image",
            where=where,
            expected="tissue of many gray values",
            got="two gray values in nearly every pixel, or four in all of them",
            remedy="Choose the image that the mask was made from.",
        )
    if low == high:
        raise ReadError(
            what="The frame is empty",
            where=where,
            expected="pixels of different values",
            got=f"the value {low:.3g} in every pixel",
            remedy="Leave this frame out, or check the export.",
        )


def _is_mask(pixels: NDArray[np.float32], low: float, high: float) -> bool:
    """Return whether a picture is a mask: of at most four values, or of two values with smooth edges between them."""
    near = NEAR * (high - low)
    for step, largest in ((SAMPLED, 2 * LARGEST_EDGE), (1, LARGEST_EDGE)):  # few pixels tell an image from a mask
        part = pixels[::step, ::step]
        lit, white = np.count_nonzero(part > low + near), np.count_nonzero(part > high - near)
        if lit - white > largest * lit and len(np.unique(part)) > MOST_LABELS:
            return False
    return True
