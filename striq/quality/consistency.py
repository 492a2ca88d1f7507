"""The three consistency terms, used by the training loss and by the score alike; lower is better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from striq.config import QualityConfig
from striq.model.network import Registration
from striq.registration.vectors import unit_vectors

MINIMUM_VARIANCE = 1e-4  # share of the mean variance of all windows below which a window says nothing


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
        config: Stages and window of the NCC, weight of the translation.
    """
    fixed = registration.fixed
    compared = [(fixed.maps[s - 1], registration.warped[s - 1], registration.overlap[s - 1]) for s in config.ncc_stages]
    return TermValues(
        similarity_loss(fixed.maps, registration.warped, fixed.masks),
        ncc_loss(*zip(*compared, strict=True), window=config.ncc_window),
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
        _masked_mean((unit_vectors(a) * unit_vectors(b)).sum(dim=1, keepdim=True), mask)
        for a, b, mask in zip(moving, fixed, masks, strict=True)
    ]
    return -torch.stack(levels).mean(dim=0)  # Eq. (2)


def ncc_loss(
    fixed: Sequence[Tensor], moving: Sequence[Tensor], masks: Sequence[Tensor], *, window: int | None = None
) -> Tensor:
    """Return the negative normalized cross-correlation, mean over windows and levels, shape ``(B,)``.

    Convention:
        - Covariance and variances are summed over channels, then divided: the features of a window are one signal.
          A channel without variance adds nothing, and principal components that hold noise have little say.
        - Windows in which a map has no variance are left out, not counted as zero.

    Args:
        fixed: Query maps, each ``(B, C, H, W)``.
        moving: Anchor maps warped onto the query, same shapes.
        masks: Where both maps hold ultrasound, each ``(B, 1, H, W)``.
        window: Width of the local window, cells, odd; the whole fan is one window by default.
    """
    levels = [_ncc(a, b, mask, window) for a, b, mask in zip(moving, fixed, masks, strict=True)]
    return -torch.stack(levels).mean(dim=0)  # Eq. (3)


def smoothness_loss(steps: Sequence[Tensor], *, translation_weight: float) -> Tensor:
    r"""Return how far the transforms are from the identity and from one another, shape ``(B,)``.

    The displacement :math:`(A - I) x + t` has the Jacobian :math:`A - I`, whose squared Frobenius norm the paper
    penalizes; its translation has none and gets a weight of its own.

    Args:
        steps: Composed transforms after each level, coarse to fine, each ``(B, 2, 3)``.
        translation_weight: Weight of the translation [w_t].
    """
    composed = torch.stack(list(steps))
    identity = torch.eye(2, 3, dtype=composed.dtype, device=composed.device)
    weight = F.pad(torch.ones_like(identity[0, :2]), [0, 1], value=translation_weight)
    size = (weight * (composed - identity).square()).sum(dim=(2, 3))
    change = (weight * composed.diff(dim=0).square()).sum(dim=(2, 3))
    return size.mean(dim=0) + change.sum(dim=0) / max(1, len(steps) - 1)  # L_smooth


def varies(variance: Tensor, typical: Tensor) -> Tensor:
    """Return where there is enough variance to correlate, 1 or 0, same shape as ``variance``.

    Args:
        variance: Of windows, summed over channels.
        typical: Mean over all windows, same shape or one that broadcasts.
    """
    return (variance > MINIMUM_VARIANCE * typical + 1e-10).to(variance)


def _ncc(moving: Tensor, fixed: Tensor, mask: Tensor, window: int | None) -> Tensor:
    inside = (mask > 0).to(fixed.dtype)
    count = _sum(inside, window)
    enough = inside * (count > window**2 / 2) if window else (count > 0).to(count)  # half of the window lies in the fan
    count = count.clamp(min=1)
    mean_a, mean_b = _sum(moving * inside, window) / count, _sum(fixed * inside, window) / count
    var_a = (_sum(moving.square() * inside, window) / count - mean_a.square()).clamp(min=0).sum(dim=1, keepdim=True)
    var_b = (_sum(fixed.square() * inside, window) / count - mean_b.square()).clamp(min=0).sum(dim=1, keepdim=True)
    covariance = (_sum(moving * fixed * inside, window) / count - mean_a * mean_b).sum(dim=1, keepdim=True)
    valid = enough * varies(var_a, _typical(var_a, enough)) * varies(var_b, _typical(var_b, enough))
    return _masked_mean(covariance / (var_a * var_b + 1e-12).sqrt(), valid)


def _typical(variance: Tensor, inside: Tensor) -> Tensor:
    return _masked_mean(variance, inside)[:, None, None, None]


def _sum(maps: Tensor, window: int | None) -> Tensor:
    return maps.sum(dim=(2, 3), keepdim=True) if window is None else _box(maps, window)


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
    return total


def _masked_mean(maps: Tensor, mask: Tensor) -> Tensor:
    return (maps * mask).sum(dim=(1, 2, 3)) / mask.sum(dim=(1, 2, 3)).clamp(min=1e-6)
