"""ARNIQA's idea on the frozen encoder: frames with the same degradation lie together, quality is nearness to anchors.

Agnolucci et al., WACV 2024. The published encoder was trained on photographs. Here, the features of the frozen encoder
are projected; the projection is trained on frames of the plane that lose structure in known ways.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from striq.baselines.degraded import degraded_copies
from striq.baselines.protocol import Baseline, PlaneFrames, as_scores, baseline
from striq.baselines.regression import Standardized, minimize, pooled_patches
from striq.registration.vectors import unit_vectors

SEVERITIES = (0.5, 1.0)
LEARNED_FROM = 40  # training frames that are degraded
EMBEDDING = 32
TEMPERATURE = 0.1


@baseline
class DistortionManifold(Baseline):
    """Mean cosine to the anchors, in a space in which frames with the same degradation lie together."""

    name: ClassVar[str] = "ARNIQA (frozen encoder)"

    def fit(self, frames: PlaneFrames, anchors: PlaneFrames) -> None:
        """Train the projection on frames with every degradation, and keep the anchors in its space."""
        chosen = torch.linspace(0, len(frames) - 1, min(LEARNED_FROM, len(frames))).long()
        some = frames[chosen]
        self._network = _train(torch.stack([pooled_patches(copy) for copy in degraded_copies(some, SEVERITIES)]))
        self._anchors = self._embed(anchors)

    def score(self, frames: PlaneFrames) -> NDArray[np.float64]:
        """Return the scores of frames, shape ``(N,)``."""
        return as_scores((self._embed(frames) @ self._anchors.T).mean(dim=1))

    @torch.no_grad()
    def _embed(self, frames: PlaneFrames) -> Tensor:
        return unit_vectors(self._network(pooled_patches(frames)))


def _train(features: Tensor) -> Standardized:
    """Return a projection in which two frames with the same degradation are nearer than those with different ones.

    Args:
        features: Of every degradation and frame, shape ``(degradations, N, C)``.
    """
    kinds, count = features.shape[:2]
    network = Standardized(features.flatten(0, 1), EMBEDDING)
    generator, every = torch.Generator().manual_seed(0), torch.arange(kinds)

    def loss() -> Tensor:
        first, second = torch.randint(count, (2, kinds), generator=generator)
        a, b = (unit_vectors(network(features[every, rows])) for rows in (first, second))
        return F.cross_entropy(a @ b.T / TEMPERATURE, every)

    minimize(network, loss)
    return network
