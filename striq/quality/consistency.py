"""The consistency terms of registered pairs, used by the training loss and by the score; lower is better."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from striq.config import QualityConfig
from striq.quality.pair_moments import CLARITY_STAGE, PLANE_STAGE, RegisteredPairs, WindowMoments

MINIMUM_VARIANCE = 1e-4  # share of the mean variance of all windows below which a window is left out


def similarity(pairs: RegisteredPairs, config: QualityConfig) -> Tensor:
    """Return the negative mean cosine over the fan, mean over stages, shape ``(N,)``.

    Convention:
        - A location of the fan that the warped anchor does not cover counts as cosine zero, so a transform that moves
          the anchor out of the frame never lowers the term.

    Args:
        pairs: Products of registered pairs.
        config: Not used; every term takes it.
    """
    del config
    stages = []
    for stage in pairs.stages:
        stages.append(masked_mean(stage.cosine(), stage.fan))
    return -torch.stack(stages).mean(dim=0)  # Eq. (2)


def ncc(pairs: RegisteredPairs, config: QualityConfig) -> Tensor:
    """Return the negative normalized cross-correlation, mean over windows and stages, shape ``(N,)``.

    Convention:
        - Covariance and variances are summed over channels, then divided: the features of a window are one signal.
          A channel without variance adds nothing, and principal components that hold noise have little influence.
        - Windows in which a map has no variance are left out, not counted as zero.

    Args:
        pairs: Moments of registered pairs.
        config: Stages of the NCC.
    """
    stages = [_correlation(pairs.windows[stage]) for stage in config.ncc_stages]
    return -torch.stack(stages).mean(dim=0)  # Eq. (3)


def right_plane(pairs: RegisteredPairs, config: QualityConfig) -> Tensor:
    """Return the negative correlation of the unit vectors of stage 2 over the fan, shape ``(N,)``.

    Convention:
        - It is the NCC of features of unit length: bright places count no more than dark ones, so that gain and gray
          map of a scanner hardly matter. The mean vector is subtracted: what all locations have in common is no
          structure.
        - Stage 2 sees which organ lies where. All locations count alike at which the anchors agree at all (a stability
          above 0).

    Args:
        pairs: Moments of registered pairs.
        config: Not used; every term takes it.
    """
    del config
    return -_correlation(pairs.units[PLANE_STAGE])


def clarity(pairs: RegisteredPairs, config: QualityConfig) -> Tensor:
    """Return the negative correlation of the unit vectors of stage 1 over stable structure, shape ``(N,)``.

    Convention:
        - As in :func:`right_plane`, but at the scale of walls and borders, and locations count by the square of the
          stability.

    Args:
        pairs: Moments of registered pairs.
        config: Not used; every term takes it.
    """
    del config
    return -_correlation(pairs.units[CLARITY_STAGE])


def smoothness(pairs: RegisteredPairs, config: QualityConfig) -> Tensor:
    r"""Return how far the transforms are from the identity and from one another, shape ``(N,)``.

    The displacement :math:`(A - I) x + t` has the Jacobian :math:`A - I`, whose squared Frobenius norm the paper
    penalizes; its translation has none and gets a weight of its own.

    Args:
        pairs: Transforms of registered pairs.
        config: Weight of the translation [w_t].
    """
    composed = torch.stack(list(pairs.steps))
    identity = torch.eye(2, 3, dtype=composed.dtype, device=composed.device)
    weight = F.pad(torch.ones_like(identity[0, :2]), [0, 1], value=config.translation_weight)
    size = (weight * (composed - identity).square()).sum(dim=(2, 3))
    change = (weight * composed.diff(dim=0).square()).sum(dim=(2, 3))
    return size.mean(dim=0) + change.sum(dim=0) / max(1, len(pairs.steps) - 1)  # L_smooth


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean weighted by a mask over the last dimension, zero where the mask is empty."""
    return (values * mask).sum(dim=-1) / mask.sum(dim=-1).clamp(min=1e-6)


def _correlation(windows: WindowMoments) -> Tensor:
    valid = windows.valid * _varies(windows.moving_variance, windows) * _varies(windows.fixed_variance, windows)
    scale = (windows.moving_variance * windows.fixed_variance + 1e-12).sqrt()
    return masked_mean(windows.covariance / scale, valid)


def _varies(variance: Tensor, windows: WindowMoments) -> Tensor:
    """Return 1 where a window has enough variance to correlate, else 0."""
    typical = masked_mean(variance, windows.valid)[:, None]
    return (variance > MINIMUM_VARIANCE * typical + 1e-10).to(variance)
