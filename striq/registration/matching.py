"""Soft-argmax matches between two feature maps, with a confidence per match."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from striq.registration.affine import pixel_grid

BLOCKED = -1e4  # logit outside the fan; finite, so that a softmax without any candidate inside does not become NaN


@dataclass(frozen=True)
class Matches:
    """Locations of the fixed map and their matches in the moving map.

    Attributes:
        points: Matched locations of the fixed map as (x, y), all or a subset, shape ``(M, 2)``.
        matches: Expected location in the moving map, shape ``(B, M, 2)``.
        confidence: 0 (all candidates equally likely) to 1 (one candidate only), shape ``(B, M)``.
        probability: Probability of each candidate, shape ``(B, M, N)``; the candidates are all locations of the
            moving map, or those of the search window.
    """

    points: Tensor
    matches: Tensor
    confidence: Tensor
    probability: Tensor


def match_globally(fixed: Tensor, moving: Tensor, moving_mask: Tensor, sharpness: Tensor) -> Matches:
    """Match every location of the fixed map against every location of the moving map.

    Args:
        fixed: Unit feature vectors, shape ``(B, C, H, W)``.
        moving: Unit feature vectors, shape ``(B, C, H, W)``.
        moving_mask: Positive where the moving map may be matched, shape ``(B, 1, H, W)``.
        sharpness: Inverse temperature of the soft-argmax, a scalar.
    """
    points = pixel_grid(fixed.shape[2], fixed.shape[3], fixed)
    correlation = fixed.flatten(2).transpose(1, 2) @ moving.flatten(2)
    logits = torch.where(moving_mask.flatten(2) > 0, sharpness * correlation, BLOCKED)
    probability = logits.softmax(dim=2)
    return Matches(points, probability @ points, _concentration(probability, dim=2), probability)


def match_locally(
    fixed: Tensor, moving: Tensor, moving_mask: Tensor, sharpness: Tensor, *, radius: int, stride: int = 1
) -> Matches:
    """Match locations of the fixed map against a window of the moving map around the same location.

    Convention:
        - Rows and columns 0, ``stride``, 2 ``stride``, ... are matched.

    Args:
        fixed: Unit feature vectors, shape ``(B, C, H, W)``.
        moving: Unit feature vectors, already warped onto the fixed map, shape ``(B, C, H, W)``.
        moving_mask: Positive where the moving map may be matched, shape ``(B, 1, H, W)``.
        sharpness: Inverse temperature of the soft-argmax, a scalar.
        radius: Half width of the window, cells.
        stride: Distance between matched rows and columns, cells.
    """
    height, width = fixed.shape[2:]
    points = pixel_grid(height, width, fixed).view(height, width, 2)[::stride, ::stride].flatten(0, 1)
    windows, allowed = (_windows(maps, radius, stride) for maps in (moving, moving_mask))
    correlation = torch.einsum("bchw,bchwij->bhwij", fixed[:, :, ::stride, ::stride], windows)
    logits = torch.where(allowed[:, 0] > 0, sharpness * correlation, BLOCKED)
    probability = logits.flatten(3).flatten(1, 2).softmax(dim=2)
    matches = points + probability @ window_offsets(radius, (height, width), fixed)
    return Matches(points, matches, _concentration(probability, dim=2), probability)


def window_offsets(radius: int, size: tuple[int, int], like: Tensor) -> Tensor:
    """Return the (x, y) offsets of a window's cells from its center, row by row, shape ``(side * side, 2)``.

    Args:
        radius: Half width of the window, cells; ``side`` is ``2 * radius + 1``.
        size: Rows and columns of the map.
        like: Tensor that defines device and dtype.
    """
    (height, width), side = size, 2 * radius + 1
    shifts = torch.arange(side, dtype=like.dtype, device=like.device) - radius
    return torch.stack([(shifts * 2 / width).repeat(side), (shifts * 2 / height).repeat_interleave(side)], dim=1)


def _windows(maps: Tensor, radius: int, stride: int) -> Tensor:
    """Return the window around every matched cell, zero beyond the map, shape ``(B, C, H, W, side, side)``."""
    side = 2 * radius + 1
    return F.pad(maps, [radius] * 4).unfold(2, side, stride).unfold(3, side, stride)


def _concentration(probability: Tensor, dim: int) -> Tensor:
    """Return one minus the entropy, normalized to [0, 1]."""
    entropy = -(probability * probability.clamp(min=1e-12).log()).sum(dim=dim)
    return (1 - entropy / math.log(probability.shape[dim])).clamp(0, 1)
