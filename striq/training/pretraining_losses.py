"""Losses of the pretraining: find the same location in another view, and decode the gray values under it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from striq.registration.affine import pixel_grid, transform_points

QUERIES = 400  # locations of a map that are searched for in the other view in a step
SIDE = 4  # gray values per side that are decoded from a location


def location_loss(
    first: Tensor, second: Tensor, transforms: Tensor, temperature: float, generator: torch.Generator
) -> Tensor:
    """Return the cross-entropy of finding locations of the second view among all those of the first, a scalar.

    Args:
        first: Unit features of the first views, shape ``(B, C, H, W)``.
        second: Unit features of the second views, shape ``(B, C, H, W)``.
        transforms: Pull-backs from the second view to the first, shape ``(B, 2, 3)``.
        temperature: Of the softmax.
        generator: Chooses the locations.
    """
    height, width = first.shape[2:]
    chosen = torch.randperm(height * width, generator=generator)[:QUERIES]
    target = transform_points(transforms, pixel_grid(height, width, first)[chosen])
    column = ((target[..., 0] + 1) * width / 2).floor().long()
    row = ((target[..., 1] + 1) * height / 2).floor().long()
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    index = (row * width + column)[inside]
    logits = second.flatten(2)[:, :, chosen].transpose(1, 2) @ first.flatten(2) / temperature
    return F.cross_entropy(logits[inside], index)


def decoding_error(decoded: Tensor, gray: Tensor, stride: int) -> Tensor:
    """Return the mean squared error of decoded gray values, in units of their variance, a scalar.

    Args:
        decoded: Decoder output, shape ``(B, SIDE * SIDE, H, W)``.
        gray: Views, shape ``(B, 1, S, S)``.
        stride: Pixels from one location of the map to the next.
    """
    under = F.pixel_unshuffle(F.avg_pool2d(gray, stride // SIDE), SIDE)
    return F.mse_loss(decoded, under) / under.var()
