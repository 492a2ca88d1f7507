"""NIQE and BRISQUE without ratings: statistics of normalized gray values, compared with those of the anchors.

Mittal et al., IEEE TIP 2012 (BRISQUE) and IEEE SPL 2013 (NIQE). The Gaussian of NIQE, and one in place of BRISQUE's
regressor on rated photographs, are fitted to the anchors. Only the fan counts.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import gamma
from torch import Tensor
from torch.nn import functional as F

from striq.baselines.protocol import Baseline, PlaneFrames, baseline
from striq.data.preprocessing import blur_inside

FloatArray = NDArray[np.float64]
SIGMA = 7 / 6  # pixels, of the local mean and deviation
STABILIZER = 1 / 255  # added to the local deviation, in gray values of 0 to 1
SHAPES = np.arange(0.2, 10, 0.001)  # exponents of generalized Gaussians that are tried
RATIOS = gamma(2 / SHAPES) ** 2 / (gamma(1 / SHAPES) * gamma(3 / SHAPES))
SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))
PATCH = 64  # pixels a side
SHRINKAGE = 0.1  # of covariances toward their diagonal; anchors are few


@baseline
class Niqe(Baseline):
    """Minus the distance between the statistics of a frame's patches and those of the anchors' patches."""

    name: ClassVar[str] = "NIQE (anchors)"

    def fit(self, frames: PlaneFrames, anchors: PlaneFrames) -> None:
        """Fit a Gaussian to the patches of the anchors."""
        del frames
        self._mean, self._covariance = _gaussian(np.concatenate([patch_statistics(image) for image in anchors.images]))

    def score(self, frames: PlaneFrames) -> FloatArray:
        """Return the scores of frames, shape ``(N,)``."""
        return np.array([self._score(patch_statistics(image)) for image in frames.images])

    def _score(self, patches: FloatArray) -> float:
        mean, covariance = _gaussian(patches)
        return -_distance(mean - self._mean, (covariance + self._covariance) / 2)


@baseline
class Brisque(Baseline):
    """Minus the distance of a frame's statistics to those of the anchors."""

    name: ClassVar[str] = "BRISQUE (anchors)"

    def fit(self, frames: PlaneFrames, anchors: PlaneFrames) -> None:
        """Fit a Gaussian to the anchors."""
        del frames
        self._mean, self._covariance = _gaussian(np.stack([frame_statistics(image) for image in anchors.images]))

    def score(self, frames: PlaneFrames) -> FloatArray:
        """Return the scores of frames, shape ``(N,)``."""
        offsets = [frame_statistics(image) - self._mean for image in frames.images]
        return np.array([-_distance(offset, self._covariance) for offset in offsets])


def frame_statistics(image: Tensor) -> FloatArray:
    """Return 36 statistics of a frame, 18 at full and 18 at half size.

    Args:
        image: Prepared frame, shape ``(1, H, W)``.
    """
    return np.concatenate([_statistics(*scale) for scale in _scales(image)])


def patch_statistics(image: Tensor) -> FloatArray:
    """Return the 36 statistics of M patches that lie mostly in the fan, or of the whole frame, shape ``(M, 36)``.

    Args:
        image: Prepared frame, shape ``(1, H, W)``.
    """
    scales, found = _scales(image), []
    for row in range(0, image.shape[1] - PATCH + 1, PATCH):
        for column in range(0, image.shape[2] - PATCH + 1, PATCH):
            cuts = [(slice(row // k, (row + PATCH) // k), slice(column // k, (column + PATCH) // k)) for k in (1, 2)]
            parts = [(values[cut], inside[cut]) for (values, inside), cut in zip(scales, cuts, strict=True)]
            if parts[0][1].mean() > 0.5:
                found.append(np.concatenate([_statistics(*part) for part in parts]))
    return np.stack(found) if found else frame_statistics(image)[None]


def _scales(image: Tensor) -> list[tuple[FloatArray, NDArray[np.bool_]]]:
    """Return the normalized gray values and the fan of a frame at full and at half size."""
    return [normalized(image[None]), normalized(F.avg_pool2d(image[None], 2))]


def normalized(image: Tensor) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return the locally normalized gray values (MSCN) and the fan, each ``(H, W)``.

    Args:
        image: Prepared frame, shape ``(1, 1, H, W)``.
    """
    mean = blur_inside(image, SIGMA)
    deviation = (blur_inside(image.square(), SIGMA) - mean.square()).clamp(min=0).sqrt()
    return ((image - mean) / (deviation + STABILIZER))[0, 0].double().cpu().numpy(), (image > 0)[0, 0].cpu().numpy()


def _statistics(values: FloatArray, inside: NDArray[np.bool_]) -> FloatArray:
    """Return shape and variance of values, and shape, mean and variances of products of neighbors, ``(18,)``."""
    shape, left, right = asymmetric_fit(values[inside])
    found = [shape, (left**2 + right**2) / 2]
    for down, aside in SHIFTS:
        rows = slice(0, values.shape[0] - down), slice(down, values.shape[0])
        first, second = (
            slice(max(0, -aside), values.shape[1] - max(0, aside)),
            slice(max(0, aside), values.shape[1] + min(0, aside)),
        )
        both = inside[rows[0], first] & inside[rows[1], second]
        shape, left, right = asymmetric_fit((values[rows[0], first] * values[rows[1], second])[both])
        mean = (right - left) * gamma(2 / shape) / np.sqrt(gamma(1 / shape) * gamma(3 / shape))
        found += [shape, mean, left**2, right**2]
    return np.array(found)


def asymmetric_fit(values: FloatArray) -> tuple[float, float, float]:
    """Return exponent, left and right scale of the asymmetric generalized Gaussian with the moments of some values."""
    if len(values) < 2:
        return 2.0, 1.0, 1.0
    left, right = (
        np.sqrt(np.mean(part**2)) if len(part) else 1e-6 for part in (values[values < 0], values[values > 0])
    )
    left, right = max(float(left), 1e-6), max(float(right), 1e-6)
    asymmetry = left / right
    ratio = np.mean(np.abs(values)) ** 2 / max(float(np.mean(values**2)), 1e-12)
    ratio *= (asymmetry**3 + 1) * (asymmetry + 1) / (asymmetry**2 + 1) ** 2
    return float(SHAPES[np.abs(RATIOS - ratio).argmin()]), left, right


def _gaussian(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    covariance = np.cov(rows.T) if len(rows) > 1 else np.eye(rows.shape[1])
    diagonal = np.diag(np.diag(covariance) + 1e-6)
    return rows.mean(axis=0), (1 - SHRINKAGE) * covariance + SHRINKAGE * diagonal


def _distance(offset: FloatArray, covariance: FloatArray) -> float:
    return float(np.sqrt(max(0.0, offset @ np.linalg.pinv(covariance) @ offset)))
