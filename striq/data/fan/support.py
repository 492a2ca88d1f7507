"""How far the cells of an image support the sector that was fitted to them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from striq.data.fan.morphology import Mask
from striq.data.fan.sector import Array, Sector

NEAR = (-2, -1, 0, 1)  # cells from an edge of the sector that support it


@dataclass(frozen=True)
class Fit:
    """A sector, and what it may be used for.

    Attributes:
        sector: The sector.
        is_close: All its edges are seen over nearly their whole length.
        bounds: Nothing outside the sector belongs to the fan.
        completes: Everything inside the sector belongs to the fan, even where it is dark.
    """

    sector: Sector
    is_close: bool
    bounds: bool
    completes: bool


def judge_fit(sector: Sector, region: Mask, hull: Mask) -> Fit:
    """Compare a sector with the cells of the region and with their hull."""
    inside = sector.mask(region.shape)
    outside = float((region & ~sector.grown(1.25).mask(region.shape)).sum() / region.sum())
    edges = _seen_edges(sector, region, inside)
    least, total = min(edges), sum(edges)
    is_close = outside < 0.03 and least > 0.9
    gain = (_balance(inside, region) - _balance(hull, region)) / region.sum()
    return Fit(
        sector,
        is_close=is_close,
        bounds=is_close or (gain > 0.015 and least > 0.75 and total > 2.5),
        completes=outside < 0.01 and min(edges[:2]) > 0.35 and edges[2] > 0.4,
    )


def _balance(mask: Mask, region: Mask) -> float:
    return float((mask & region).sum()) - float((mask & ~region).sum())


def _seen_edges(sector: Sector, region: Mask, inside: Mask) -> tuple[float, float, float]:
    """Return which share of the left side, the right side and the bottom lies beside cells of the region."""
    y = np.arange(len(region), dtype=np.float64) + 0.5
    left, right = sector.spans(y)
    rows = np.flatnonzero(right - left > 1)
    columns = np.flatnonzero(inside.any(axis=0))
    lowest = len(region) - 1 - inside[::-1, columns].argmax(axis=0)
    bottom = _near(region.T, columns, lowest)
    return _seen_side(region, rows, left[rows]), _seen_side(region, rows, right[rows]), float(bottom.mean())


def _seen_side(region: Mask, rows: np.ndarray, x: Array) -> float:
    on = (x >= 0) & (x <= region.shape[1])
    return float(_near(region, rows[on], x[on].astype(np.intp)).mean()) if on.any() else 1.0


def _near(region: Mask, rows: np.ndarray, columns: np.ndarray) -> Mask:
    """Return whether a cell beside the given column of each row belongs to the region."""
    last = region.shape[1] - 1
    return np.logical_or.reduce([region[rows, np.clip(columns + step, 0, last)] for step in NEAR])
