"""The geometric shape of a fan, and the one that fits the cells of an image best."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from striq.data.fan.morphology import Mask, row_ends

Array = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]

# Columns of an array of shapes: the left side's x at both reference rows, the right side's, top, bottom, curvature.
LEFT, RIGHT, TOP, BOTTOM, CURVATURE = slice(0, 2), slice(2, 4), 4, 5, 6
MAX_CURVATURE = 2.5
SHORTEST_STEP = 0.2  # cells
MAX_ROUNDS = 40


@dataclass(frozen=True)
class Sector:
    """A convex fan: two straight sides, a flat top, and a bottom that is part of an ellipse around the apex.

    The apex is where the sides meet. A curvature of 0 is a flat bottom, 1 a circle, 2 an ellipse half as wide as high,
    as in images with non-square pixels. Rectangles, trapezoids and parallelograms are sectors too.

    Attributes:
        parameters: Left x at both reference rows, right x likewise, top, bottom, curvature; in cells, shape ``(7,)``.
        rows: The two reference rows.
    """

    parameters: Array
    rows: tuple[float, float]

    def grown(self, amount: float) -> Sector:
        """Return the sector with all its edges moved outward by ``amount`` cells."""
        slope = (self.parameters[1] - self.parameters[0], self.parameters[3] - self.parameters[2])
        left, right = (amount * np.hypot(1, run / (self.rows[1] - self.rows[0])) for run in slope)
        return replace(self, parameters=self.parameters + np.array([-left, -left, right, right, -amount, amount, 0]))

    @property
    def apex(self) -> tuple[float, float]:
        """The point (x, y) where the sides meet."""
        x, y = _apex(self.parameters[None], self.rows)
        return float(x[0, 0]), float(y[0, 0])

    def enlarged(self, factor: float) -> Sector:
        """Return the sector on a grid whose cells are ``factor`` times smaller."""
        scales = np.array([factor] * CURVATURE + [1.0])
        return Sector(self.parameters * scales, (self.rows[0] * factor, self.rows[1] * factor))

    def spans(self, y: Array) -> tuple[Floats, Floats]:
        """Return left and right edge at each row coordinate, both shape ``(N,)``; equal where the row is outside."""
        left, right = _spans(self.parameters[None], y, self.rows)
        inside = (y >= self.parameters[TOP]) & (y <= self.parameters[BOTTOM])
        return left[0], np.where(inside, right[0], left[0])

    def mask(self, shape: tuple[int, int], scale: int = 1) -> Mask:
        """Return the sector as a mask whose pixels are ``1 / scale`` cells wide."""
        left, right = self.spans((np.arange(shape[0]) + 0.5) / scale)
        # Small integers are compared several times faster than floating-point numbers.
        x = np.arange(shape[1], dtype=np.int16)
        first, end = (np.ceil(edge * scale - 0.5).clip(0, shape[1]).astype(np.int16) for edge in (left, right))
        return (x >= first[:, None]) & (x < end[:, None])


def fit_sector(region: Mask, ignored: Mask, start: Sector | None = None) -> Sector:
    """Return the sector that covers the most of ``region`` and the least outside of it; ``ignored`` cells do not count.

    Cells between others of the same row count as the region's, so a concave top is filled.

    Args:
        region: Cells of the fan, shape ``(h, w)``.
        ignored: Cells that do not count, shape ``(h, w)``.
        start: Sector to start from; by default, several are tried.
    """
    ends = row_ends(region)
    rows = (float(ends[:, 1].min()), float(ends[:, 1].max() + 1))
    weights = -(~ignored).astype(np.float32)
    weights[_fill_rows(region)] = 1
    rows = rows if start is None else start.rows
    cover = _Cover(weights, rows)
    starts = _starts(ends, rows) if start is None else start.parameters[None]
    values = cover(starts)
    best, value = starts[values.argmax()], values.max()
    step = len(weights) / 16
    for _ in range(MAX_ROUNDS):
        moved = best + MOVES * step
        moved[:, CURVATURE] = np.clip(moved[:, CURVATURE], 0, MAX_CURVATURE)
        moved[:, TOP] = np.maximum(moved[:, TOP], 0)
        moved[:, BOTTOM] = np.minimum(moved[:, BOTTOM], len(weights))
        values = cover(moved)
        if values.max() <= value:
            step /= 2.5
            if step < SHORTEST_STEP:
                break
            continue
        together = _together(best, moved, values - value)
        if (joint := cover(together[None])[0]) > values.max():
            best, value = together, joint
        else:
            best, value = moved[values.argmax()], values.max()
    return Sector(best, rows)


def _fill_rows(mask: Mask) -> Mask:
    return np.logical_or.accumulate(mask, axis=1) & np.logical_or.accumulate(mask[:, ::-1], axis=1)[:, ::-1]


def _moves() -> Array:
    single = np.diag([1, 1, 1, 1, 1, 1, 0.05])
    pairs = [[1, 1, 0, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0, 0], [0, 0, 0, 0, 1, 0, 0.06], [0, 0, 0, 0, 0, 1, 0.06]]
    pairs[2] = [0, 0, 0, 0, 0, 1, -0.06]
    directions = np.concatenate([single, pairs])
    return np.concatenate([directions * factor for factor in (1, -1, 2.5, -2.5)])


MOVES = _moves()


def _starts(ends: Array, rows: tuple[float, float]) -> Array:
    """Return sectors to start from: a rectangle, sides fitted to the upper rows, and wedges from the top's middle."""
    top, bottom = rows
    left, right = ends[: len(ends) // 2, 0], ends[len(ends) // 2 :, 0] + 1
    low, high = left.min(), right.max()
    starts = [[low, low, high, high, top, bottom, 0.05]]
    widest = int((right - left).argmax()) + 1
    for count in {max(3, widest), max(3, 2 * widest // 3)}:
        if count <= len(left):
            y = (ends[:count, 1] + 0.5 - top) / (bottom - top)
            sides = [_line(y, side[:count]) for side in (left, right)]
            starts.append([x for at, run in sides for x in (at, at + run)] + [top, bottom, 1.0])
    middle = (low + high) / 2
    for share in (0.6, 0.8):
        reach = (high - low) / 2 / share
        starts.append([middle, middle - reach, middle, middle + reach, top, bottom, 1.0])
    return np.array(starts)


def _line(y: Array, x: Array) -> tuple[float, float]:
    """Return value at 0 and slope of the line that fits points best."""
    centered = y - y.mean()
    slope = float(centered @ x / (centered @ centered))
    return float(x.mean()) - slope * float(y.mean()), slope


def _together(best: Array, moved: Array, gains: Array) -> Array:
    """Return all moves that gain nearly as much as the best one, as far as they change different parameters."""
    changes = moved - best
    used = np.zeros(best.shape, dtype=bool)
    together = best.copy()
    for move in np.argsort(-gains):
        if gains[move] < 0.3 * gains.max():
            break
        changed = changes[move] != 0
        if not (used & changed).any():
            together += changes[move]
            used |= changed
    return together


class _Cover:
    """The sum of the weights inside shapes.

    Args:
        weights: Weight of each cell, shape ``(h, w)``.
        rows: The two reference rows of the shapes.
    """

    def __init__(self, weights: NDArray[np.float32], rows: tuple[float, float]) -> None:
        height, self.width = weights.shape
        self.rows, self.middle = rows, np.arange(height, dtype=np.float32) + np.float32(0.5)
        self.first = np.arange(height, dtype=np.int32) * self.width
        sums = np.zeros((height, self.width + 1), np.float32)
        np.cumsum(weights, axis=1, out=sums[:, 1:])
        self.weights, self.sums = weights.ravel(), np.ascontiguousarray(sums[:, :-1]).ravel()

    def __call__(self, shapes: Array) -> Floats:
        """Return the sum inside each shape, shape ``(N,)``."""
        x = np.stack(_spans(shapes.astype(np.float32), self.middle, self.rows))
        x = np.minimum(np.maximum(x, 0, out=x), self.width, out=x)
        column = np.minimum(x.astype(np.int32), self.width - 1)
        x -= column
        column += self.first
        until = self.sums.take(column)
        x *= self.weights.take(column)
        until += x
        top, bottom = shapes[:, TOP, None].astype(np.float32), shapes[:, BOTTOM, None].astype(np.float32)
        half = np.float32(0.5)
        share = np.minimum(self.middle + half, bottom) - np.maximum(self.middle - half, top)
        share = np.minimum(np.maximum(share, 0, out=share), 1, out=share)
        return np.einsum("nh,nh->n", until[1] - until[0], share)


def _apex(shapes: Floats, rows: tuple[float, float]) -> tuple[Floats, Floats]:
    """Return x and y of the point where the sides of shapes meet, both shape ``(N, 1)``."""
    x0, x1, x2, x3 = (shapes[:, i, None] for i in range(4))
    position = (x0 - x2) / np.maximum((x3 - x2) - (x1 - x0), 1e-2)
    return x0 + (x1 - x0) * position, rows[0] + position * (rows[1] - rows[0])


def _spans(shapes: Floats, y: Floats, rows: tuple[float, float]) -> tuple[Floats, Floats]:
    """Return left and right edge of shapes at rows, between their sides and above the bottom's ellipse."""
    x0, x1, x2, x3, _, bottom, curvature = (shapes[:, i, None] for i in range(7))
    height = rows[1] - rows[0]
    position = (y - rows[0]) / height
    left, right = x0 + (x1 - x0) * position, x2 + (x3 - x2) * position
    apex_x, apex_y = _apex(shapes, rows)
    radius = np.maximum(bottom - apex_y, 1e-3)
    depth = (y - apex_y) / radius
    depth = np.minimum(np.maximum(depth, 0, out=depth), 1, out=depth)
    reach = np.sqrt(1 - depth * depth)
    reach *= radius / np.maximum(curvature, 1e-3)
    np.maximum(left, apex_x - reach, out=left)
    np.minimum(right, apex_x + reach, out=right)
    return left, np.maximum(left, right, out=right)
