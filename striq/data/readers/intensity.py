"""Conversion of stored pixel values to gray values in [0, 1], the same for all file formats."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# ITU-R BT.601 luma weights of red, green and blue.
LUMA_601 = np.array([0.299, 0.587, 0.114], dtype=np.float32)
# Bits of the gray scales that scanners and exporters use, whatever the type of the pixels.
DEPTHS = (8, 10, 12, 14, 16, 24, 32, 64)
MAX_SHARE_BEYOND = 0.01  # of the values, above a window that shows the picture as it is
# Of the range: by rounding and interpolation, values in floating point leave it so far.
ROUNDING = 1e-4
LEAST_WHITE = 1 / 32  # of a picture with values in [0, 1]; one that is darker throughout has another scale
# A picture of 8 bits that was interpolated holds fractions, and nearly always a value in the upper half of its scale.
UPPER_HALF_OF_8_BITS = (127.0, 255.0)


@dataclass(frozen=True)
class GrayRange:
    """The stored values that are displayed as black and as white; values outside are black or white."""

    black: float
    white: float

    def holds(self, stored: NDArray[Any]) -> bool:
        """Return whether all finite values of a stored image lie in the range, but for rounding of floats."""
        colors, _ = _split_alpha(stored)
        low, high = float(colors.min()), float(colors.max())
        slack = ROUNDING * (self.white - self.black) if colors.dtype.kind == "f" else 0.0
        is_below, is_above = low < self.black - slack, high > self.white + slack
        return not (np.isfinite(low) and is_below) and not (np.isfinite(high) and is_above)

    def apply(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Return the gray values of one stored image, shape ``(H, W)``, float32 in [0, 1].

        Values that are not finite stay so: the cine refuses such a frame.

        Args:
            stored: Pixels as stored, see :func:`to_unit_gray`.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            colors, alpha = _split_alpha(stored)
            values = colors.astype(np.float32)
            if self.black:
                values -= np.float32(self.black)
            gray = _luma(values)  # before the division, which takes a third of the time then
            gray /= np.float32(self.white - self.black)
            if colors.dtype.kind == "f" and not np.isfinite(gray).all():
                return gray
            if self.black or colors.dtype.kind != "u":
                np.maximum(gray, np.float32(0.0), out=gray)
            np.minimum(gray, np.float32(1.0), out=gray)
            return gray if alpha is None else gray * GrayRange(0.0, _largest(alpha.dtype)).apply(alpha)


def to_unit_gray(stored: NDArray[Any]) -> NDArray[np.float32]:
    """Return the gray values of a single stored image in [0, 1]; a cine uses ``GrayFrames`` instead.

    Convention:
        - Color is converted to ITU-R BT.601 luma. Transparent pixels are black.

    Args:
        stored: Pixels as stored, shape ``(H, W)`` or ``(H, W, C)`` with C = 1 (gray), 2 (gray, alpha), 3 (RGB)
            or 4 (RGBA).
    """
    return (range_of_type(stored.dtype) or used_range([stored])).apply(stored)


def range_of_depth(bits: int) -> GrayRange:
    """Return the range of unsigned integers of ``bits`` bits."""
    return GrayRange(0.0, float(2**bits - 1))


def range_of_type(dtype: np.dtype) -> GrayRange | None:
    """Return the range of 8-bit and Boolean pixels; wider types do not state which of their values are white."""
    if dtype == np.uint8:
        return range_of_depth(8)
    return GrayRange(0.0, 1.0) if dtype == np.bool_ else None


def used_range(images: Iterable[NDArray[Any]], window: GrayRange | None = None) -> GrayRange:
    """Return the range that the values of images make likely, for types that do not state it.

    Convention:
        - A window is used if no more than one percent of the values are above its white; otherwise it is a choice of
          how to display the picture, which 8-bit files do not apply either.
        - Floats that all lie in [0, 1] are gray values already, unless none of them is above 1/32.
        - Nonnegative whole numbers have the smallest common depth (8, 10, 12, 14 or 16 bits and so on) that holds them
          all. So 8-bit gray is the same in every type. If their low bits are all zero, white has these bits zero too.
        - Signed integers are such numbers less half their range if they are of 8 bits, or if the lowest is the lowest
          of a common depth: their black is stored as -2048 or -32768.
        - Other values are rescaled from their minimum to their maximum. Interpolated 8-bit gray, which has
          fractions and a maximum between 127 and 255, is divided by 255.
        - Values that are not finite are left out. Floats may leave a range by a ten-thousandth of it, by rounding.

    Args:
        images: Stored images of one file.
        window: Range in which the file asks to be displayed.
    """
    found = _examine(images, np.inf if window is None else window.white)
    if window is not None and found.num_beyond <= MAX_SHARE_BEYOND * found.num_values:
        return window
    return _recognize(found) or GrayRange(found.low, found.high if found.high > found.low else found.low + 1.0)


def recognized_range(images: Iterable[NDArray[Any]]) -> GrayRange | None:
    """Return the range of images by the rules of :func:`used_range`; ``None`` where it would rescale their values.

    Args:
        images: Stored images of one source.
    """
    return _recognize(_examine(images, np.inf))


def _examine(images: Iterable[NDArray[Any]], limit: float) -> _Found:
    found = _Found(limit)
    for image in images:
        found.add(_split_alpha(image)[0])
    return found


def _recognize(found: _Found) -> GrayRange | None:
    if found.low > found.high:  # no finite value
        return GrayRange(0.0, 1.0)
    is_unit = found.low >= -ROUNDING and found.high <= 1 + ROUNDING
    if not found.integer_type and is_unit and (found.high > LEAST_WHITE or found.high == 0):
        return GrayRange(0.0, 1.0)
    if found.whole and found.low >= 0:
        return _range_of_bits(found.bits)
    if found.integer_type and (depth := _depth_of_shifted(found)):
        half, unsigned = 2 ** (depth - 1), _range_of_bits(found.bits, depth)
        return GrayRange(-float(half), unsigned.white - half)
    least, white = UPPER_HALF_OF_8_BITS
    if found.low >= -ROUNDING * white and least < found.high <= (1 + ROUNDING) * white:
        return range_of_depth(8)
    return None


def _depth_of_shifted(found: _Found) -> int:
    """Return the bits of unsigned integers from which half their range was subtracted; 0 for other integers."""
    if found.bytes_only:
        return 8
    return next((depth for depth in DEPTHS if found.low == -(2 ** (depth - 1)) and found.high < 2 ** (depth - 1)), 0)


class _Found:
    """What is known of the values seen so far."""

    def __init__(self, limit: float) -> None:
        self.limit, self.num_values, self.num_beyond = limit, 0, 0
        self.low, self.high = np.inf, -np.inf
        self.bits = 0  # set in any of the values
        self.whole = self.integer_type = self.bytes_only = True

    def add(self, values: NDArray[Any]) -> None:
        """Add the values of one image."""
        if values.dtype.kind == "f":
            self.integer_type = False
            values = values[np.isfinite(values)]
        if not values.size:
            return
        self.num_values += values.size
        self.bytes_only = self.bytes_only and values.dtype.itemsize == 1
        if np.isfinite(self.limit):
            self.num_beyond += int((values > self.limit).sum())
        low, high = float(values.min()), float(values.max())
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.whole = (
            self.whole and high < 2**53 and (values.dtype.kind != "f" or bool((np.trunc(values) == values).all()))
        )
        if self.whole:
            self.bits |= int(np.bitwise_or.reduce(values.astype(np.int64), axis=None))


def range_of_declared_depth(depth: int, images: Iterable[NDArray[Any]]) -> GrayRange | None:
    """Return the range of unsigned integers of a declared number of bits; ``None`` if the values take more bits.

    Convention:
        - If the low bits of all values are zero, white has these bits zero too, as in :func:`used_range`: 8-bit gray
          that was shifted into a wider type stays the same gray.

    Args:
        depth: Number of bits.
        images: Stored images of one file.
    """
    found = _examine(images, np.inf)
    if not found.whole or found.low < 0:
        return range_of_depth(depth)
    return _range_of_bits(found.bits, depth) if found.bits.bit_length() <= depth else None


def _range_of_bits(bits: int, depth: int = 0) -> GrayRange:
    """Return the range of whole numbers that set some bits; the depth is the smallest common one by default."""
    depth = depth or next(depth for depth in DEPTHS if bits.bit_length() <= depth)
    zeros = (bits & -bits).bit_length() - 1 if bits else 0
    # Fewer than 8 remaining bits are a picture of few gray values, not one that was shifted.
    return GrayRange(0.0, float(2**depth - (2**zeros if depth - zeros >= 8 else 1)))


def _split_alpha(stored: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return the gray image, or the colors, and the opacity if there is one."""
    if stored.ndim != 3:
        return stored, None
    num_colors = 1 if stored.shape[-1] < 3 else 3
    colors = stored[..., 0] if num_colors == 1 else stored[..., :3]
    return colors, stored[..., num_colors] if stored.shape[-1] > num_colors else None


def _largest(dtype: np.dtype) -> float:
    return 1.0 if dtype.kind in "fb" else float(np.iinfo(dtype).max)


def _luma(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values if values.ndim == 2 else values @ LUMA_601
