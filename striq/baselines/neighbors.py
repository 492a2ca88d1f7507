"""Distance to the nearest training frames by pooled features."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from striq.baselines.protocol import Baseline, PlaneFrames, as_scores, baseline
from striq.registration.vectors import unit_vectors

NEIGHBORS = 5


@baseline
class NearestNeighbors(Baseline):
    """Minus the mean distance of the pooled features to those of the nearest training frames."""

    name: ClassVar[str] = "pooled kNN"

    def fit(self, frames: PlaneFrames, anchors: PlaneFrames) -> None:
        """Keep the pooled features of the training frames."""
        del anchors
        self._known = pooled_features(frames)

    def score(self, frames: PlaneFrames) -> NDArray[np.float64]:
        """Return the scores of frames, shape ``(N,)``."""
        distances = torch.cdist(pooled_features(frames), self._known)
        return as_scores(-distances.topk(min(NEIGHBORS, len(self._known)), largest=False).values.mean(dim=1))


def pooled_features(frames: PlaneFrames) -> Tensor:
    """Return the unit vector of the mean stage-3 features inside the fan, shape ``(N, C)``."""
    maps, masks = frames.features.maps[-1], frames.features.masks[-1]
    mean = (maps * masks).sum(dim=(2, 3)) / masks.sum(dim=(2, 3)).clamp(min=1e-6)
    return unit_vectors(mean)
