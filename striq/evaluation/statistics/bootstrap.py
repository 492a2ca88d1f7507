"""Bootstrap over groups: intervals and paired comparisons that respect frames of one patient belonging together.

Groups are drawn with replacement, and all frames of a drawn group come with it (cluster bootstrap; Davison and
Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striq.evaluation.statistics.metrics import check_pairs
from striq.evaluation.statistics.resampled_metrics import FloatArray, Statistic

Groups = Sequence[str] | NDArray[np.str_]

NUM_RESAMPLES = 2000
LEVEL = 0.95
BLOCK_VALUES = 2_000_000  # weights held at once: 16 MB, so that memory does not grow with the data set
MIN_DEFINED = 0.5  # share of the resamples that must have a value for an interval to mean something


@dataclass(frozen=True)
class Interval:
    """Percentile interval of a statistic; NaN at both ends where it is undefined."""

    low: float
    high: float


@dataclass(frozen=True)
class PairedComparison:
    """Score a against score b on the same frames.

    Convention:
        - ``difference`` is the statistic of a minus that of b: positive where a is better.
        - ``p_value`` is one-sided, of "a is no better than b": the share of resamples with a difference up to zero.
    """

    difference: float
    interval: Interval
    p_value: float


def bootstrap_interval(
    statistic: Statistic,
    scores: ArrayLike,
    ratings: ArrayLike,
    groups: Groups,
    *,
    seed: int,
    num_resamples: int = NUM_RESAMPLES,
    level: float = LEVEL,
) -> Interval:
    """Return the percentile interval of a statistic over resampled groups.

    Raises:
        ValueError: If the arrays differ in length or hold values that are not finite.
    """
    x, y = check_pairs(scores, ratings)
    samples = resample(lambda weights: statistic(x, y, weights), groups, num_resamples=num_resamples, seed=seed)
    return percentile_interval(samples, level)


def paired_bootstrap(
    statistic: Statistic,
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    ratings: ArrayLike,
    groups: Groups,
    *,
    seed: int,
    num_resamples: int = NUM_RESAMPLES,
    level: float = LEVEL,
) -> PairedComparison:
    """Compare two scores of the same frames, on the same resamples of groups.

    Raises:
        ValueError: If the arrays differ in length or hold values that are not finite.
    """
    a, y = check_pairs(scores_a, ratings)
    b, _ = check_pairs(scores_b, ratings)

    def difference(weights: FloatArray) -> FloatArray:
        return statistic(a, y, weights) - statistic(b, y, weights)

    observed = float(difference(np.ones((1, len(y))))[0])
    return compare(observed, resample(difference, groups, num_resamples=num_resamples, seed=seed), level)


def resample(
    evaluate: Callable[[FloatArray], FloatArray], groups: Groups, *, num_resamples: int, seed: int
) -> FloatArray:
    """Return what ``evaluate`` says of every resample of the groups, shape ``(R, ...)``.

    Args:
        evaluate: Gets how often each frame is drawn, shape ``(r, n)``, and returns r values or rows of values.
        groups: Group of every frame, length n; neither its order nor that of the frames changes the draws.
        num_resamples: R, from 1.
        seed: Seed of the draws.

    Raises:
        ValueError: If there are no groups or no resamples.
    """
    names, group_of_frame = np.unique(np.asarray(groups), return_inverse=True)
    if not len(names) or num_resamples < 1:
        msg = f"A bootstrap needs groups and resamples, got {len(names)} groups and {num_resamples} resamples."
        raise ValueError(msg)
    generator = np.random.default_rng(seed)
    equal_chance = np.full(len(names), 1 / len(names))
    block = max(1, BLOCK_VALUES // len(group_of_frame))
    parts = []
    for start in range(0, num_resamples, block):
        size = min(block, num_resamples - start)
        draws = generator.multinomial(len(names), equal_chance, size=size)
        parts.append(evaluate(draws[:, group_of_frame].astype(float)))
    samples = np.concatenate(parts)
    # One group drawn again and again says nothing about other patients.
    return samples if len(names) > 1 else np.full_like(samples, np.nan)


def percentile_interval(samples: FloatArray, level: float = LEVEL) -> Interval:
    """Return the central interval of resampled values, NaN where fewer than half of them are defined."""
    defined = samples[np.isfinite(samples)]
    if len(defined) < MIN_DEFINED * len(samples):
        return Interval(math.nan, math.nan)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def compare(difference: float, samples: FloatArray, level: float = LEVEL) -> PairedComparison:
    """Return the comparison that an observed difference and its resampled values make."""
    interval = percentile_interval(samples, level)
    if math.isnan(interval.low) or math.isnan(difference):
        return PairedComparison(difference, interval, math.nan)
    defined = samples[np.isfinite(samples)]
    # One is added to both counts: no finite number of resamples shows a p value of zero.
    p_value = (1 + int((defined <= 0).sum())) / (1 + len(defined))
    return PairedComparison(difference, interval, p_value)
