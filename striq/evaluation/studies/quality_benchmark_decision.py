"""Decisions between scores: mean rank over planes, and a choice that is judged on folds it has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class NestedChoice:
    """A choice between candidates, made for each fold on the other folds and judged on this one.

    Attributes:
        folds: The folds.
        chosen: Name of the candidate chosen for each fold.
        judged: Measures of the chosen candidates on the folds they were not chosen on, mean over folds, ``(P, M)``.
        mean_rank: Mean rank of the chosen candidate on those folds, among all candidates; 1 is best.
    """

    folds: tuple[int, ...]
    chosen: tuple[str, ...]
    judged: FloatArray
    mean_rank: float


def ranks_by_plane(values: ArrayLike) -> FloatArray:
    """Return the mean rank of each candidate over the measures of each plane, 1 for the best, shape ``(S, P)``.

    Convention:
        - Higher is better in every measure; ties share their mean rank.
        - A measure that is undefined for every candidate does not count. One that is undefined for some ranks them
          last.
        - A plane without any measure is NaN.

    Args:
        values: Measures of each candidate on each plane, shape ``(S, P, M)``.
    """
    measures = np.asarray(values, dtype=float)
    defined = np.isfinite(measures)
    ranks = rankdata(np.where(defined, -measures, np.inf), axis=0) if measures.size else np.zeros(measures.shape)
    return nan_mean(np.where(defined.any(axis=0), ranks, np.nan), axis=2)


def mean_ranks(values: ArrayLike) -> FloatArray:
    """Return the mean rank of each candidate over planes, every plane counting alike, shape ``(S,)``.

    Args:
        values: Measures of each candidate on each plane, shape ``(S, P, M)``.
    """
    return nan_mean(ranks_by_plane(values), axis=1)


def nested_choice(candidates: Mapping[str, ArrayLike], folds: Sequence[int]) -> NestedChoice:
    """Choose the candidate of the best mean rank on all folds but one, judge it on that one, and repeat for each fold.

    Args:
        candidates: Measures of each candidate by name, higher is better: P planes, M measures, F columns, shape
            ``(P, M, F)``. Of equals, the first is chosen.
        folds: Fold of each column. Columns of one fold, such as those of several seeds, are left out together.

    Raises:
        ValueError: If there are no candidates, their shapes differ or do not fit ``folds``, or there is only one fold.
    """
    names, values = list(candidates), [np.asarray(value, dtype=float) for value in candidates.values()]
    shapes = {value.shape for value in values}
    if len(shapes) != 1 or values[0].ndim != 3 or values[0].shape[2] != len(folds):
        msg = f"Candidates must share one shape (P, M, {len(folds)}), a column for each of 'folds', got {shapes}."
        raise ValueError(msg)
    labels, distinct = np.asarray(folds), tuple(dict.fromkeys(folds))
    if len(distinct) < 2:
        msg = f"A choice that is judged on folds it has not seen needs at least two folds, got {len(distinct)}."
        raise ValueError(msg)
    every = np.stack(values)
    picks, judged, ranks = list[int](), list[FloatArray](), list[float]()
    for fold in distinct:
        apart = labels == fold
        seen, unseen = nan_mean(every[..., ~apart], axis=3), nan_mean(every[..., apart], axis=3)
        mean_rank = mean_ranks(seen)
        pick = int(np.argmin(np.where(np.isnan(mean_rank), np.inf, mean_rank)))
        picks.append(pick)
        judged.append(unseen[pick])
        ranks.append(float(mean_ranks(unseen)[pick]))
    chosen = tuple(names[pick] for pick in picks)
    return NestedChoice(distinct, chosen, nan_mean(np.stack(judged), axis=0), float(nan_mean(np.array(ranks), axis=0)))


def nan_mean(values: FloatArray, axis: int) -> FloatArray:
    """Return the mean of the defined values along an axis, NaN where there are none."""
    defined = np.isfinite(values)
    count = defined.sum(axis=axis)
    total = np.where(defined, values, 0.0).sum(axis=axis)
    return np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)
