"""MSSIM: structural similarity to the anchors, without registration."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from striq.baselines.protocol import Baseline, PlaneFrames, as_scores, baseline

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # published, the finest scale first
WINDOW_SIGMA = 1.5  # of the window, pixels
LUMINANCE_CONSTANT, CONTRAST_CONSTANT = 0.01**2, 0.03**2  # of pixels from 0 to 1


@baseline
class MeanStructuralSimilarity(Baseline):
    """Mean multi-scale structural similarity to the anchors (Wang, Simoncelli and Bovik, Asilomar 2003)."""

    name: ClassVar[str] = "MSSIM"

    def fit(self, frames: PlaneFrames, anchors: PlaneFrames) -> None:
        """Compute the local moments of the anchors once, for all frames."""
        del frames
        self._width = _largest_kernel(anchors.images.shape[-1])
        self._anchors = _moments(anchors.images, self._width)

    def score(self, frames: PlaneFrames) -> NDArray[np.float64]:
        """Return the scores of frames, shape ``(N,)``."""
        return as_scores(torch.stack([self._similarity(image[None]).mean() for image in frames.images]))

    def _similarity(self, image: Tensor) -> Tensor:
        """Return the similarity of a frame ``(1, 1, H, W)`` to each anchor, shape ``(K,)``."""
        similarity = torch.ones(())
        scales = zip(SCALE_WEIGHTS, _moments(image, self._width), self._anchors, strict=True)
        for number, (weight, seen, known) in enumerate(scales, start=1):
            product = seen.mean * known.mean
            covariance = _weigh(seen.pictures * known.pictures, self._width) - product
            alike = (2 * covariance + CONTRAST_CONSTANT) / (seen.variance + known.variance + CONTRAST_CONSTANT)
            if number == len(SCALE_WEIGHTS):
                squares = seen.mean.square() + known.mean.square()
                alike = alike * (2 * product + LUMINANCE_CONSTANT) / (squares + LUMINANCE_CONSTANT)
            similarity = similarity * alike.mean(dim=(1, 2, 3)).clamp(min=0) ** weight
        return similarity


@dataclass(frozen=True)
class _Moments:
    """Pictures at one scale, ``(N, 1, H, W)``, and their mean and variance over each window."""

    pictures: Tensor
    mean: Tensor
    variance: Tensor


def _moments(pictures: Tensor, width: int) -> list[_Moments]:
    """Return the local moments at every scale, the finest first."""
    scales = []
    for _ in SCALE_WEIGHTS:
        mean = _weigh(pictures, width)
        scales.append(_Moments(pictures, mean, _weigh(pictures.square(), width) - mean.square()))
        pictures = F.avg_pool2d(pictures, 2)
    return scales


def _weigh(pictures: Tensor, width: int) -> Tensor:
    """Return the weighted mean over each window that fits into the pictures."""
    rows, columns = (_windows(size, width).to(pictures) for size in pictures.shape[-2:])
    return rows @ pictures @ columns.T  # faster than a convolution of one channel


@cache
def _windows(size: int, width: int) -> Tensor:
    """Return a matrix of one row per window position along a row of pixels, shape ``(size - width + 1, size)``."""
    weights = (-((torch.arange(width) - (width - 1) / 2) / WINDOW_SIGMA).square() / 2).exp()
    return (torch.eye(size).unfold(1, width, 1) @ (weights / weights.sum())).T.contiguous()


def _largest_kernel(size: int) -> int:
    """Return the published width of the window, 11, or less for frames too small for five scales of it, odd."""
    return max(3, min(11, size // 16 - 1 + size // 16 % 2))
