"""The seam between two rectangular pictures that touch, or nearly touch, side by side."""

from __future__ import annotations

import numpy as np

from striq.data.fan.grid import GRAY_LEVEL, Pixels
from striq.data.fan.morphology import Mask

FILLED = 0.85  # of its bounding box, by a rectangle; two fans of another shape touch in a neck
MIDDLE = 0.25, 0.75  # of the width, where a seam is looked for
NUM_ROWS = 96  # that are examined, evenly spaced
DARK, LIT = 0.1, 0.4  # share of bright pixels in a column of a gap, and in one beside it
AROUND = 24  # columns at each side that a seam is compared with
SHARP = 1.6  # times the largest step between the columns around
FLAT = 0.75  # of the seam's step; a line has two steps like it, one at each side


def find_seam(difference: Pixels, region: Mask, size: int, clear_pixel: float) -> int | None:
    """Return the first column of the right one of two pictures that fill a region; ``None`` if it is one picture.

    A seam is a dark gap from top to bottom, or a place where neighboring columns differ far more than elsewhere.

    Args:
        difference: Difference of pixels from the background, shape ``(H, W)``.
        region: Cells of the region, shape ``(h, w)``.
        size: Pixels per cell.
        clear_pixel: Smallest value of a pixel that is no background.
    """
    rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
    if region.sum() < FILLED * len(rows) * len(columns):
        return None
    top, left = rows[0] * size, columns[0] * size
    part = difference[top : (rows[-1] + 1) * size, left : (columns[-1] + 1) * size]
    part = part[:: max(1, len(part) // NUM_ROWS)]
    first, end = (round(share * part.shape[1]) for share in MIDDLE)
    if end - first < AROUND:
        return None
    found = _gap(part, first, end, 3 * size, clear_pixel)
    found = _step(part, first, end) if found is None else found
    return None if found is None else int(left) + found


def _gap(part: Pixels, first: int, end: int, reach: int, clear_pixel: float) -> int | None:
    share = (part > clear_pixel).mean(axis=0)
    for column in np.flatnonzero(share[first:end] < DARK) + first:
        if min(share[max(0, column - reach) : column].max(), share[column + 1 : column + 1 + reach].max()) > LIT:
            return int(column)
    return None


def _step(part: Pixels, first: int, end: int) -> int | None:
    start = max(0, first - AROUND)
    # Transposed, because a median along the last axis is faster.
    looked = np.ascontiguousarray(part[:, start : end + AROUND + 1].T)
    steps = np.median(np.abs(np.diff(looked, axis=0)), axis=1)
    place = first - start + int(steps[first - start : end - start].argmax())
    around = np.concatenate([steps[max(0, place - AROUND) : place - 1], steps[place + 2 : place + 2 + AROUND]])
    beside = max(steps[place - 1], steps[place + 1])
    is_seam = steps[place] > max(SHARP * around.max(), 2 * GRAY_LEVEL) and beside < FLAT * steps[place]
    return start + place + 1 if is_seam else None
