"""How far the cells of an image support the sector that was fitted to them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from striq.data.fan.morphology import EDGE_REACH, Mask, edges_reached, row_ends
from striq.data.fan.sector import TOP, Floats, Sector

NEAR = (-2, -1, 0, 1)  # cells from an edge of the sector that support it
UPRIGHT = 0.12  # of the rows, that a side of the display cuts off
SHORTEST_SIDE = 6  # rows of cells, of such a side
MARK = 5  # columns beyond such a side, that marks may reach
SEEN_TOP = 0.6  # of its length; less is seen where the top of a fan is dark


@dataclass(frozen=True)
class Fit:
    """A sector, and what it may be used for.

    Attributes:
        sector: The sector.
        is_close: All its edges are seen over nearly their whole length.
        bounds: Nothing outside the sector belongs to the fan.
        completes: Everything inside the sector belongs to the fan, even where it is dark.
        columns: Those that the fan can have, see :func:`upright_sides`.
    """

    sector: Sector
    is_close: bool
    bounds: bool
    completes: bool
    columns: slice

    @property
    def margin(self) -> float:
        """Cells beyond the edges of the sector that may still be of the fan."""
        return 0.5 if self.is_close else 1.25


def upright_sides(region: Mask, is_marked: bool) -> slice:
    """Return the columns that the fan can have; less than all where the display cuts the sides of a sector off.

    Sides that the image itself cuts off need no such limit.

    Args:
        region: Cells of the fan, shape ``(h, w)``.
        is_marked: Something lies beside the fan. Marks that touch an upright side may then be further out.
    """
    left, right = np.split(row_ends(region)[:, 0].astype(np.intp), 2)
    width = region.shape[1]
    first, last = _upright(left, is_marked), _upright(width - 1 - right, is_marked)
    return slice(first if first > EDGE_REACH else 0, width - last if last > EDGE_REACH else width)


def _upright(ends: NDArray[np.intp], is_marked: bool) -> int:
    """Return the column in which enough rows end; 0 if there is none, as at a slanted side."""
    first = int(ends.min())
    counts = np.bincount(ends - first)
    enough = max(SHORTEST_SIDE, UPRIGHT * len(ends))
    if counts[:2].max() >= enough:
        return first
    column = int(counts[:MARK].argmax())
    return first + column if is_marked and counts[column] >= enough else 0


def judge_fit(sector: Sector, region: Mask, hull: Mask, top: int, columns: slice) -> Fit:
    """Compare a sector with the cells of the region and with their hull, in the columns that the fan can have.

    Where the edges of an image cut off a fan whose upper part is dark, the sector reaches up to row ``top``.
    """
    inside = np.zeros_like(region)
    inside[:, columns] = sector.mask(region.shape)[:, columns]
    outside = _share_outside(sector, region)
    edges = _seen_edges(sector, region, inside, columns)
    least, total = min(edges), sum(edges)
    is_close = outside < 0.03 and least > 0.9
    gain = (_balance(inside, region) - _balance(hull, region)) / region.sum()
    is_cut = False
    if edges_reached(region) >= 2 and least > 0.6:
        opened = _opened(sector, top)
        is_cut = _share_outside(opened, region) < 0.03
        if is_cut and not _ends_at_top(sector, region, inside):
            sector = opened
    return Fit(
        sector,
        is_close=is_close,
        bounds=is_close or (gain > 0.015 and least > 0.75 and total > 2.5),
        completes=is_cut or (outside < 0.01 and min(edges[:2]) > 0.35 and edges[2] > 0.4),
        columns=columns,
    )


def _opened(sector: Sector, top: int) -> Sector:
    parameters = sector.parameters.copy()
    parameters[TOP] = min(parameters[TOP], top)
    return replace(sector, parameters=parameters)


def _ends_at_top(sector: Sector, region: Mask, inside: Mask) -> bool:
    """Return whether the top of a sector is seen, and nothing above it."""
    row = min(round(float(sector.parameters[TOP])), len(region) - 1)
    columns = np.flatnonzero(inside[row])
    seen = float(_near(region.T, columns, np.full(len(columns), row)).mean()) if len(columns) else 1.0
    return seen > SEEN_TOP and not region[: max(0, row - 2)].any()


def _share_outside(sector: Sector, region: Mask) -> float:
    return float((region & ~sector.grown(1.25).mask(region.shape)).sum() / region.sum())


def _balance(mask: Mask, region: Mask) -> float:
    return float((mask & region).sum()) - float((mask & ~region).sum())


def _seen_edges(sector: Sector, region: Mask, inside: Mask, seen: slice) -> tuple[float, float, float]:
    """Return which share of the left side, the right side and the bottom lies beside cells of the region."""
    y = np.arange(len(region), dtype=np.float64) + 0.5
    left, right = sector.spans(y)
    rows = np.flatnonzero(right - left > 1)
    columns = np.flatnonzero(inside.any(axis=0))
    lowest = len(region) - 1 - inside[::-1, columns].argmax(axis=0)
    bottom = _near(region.T, columns, lowest)
    sides = [_seen_side(region, rows, side[rows], seen) for side in (left, right)]
    return sides[0], sides[1], float(bottom.mean())


def _seen_side(region: Mask, rows: np.ndarray, x: Floats, seen: slice) -> float:
    on = (x >= seen.start) & (x <= seen.stop)
    return float(_near(region, rows[on], x[on].astype(np.intp)).mean()) if on.any() else 1.0


def _near(region: Mask, rows: np.ndarray, columns: np.ndarray) -> Mask:
    """Return whether a cell beside the given column of each row belongs to the region."""
    last = region.shape[1] - 1
    return np.logical_or.reduce([region[rows, np.clip(columns + step, 0, last)] for step in NEAR])
