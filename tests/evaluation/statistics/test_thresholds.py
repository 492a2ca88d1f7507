"""Tests of ``striq.evaluation.statistics.thresholds``."""

from __future__ import annotations

import numpy as np
import pytest

from striq.errors import StriqError
from striq.evaluation.statistics.thresholds import (
    JudgedFrames,
    acceptance_at,
    most_balanced_threshold,
    threshold_for_rate,
)
from striq.verdict import NO_PLANE, is_accepted

SEEDS = range(20)


def drawn(seed: int, count: int = 40) -> JudgedFrames:
    """Frames with ties in quality, some of no known plane, some good, some bad, some unrated."""
    generator = np.random.default_rng(seed)
    quality = np.round(generator.random(count), 1 + seed % 3)
    grade = np.round(quality + generator.normal(0, 0.4, count)) - generator.integers(0, 2, count) * (seed % 2)
    rated = generator.random(count) < 0.8
    return JudgedFrames(quality, generator.random(count) < 0.9, rated & (grade > 0), rated & (grade <= 0))


def counted(frames: JudgedFrames, threshold: float, which: np.ndarray) -> int:
    """Count accepted frames one by one with the acceptance rule."""
    planes = ["a4c" if shown else NO_PLANE for shown in frames.shows_plane]
    return sum(
        is_accepted(float(quality), plane, threshold)
        for quality, plane, counts in zip(frames.quality, planes, which, strict=True)
        if counts
    )


def balanced_accuracy(frames: JudgedFrames, threshold: float) -> float:
    sensitivity = counted(frames, threshold, frames.good) / frames.good.sum()
    return float(sensitivity + 1 - counted(frames, threshold, frames.bad) / frames.bad.sum()) / 2


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.35, 0.5, 1.0])
def test_frames_are_accepted_by_the_rule_of_all_programs(seed: int, threshold: float) -> None:
    frames = drawn(seed)
    at = acceptance_at(frames, threshold)
    good, bad = (counted(frames, threshold, which) for which in (frames.good, frames.bad))
    assert at.num_accepted == counted(frames, threshold, np.ones(len(frames.quality)))
    assert at.share == at.num_accepted / len(frames.quality)
    assert at.sensitivity == good / frames.good.sum()
    assert at.specificity == pytest.approx(1 - bad / frames.bad.sum())
    assert np.isnan(at.precision) if not good + bad else at.precision == good / (good + bad)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rate", [0.01, 0.2, 0.5, 0.7, 0.8])
def test_accept_rate_is_reached_and_no_higher_threshold_reaches_it(seed: int, rate: float) -> None:
    frames = drawn(seed)
    try:
        threshold = threshold_for_rate(frames, rate)
    except StriqError:
        assert acceptance_at(frames, 0.0).share < rate
        return
    accepted = frames.quality[frames.accepted(threshold)]
    assert len(accepted) >= rate * len(frames.quality) - 1e-9
    assert acceptance_at(frames, float(accepted.min())).share < rate  # one frame less, with its ties, is too few
    assert threshold < accepted.min()


@pytest.mark.parametrize("rate", np.arange(1, 21) / 20)
def test_rate_of_frames_without_ties_is_met_exactly(rate: float) -> None:
    quality = np.random.default_rng(0).permutation(np.linspace(0.01, 0.99, 20))
    everything, nothing = np.ones(20, dtype=bool), np.zeros(20, dtype=bool)
    frames = JudgedFrames(quality, everything, nothing, nothing)
    assert acceptance_at(frames, threshold_for_rate(frames, float(rate))).num_accepted == round(20 * rate)


def test_frames_of_no_known_plane_limit_the_accept_rate() -> None:
    nothing = np.zeros(4, dtype=bool)
    frames = JudgedFrames(np.array([0.9, 0.8, 0.7, 0.0]), np.array([True, False, True, True]), nothing, nothing)
    assert threshold_for_rate(frames, 0.5) < 0.7
    with pytest.raises(StriqError, match=r"accepts 80 % of 4 frames: 50 % at most"):
        threshold_for_rate(frames, 0.8)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_threshold_is_more_balanced_than_the_proposed_one(seed: int) -> None:
    frames = drawn(seed)
    best = balanced_accuracy(frames, threshold := most_balanced_threshold(frames))
    for other in np.linspace(0, 1, 1001):
        assert balanced_accuracy(frames, other) <= best + 1e-12
        if other > threshold and counted(frames, other, np.ones(40)) < counted(frames, threshold, np.ones(40)):
            higher = balanced_accuracy(frames, other)
            changes = frames.good | frames.bad
            same = counted(frames, other, changes) == counted(frames, threshold, changes)
            assert higher < best or same  # of equal ones the highest


@pytest.mark.parametrize(
    ("good", "bad", "complaint"),
    [
        ([True, True], [False, False], "got 2 good and 0 bad"),
        ([False, False], [False, True], "got 0 good and 1 bad"),
        ([True, False], [False, True], "better than chance"),
    ],
)
def test_ratings_that_propose_nothing_are_refused(good: list[bool], bad: list[bool], complaint: str) -> None:
    frames = JudgedFrames(np.array([0.2, 0.8]), np.array([True, True]), np.array(good), np.array(bad))
    with pytest.raises(StriqError, match=complaint):
        most_balanced_threshold(frames)


def test_thresholds_between_qualities_that_nearly_touch_still_part_them() -> None:
    quality, shown = np.array([0.5, 0.5000001]), np.array([True, True])
    frames = JudgedFrames(quality, shown, np.array([False, True]), np.array([True, False]))
    for threshold in (most_balanced_threshold(frames), threshold_for_rate(frames, 0.5)):
        assert frames.accepted(threshold).tolist() == [False, True]
