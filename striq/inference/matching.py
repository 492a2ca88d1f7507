"""Soft matches of one frame with many anchors at once: ``striq.registration.matching`` as matrix products."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCKED = -200.0  # logit of a location that may not be matched; others lie within +-LARGEST_SHARPNESS
LARGEST_SHARPNESS = 80.0
TILES = (8, 4, 2, 1)  # cells a side of the blocks that windows are cut for
WIDEST = 14  # cells a side of what a block looks at: wider, and most of a product is thrown away


@dataclass(frozen=True)
class SoftMatches:
    """Expected offsets or locations ``(K, M, 2)`` and confidences ``(K, M)`` of M cells of a frame, for K anchors."""

    expected: Tensor
    confidence: Tensor


class GlobalMatcher:
    """Matches cells of a frame against all cells of every anchor.

    Args:
        moving: Unit vectors of the anchors, zero outside their fans, shape ``(K, C, H, W)``.
        masks: Fans of the anchors, shape ``(K, 1, H, W)``.
        points: Locations of the cells in (x, y), shape ``(H * W, 2)``.
    """

    def __init__(self, moving: Tensor, masks: Tensor, points: Tensor) -> None:
        self.count, self.candidates = len(moving), len(points)
        inside = masks.flatten(1) > 0
        used = inside.any(dim=0).nonzero().squeeze(1)
        self.points = points[used]
        blocked = torch.where(inside[:, None, used], 0.0, BLOCKED)
        columns = torch.cat([moving.flatten(2)[:, :, used], blocked], dim=1)
        self.columns = columns.transpose(0, 1).flatten(1).contiguous()

    def match(self, vectors: Tensor, sharpness: float) -> SoftMatches:
        """Return the matches of M cells.

        Args:
            vectors: Unit vectors of the cells, shape ``(C, M)``.
            sharpness: Inverse temperature of the soft-argmax.
        """
        logits = (_with_ones(vectors, sharpness).t() @ self.columns).view(-1, len(self.points))
        return _soft_argmax(logits, self.points, self.candidates, self.count)


class LocalMatcher:
    """Matches cells of a frame against the cells around them on maps already warped onto the frame.

    Blocks of cells share their windows: one product of a block with all that any of its cells looks at.

    Args:
        size: Rows and columns of the maps.
        radius: Half width of the window, cells.
        stride: Rows and columns from one matched cell to the next.
        like: Gives device and precision.
    """

    def __init__(self, size: tuple[int, int], radius: int, stride: int, like: Tensor) -> None:
        height, width = size
        self.stride, self.side = stride, 2 * radius + 1
        self.shape = (math.ceil(height / stride), math.ceil(width / stride))
        self.tile = self._tile()
        self.window = stride * (self.tile - 1) + self.side
        self.blocks = (self.shape[0] // self.tile, self.shape[1] // self.tile)
        shifts = torch.arange(self.side, device=like.device, dtype=like.dtype) - radius
        self.offsets = torch.stack(
            [(shifts * 2 / width).repeat(self.side), (shifts * 2 / height).repeat_interleave(self.side)], dim=1
        )
        self.seen = self._windows(height, width, radius).to(like.device)
        numbers = torch.arange(self.shape[0] * self.shape[1], device=like.device).view(self.shape)
        self.cells = self._in_blocks(numbers[None])[:, :, 0]

    def touched(self, mask: Tensor) -> Tensor:
        """Return which blocks hold cells of the fan, shape ``(T,)``.

        Args:
            mask: Fan of the matched cells, shape ``(1, H, W)``.
        """
        return (F.max_pool2d(mask[None], self.tile).flatten() > 0).nonzero().squeeze(1)

    def match(self, fixed: Tensor, warped: Tensor, blocks: Tensor, sharpness: float) -> SoftMatches:
        """Return the matches of the cells of some blocks, block by block, with their offsets.

        Args:
            fixed: Unit vectors of the frame at the matched cells, shape ``(C, H, W)``.
            warped: Vectors of the anchors at every cell of the frame, the share of the fan last, ``(K, H * W, C + 1)``.
            blocks: Indices of the blocks, shape ``(T,)``.
            sharpness: Inverse temperature of the soft-argmax.
        """
        count, channels = len(warped), warped.shape[2]
        allowed = warped[:, :, -1:] > 0.5
        warped[:, :, -1:] = torch.where(allowed, 0.0, BLOCKED)
        table = torch.cat([warped.view(-1, channels), _blocked_row(warped)])
        start = torch.arange(count, device=warped.device) * warped.shape[1]
        seen = self.seen.index_select(0, blocks)[:, None, :]
        rows = torch.where(seen < 0, len(table) - 1, seen + start[None, :, None])
        windows = table.index_select(0, rows.view(-1)).view(len(blocks), -1, channels)
        cells = self._in_blocks(_with_ones(fixed.flatten(1), sharpness).view(-1, *self.shape)).index_select(0, blocks)
        product = cells @ windows.transpose(1, 2)
        return _soft_argmax(self._cut(product, count), self.offsets, self.side**2, count)

    def _tile(self) -> int:
        fitting = [tile for tile in TILES if self.shape[0] % tile == 0 and self.shape[1] % tile == 0]
        narrow = [tile for tile in fitting if self.stride * (tile - 1) + self.side <= WIDEST]
        return max(narrow, default=1)

    def _cut(self, product: Tensor, count: int) -> Tensor:
        """Cut from each block's product what each of its cells looks at, shape ``(T * tile * tile * K, N)``."""
        window, tile, row = self.window, self.tile, product.stride(1)
        size = (len(product), tile, tile, count, self.side, self.side)
        down, right = tile * row + self.stride * window, row + self.stride
        cut = product.as_strided(size, (product.stride(0), down, right, window**2, window, 1))
        return cut.reshape(-1, self.side**2)

    def _in_blocks(self, maps: Tensor) -> Tensor:
        """Return maps ``(C, H, W)`` block by block, shape ``(T, tile * tile, C)``."""
        (down, across), tile = self.blocks, self.tile
        return maps.view(-1, down, tile, across, tile).permute(1, 3, 2, 4, 0).reshape(down * across, tile * tile, -1)

    def _windows(self, height: int, width: int, radius: int) -> Tensor:
        """Return the cells that each block looks at, -1 beyond the map, shape ``(T, window * window)``."""
        around = torch.arange(self.window) - radius
        starts = [torch.arange(number) * self.tile * self.stride for number in self.blocks]
        rows = (starts[0][:, None] + around)[:, None, :, None]
        columns = (starts[1][:, None] + around)[None, :, None, :]
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        return torch.where(inside, rows * width + columns, -1).flatten(0, 1).flatten(1)


def _soft_argmax(logits: Tensor, values: Tensor, candidates: int, count: int) -> SoftMatches:
    """Return expected values and confidences; a row of ``logits`` belongs to a cell and, fastest, to an anchor.

    One minus the normalized entropy, which is log-sum-exp minus the expected logit; nothing was to be matched where
    the best logit is a blocked one.
    """
    probability = logits.softmax(dim=1)
    expected = probability @ values
    best = logits.amax(dim=1)
    spread = best - probability.amax(dim=1).log()
    mean = logits.mul_(probability) @ logits.new_ones(logits.shape[1])
    confidence = (1 - (spread - mean) / math.log(candidates)).clamp(0, 1) * (best > BLOCKED / 2)
    return SoftMatches(expected.view(-1, count, 2).transpose(0, 1), confidence.view(-1, count).t())


def _with_ones(vectors: Tensor, sharpness: float) -> Tensor:
    """Return scaled vectors ``(C, M)`` with a last channel of ones, by which blocked candidates come into a product."""
    return torch.cat([vectors * sharpness, torch.ones_like(vectors[:1])])


def _blocked_row(like: Tensor) -> Tensor:
    row = like.new_zeros(1, like.shape[2])
    row[:, -1] = BLOCKED
    return row
