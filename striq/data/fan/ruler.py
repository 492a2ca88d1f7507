"""A depth scale beside the fan: an upright line of one gray."""

from __future__ import annotations

import numpy as np

from striq.data.fan.grid import GRAY_LEVEL, Pixels, background_level
from striq.data.fan.morphology import Mask, bounding_box

REACH = 16  # pixels from a side of the fan, in which the line is looked for
EVEN = 12 * GRAY_LEVEL  # pixels of the line differ by less from its gray, after compression too
LEAST_SHARE = 0.85  # of the rows of the fan, in which a column has that gray; tissue never has
LEAST_LEVEL = 30 * GRAY_LEVEL  # of the line above the background
DARK = 3 * GRAY_LEVEL  # above the background, of a column without a line or tissue
THICKEST = 6  # columns
HALO = 1  # columns beside the line that smoothing and compression brighten


def inside_rulers(pixels: Pixels, fan: Mask) -> Mask:
    """Return a fan without what reaches the line of a depth scale at its left or right side.

    Args:
        pixels: Gray image in [0, 1], shape ``(H, W)``.
        fan: Mask of the fan, shape ``(H, W)``; it may include the line.
    """
    top, left, bottom, right = bounding_box(fan)
    rows, level = slice(top, bottom), background_level(pixels)
    from_left = _line(pixels[rows, left : left + REACH], level)
    from_right = _line(pixels[rows, max(0, right - REACH) : right][:, ::-1], level)
    if not 0 < from_left + from_right < right - left:
        return fan
    cut = np.zeros_like(fan)
    columns = slice(left + from_left, right - from_right)
    cut[:, columns] = fan[:, columns]
    return cut


def _line(columns: Pixels, level: float) -> int:
    """Return the number of the first columns up to a line, before which nothing but its ticks is seen, or zero."""
    gray = np.median(columns, axis=0)
    is_line = ((np.abs(columns - gray) < EVEN).mean(axis=0) > LEAST_SHARE) & (gray > level + LEAST_LEVEL)
    lines = np.flatnonzero(is_line)
    if not len(lines) or np.ptp(lines) >= THICKEST or (gray[: max(0, int(lines[0]) - HALO)] > level + DARK).any():
        return 0
    return int(lines[-1]) + 1 + HALO
