"""Agreement statistics of many resamples at once, each resample given as how often it contains each frame.

Letters: n frames, R resamples. A weight of 2 counts as the frame being listed twice, so every function returns
exactly what the plain formula gives for the resample written out in full. Undefined values are NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# Up to this many distinct ratings (a five-point scale) count as grades.
MAX_GRADES = 5
PAIR_BLOCK = 1024  # rows of the n x n pair matrix held at once, 80 MB for 10 000 frames


def weighted_srcc(scores: FloatArray, ratings: FloatArray, weights: FloatArray) -> FloatArray:
    """Return Spearman's rank correlation of each resample, shape ``(R,)``; ties share their mean rank."""
    return _pearson(weighted_midranks(scores, weights), weighted_midranks(ratings, weights), weights)


def weighted_plcc(scores: FloatArray, ratings: FloatArray, weights: FloatArray) -> FloatArray:
    """Return Pearson's linear correlation of each resample, shape ``(R,)``."""
    correlation = _pearson(scores[None], ratings[None], weights)
    return np.where(_varies(scores, weights) & _varies(ratings, weights), correlation, np.nan)


def weighted_kendall_tau_b(scores: FloatArray, ratings: FloatArray, weights: FloatArray) -> FloatArray:
    """Return Kendall's tau-b of each resample, shape ``(R,)``."""
    surplus = np.zeros(len(weights))  # twice the concordant minus the discordant pairs
    for start in range(0, len(scores), PAIR_BLOCK):
        block = slice(start, start + PAIR_BLOCK)
        signs = np.sign(scores[block, None] - scores) * np.sign(ratings[block, None] - ratings)
        surplus += ((weights @ signs.T) * weights[:, block]).sum(axis=1)
    total = weights.sum(axis=1)
    squares = total**2  # total**2 minus the sum of squared ties is twice the number of untied pairs
    untied = (squares - _squared_ties(scores, weights)) * (squares - _squared_ties(ratings, weights))
    return _divide(surplus, np.sqrt(untied))


def weighted_auc(scores: FloatArray, ratings: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the area under the ROC curve of the best against the worst rated frames, shape ``(R,)``.

    Which frames are best and worst depends on ``ratings`` alone, not on the resample; see :func:`best_and_worst`.
    """
    best, worst = best_and_worst(ratings)
    of_best, of_both = weights * best, weights * (best | worst)
    num_best, num_worst = of_best.sum(axis=1), (weights * worst).sum(axis=1)
    ranks = weighted_midranks(scores, of_both)
    return _divide((of_best * ranks).sum(axis=1) - num_best * (num_best + 1) / 2, num_best * num_worst)


def weighted_f1(accepted: FloatArray, positive: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the F1 of accepting the positive frames, shape ``(R,)``; both arrays hold 0 and 1."""
    true_positive = weights @ (accepted * positive)
    f1 = _divide(2 * true_positive, weights @ accepted + weights @ positive)
    return np.where(_varies(positive, weights), f1, np.nan)


def best_and_worst(ratings: FloatArray) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return masks of the best and the worst rated frames.

    With up to ``MAX_GRADES`` distinct ratings these are the frames with the highest and the lowest grade. With more,
    ratings count as continuous and these are the top and the bottom third. With one distinct rating both are empty.
    """
    values = np.unique(ratings)
    if len(values) < 2:
        nothing = np.zeros(len(ratings), dtype=bool)
        return nothing, nothing
    low, high = values[0], values[-1]
    if len(values) > MAX_GRADES:
        third = len(ratings) // 3
        low, high = np.sort(ratings)[[third - 1, -third]]
    # Ties join the third they touch; where both thirds end at the same value, its frames count as best.
    return ratings >= high, (ratings <= low) & (ratings < high)


def weighted_midranks(values: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the rank of every frame in each resample, counted from 1, shape ``(R, n)``; ties share their mean rank."""
    totals, index = _tie_totals(values, weights)
    ranks = np.cumsum(totals, axis=1) - totals / 2 + 0.5
    return ranks[:, index]


def _tie_totals(values: FloatArray, weights: FloatArray) -> tuple[FloatArray, NDArray[np.intp]]:
    """Return the total weight of each distinct value, in rising order, and the index of each frame's value."""
    order = np.argsort(values, kind="stable")
    is_first = np.concatenate([[True], np.diff(values[order]) != 0])
    totals = np.add.reduceat(weights[:, order], np.flatnonzero(is_first), axis=1)
    index = np.empty(len(values), dtype=np.intp)
    index[order] = np.cumsum(is_first) - 1
    return totals, index


def _squared_ties(values: FloatArray, weights: FloatArray) -> FloatArray:
    return np.square(_tie_totals(values, weights)[0]).sum(axis=1)


def _varies(values: FloatArray, weights: FloatArray) -> NDArray[np.bool_]:
    """Return which resamples contain two distinct values; exact, unlike a variance, subject to rounding."""
    return (_tie_totals(values, weights)[0] > 0).sum(axis=1) > 1


def _pearson(x: FloatArray, y: FloatArray, weights: FloatArray) -> FloatArray:
    total = weights.sum(axis=1)  # zero where a resample draws none of these frames
    x = x - _divide((weights * x).sum(axis=1), total)[:, None]
    y = y - _divide((weights * y).sum(axis=1), total)[:, None]
    scale = np.sqrt((weights * x * x).sum(axis=1) * (weights * y * y).sum(axis=1))
    return _divide((weights * x * y).sum(axis=1), scale)


def _divide(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Divide, with NaN instead of a warning where the denominator is zero."""
    undefined = np.full(numerator.shape, np.nan)
    return np.divide(numerator, denominator, out=undefined, where=denominator > 0)
