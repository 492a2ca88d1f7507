"""Tests of ``striq.audit.intervals``."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from striq.audit.intervals import NO_INTERVALS, STEP, group_intervals


def group(
    num_studies: int, frames: int, *, seed: int = 0, spread: float = 0.15
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.int64]]:
    """Return frames of studies that differ more than the frames of one study do."""
    generator = np.random.default_rng(seed)
    study = np.repeat(np.arange(num_studies), frames)
    level = generator.normal(0.5, spread, num_studies)[study]
    quality = np.clip(level + generator.normal(0, 0.02, len(study)), 0, 1)
    shows = generator.random(len(study)) > 0.2
    return quality, (quality > 0.5) & shows, shows, study * 7 + 3


def bootstrapped(values: tuple[NDArray, ...], seed: int = 1) -> NDArray[np.float64]:
    """Return the ends of the three intervals by writing every resample out, shape ``(3, 2)``."""
    quality, accepted, shows, study = values
    rows = [np.flatnonzero(study == one) for one in np.unique(study)]
    generator, found = np.random.default_rng(seed), []
    for _ in range(1000):
        drawn = np.concatenate([rows[i] for i in generator.integers(0, len(rows), len(rows))])
        shown = drawn[shows[drawn]]
        found.append((np.median(quality[shown]), accepted[shown].mean(), 1 - shows[drawn].mean()))
    return np.quantile(found, [0.025, 0.975], axis=0).T


@pytest.mark.parametrize(("num_studies", "frames"), [(5, 4), (30, 10)])
def test_intervals_are_those_of_resamples_written_out(num_studies: int, frames: int) -> None:
    values = group(num_studies, frames)
    found = group_intervals(*values)
    expected = bootstrapped(values)
    for interval, (low, high) in zip((found.median, found.accepted, found.without_plane), expected, strict=True):
        assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.02)


def test_more_frames_of_the_same_studies_do_not_narrow_an_interval() -> None:
    quality, accepted, shows, study = group(12, 3)
    once = group_intervals(quality, accepted, shows, study)
    often = group_intervals(*(np.tile(values, 10) for values in (quality, accepted, shows, study)))
    assert (often.median, often.accepted) == (once.median, once.accepted)
    more_studies = group_intervals(*group(200, 3))
    assert more_studies.median.high - more_studies.median.low < 0.6 * (once.median.high - once.median.low)


def test_median_lies_in_its_interval_about_as_often_as_said() -> None:
    found = [group_intervals(*group(40, 3, seed=seed)).median for seed in range(60)]
    assert sum(interval.low - STEP <= 0.5 <= interval.high + STEP for interval in found) >= 51


def test_single_study_and_no_frames_have_none() -> None:
    assert group_intervals(*group(1, 50)) == NO_INTERVALS
    assert group_intervals(*(values[:0] for values in group(2, 2))) == NO_INTERVALS
    assert math.isnan(NO_INTERVALS.median.low)


def test_group_without_a_plane_has_no_median_but_a_share() -> None:
    quality, _, _, study = group(12, 3)
    nothing = np.zeros(len(quality), bool)
    found = group_intervals(quality, nothing, nothing, study)
    assert math.isnan(found.median.low)
    assert math.isnan(found.accepted.low)
    assert (found.without_plane.low, found.without_plane.high) == (1.0, 1.0)
