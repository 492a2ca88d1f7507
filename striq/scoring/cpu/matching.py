"""Soft matches of one frame with many anchors at once: ``striq.registration.matching`` as matrix products.

Anchors are the last dimension, so that the values of one cell for all anchors are contiguous.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from striq.registration.matching import window_offsets

LARGEST_SHARPNESS = 60.0
BITS = math.log2(math.e)  # logits are to the base of 2: powers of two take a third of the time of exponentials
BLOCKED = -300.0  # added to the logit of a location that may not be matched
LOWEST = -122.0  # logit whose power of two is negligible; below it powers of two are subnormal and slow
NOTHING = 1e-31  # above any sum of powers of blocked candidates, below that of an allowed one
STRIP = 8  # matched columns of a strip: of wider ones most of the product is unused, narrower ones share more columns


@dataclass(frozen=True)
class SoftMatches:
    """Expected offsets or locations ``(M, 2, K)`` and confidences ``(M, K)`` of M cells of a frame, for K anchors."""

    expected: Tensor
    confidence: Tensor


@dataclass(frozen=True)
class Strips:
    """Cells of a frame that are matched locally, in strips of columns.

    Attributes:
        shapes: Matched rows and columns of each strip.
        cells: Indices of the M matched cells on the map, strip by strip, row by row, shape ``(M,)``.
        places: Columns, rows and ones of the N cells of the anchors around them, also strip by strip, shape ``(3, N)``.
        beyond: Added to the logits of these cells: nothing on the map, ``BLOCKED`` beyond it, shape ``(N, 1)``.
    """

    shapes: Sequence[tuple[int, int]]
    cells: Tensor
    places: Tensor
    beyond: Tensor


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

    Cells are matched in strips of a few columns. The rows of anchor cells around one row of a strip are contiguous, so
    one product reads them in place.

    Args:
        size: Rows and columns of the maps.
        radius: Half width of the window, cells.
        stride: Rows and columns from one matched cell to the next.
        like: Gives device and precision.
    """

    def __init__(self, size: tuple[int, int], radius: int, stride: int, like: Tensor) -> None:
        self.size, self.radius, self.stride, self.side = size, radius, stride, 2 * radius + 1
        self.like, self.values = like, _with_ones(window_offsets(radius, size, like).t())

    def strips(self, mask: Tensor) -> Strips:
        """Return the strips that hold the matched cells of a fan.

        Args:
            mask: Share of each cell of the frame that lies in the fan, shape ``(H, W)``.
        """
        matched = mask[:: self.stride, :: self.stride] > 0
        shapes, cells, places = [], [], []
        for left, strip in zip(range(0, matched.shape[1], STRIP), matched.split(STRIP, dim=1), strict=True):
            rows = strip.any(dim=1).nonzero().flatten().tolist()
            if rows:
                top, shape = rows[0], (rows[-1] + 1 - rows[0], strip.shape[1])
                shapes.append(shape)
                cells.append(self._grid(top, left, shape, self.stride))
                around = [self.stride * (number - 1) + self.side for number in shape]
                first = [self.stride * place - self.radius for place in (top, left)]
                places.append(self._grid(first[0], first[1], (around[0], around[1]), 1))
        rows, columns = (torch.cat([part[axis] for part in places]) for axis in range(2)) if places else self._nothing()
        inside = (rows >= 0) & (rows < self.size[0]) & (columns >= 0) & (columns < self.size[1])
        table = torch.stack([columns, rows, torch.ones_like(rows)]).to(self.like)
        chosen = torch.cat([down * self.size[1] + across for down, across in cells or [self._nothing()]])
        return Strips(shapes, chosen, table, torch.where(inside, 0.0, BLOCKED).to(self.like)[:, None])

    def match(self, fixed: Tensor, warped: Tensor, strips: Strips, sharpness: float) -> SoftMatches:
        """Return the matches of the cells of some strips, strip by strip, with their offsets.

        Args:
            fixed: Unit vectors of the frame at ``strips.cells``, shape ``(M, C)``.
            warped: Vectors of the anchors at ``strips.places``, the share of the fan last, shape ``(N, K, C + 1)``.
            strips: What is matched.
            sharpness: Inverse temperature of the soft-argmax.
        """
        count, penalty = warped.shape[1], torch.where(warped[:, :, -1] > 0.5, strips.beyond, BLOCKED)
        fixed, logits = fixed * (sharpness * BITS), warped.new_empty(len(fixed), self.side, self.side * count)
        cell = place = 0
        for down, across in strips.shapes:
            # Places of a row, values from one matched cell to the next below it and beside it.
            width = self.stride * (across - 1) + self.side
            below, beside, window = self.stride * width * count, self.stride * count, self.side * width * count
            moving, number = warped[place:], down * across
            near = moving[..., :-1].as_strided(
                (down, window, fixed.shape[1]), (below * warped.stride(1), warped.stride(1), 1)
            )
            product = torch.bmm(fixed[cell : cell + number].view(down, across, -1), near.transpose(1, 2))
            shape, row = (down, across, self.side, self.side * count), width * count
            own = product.as_strided(shape, (across * window, window + beside, row, 1))
            blocked = penalty[place:].as_strided(shape, (below, beside, row, 1))
            torch.add(own, blocked, out=logits[cell : cell + number].view(shape))
            cell, place = cell + number, place + width * (self.stride * (down - 1) + self.side)
        return _soft_argmax(logits.view(len(fixed), self.side**2, count), self.values, self.side**2)

    def _grid(self, top: int, left: int, shape: tuple[int, int], step: int) -> tuple[Tensor, Tensor]:
        """Return rows and columns of a grid of cells, row by row."""
        rows, columns = (
            first + step * torch.arange(number, device=self.like.device)
            for first, number in zip((top * step, left * step), shape, strict=True)
        )
        return rows.repeat_interleave(shape[1]), columns.repeat(shape[0])

    def _nothing(self) -> tuple[Tensor, Tensor]:
        return self._grid(0, 0, (0, 0), 1)


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
