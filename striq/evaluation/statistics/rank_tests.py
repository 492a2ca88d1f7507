"""Comparison of several scores over several data sets by their ranks.

Friedman's test and the critical difference of Nemenyi, as Demšar describes them ("Statistical Comparisons of
Classifiers over Multiple Data Sets", JMLR 2006).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

ALPHA = 0.05
FEWEST_BLOCKS, FEWEST_SCORES = 3, 3  # of a Friedman test


@dataclass(frozen=True)
class RankComparison:
    """Mean ranks of scores over planes.

    Convention:
        - Rank 1 is the best; ties share their mean rank.
        - Two scores whose mean ranks differ by less than ``critical_difference`` are not told apart.

    Attributes:
        names: Names of the scores.
        mean_ranks: Mean rank of each, shape ``(k,)``.
        num_blocks: Number of planes N.
        p_value: Of Friedman's test that all scores are alike; NaN if they are tied in every plane.
        critical_difference: Nemenyi's, at the level ``alpha``.
        alpha: Level of the critical difference.
    """

    names: tuple[str, ...]
    mean_ranks: NDArray[np.float64]
    num_blocks: int
    p_value: float
    critical_difference: float
    alpha: float = ALPHA


def compare_ranks(values: ArrayLike, names: Sequence[str], *, alpha: float = ALPHA) -> RankComparison:
    """Rank scores in each plane and compare their mean ranks.

    Args:
        values: Statistic of each score in each plane, higher is better, shape ``(N, k)``.
        names: Names of the k scores.
        alpha: Level of the critical difference.

    Raises:
        ValueError: If there are fewer than three planes or scores, or a value is not finite.
    """
    table = np.asarray(values, dtype=float)
    if table.ndim != 2 or len(table) < FEWEST_BLOCKS or table.shape[1] < FEWEST_SCORES:
        msg = f"Ranks are compared over at least three planes and three scores, got values of shape {table.shape}."
        raise ValueError(msg)
    if table.shape[1] != len(names) or not np.isfinite(table).all():
        msg = f"Expected a finite value of each of {len(names)} scores in every plane, got shape {table.shape}."
        raise ValueError(msg)
    ranks = stats.rankdata(-table, axis=1)
    tied = bool((table == table[:, :1]).all())
    p_value = math.nan if tied else float(stats.friedmanchisquare(*ranks.T).pvalue)
    difference = critical_difference(len(names), len(table), alpha)
    return RankComparison(tuple(names), ranks.mean(axis=0), len(table), p_value, difference, alpha)


def critical_difference(num_scores: int, num_blocks: int, alpha: float = ALPHA) -> float:
    """Return the difference of mean ranks from which Nemenyi's test tells two scores apart.

    Args:
        num_scores: Number of scores k.
        num_blocks: Number of planes N.
        alpha: Level of the test.
    """
    quantile = float(stats.studentized_range.ppf(1 - alpha, num_scores, np.inf)) / math.sqrt(2)
    return quantile * math.sqrt(num_scores * (num_scores + 1) / (6 * num_blocks))


def indistinct_groups(found: RankComparison) -> list[tuple[int, int]]:
    """Return the largest runs of scores that are not told apart, as first and last place in the order of ranks."""
    ranks = np.sort(found.mean_ranks)
    ends = [int(np.searchsorted(ranks, rank + found.critical_difference, side="left")) - 1 for rank in ranks]
    return [(start, end) for start, end in enumerate(ends) if end > start and (start == 0 or end > ends[start - 1])]
