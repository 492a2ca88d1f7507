"""Affine transforms of feature maps, in the coordinates of ``grid_sample``."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def warp(moving: Tensor, transform: Tensor) -> Tensor:
    """Resample a feature map under a batch of affine transforms.

    Convention:
        - ``transform`` maps *output* locations to *input* locations (pull-back).
        - Coordinates are ``(x, y)`` in [-1, 1]; ±1 are pixel edges (``align_corners=False``).
        - Locations outside the input read as zero.

    Args:
        moving: Feature map, shape ``(B, C, H, W)``.
        transform: Affine matrices, shape ``(B, 2, 3)``.

    Returns:
        The warped map, same shape as ``moving``.

    Raises:
        ValueError: If ``transform`` is not one 2x3 matrix per feature map.
    """
    expected = (moving.shape[0], 2, 3)
    if tuple(transform.shape) != expected:
        msg = f"'transform' must have shape {expected} (one 2x3 matrix per map), got {tuple(transform.shape)}."
        raise ValueError(msg)
    grid = F.affine_grid(transform, list(moving.shape), align_corners=False)
    return F.grid_sample(moving, grid, padding_mode="zeros", align_corners=False)


def compose_affine(first: Tensor, second: Tensor) -> Tensor:
    r"""Return the one transform equal to warping by ``first``, then by ``second``.

    Pull-backs compose left to right: the second warp reads the first at
    :math:`T_2(x)`, so the input is read at :math:`T_1(T_2(x))`.

    Args:
        first: Affine matrices applied first, shape ``(B, 2, 3)``.
        second: Affine matrices applied to the result, shape ``(B, 2, 3)``.

    Returns:
        Composed matrices, shape ``(B, 2, 3)``.

    Example:
        >>> half_right = torch.tensor([[[1.0, 0.0, -0.5], [0.0, 1.0, 0.0]]])
        >>> compose_affine(half_right, half_right)[0, 0].tolist()
        [1.0, 0.0, -1.0]
    """
    bottom_row = torch.eye(3, dtype=first.dtype, device=first.device)[2:].expand(first.shape[0], 1, 3)
    return torch.bmm(first, torch.cat([second, bottom_row], dim=1))


def identity_affine(count: int, like: Tensor) -> Tensor:
    """Return ``count`` identity transforms, shape ``(count, 2, 3)``, on the device and dtype of ``like``."""
    return torch.eye(2, 3, dtype=like.dtype, device=like.device).expand(count, 2, 3)


def invert_affine(transform: Tensor) -> Tensor:
    """Return the transforms that undo ``transform``, shape ``(B, 2, 3)``.

    Args:
        transform: Invertible affine matrices, shape ``(B, 2, 3)``.
    """
    linear_inverse = torch.linalg.inv(transform[..., :2])
    return torch.cat([linear_inverse, -linear_inverse @ transform[..., 2:]], dim=-1)


def pixel_grid(height: int, width: int, like: Tensor) -> Tensor:
    """Return the pixel centers of a map as (x, y), row by row, shape ``(H * W, 2)``.

    Convention:
        - Coordinates are ``(x, y)`` in [-1, 1]; ±1 are pixel edges, as in :func:`warp`.

    Args:
        height: Rows of the map.
        width: Columns of the map.
        like: Tensor that defines device and dtype.
    """
    x = (torch.arange(width, dtype=like.dtype, device=like.device) * 2 + 1) / width - 1
    y = (torch.arange(height, dtype=like.dtype, device=like.device) * 2 + 1) / height - 1
    return torch.stack([x.repeat(height), y.repeat_interleave(width)], dim=1)


def transform_points(transform: Tensor, points: Tensor) -> Tensor:
    """Apply each transform to the points and return them, shape ``(B, N, 2)``.

    Args:
        transform: Affine matrices, shape ``(B, 2, 3)``.
        points: Points as (x, y), shape ``(N, 2)`` or ``(B, N, 2)``.
    """
    return points @ transform[..., :2].transpose(-1, -2) + transform[..., 2].unsqueeze(-2)
