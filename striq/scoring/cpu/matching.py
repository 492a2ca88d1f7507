"""Soft matches of one frame with many anchors at once: ``striq.registration.matching`` as matrix products.

Anchors are the last dimension, so that the values of one cell for all anchors are contiguous.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from striq.registration.matching import window_offsets

LARGEST_SHARPNESS = 60.0
BITS = math.log2(math.e)  # logits are to the base of 2: powers of two take a third of the time of exponentials
BLOCKED = -300.0  # added to the logit of a location that may not be matched
LOWEST = -122.0  # logit whose power of two is negligible; below it powers of two are subnormal and slow
NOTHING = 1e-31  # above any sum of powers of blocked candidates, below that of an allowed one
TILES = (8, 4, 2, 1)  # side of the blocks that share their windows, cells
AT_ONCE = 2**21  # entries of windows and products that fit into the caches
WIDEST = 12  # side of the window of a block, cells; of wider ones most of the product is unused


@dataclass(frozen=True)
class SoftMatches:
    """Expected offsets or locations ``(M, 2, K)`` and confidences ``(M, K)`` of M cells of a frame, for K anchors."""

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
        self.values = _with_ones(points[used].t())
        blocked = torch.where(inside[:, None, used], 0.0, BLOCKED)
        columns = torch.cat([moving.flatten(2)[:, :, used], blocked], dim=1)
        self.columns = columns.permute(1, 2, 0).flatten(1).contiguous()

    def match(self, vectors: Tensor, sharpness: float) -> SoftMatches:
        """Return the matches of M cells.

        Args:
            vectors: Unit vectors of the cells, shape ``(M, C)``.
            sharpness: Inverse temperature of the soft-argmax.
        """
        logits = _with_ones(vectors * (sharpness * BITS), dim=1) @ self.columns
        return _soft_argmax(logits.view(logits.shape[0], -1, self.count), self.values, self.candidates)


class LocalMatcher:
    """Matches cells of a frame against the cells around them on maps already warped onto the frame.

    Cells are matched in blocks: one product of a block with the union of its cells' windows.

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
        self.values = _with_ones(window_offsets(radius, size, like).t())
        self.seen = self._windows(height, width, radius).to(like.device)
        numbers = torch.arange(self.shape[0] * self.shape[1], device=like.device).view(self.shape)
        self.cells = self._in_blocks(numbers)

    def touched(self, mask: Tensor) -> Tensor:
        """Return which blocks hold cells of the fan, shape ``(T,)``.

        Args:
            mask: Fan of the matched cells, shape ``(H, W)``.
        """
        return (F.max_pool2d(mask[None, None], self.tile).flatten() > 0).nonzero().squeeze(1)

    def match(self, fixed: Tensor, warped: Tensor, blocks: Tensor, sharpness: float) -> SoftMatches:
        """Return the matches of the cells of some blocks, block by block, with their offsets.

        Args:
            fixed: Unit vectors of the frame at these cells, shape ``(T * tile * tile, C)``.
            warped: Vectors of the anchors at every cell of the frame and a row for the cells beyond it, whatever it
                holds, the share of the fan last, shape ``(H * W + 1, K, C + 1)``; overwritten.
            blocks: Indices of the blocks, shape ``(T,)``.
            sharpness: Inverse temperature of the soft-argmax.
        """
        warped[:, :, -1:] = torch.where(warped[:, :, -1:] > 0.5, 0.0, BLOCKED)
        warped[-1, :, -1] = BLOCKED
        cells = _with_ones(fixed * (sharpness * BITS), dim=1).view(len(blocks), -1, warped.shape[2])
        entries = self.seen.shape[1] * warped.shape[1] * (cells.shape[1] + cells.shape[2])
        number = max(1, AT_ONCE // entries)
        parts = zip(cells.split(number), self.seen.index_select(0, blocks).split(number), strict=True)
        found = [self._match_blocks(some, seen, warped) for some, seen in parts]
        return SoftMatches(torch.cat([part.expected for part in found]), torch.cat([part.confidence for part in found]))

    def _match_blocks(self, cells: Tensor, seen: Tensor, warped: Tensor) -> SoftMatches:
        windows = warped.flatten(1).index_select(0, seen.flatten()).view(len(seen), -1, warped.shape[2])
        return _soft_argmax(self._cut(cells @ windows.transpose(1, 2), warped.shape[1]), self.values, self.side**2)

    def _tile(self) -> int:
        calibration = [tile for tile in TILES if self.shape[0] % tile == 0 and self.shape[1] % tile == 0]
        narrow = [tile for tile in calibration if self.stride * (tile - 1) + self.side <= WIDEST]
        return max(narrow, default=1)

    def _cut(self, product: Tensor, count: int) -> Tensor:
        """Return each cell's own window of its block's product, shape ``(T * tile * tile, N, K)``."""
        tile, across = self.tile, self.window * count
        size = (len(product), tile, tile, self.side, self.side * count)
        down, right = tile * product.stride(1) + self.stride * across, product.stride(1) + self.stride * count
        cut = product.as_strided(size, (product.stride(0), down, right, across, 1))
        return cut.reshape(-1, self.side**2, count)

    def _in_blocks(self, numbers: Tensor) -> Tensor:
        """Return the indices of all cells ``(H, W)`` block by block, shape ``(T, tile * tile)``."""
        (down, across), tile = self.blocks, self.tile
        return numbers.view(down, tile, across, tile).transpose(1, 2).reshape(down * across, tile * tile)

    def _windows(self, height: int, width: int, radius: int) -> Tensor:
        """Return the cells of each block's window, ``H * W`` beyond the map, shape ``(T, window * window)``."""
        around = torch.arange(self.window) - radius
        starts = [torch.arange(number) * self.tile * self.stride for number in self.blocks]
        rows = (starts[0][:, None] + around)[:, None, :, None]
        columns = (starts[1][:, None] + around)[None, :, None, :]
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        return torch.where(inside, rows * width + columns, height * width).flatten(0, 1).flatten(1)


def _soft_argmax(logits: Tensor, values: Tensor, candidates: int) -> SoftMatches:
    """Return expected values and confidences of M cells for K anchors; the logits ``(M, N, K)`` are overwritten.

    The confidence is one minus the normalized entropy, which is the logarithm of the sum of weights minus the expected
    logit. It is zero where all candidates are blocked.
    """
    weight = logits.clamp_(min=LOWEST).exp2()
    sums = values @ weight
    total = sums[:, -1]
    spread, mean = total.log2(), logits.mul_(weight).sum(dim=1) / total
    confidence = (1 - (spread - mean) / math.log2(candidates)).clamp(0, 1) * (total > NOTHING)
    return SoftMatches(sums[:, :-1] / total[:, None], confidence)


def _with_ones(vectors: Tensor, dim: int = 0) -> Tensor:
    """Return vectors with a channel of ones appended along a dimension.

    In a product it adds the penalty of blocked candidates, or the sum of weights beside the weighted sums.
    """
    return torch.cat([vectors, torch.ones_like(vectors.narrow(dim, 0, 1))], dim=dim)
