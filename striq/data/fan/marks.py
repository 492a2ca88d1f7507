"""Marks of the probe's orientation that touch a top corner of the fan: a dot, a letter, the logo of a vendor."""

from __future__ import annotations

import numpy as np

from striq.data.fan.morphology import Mask, Points
from striq.data.fan.sector import Array, Floats

# Of the fan's height: the largest mark, and the part of the side below it that is compared with. Where the long part
# of the first pair is not straight, as beside dark tissue, the shorter one may be.
WINDOWS = (0.15, 0.35), (0.08, 0.2)
TOLERANCE = 2.0  # pixels beside a straight line that are on it
LEAST_HEIGHT = 4.0  # pixels, of a mark above the edge
STRAIGHT = 0.6  # of an edge, on a line; the edge of a fan is straight there, that of dark tissue is not
LEAST_LENGTH = 24  # pixels of an edge; the direction of a shorter one is not known
MOST_ROWS = 64  # of an edge, that are examined
NUM_ENDS = 5  # rows at each end of an edge, through which lines are tried


def find_marks(bright: Mask, ends: Points) -> Mask | None:
    """Return what lies beyond the edges that meet in a top corner, ``None`` if nothing sticks out there.

    The fan is convex, so the continuation of the edge below a corner bounds the corner too. A mark sticks out of it.

    Args:
        bright: Bright pixels of the fan and of what touches it, shape ``(H, W)``.
        ends: Their first and last pixel of every row that is not empty.
    """
    if not len(ends):
        return None
    left, right = np.split(ends, 2)
    last = bright.shape[1] - 1
    at_left = _marks_at_left(bright, left[:, 1], left[:, 0])
    at_right = _marks_at_left(bright[:, ::-1], right[:, 1], last - right[:, 0])
    if at_right is None:
        return at_left
    return at_right[:, ::-1] if at_left is None else at_left | at_right[:, ::-1]


def _marks_at_left(bright: Mask, rows: Array, columns: Array) -> Mask | None:
    top, height = int(rows[0]), int(rows[-1] - rows[0]) + 1
    if height < 2 * LEAST_LENGTH:
        return None
    ends = np.full(height, np.nan)
    ends[rows.astype(np.intp) - top] = columns
    for largest, compared in WINDOWS:
        zone = int(largest * height)
        line = _line(ends[: zone + max(LEAST_LENGTH, int(compared * height))], zone, height)
        if line is not None:
            break
    else:
        return None
    if not (ends[:zone] < line[:zone] - LEAST_HEIGHT).any():
        return None
    marked = np.zeros(bright.shape, dtype=bool)
    marked[top : top + height] = np.arange(bright.shape[1]) < line[:, None] - TOLERANCE
    # What rises above the rest of the top beside it is of the mark too.
    part = (bright & ~marked)[top : top + zone]
    lit = np.flatnonzero(part.any(axis=0))
    if len(lit) > LEAST_LENGTH:
        first, width = int(lit[0]), int(lit[-1] - lit[0]) + 1
        tops = np.where(part.any(axis=0), part.argmax(axis=0), np.nan)[first : first + width]
        corner = min(zone, width // 4)
        level = _line(tops[: 3 * corner], corner, corner)
        if level is not None and (tops[:corner] < level - TOLERANCE).any():
            above = np.arange(zone)[:, None] < level - TOLERANCE
            marked[top : top + zone, first : first + corner] |= above
    return marked


def _line(ends: Array, first: int, length: int) -> Floats | None:
    """Return where the straight edge that the ends from number ``first`` on lie on would have all of them.

    Args:
        ends: Where each row begins, NaN for an empty one, shape ``(N,)``.
        first: Number of the first end that is compared.
        length: Number of ends to return.
    """
    index = np.flatnonzero(~np.isnan(ends[first:])) + first
    if len(index) < max(LEAST_LENGTH, (len(ends) - first) // 3):
        return None
    index = index[:: max(1, len(index) // MOST_ROWS)]
    x, y = index.astype(np.float64), ends[index]
    third = len(index) // 3
    begins, stops = np.meshgrid(
        np.linspace(0, third, NUM_ENDS).astype(np.intp),
        np.linspace(2 * third, len(index) - 1, NUM_ENDS).astype(np.intp),
    )
    begin, stop = begins.ravel(), stops.ravel()
    slope = (y[stop] - y[begin]) / (x[stop] - x[begin])
    offset = y[begin] - slope * x[begin]
    beyond = offset[:, None] + slope[:, None] * x - y
    on = np.abs(beyond) <= TOLERANCE
    value = on.mean(axis=1) - 3 * (beyond > TOLERANCE).mean(axis=1)
    best = int(value.argmax())
    if value[best] < STRAIGHT:
        return None
    x, y = x[on[best]], y[on[best]]
    centered = x - x.mean()
    slope = centered @ y / (centered @ centered)
    offset = y.mean() - slope * x.mean()
    return offset + slope * np.arange(length)
