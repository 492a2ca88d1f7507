"""Where the edges of a sector lie, to a pixel. One that was fitted to cells is exact to half a cell at best."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from striq.data.fan.morphology import Mask
from striq.data.fan.sector import BOTTOM, CURVATURE, LEFT, RIGHT, TOP, Array, Floats, Sector
from striq.data.fan.support import Fit

REACH = 1.5  # cells around an edge, in which it is looked for
SHORTEST = 8  # pixels; a shorter edge stays where it is
LEAST_SUPPORT = 0.35  # by which more of the pixels are lit inside an edge than beyond it
MARGIN = 0.4  # pixels; less than half of one
MOST_SAMPLES = 96  # rows or columns of an edge that are examined

Indices = NDArray[np.intp]
Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True)
class Edges:
    """A sector with its edges to a pixel.

    Attributes:
        sector: The sector.
        scale: Pixels per unit of its lengths.
        columns: Those that the fan can have, pixels.
        margin: How far beyond the edges pixels may still be the fan's, in units of the sector.
        support: By how much more of the pixels are lit inside an edge than beyond it, of the edge where it is least;
            an edge that the image or the display cuts off does not count.
    """

    sector: Sector
    scale: int
    columns: slice
    margin: float
    support: float

    def mask(self, shape: tuple[int, int], above: float) -> Mask:
        """Return the pixels that may be the fan's, above its top as many as given."""
        sector = self.sector.grown(self.margin)
        parameters = sector.parameters.copy()
        parameters[TOP] += self.margin - above / self.scale
        mask = replace(sector, parameters=parameters).mask(shape, self.scale)
        if self.support > 0:
            mask[:, : self.columns.start] = mask[:, self.columns.stop :] = False
        return mask


def edges_of_cells(fit: Fit, scale: int) -> Edges:
    """Return the edges of a sector that is known in cells of ``scale`` pixels only."""
    columns = slice(fit.columns.start * scale, fit.columns.stop * scale)
    return Edges(fit.sector, scale, columns, fit.margin, support=0.0)


def find_edges(sector: Sector, lit: Mask, scale: int, columns: slice) -> Edges:
    """Return the edges of a sector where lit pixels end.

    At an edge many pixels of a strip inside are lit and few of the next ones outside, all along the edge. Marks that
    touch the fan in places, and lines that run beside it, do not move it. An edge that is not seen stays where it is.

    Args:
        sector: Sector in cells.
        lit: Pixels that differ from the background, shape ``(H, W)``.
        scale: Pixels per cell.
        columns: Those that the fan can have, in cells.
    """
    search = _Search(sector.enlarged(scale), lit, scale)
    search.move_columns(columns)
    search.move_side(LEFT)
    search.move_side(RIGHT)
    search.move_bottom()
    return Edges(search.sector, 1, search.columns, MARGIN, search.support)


