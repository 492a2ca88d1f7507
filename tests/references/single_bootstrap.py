"""Bootstrap of one statistic at a time, beside the evaluation's bootstrap of all statistics and scores at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from striq.evaluation.statistics.bootstrap import (
    BootstrapOptions,
    Groups,
    Interval,
    PairedComparison,
    paired_comparison,
    percentile_interval,
    resample,
)
from striq.evaluation.statistics.metrics import check_pairs
from striq.evaluation.statistics.resampled_metrics import FloatArray

Statistic = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]  # (n,), (n,), (R, n) -> (R,)


def bootstrap_interval(
    statistic: Statistic, scores: ArrayLike, ratings: ArrayLike, groups: Groups, options: BootstrapOptions
) -> Interval:
    """Return the percentile interval of a statistic over resampled groups."""
    x, y = check_pairs(scores, ratings)
    samples = resample(
        lambda weights: statistic(x, y, weights), groups, num_resamples=options.num_resamples, seed=options.seed
    )
    return percentile_interval(samples, options.level)


def paired_bootstrap(
    statistic: Statistic,
    pair: tuple[ArrayLike, ArrayLike],
    ratings: ArrayLike,
    groups: Groups,
    options: BootstrapOptions,
) -> PairedComparison:
    """Compare two scores of the same frames on the same resamples of groups."""
    a, y = check_pairs(pair[0], ratings)
    b, _ = check_pairs(pair[1], ratings)

    def difference(weights: FloatArray) -> FloatArray:
        return statistic(a, y, weights) - statistic(b, y, weights)

    observed = float(difference(np.ones((1, len(y))))[0])
    samples = resample(difference, groups, num_resamples=options.num_resamples, seed=options.seed)
    return paired_comparison(observed, samples, options.level)
