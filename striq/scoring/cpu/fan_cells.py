"""Cells of a frame's maps inside its fan, and what is known about them before the frame is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from striq.registration.affine import pixel_grid
from striq.registration.modes import point_products
from striq.scoring.cpu.matching import LocalMatcher
from striq.scoring.cpu.resampling import cell_table


@dataclass(frozen=True)
class Grid:
    """The cells of a map, row by row.

    Attributes:
        table: Columns, rows and ones, see :func:`striq.scoring.cpu.resampling.cell_table`, shape ``(3, N)``.
        points: Locations in (x, y), shape ``(N, 2)``.
        products: Products of the coordinates, see :func:`striq.registration.modes.point_products`, shape ``(N, 7)``.
    """

    table: Tensor
    points: Tensor
    products: Tensor

    @classmethod
    def of(cls, maps: Tensor) -> Grid:
        """Return the cells of maps ``(..., H, W)``."""
        height, width = maps.shape[-2:]
        points = pixel_grid(height, width, maps)
        return cls(cell_table(height, width, maps), points, point_products(points))


class FanCells:
    """Cells inside a fan, and those that are matched; most frames of a cine share one fan.

    Args:
        masks: Share of each cell that lies in the fan, stages 1 to 3, each ``(1, 1, H, W)``.
        grids: Cells of the maps of these stages.
        matchers: Local matchers of the stages that have one, from the first.

    Attributes:
        inside: Indices of the cells inside the fan, each ``(M,)``.
        shares: How much of each of them lies in the fan, each ``(M,)``.
        tables: Columns, rows and ones of the cells inside the fan, each ``(3, M)``.
        strips: Cells that are matched locally.
        matched: The same for the cells that are matched.
    """

    def __init__(self, masks: Sequence[Tensor], grids: Sequence[Grid], matchers: Sequence[LocalMatcher]) -> None:
        self._masks = [mask.clone() for mask in masks]
        flat = [mask.flatten() for mask in masks]
        self.inside = [(mask > 0).nonzero().squeeze(1) for mask in flat]
        self.shares = [mask.index_select(0, inside) for mask, inside in zip(flat, self.inside, strict=True)]
        self.tables = [grid.table.index_select(1, inside) for grid, inside in zip(grids, self.inside, strict=True)]
        self.strips = [matcher.strips(mask[0, 0]) for matcher, mask in zip(matchers, masks, strict=False)]
        matched = [*(strips.cells for strips in self.strips), self.inside[-1]]
        self.matched = [MatchedCells(*of_stage) for of_stage in zip(matched, flat, grids, strict=True)]

    def fits(self, masks: Sequence[Tensor]) -> bool:
        """Return whether these are the cells of other masks."""
        return all(torch.equal(own, mask) for own, mask in zip(self._masks, masks, strict=True))


class MatchedCells:
    """Cells of a frame that are matched at one stage.

    Args:
        cells: Indices of the M cells, shape ``(M,)``.
        mask: Share of every cell that lies in the fan, shape ``(H * W,)``.
        grid: All cells.

    Attributes:
        cells: As above.
        shares: Share of each of these cells that lies in the fan, shape ``(M, 1)``.
        area: Sum of the shares.
        points: Locations, shape ``(M, 2, 1)``.
        products: Products of the coordinates, shape ``(7, M)``.
    """

    def __init__(self, cells: Tensor, mask: Tensor, grid: Grid) -> None:
        self.cells, self.shares = cells, mask.index_select(0, cells)[:, None]
        self.area = self.shares.sum()
        self.points = grid.points.index_select(0, cells)[:, :, None]
        self.products = grid.products.index_select(0, cells).t().contiguous()
