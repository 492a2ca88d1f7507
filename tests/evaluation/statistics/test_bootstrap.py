"""Tests of ``striq.evaluation.statistics.bootstrap`` on simulated data whose truth is known."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from striq.evaluation.statistics import bootstrap
from striq.evaluation.statistics.bootstrap import BootstrapOptions, Interval, percentile_interval, resample
from striq.evaluation.statistics.resampled_metrics import FloatArray, weighted_plcc, weighted_srcc
from tests.references.single_bootstrap import bootstrap_interval, paired_bootstrap


def clustered(
    generator: np.random.Generator, num_groups: int, frames_per_group: int, correlation: float, within: float = 0.8
) -> tuple[FloatArray, FloatArray, list[str]]:
    """Return normal scores and ratings; ``within`` is the share of variance common to a group's frames."""
    pairs = [[1.0, correlation], [correlation, 1.0]]
    common = generator.multivariate_normal([0, 0], pairs, num_groups).repeat(frames_per_group, axis=0)
    own = generator.multivariate_normal([0, 0], pairs, num_groups * frames_per_group)
    both = math.sqrt(within) * common + math.sqrt(1 - within) * own
    groups = [f"p{number:03d}" for number in range(num_groups) for _ in range(frames_per_group)]
    return both[:, 0], both[:, 1], groups


def test_interval_covers_the_true_value_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    truth = 6 / math.pi * math.asin(0.5 / 2)  # Spearman's for a normal pair with correlation 0.5
    covered = 0
    for _ in range(200):
        scores, ratings, groups = clustered(generator, 60, 3, 0.5)
        interval = bootstrap_interval(weighted_srcc, scores, ratings, groups, BootstrapOptions(0, 300))
        covered += interval.low <= truth <= interval.high
    # 0.95 with a binomial standard error of 0.015 and a percentile interval's usual lack at 60 groups
    assert 0.89 <= covered / 200 <= 0.98


def test_frames_resampled_one_by_one_would_give_a_far_too_narrow_interval() -> None:
    scores, ratings, groups = clustered(np.random.default_rng(0), 30, 12, 0.5, within=0.95)
    by_group = bootstrap_interval(weighted_srcc, scores, ratings, groups, BootstrapOptions(0, 400))
    one_by_one = [str(index) for index in range(len(groups))]  # the planted mistake
    by_frame = bootstrap_interval(weighted_srcc, scores, ratings, one_by_one, BootstrapOptions(0, 400))
    assert by_group.high - by_group.low > 2 * (by_frame.high - by_frame.low)


def test_all_frames_of_a_group_are_drawn_together_and_as_many_groups_as_there_are() -> None:
    groups = np.array(["q", "p", "q", "r", "p", "q"])
    draws = resample(lambda weights: weights, groups, num_resamples=50, seed=0)
    of_group = {name: draws[:, groups == name] for name in ("p", "q", "r")}
    assert all((columns == columns[:, :1]).all() for columns in of_group.values())
    assert (sum(columns[:, 0] for columns in of_group.values()) == 3).all()


def test_order_of_the_frames_does_not_matter() -> None:
    scores, ratings, groups = clustered(np.random.default_rng(0), 40, 2, 0.5)
    order = np.random.default_rng(1).permutation(len(groups))
    straight = bootstrap_interval(weighted_srcc, scores, ratings, groups, BootstrapOptions(0, 200))
    shuffled = bootstrap_interval(
        weighted_srcc, scores[order], ratings[order], np.array(groups)[order], BootstrapOptions(0, 200)
    )
    assert (shuffled.low, shuffled.high) == pytest.approx((straight.low, straight.high), abs=1e-12)


def test_draws_do_not_depend_on_how_many_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = ["p", "q", "r", "s"]
    at_once = resample(lambda weights: weights, groups, num_resamples=20, seed=0)
    monkeypatch.setattr(bootstrap, "BLOCK_VALUES", 12)
    np.testing.assert_array_equal(resample(lambda weights: weights, groups, num_resamples=20, seed=0), at_once)


def test_seed_decides_the_interval() -> None:
    scores, ratings, groups = clustered(np.random.default_rng(0), 20, 1, 0.5)
    first, again, other = (
        bootstrap_interval(weighted_plcc, scores, ratings, groups, BootstrapOptions(seed, 100)) for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_p_value_is_near_uniform_when_neither_score_is_better() -> None:
    generator = np.random.default_rng(0)
    p_values = []
    for _ in range(300):
        _, ratings, groups = clustered(generator, 50, 2, 0.4)
        a, b = (0.4 * ratings + 0.9 * generator.normal(size=50).repeat(2) for _ in range(2))  # equally good
        found = paired_bootstrap(weighted_srcc, (a, b), ratings, groups, BootstrapOptions(0, 200))
        p_values.append(found.p_value)
    for level in (0.1, 0.25, 0.5, 0.75, 0.9):
        assert np.mean(np.array(p_values) <= level) == pytest.approx(level, abs=0.08)  # about three standard errors


def test_better_score_has_a_small_p_value_and_the_worse_one_a_large() -> None:
    generator = np.random.default_rng(0)
    good, ratings, groups = clustered(generator, 100, 2, 0.8)
    bad = generator.normal(size=200)
    found = paired_bootstrap(weighted_srcc, (good, bad), ratings, groups, BootstrapOptions(0, 500))
    reverse = paired_bootstrap(weighted_srcc, (bad, good), ratings, groups, BootstrapOptions(0, 500))
    assert found.p_value == 1 / 501
    assert found.interval.low > 0
    assert reverse.p_value == 1.0
    assert reverse.difference == pytest.approx(-found.difference)
    assert (reverse.interval.low, reverse.interval.high) == pytest.approx((-found.interval.high, -found.interval.low))


def test_both_scores_see_the_same_resamples() -> None:
    # The same ranking twice differs by exactly zero on every resample, which independent resamples would not.
    scores, ratings, groups = clustered(np.random.default_rng(0), 30, 2, 0.5)
    found = paired_bootstrap(weighted_srcc, (scores, np.exp(scores)), ratings, groups, BootstrapOptions(0, 100))
    assert found.interval == Interval(0.0, 0.0)
    assert found.p_value == 1.0


def test_constant_score_and_single_group_have_no_interval() -> None:
    ratings = np.arange(6.0)
    for scores, groups in ((np.ones(6), list("pqrstu")), (ratings, ["p"] * 6)):
        interval = bootstrap_interval(weighted_srcc, scores, ratings, groups, BootstrapOptions(0, 50))
        assert math.isnan(interval.low)
        assert math.isnan(interval.high)
        found = paired_bootstrap(weighted_srcc, (ratings, scores), ratings, groups, BootstrapOptions(0, 50))
        assert math.isnan(found.p_value)


def test_interval_is_the_central_part_of_the_samples() -> None:
    interval = percentile_interval(np.arange(101.0), level=0.9)
    assert (interval.low, interval.high) == pytest.approx((5.0, 95.0))


def test_bootstrap_without_groups_is_refused() -> None:
    with pytest.raises(ValueError, match="got 0 groups and 10 resamples"):
        resample(lambda weights: weights, [], num_resamples=10, seed=0)


def test_two_thousand_resamples_of_250_frames_take_less_than_two_seconds() -> None:
    scores, ratings, groups = clustered(np.random.default_rng(0), 125, 2, 0.5)
    start = time.process_time()
    bootstrap_interval(weighted_srcc, scores, ratings, groups, BootstrapOptions(0, 2000))
    assert time.process_time() - start < 2.0
