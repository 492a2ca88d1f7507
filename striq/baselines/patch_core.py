"""PatchCore: distance to a memory of patch features (Roth et al., CVPR 2022)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from striq.anchors.selection import farthest_first
from striq.baselines.patches import patch_features, project, random_projection
from striq.baselines.protocol import Baseline, PlaneFrames, as_scores, baseline, inside_fan

CHANNELS = 64
MEMORY = 1000  # patches kept
CANDIDATES = 20_000  # patches that the memory is chosen from


@baseline
class PatchCore(Baseline):
    """Minus the largest distance of a patch inside the fan to the nearest patch of the memory."""

    name: ClassVar[str] = "PatchCore"

    def fit(self, frames: PlaneFrames, anchors: PlaneFrames) -> None:
        """Fill the memory with patches that cover those of the training frames."""
        del anchors
        patches, inside = self._patches(frames)
        known = patches[inside]
        order = torch.randperm(len(known), generator=torch.Generator().manual_seed(0))[:CANDIDATES]
        self._memory = cover(known[order], MEMORY)

    def score(self, frames: PlaneFrames) -> NDArray[np.float64]:
        """Return the scores of frames, shape ``(N,)``."""
        patches, inside = self._patches(frames)
        nearest = torch.stack([torch.cdist(of_frame, self._memory).amin(dim=1) for of_frame in patches])
        return as_scores(-nearest.masked_fill(~inside, -torch.inf).amax(dim=1))

    @staticmethod
    def _patches(frames: PlaneFrames) -> tuple[Tensor, Tensor]:
        """Return patches ``(N, L, K)`` and which of them lie in the fan, ``(N, L)``."""
        features = patch_features(frames)
        values = project(features, random_projection(features.shape[1], CHANNELS))
        values = F.avg_pool2d(values, 3, stride=1, padding=1, count_include_pad=False)
        return values.flatten(2).transpose(1, 2), inside_fan(frames, features.shape[2:]).flatten(1)


def cover(points: Tensor, count: int) -> Tensor:
    """Return a few of the points that lie far from one another, shape ``(count, K)``.

    Args:
        points: Shape ``(N, K)``.
        count: Number of points to keep.
    """
    return points[farthest_first(points, 0, min(count, len(points)))]
