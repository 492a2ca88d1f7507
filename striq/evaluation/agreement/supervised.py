"""Ridge regression of the ratings on frozen features: how well a simple model that sees ratings predicts them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from striq.data.splits import Fold
from striq.errors import DatasetError
from striq.model.network import Pyramid
from striq.scoring.scorer import StriqScorer
from striq.types import FrameRecord

SUPERVISED = "ridge on ratings (supervised)"
FEWEST = 10  # rated frames of a plane to learn from
STRENGTHS = np.logspace(-2, 3, 11)  # of the penalty, in mean squared lengths of the features
SMALLEST_SPREAD = 0.1  # of the median spread, that a feature is divided by
GRID = 4  # rows and columns of the layout that stage 3 is averaged to
BATCH_SIZE = 16
FloatArray = NDArray[np.float64]


def check_ratings(folds: Sequence[Fold]) -> None:
    """Check that every fold leaves enough rated frames of each plane to learn from.

    Raises:
        DatasetError: If it does not.
    """
    for number, fold in enumerate(folds):
        for plane in sorted({record.plane for record in fold.test if record.rating is not None}):
            count = sum(record.plane == plane and record.rating is not None for record in fold.train)
            if count < FEWEST:
                msg = f"Fold {number + 1} has {count} rated frames of {plane} to learn from; the row {SUPERVISED!r} "
                msg += f"needs {FEWEST}. Add rated frames, or leave out --supervised."
                raise DatasetError(msg)


def score_by_ratings(
    scorer: StriqScorer, training: tuple[Tensor, Sequence[FrameRecord]], held_out: tuple[Tensor, Sequence[FrameRecord]]
) -> FloatArray:
    """Learn the ratings of each plane on training frames and predict those of M held-out frames, shape ``(M,)``.

    Args:
        scorer: Its frozen encoder gives the features.
        training: Prepared frames, shape ``(N, 1, H, W)``, and what they are; unrated ones are left out.
        held_out: The same for frames of groups that are not among the training frames.
    """
    predicted = np.full(len(held_out[1]), np.nan)
    for plane in sorted({record.plane for record in held_out[1]}):
        known = [i for i, record in enumerate(training[1]) if record.plane == plane and record.rating is not None]
        rows = [i for i, record in enumerate(held_out[1]) if record.plane == plane]
        ratings = np.array([training[1][i].rating for i in known], dtype=np.float64)
        model = RidgeOnRatings(describe(scorer, training[0][known]), ratings)
        predicted[rows] = model.predict(describe(scorer, held_out[0][rows]))
    return predicted


class RidgeOnRatings:
    """Ridge regression on standardized features; its penalty has the smallest squared error with one frame left out.

    Args:
        features: Features of N frames, shape ``(N, C)``.
        ratings: Their ratings, shape ``(N,)``.
    """

    def __init__(self, features: FloatArray, ratings: FloatArray) -> None:
        self._mean, spread = features.mean(axis=0), features.std(axis=0)
        # A feature that hardly varies here, such as a corner outside nearly every fan, must not decide elsewhere.
        self._spread = np.maximum(spread, max(SMALLEST_SPREAD * float(np.median(spread)), 1e-9))
        self._known, self._rating = self._standardized(features), float(ratings.mean())
        lengths, axes = np.linalg.eigh(self._known @ self._known.T)
        penalties, along = STRENGTHS * max(float(lengths.mean()), 1e-9), axes.T @ (ratings - self._rating)
        errors = [_left_out_error(lengths.clip(0), axes, along, penalty) for penalty in penalties]
        self.penalty = float(penalties[int(np.argmin(errors))])
        self._weights = axes @ (along / (lengths.clip(0) + self.penalty))

    def predict(self, features: FloatArray) -> FloatArray:
        """Return the predicted ratings of M frames ``(M, C)``, shape ``(M,)``."""
        return self._rating + self._standardized(features) @ self._known.T @ self._weights

    def _standardized(self, features: FloatArray) -> FloatArray:
        return (features - self._mean) / self._spread


def _left_out_error(lengths: FloatArray, axes: FloatArray, along: FloatArray, penalty: float) -> float:
    """Return the mean squared error of each frame predicted by the others (the PRESS statistic, Allen 1974)."""
    share = lengths / (lengths + penalty)
    leverage = np.square(axes) @ share + 1 / len(axes)
    residual = axes @ ((1 - share) * along)
    return float(np.mean(np.square(residual / np.maximum(1 - leverage, 1e-9))))


@torch.no_grad()
def describe(scorer: StriqScorer, images: Tensor) -> FloatArray:
    """Return mean and spread of each channel in the fan, and the layout of stage 3, of N frames, shape ``(N, C)``.

    Args:
        scorer: Its frozen encoder gives the features.
        images: Prepared frames, shape ``(N, 1, H, W)``.
    """
    parts = [_pooled(scorer.embed(part.to(scorer.device))) for part in images.split(BATCH_SIZE)]
    return torch.cat(parts).double().cpu().numpy()


def _pooled(frozen: Pyramid) -> Tensor:
    parts = []
    for maps, masks in zip(frozen.maps, frozen.masks, strict=True):
        count = masks.sum(dim=(2, 3)).clamp(min=1e-6)
        mean = (maps * masks).sum(dim=(2, 3)) / count
        squares = ((maps - mean[..., None, None]).square() * masks).sum(dim=(2, 3)) / count
        parts += [mean, squares.sqrt()]
    return torch.cat([*parts, F.adaptive_avg_pool2d(frozen.maps[-1], GRID).flatten(1)], dim=1)
