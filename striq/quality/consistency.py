"""The three consistency terms, used by the training loss and by the score alike; lower is better."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from striq.config import QualityConfig
from striq.model.striq import Registration

MINIMUM_VARIANCE = 1e-4  # share of the channel's mean variance below which a window says nothing


@dataclass(frozen=True)
class TermValues:
    """Similarity, NCC and smoothness terms of a batch of pairs, each ``(B,)``; lower is better."""

    similarity: Tensor
    ncc: Tensor
    smoothness: Tensor

    def stack(self) -> Tensor:
        """Return the terms side by side, shape ``(B, 3)``."""
        return torch.stack([self.similarity, self.ncc, self.smoothness], dim=-1)


def consistency_terms(registration: Registration, config: QualityConfig) -> TermValues:
    """Return the three terms of registered pairs; the one place where loss and score get them.

    Args:
        registration: Anchors registered to queries.
        config: Window of the NCC and weight of the translation.
    """
    fixed = registration.fixed
    return TermValues(
        similarity_loss(fixed.maps, registration.warped, fixed.masks),
        ncc_loss(fixed.maps, registration.warped, registration.overlap, window=config.ncc_window),
        smoothness_loss(registration.alignment.steps, translation_weight=config.translation_weight),
    )


def similarity_loss(fixed: Sequence[Tensor], moving: Sequence[Tensor], masks: Sequence[Tensor]) -> Tensor:
    """Return the negative mean cosine over the fan, mean over levels, shape ``(B,)``.

    Convention:
        - A location of the fan that the moving map does not cover counts as similarity zero: leaving never pays.

    Args:
        fixed: Query maps, each ``(B, C, H, W)``.
        moving: Anchor maps warped onto the query, zero outside, same shapes.
        masks: Fan masks of the query, each ``(B, 1, H, W)``.
    """
    levels = [
        _masked_mean((F.normalize(a, dim=1) * F.normalize(b, dim=1)).sum(dim=1, keepdim=True), mask)
        for a, b, mask in zip(moving, fixed, masks, strict=True)
    ]
    return -torch.stack(levels).mean(dim=0)  # Eq. (2)


def ncc_loss(fixed: Sequence[Tensor], moving: Sequence[Tensor], masks: Sequence[Tensor], *, window: int) -> Tensor:
    """Return the negative local normalized cross-correlation, mean over channels and levels, shape ``(B,)``.

    Convention:
        - Windows in which a channel has no variance are left out, not counted as zero.

    Args:
        fixed: Query maps, each ``(B, C, H, W)``.
        moving: Anchor maps warped onto the query, same shapes.
        masks: Where both maps hold ultrasound, each ``(B, 1, H, W)``.
        window: Width of the local window, cells; odd.
    """
    levels = [_local_ncc(a, b, mask, window) for a, b, mask in zip(moving, fixed, masks, strict=True)]
    return -torch.stack(levels).mean(dim=0)  # Eq. (3)


def smoothness_loss(steps: Sequence[Tensor], *, translation_weight: float) -> Tensor:
    r"""Return how far the transforms are from the identity and from one another, shape ``(B,)``.

    The displacement :math:`(A - I) x + t` has the Jacobian :math:`A - I`, whose squared Frobenius norm the paper
    penalizes; its translation has none and gets a weight of its own.

    Args:
        steps: Composed transforms after each level, coarse to fine, each ``(B, 2, 3)``.
        translation_weight: Weight of the translation [w_t].
    """
    identity = torch.eye(2, 3, dtype=steps[0].dtype, device=steps[0].device)
    weight = torch.tensor([1.0, 1.0, translation_weight], dtype=steps[0].dtype, device=steps[0].device)
    size = [(weight * (step - identity).square()).sum(dim=(1, 2)) for step in steps]
    change = [(weight * (b - a).square()).sum(dim=(1, 2)) for a, b in itertools.pairwise(steps)]
    return torch.stack(size).mean(dim=0) + (torch.stack(change).mean(dim=0) if change else 0.0)  # L_smooth


def _local_ncc(moving: Tensor, fixed: Tensor, mask: Tensor, window: int) -> Tensor:
    inside = (mask > 0).to(fixed.dtype)
    count = _box(inside, window)
    enough = inside * (count > 0.5)  # at least half of the window lies in the fan
    count = count.clamp(min=1e-6)
    mean_a, mean_b = _box(moving * inside, window) / count, _box(fixed * inside, window) / count
    var_a = (_box(moving.square() * inside, window) / count - mean_a.square()).clamp(min=0)
    var_b = (_box(fixed.square() * inside, window) / count - mean_b.square()).clamp(min=0)
    covariance = _box(moving * fixed * inside, window) / count - mean_a * mean_b
    valid = enough * _varies(var_a, enough) * _varies(var_b, enough)
    ncc = covariance / (var_a * var_b + 1e-12).sqrt()
    per_channel = (ncc * valid).sum(dim=(2, 3)) / valid.sum(dim=(2, 3)).clamp(min=1)
    live = (valid.sum(dim=(2, 3)) > 0).to(fixed.dtype)
    return (per_channel * live).sum(dim=1) / live.sum(dim=1).clamp(min=1)


def _varies(variance: Tensor, inside: Tensor) -> Tensor:
    typical = (variance * inside).sum(dim=(1, 2, 3), keepdim=True) / (
        inside.sum(dim=(1, 2, 3), keepdim=True) * variance.shape[1]
    ).clamp(min=1)
    return (variance > MINIMUM_VARIANCE * typical + 1e-10).to(variance.dtype)


def _box(maps: Tensor, window: int) -> Tensor:
    # Shifted sums, rows then columns: a third of the time of avg_pool2d on a CPU.
    height, width = maps.shape[2:]
    padded = F.pad(maps, [window // 2] * 4)
    rows = padded[:, :, :height]
    for i in range(1, window):
        rows = rows + padded[:, :, i : i + height]
    total = rows[..., :width]
    for i in range(1, window):
        total = total + rows[..., i : i + width]
    return total / window**2


def _masked_mean(maps: Tensor, mask: Tensor) -> Tensor:
    return (maps * mask).sum(dim=(1, 2, 3)) / mask.sum(dim=(1, 2, 3)).clamp(min=1e-6)
