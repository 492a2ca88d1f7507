"""Agreement statistics of a quality score with human ratings.

Higher is better in scores and ratings. Undefined values are NaN.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from striq.evaluation.statistics.resampled_metrics import FloatArray, weighted_auc, weighted_f1

METRIC_NAMES = ("srcc", "plcc", "kendall_tau_b", "auc", "f1")


@dataclass(frozen=True)
class Agreement:
    """How well one score agrees with the ratings of one set of frames.

    Convention:
        - ``auc`` is for the best against the worst rated frames; 0.5 is chance, 1 is perfect.
        - ``f1`` is for accepting the frames rated above a cut; NaN for a score without a threshold.
        - A statistic is NaN where it is undefined: a constant score or rating, or only one class.
    """

    srcc: float
    plcc: float
    kendall_tau_b: float
    auc: float
    f1: float
    num_frames: int
    num_groups: int


def agreement(
    scores: ArrayLike,
    ratings: ArrayLike,
    groups: Sequence[str] | NDArray[np.str_],
    *,
    accepted: ArrayLike | None = None,
    cut: float | None = None,
) -> Agreement:
    """Return all agreement statistics of one score; arrays have shape ``(n,)``; ``f1`` needs ``accepted``."""
    return Agreement(
        srcc=srcc(scores, ratings),
        plcc=plcc(scores, ratings),
        kendall_tau_b=kendall_tau_b(scores, ratings),
        auc=auc_best_against_worst(scores, ratings),
        f1=math.nan if accepted is None else f1_at_threshold(accepted, ratings, cut=cut),
        num_frames=len(groups),
        num_groups=len(set(groups)),
    )


def srcc(scores: ArrayLike, ratings: ArrayLike) -> float:
    """Return Spearman's rank correlation; ties share their mean rank."""
    x, y = check_pairs(scores, ratings)
    return _statistic(stats.spearmanr(x, y)) if _vary(x, y) else math.nan


def srcc_of_rated(scores: ArrayLike, ratings: ArrayLike) -> float:
    """Return Spearman's rank correlation over the frames that have both a score and a rating (neither is NaN)."""
    x, y = np.asarray(scores, dtype=float), np.asarray(ratings, dtype=float)
    both = ~np.isnan(x) & ~np.isnan(y)
    return srcc(x[both], y[both])


def plcc(scores: ArrayLike, ratings: ArrayLike) -> float:
    """Return Pearson's linear correlation."""
    x, y = check_pairs(scores, ratings)
    if not _vary(x, y):
        return math.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.NearConstantInputWarning)
        return _statistic(stats.pearsonr(x, y))


def kendall_tau_b(scores: ArrayLike, ratings: ArrayLike) -> float:
    """Return Kendall's tau-b, the rank correlation that accounts for ties on both sides."""
    x, y = check_pairs(scores, ratings)
    return _statistic(stats.kendalltau(x, y, variant="b")) if _vary(x, y) else math.nan


def auc_best_against_worst(scores: ArrayLike, ratings: ArrayLike) -> float:
    """Return how often a best rated frame scores above a worst rated one; ties count half.

    Best and worst are the highest and lowest grade or, with more than five distinct ratings, the top and bottom
    third. A constant score gives 0.5.
    """
    x, y = check_pairs(scores, ratings)
    return float(weighted_auc(x, y, np.ones((1, len(x))))[0]) if len(x) else math.nan


def f1_at_threshold(accepted: ArrayLike, ratings: ArrayLike, *, cut: float | None = None) -> float:
    """Return the F1 score of accepting the frames rated above ``cut``.

    ``cut`` defaults to the midpoint of the rating range: with CAMUS grades 0, 1, 2 it separates Good from the rest.
    NaN if all frames or none are rated above it.
    """
    x, y = check_pairs(accepted, ratings)
    if not len(x):
        return math.nan
    positive = y > (midpoint(y) if cut is None else cut)
    return float(weighted_f1(x.astype(bool).astype(float), positive.astype(float), np.ones((1, len(x))))[0])


def midpoint(ratings: ArrayLike) -> float:
    """Return the middle of the range of the ratings."""
    values = np.asarray(ratings, dtype=float)
    return float((values.min() + values.max()) / 2)


def mean_and_deviation(values: ArrayLike) -> tuple[float, float]:
    """Return the mean and the sample standard deviation; the deviation of a single value is NaN."""
    x = np.asarray(values, dtype=float)
    return float(x.mean()), float(x.std(ddof=1)) if len(x) > 1 else math.nan


def check_pairs(scores: ArrayLike, ratings: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return both as float arrays of shape ``(n,)``.

    Raises:
        ValueError: If they differ in length, are not one-dimensional, or hold NaN or infinities.
    """
    x, y = np.asarray(scores, dtype=float), np.asarray(ratings, dtype=float)
    if x.ndim != 1 or x.shape != y.shape:
        msg = f"Scores and ratings must both have shape (n,), got {x.shape} and {y.shape}."
        raise ValueError(msg)
    for name, values in (("scores", x), ("ratings", y)):
        wrong = np.flatnonzero(~np.isfinite(values))
        if len(wrong):
            msg = f"The {name} must be finite, got {values[wrong[0]]} at index {wrong[0]}. Leave such frames out."
            raise ValueError(msg)
    return x, y


def _statistic(result: Any) -> float:
    return float(result.statistic)  # SciPy's result types are not annotated


def _vary(x: FloatArray, y: FloatArray) -> bool:
    return len(x) > 1 and bool((x != x[0]).any() and (y != y[0]).any())
