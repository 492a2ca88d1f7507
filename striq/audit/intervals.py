"""Intervals of a group's median Q and share of accepted frames: a bootstrap over its studies.

Studies are drawn with replacement, each with all its frames, because frames of one study are not independent. Q is
counted in steps of 0.005, so that a resample takes as long for a million frames as for a thousand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from striq.evaluation.statistics.bootstrap import Interval, percentile_interval

NUM_RESAMPLES, SEED = 1000, 0
STEP = 0.005
NUM_BINS = round(1 / STEP)
BLOCK_VALUES = 2_000_000  # draws held at once
FEW_STUDIES = 10  # a group with fewer is too small to be compared
UNKNOWN = Interval(math.nan, math.nan)


@dataclass(frozen=True)
class GroupIntervals:
    """95 % intervals of a group; NaN where a single study leaves them undefined.

    Attributes:
        median: Of the median Q of frames that show a plane.
        accepted: Of the share of these frames that are accepted.
        without_plane: Of the share of all frames that show none of the planes.
    """

    median: Interval = UNKNOWN
    accepted: Interval = UNKNOWN
    without_plane: Interval = UNKNOWN


NO_INTERVALS = GroupIntervals()


def group_intervals(
    quality: NDArray[np.float64],
    accepted: NDArray[np.bool_],
    shows_plane: NDArray[np.bool_],
    study: NDArray[np.int64],
) -> GroupIntervals:
    """Return the intervals of one group of frames.

    Args:
        quality: Q of every frame, shape ``(N,)``.
        accepted: Whether it is accepted, same shape.
        shows_plane: Whether it shows one of the planes, same shape.
        study: Number of its study, same shape.
    """
    _, place = np.unique(study, return_inverse=True)
    num_studies = int(place.max()) + 1 if len(place) else 0
    if num_studies < 2:
        return NO_INTERVALS
    bins = np.clip(quality / STEP, 0, NUM_BINS - 1).astype(np.int64)
    cells = (place * NUM_BINS + bins)[shows_plane]
    counts = np.bincount(cells, minlength=num_studies * NUM_BINS).reshape(num_studies, NUM_BINS).astype(float)
    totals = np.stack(
        [np.bincount(place, weights=flags, minlength=num_studies) for flags in (accepted & shows_plane, ~shows_plane)],
        axis=1,
    )
    medians, shares = list[NDArray[np.float64]](), list[NDArray[np.float64]]()
    generator, chance = np.random.default_rng(SEED), np.full(num_studies, 1 / num_studies)
    block = max(1, BLOCK_VALUES // num_studies)
    for start in range(0, NUM_RESAMPLES, block):
        drawn = generator.multinomial(num_studies, chance, size=min(block, NUM_RESAMPLES - start)).astype(float)
        histogram, (num_accepted, num_none) = drawn @ counts, (drawn @ totals).T
        shown = histogram.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            shares.append(np.stack([num_accepted / shown, num_none / (shown + num_none)]))
        medians.append(_medians(histogram, shown))
    of_accepted, of_none = np.concatenate(shares, axis=1)
    found = (np.concatenate(medians), of_accepted, of_none)
    return GroupIntervals(*(percentile_interval(samples) for samples in found))


def _medians(histogram: NDArray[np.float64], total: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of each histogram, shape ``(R,)``; NaN where it is empty."""
    below = np.cumsum(histogram, axis=1)
    lower = (below >= total[:, None] / 2).argmax(axis=1)
    upper = (below > total[:, None] / 2).argmax(axis=1)
    return np.where(total > 0, ((lower + upper) / 2 + 0.5) * STEP, np.nan)
