"""MSSIM: structural similarity to the anchors, without registration."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from monai.metrics.regression import MultiScaleSSIMMetric
from numpy.typing import NDArray

from striq.baselines.protocol import Baseline, PlaneFrames, as_scores, baseline


@baseline
class MeanStructuralSimilarity(Baseline):
    """Mean multi-scale structural similarity to the anchors."""

    name: ClassVar[str] = "MSSIM"

    def fit(self, frames: PlaneFrames, anchors: PlaneFrames) -> None:
        """Keep the pictures of the anchors."""
        del frames
        self._anchors = anchors.images

    def score(self, frames: PlaneFrames) -> NDArray[np.float64]:
        """Return the scores of frames, shape ``(N,)``."""
        metric = MultiScaleSSIMMetric(
            spatial_dims=2, data_range=1.0, kernel_size=_largest_kernel(self._anchors.shape[-1])
        )
        values = []
        for image in frames.images:
            metric.reset()
            values.append(torch.as_tensor(metric(self._anchors, image[None].expand_as(self._anchors))).mean())
        return as_scores(torch.stack(values))


def _largest_kernel(size: int) -> int:
    """Return the published width of the window, 11, or less for frames too small for five scales of it, odd."""
    return max(3, min(11, size // 16 - 1 + size // 16 % 2))
