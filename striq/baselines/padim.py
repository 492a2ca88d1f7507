"""PaDiM: one Gaussian of patch features for every location (Defard et al., ICPR workshops 2021)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from striq.baselines.patches import patch_features, project, random_projection
from striq.baselines.protocol import Baseline, PlaneFrames, as_scores, baseline, inside_fan

CHANNELS = 50
RIDGE = 0.01  # of the covariance, as published; times its mean variance, because features are not standardized


@baseline
class Padim(Baseline):
    """Minus the largest Mahalanobis distance of a location inside the fan, after smoothing."""

    name: ClassVar[str] = "PaDiM"

    def fit(self, frames: PlaneFrames, anchors: PlaneFrames) -> None:
        """Fit a Gaussian to the features of the training frames at every location."""
        del anchors
        features = patch_features(frames)
        self._projection = random_projection(features.shape[1], CHANNELS)
        values = project(features, self._projection).flatten(2)
        self._mean = values.mean(dim=0)
        centered = values - self._mean
        covariance = torch.einsum("nkl,nml->lkm", centered, centered) / max(1, len(values) - 1)
        scale = covariance.diagonal(dim1=1, dim2=2).mean().clamp(min=1e-12)
        self._precision = torch.linalg.inv(covariance + RIDGE * scale * torch.eye(covariance.shape[1]))

    def score(self, frames: PlaneFrames) -> NDArray[np.float64]:
        """Return the scores of frames, shape ``(N,)``."""
        features = patch_features(frames)
        centered = project(features, self._projection).flatten(2) - self._mean
        squares = torch.einsum("nkl,lkm,nml->nl", centered, self._precision, centered)
        distance = squares.clamp(min=0).sqrt().view(-1, 1, *features.shape[2:])
        smooth = F.avg_pool2d(distance, 3, stride=1, padding=1, count_include_pad=False)[:, 0]
        inside = inside_fan(frames, smooth.shape[1:])
        return as_scores(-smooth.masked_fill(~inside, -torch.inf).flatten(1).amax(dim=1))
