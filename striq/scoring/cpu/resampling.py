"""Affine resampling of many maps at chosen cells, as weighted sums of table rows.

A table holds the feature vectors of all cells of all maps as rows. A sample is the weighted sum of four rows. On a CPU
that takes a tenth of the time of ``grid_sample``, which gathers each channel separately.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


class MapTable:
    """Maps as a table of feature vectors, with a border of zeros.

    Args:
        maps: Feature maps, shape ``(K, C, H, W)``.
    """

    def __init__(self, maps: Tensor) -> None:
        self.count, _, self.height, self.width = maps.shape
        # One cell of zeros before and two after: a point outside is clamped to the border and reads zero there.
        self.rows = F.pad(maps, [1, 2, 1, 2]).permute(0, 2, 3, 1).flatten(0, 2).contiguous()
        self.step = self.width + 3
        first = torch.arange(self.count, device=maps.device, dtype=maps.dtype) * (self.height + 3) * self.step
        self.first = first + self.step + 1
        self.offsets = (
            torch.arange(self.count * (self.height * self.width + 1), device=maps.device, dtype=torch.int32) * 4
        )
        self.corners = torch.tensor([0, 1, self.step, self.step + 1], dtype=torch.int32, device=maps.device)
        width, height = self.width, self.height
        self.enter = maps.new_tensor([[2 / width, 0, 1 / width - 1], [0, 2 / height, 1 / height - 1], [0, 0, 1]])
        self.scale = maps.new_tensor([[width / 2], [height / 2]])
        self.shift = maps.new_tensor([[0, 0, (width - 1) / 2], [0, 0, (height - 1) / 2]])

    def sample(self, transform: Tensor, cells: Tensor) -> Tensor:
        """Return the maps at transformed cells, zero outside, shape ``(N, K, C)``; same as ``warp`` at these cells.

        Args:
            transform: Pull-backs, one for each map, shape ``(K, 2, 3)``.
            cells: Columns, rows and ones, see :func:`cell_table`, shape ``(3, N)``.
        """
        places = cells.t() @ self._in_cells(transform).permute(2, 1, 0).flatten(1)
        places = places.view(-1, 2, self.count)
        x, y = places.unbind(dim=1)
        x.clamp_(-1, self.width)
        y.clamp_(-1, self.height)
        first = places.floor()
        (left, top), (right, below) = first.unbind(dim=1), places.sub_(first).unbind(dim=1)
        both = right * below
        weights = torch.stack([1 - right - below + both, right - both, below - both, both], dim=-1)
        start = torch.add(left, top, alpha=self.step).add_(self.first).to(torch.int32)
        rows = (start[..., None] + self.corners).flatten()
        offsets = self.offsets[: start.numel()]
        found = torch.embedding_bag(self.rows, rows, offsets, mode=0, per_sample_weights=weights.flatten())[0]
        return found.view(-1, self.count, found.shape[1])

    def _in_cells(self, transform: Tensor) -> Tensor:
        """Return the transforms in units of cells instead of [-1, 1], shape ``(K, 2, 3)``."""
        return torch.addcmul(self.shift, self.scale, transform @ self.enter)


def cell_table(height: int, width: int, like: Tensor) -> Tensor:
    """Return columns, rows and ones of a map's cells, row by row, shape ``(3, H * W)``."""
    columns = torch.arange(width, dtype=like.dtype, device=like.device).repeat(height)
    rows = torch.arange(height, dtype=like.dtype, device=like.device).repeat_interleave(width)
    return torch.stack([columns, rows, torch.ones_like(rows)])
