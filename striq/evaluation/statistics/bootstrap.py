"""Bootstrap over groups: percentile intervals and paired comparisons.

Groups are drawn with replacement, and every frame of a drawn group comes with it, because frames of one patient are
not independent (cluster bootstrap; Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from striq.evaluation.statistics.resampled_metrics import FloatArray

Groups = Sequence[str] | NDArray[np.str_]

NUM_RESAMPLES = 2000
LEVEL = 0.95
BLOCK_VALUES = 2_000_000  # weights held at once: 16 MB, so that memory does not grow with the data set
MIN_DEFINED = 0.5  # smallest share of resamples with a defined value for which an interval is reported


@dataclass(frozen=True)
class BootstrapOptions:
    """Settings of a bootstrap.

    Attributes:
        seed: Seed of the draws.
        num_resamples: Number of resamples R, at least 1.
        level: Share of the resamples inside an interval, in (0, 1).
    """

    seed: int = 0
    num_resamples: int = NUM_RESAMPLES
    level: float = LEVEL


@dataclass(frozen=True)
class Interval:
    """Percentile interval of a statistic; both ends are NaN where it is undefined."""

    low: float
    high: float


@dataclass(frozen=True)
class PairedComparison:
    """Difference between two scores of the same frames.

    Convention:
        - ``difference`` is the statistic of score a minus that of score b: positive where a is better.
        - ``p_value`` is one-sided, for "a is no better than b": the share of resamples with a difference of at most 0.
        - ``corrected_p`` is corrected for the comparisons in the same table (Holm); NaN for one that is in no table.
    """

    difference: float
    interval: Interval
    p_value: float
    corrected_p: float = math.nan


def resample(
    evaluate: Callable[[FloatArray], FloatArray], groups: Groups | ArrayLike, *, num_resamples: int, seed: int
) -> FloatArray:
    """Evaluate a statistic on every resample of the groups, shape ``(R, ...)``.

    Args:
        evaluate: Takes how often each frame is drawn, shape ``(r, n)``, and returns r values or rows of values.
        groups: Group of every frame, length n. The draws do not depend on the order of the frames.
        num_resamples: Number of resamples R, at least 1.
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
    parts: list[FloatArray] = []
    for start in range(0, num_resamples, block):
        size = min(block, num_resamples - start)
        draws = generator.multinomial(len(names), equal_chance, size=size)
        parts.append(evaluate(draws[:, group_of_frame].astype(float)))
    samples = np.concatenate(parts)
    # Resamples of a single group are all the same and say nothing about other patients.
    return samples if len(names) > 1 else np.full_like(samples, np.nan)


def percentile_interval(samples: FloatArray, level: float = LEVEL) -> Interval:
    """Return the central interval of resampled values, NaN where fewer than half of them are defined."""
    defined = samples[np.isfinite(samples)]
    if len(defined) < MIN_DEFINED * len(samples):
        return Interval(math.nan, math.nan)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def paired_comparison(difference: float, samples: FloatArray, level: float = LEVEL) -> PairedComparison:
    """Return the interval and p value of an observed difference, given the same difference on every resample."""
    interval = percentile_interval(samples, level)
    if math.isnan(interval.low) or math.isnan(difference):
        return PairedComparison(difference, interval, math.nan)
    defined = samples[np.isfinite(samples)]
    # One is added to both counts: a finite number of resamples cannot show a p value of zero.
    p_value = (1 + int((defined <= 0).sum())) / (1 + len(defined))
    return PairedComparison(difference, interval, p_value)