class _Search:
    """The search for the edges of one sector.

    Args:
        sector: Sector in pixels.
        lit: Pixels that differ from the background, shape ``(H, W)``.
        scale: Pixels per cell.
    """

    def __init__(self, sector: Sector, lit: Mask, scale: int) -> None:
        self.sector, self.lit, self.scale = sector, lit, scale
        self.columns = slice(0, lit.shape[1])
        self.support = 1.0
        reach = int(np.ceil(REACH * scale))
        self._steps = np.arange(-reach, reach + 1, dtype=np.float64)
        self._begins, self._ends = (steps.ravel() for steps in np.meshgrid(self._steps, self._steps))

    def move_columns(self, columns: slice) -> None:
        """Find the columns at which the display cuts the sector off."""
        width = self.lit.shape[1]
        first, end = columns.start * self.scale, min(columns.stop * self.scale, width)
        left, right = self._spans()
        if first > 0:
            first += self._upright(self.lit, np.flatnonzero((left < first) & (right > first)), first)
        if end < width:
            end -= self._upright(self.lit[:, ::-1], np.flatnonzero((left < end) & (right > end)), width - end)
        self.columns = slice(first, end)

    def move_side(self, side: slice) -> None:
        """Find one of the straight sides."""
        is_right = side == RIGHT
        rows, width = np.array(self.sector.rows), self.lit.shape[1]
        at, end = self.sector.parameters[side]
        line = at + (end - at) * (np.arange(len(self.lit)) + 0.5 - rows[0]) / (rows[1] - rows[0])
        left, right = self._spans()
        is_straight = (np.abs((right if is_right else left) - line) < 0.5) & (right - left > self.scale)
        crossed = np.flatnonzero(is_straight & (line > self.columns.start) & (line < self.columns.stop))
        if len(crossed) < SHORTEST:
            return
        chosen = _sample(crossed)
        share = (chosen - crossed[0]) / (crossed[-1] - crossed[0])
        best = self._best(
            self.lit[:, ::-1] if is_right else self.lit,
            chosen,
            (width - line[chosen] if is_right else line[chosen]) + self._shifts(share),
        )
        if best is not None:
            slope = (self._ends[best] - self._begins[best]) / (crossed[-1] - crossed[0])
            shift = self._begins[best] + slope * (rows - 0.5 - crossed[0])
            self._replace(side, np.array([at, end]) + (-shift if is_right else shift))

    def move_bottom(self) -> None:
        """Find the bottom, a part of an ellipse."""
        apex_x, apex_y = self.sector.apex
        radius, curvature = self.sector.parameters[BOTTOM] - apex_y, self.sector.parameters[CURVATURE]
        height, width = self.lit.shape
        x = np.arange(width) + 0.5
        depth = np.sqrt(np.maximum(radius**2 - (curvature * (x - apex_x)) ** 2, 0))
        left, right = self.sector.spans(apex_y + depth - 0.5)
        is_arc = (x >= left - 1) & (x <= right + 1) & (apex_y + depth < height - 1)
        columns = np.flatnonzero(is_arc & (x > self.columns.start) & (x < self.columns.stop))
        if len(columns) < SHORTEST:
            return
        distance = np.abs(x[columns] - apex_x)
        share = (distance / distance.max()) ** 2
        chosen = _sample(columns)
        shifts = self._shifts(_sample(share))
        best = self._best(self.lit.T[:, ::-1], chosen, height - apex_y - depth[chosen] + shifts)
        if best is not None:
            radius -= self._begins[best]
            end = depth[columns[share.argmax()]] - self._ends[best]
            curvature = np.sqrt(max(0.0, float(radius**2 - end**2))) / distance.max()
            self._replace(slice(BOTTOM, CURVATURE + 1), np.array([apex_y + radius, curvature]))

    def _shifts(self, share: Floats) -> Floats:
        """Return by how much each of the edges that are tried is moved, at shares of its length, shape ``(N, M)``."""
        return self._begins[:, None] * (1 - share) + self._ends[:, None] * share

    def _spans(self) -> tuple[Floats, Floats]:
        return self.sector.spans(np.arange(len(self.lit), dtype=np.float64) + 0.5)

    def _upright(self, lit: Mask, rows: Indices, column: int) -> int:
        """Return by how many pixels an upright edge is further inside than a column; zero if it is not seen."""
        if len(rows) < SHORTEST:
            return 0
        rows = _sample(rows)
        best = self._best(lit, rows, np.repeat(column + self._steps[:, None], len(rows), axis=1))
        return 0 if best is None else int(self._steps[best])

    def _best(self, lit: Mask, rows: Indices, positions: Floats) -> int | None:
        """Return the number of the best of some edges, ``None`` if none is seen.

        Args:
            lit: Pixels that differ from the background; what is inside an edge is to the right of it.
            rows: Some of the rows that the edges cross, shape ``(M,)``.
            positions: Column at which each edge crosses each row, shape ``(N, M)``.
        """
        width, before = lit.shape[1], self.scale + 3
        # Sums up to each column, with as many more columns at both sides as are looked up beyond the image.
        sums = np.zeros((len(rows), before + width + before), np.int32)
        np.cumsum(lit[rows], axis=1, out=sums[:, before : before + width])
        sums[:, before + width :] = sums[:, before + width - 1, None]
        at = np.round(positions).astype(np.intp).clip(-self.scale - 1, width + 1)
        at += np.arange(len(rows)) * sums.shape[1] + before - 2
        values = sums.ravel()
        outside, here, inside = (values[step + 1 :].take(at) for step in (-1, 0, self.scale))
        support = ((inside - here) / self.scale - (here - outside)).mean(axis=1)
        best = int(support.argmax())
        self.support = min(self.support, float(support[best]))
        return best if support[best] > LEAST_SUPPORT else None

    def _replace(self, place: slice, values: Array) -> None:
        parameters = self.sector.parameters.copy()
        parameters[place] = values
        self.sector = replace(self.sector, parameters=parameters)


def _sample(values: NDArray[Number]) -> NDArray[Number]:
    """Return at most ``MOST_SAMPLES`` of some values, evenly spaced."""
    return values[np.linspace(0, len(values) - 1, min(len(values), MOST_SAMPLES)).round().astype(np.intp)]
