"""Sharpness and contrast as beamforming measures them, of a frame by itself."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from striq.baselines.protocol import Baseline, PlaneFrames, as_scores, baseline

SOBEL = ((1.0, 0.0, -1.0), (2.0, 0.0, -2.0), (1.0, 0.0, -1.0))
CELL = 16  # pixels a side of the regions that are compared
BINS = 64
REGIONS = 5  # brightest and darkest regions that are compared


@baseline
class Tenengrad(Baseline):
    """Mean squared gradient inside the fan; Tenenbaum's measure of focus."""

    name: ClassVar[str] = "Tenengrad"

    def fit(self, frames: PlaneFrames, anchors: PlaneFrames) -> None:
        """Do nothing: the measure is of a frame by itself."""

    def score(self, frames: PlaneFrames) -> NDArray[np.float64]:
        """Return the scores of frames, shape ``(N,)``."""
        kernel = torch.tensor(SOBEL).to(frames.images)
        gradients = F.conv2d(frames.images, torch.stack([kernel, kernel.T])[:, None], padding=1).square().sum(dim=1)
        # The edge of the fan is no structure: a pixel counts if all its neighbors lie in the fan.
        inside = -F.max_pool2d(-(frames.images > 0).to(frames.images), 3, stride=1, padding=1)[:, 0]
        return as_scores((gradients * inside).sum(dim=(1, 2)) / inside.sum(dim=(1, 2)).clamp(min=1))


@baseline
class GeneralizedContrast(Baseline):
    """Generalized contrast-to-noise ratio between the brightest and the darkest regions of a frame.

    One minus the overlap of the histograms of gray values (Rodriguez-Molares et al., IEEE TUFFC 2020). Which regions
    show a target is not known, so those of highest and lowest mean are taken.
    """

    name: ClassVar[str] = "gCNR"

    def fit(self, frames: PlaneFrames, anchors: PlaneFrames) -> None:
        """Do nothing: the measure is of a frame by itself."""

    def score(self, frames: PlaneFrames) -> NDArray[np.float64]:
        """Return the scores of frames, shape ``(N,)``."""
        return np.array([_contrast_of(image[0].cpu().numpy()) for image in frames.images])


def generalized_contrast(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Return one minus the overlap of the histograms of two regions, 0 for equal regions and 1 for disjoint ones."""
    span = (float(min(first.min(), second.min())), float(max(first.max(), second.max())) + 1e-9)
    shares = [np.histogram(region, BINS, span)[0] / region.size for region in (first, second)]
    return 1 - float(np.minimum(*shares).sum())


def _contrast_of(image: NDArray[np.float32]) -> float:
    rows, columns = (size // CELL for size in image.shape)
    cells = (
        image[: rows * CELL, : columns * CELL].reshape(rows, CELL, columns, CELL).swapaxes(1, 2).reshape(-1, CELL**2)
    )
    cells = cells[(cells > 0).all(axis=1)]
    if len(cells) < 2:
        return 0.0
    order = cells.mean(axis=1).argsort()
    count = min(REGIONS, len(cells) // 2)
    return generalized_contrast(cells[order[-count:]].ravel(), cells[order[:count]].ravel())
