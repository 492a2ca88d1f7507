"""Likelihood of the least likely patches under a mixture of Gaussians."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striq.baselines.patches import SEED, patch_features, project
from striq.baselines.protocol import Baseline, PlaneFrames, as_scores, baseline, inside_fan

CHANNELS = 16
COMPONENTS = 8
ROUNDS = 30
WORST_SHARE = 0.15
SMALLEST_VARIANCE = 1e-3


@baseline
class PatchMixture(Baseline):
    """Mean log-likelihood of the worst 15 % of the patches of a frame."""

    name: ClassVar[str] = "patch mixture"

    def fit(self, frames: PlaneFrames, anchors: PlaneFrames) -> None:
        """Fit principal components and a mixture to the patches of the training frames."""
        del anchors
        features = patch_features(frames)
        inside = inside_fan(frames, features.shape[2:])
        patches = features.permute(0, 2, 3, 1)[inside]
        self._mean = patches.mean(dim=0)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            _, scale, axes = torch.pca_lowrank(patches - self._mean, q=CHANNELS, center=False)
        spread = scale / math.sqrt(max(1, len(patches) - 1))
        self._projection = (axes / spread.clamp(min=1e-6)).T
        self._mixture = fit_mixture((patches - self._mean) @ self._projection.T)

    def score(self, frames: PlaneFrames) -> NDArray[np.float64]:
        """Return the scores of frames, shape ``(N,)``."""
        features = patch_features(frames)
        inside = inside_fan(frames, features.shape[2:]).flatten(1)
        patches = project(features - self._mean[:, None, None], self._projection).flatten(2).transpose(1, 2)
        return as_scores(torch.stack([self._worst(p[i]) for p, i in zip(patches, inside, strict=True)]))

    def _worst(self, patches: Tensor) -> Tensor:
        likelihood = log_densities(patches, *self._mixture).logsumexp(dim=1)
        return likelihood.topk(max(1, round(WORST_SHARE * len(patches))), largest=False).values.mean()


def log_densities(points: Tensor, weights: Tensor, means: Tensor, variances: Tensor) -> Tensor:
    """Return the logarithm of weight times density of each component at each point, shape ``(N, M)``.

    Args:
        points: Shape ``(N, K)``.
        weights: Of the components, shape ``(M,)``.
        means: Shape ``(M, K)``.
        variances: Shape ``(M, K)``.
    """
    squares = ((points[:, None] - means).square() / variances).sum(dim=2)
    return weights.log() - 0.5 * (squares + (2 * math.pi * variances).log().sum(dim=1))


def fit_mixture(points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return weights, means and variances of a mixture of Gaussians with diagonal covariances, by EM.

    Args:
        points: Shape ``(N, K)``.
    """
    generator = torch.Generator().manual_seed(0)
    count = min(COMPONENTS, len(points))
    means = points[torch.randperm(len(points), generator=generator)[:count]]
    variances, weights = points.var(dim=0).repeat(count, 1), torch.full((count,), 1 / count)
    for _ in range(ROUNDS):
        shares = log_densities(points, weights, means, variances.clamp(min=SMALLEST_VARIANCE)).softmax(dim=1)
        total = shares.sum(dim=0).clamp(min=1e-6)
        weights, means = total / total.sum(), shares.T @ points / total[:, None]
        variances = (shares.T @ points.square() / total[:, None] - means.square()).clamp(min=SMALLEST_VARIANCE)
    return weights, means, variances
