"""CRL-UIQA from its description: pseudo-labels by distance to the standard planes, and a regressor trained on them."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from striq.baselines.protocol import Baseline, PlaneFrames, as_scores, baseline
from striq.baselines.regression import Standardized, minimize, pooled_patches

MARGIN = 0.05  # between the predictions of two frames of different pseudo-labels
GAMMAS = (0.8, 1.25)  # of the gray map of the second view of a frame


@baseline
class ContrastiveRegression(Baseline):
    """A regressor of pseudo-labels, trained so that two views of a frame agree and pairs keep their order.

    The pseudo-label of a frame is the distance of the distribution of its features (a Gaussian of diagonal covariance)
    to that of the anchors.
    """

    name: ClassVar[str] = "CRL-UIQA (reimplemented)"

    def fit(self, frames: PlaneFrames, anchors: PlaneFrames) -> None:
        """Train the regressor on the frames as they are and with another gray map."""
        known = pooled_patches(frames)
        labels = pseudo_labels(known, pooled_patches(anchors))
        gammas = torch.tensor(GAMMAS).repeat(len(frames))[: len(frames), None, None, None]
        views = pooled_patches(frames.with_images(frames.images**gammas))
        self._network = _train(known, views, labels)

    @torch.no_grad()
    def score(self, frames: PlaneFrames) -> NDArray[np.float64]:
        """Return the scores of frames, shape ``(N,)``."""
        return as_scores(-self._network(pooled_patches(frames))[:, 0])


def pseudo_labels(frames: Tensor, anchors: Tensor) -> Tensor:
    """Return the ranks, 0 to 1, of the distances of frames to the mean anchor, shape ``(N,)``.

    Args:
        frames: Means and deviations of the features of each frame, shape ``(N, 2 C)``.
        anchors: The same of the anchors.
    """
    # The squared 2-Wasserstein distance of Gaussians with diagonal covariances.
    distance = (frames - anchors.mean(dim=0)).square().sum(dim=1)
    return distance.argsort().argsort() / max(1, len(distance) - 1)


def _train(known: Tensor, views: Tensor, labels: Tensor) -> Standardized:
    network = Standardized(known, 1)
    order = torch.sign(labels[:, None] - labels)

    def loss() -> Tensor:
        first, second = network(known)[:, 0], network(views)[:, 0]
        relativity = (MARGIN - order * (first[:, None] - first)).clamp(min=0) * order.abs()
        return F.mse_loss(first, labels) + F.mse_loss(first, second) + relativity.mean()

    minimize(network, loss)
    return network
